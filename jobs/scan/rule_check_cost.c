/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>
#include <time.h>

#include <hs/hs.h>

#include "jobs/scan/example.h"
#include "jobs/scan/rule_builtin.h"
#include "jobs/scan/rule_check.h"

/* What repositories are full of and no source file of ours has much of. */
static const char *const made_up[] = {
	"{hex:40} refs/heads/{lower:8}-{digits:4}\n",
	"      \"integrity\": \"sha512-{base64:86}==\",\n",
	"      \"resolved\": \"https://registry.npmjs.org/{lower:9}/-/{lower:9}-1.{digits:1}.tgz\",\n",
	"checksum = \"{hex:64}\"\n",
	"github.com/{lower:6}/{lower:9} v0.{digits:2}.{digits:1} h1:{base64:43}=\n",
	"  - id: {uuid}\n    name: {lower:7} {lower:4}\n",
	"var {lower:1}=function({lower:1},{lower:1}){{return {lower:1}.{lower:6}({lower:1}[{digits:2}],"
	"\"{alpha:12}\")}},{lower:2}={{{lower:5}:!0,{lower:4}:{digits:3}}};",
	"background:url(data:image/png;base64,{base64:160});\n",
	"{upper:8}_{upper:6}_KEY = os.environ[\"{upper:8}_{upper:6}_KEY\"]\n",
	"{digits:4}-{digits:2}-{digits:2}T10:{digits:2}:{digits:2}Z INFO token={lower:8} user={lower:6} "
	"password=****** key=none\n",
	"config.api_key = \"${{{upper:9}_API_KEY}}\"\nclient.secret = get_secret('{lower:9}')\n",
	"<a href=\"https://{lower:9}.example.org/{lower:5}?id={digits:7}&amp;token={lower:6}\">{lower:7}"
	"</a>\n",
	"AAAAB3NzaC1yc2E{base64:120} {lower:5}@{lower:8}\n",
	"{HEX:2}:{HEX:2}:{HEX:2}:{HEX:2}:{HEX:2}:{HEX:2}:{HEX:2}:{HEX:2} {HEX:16} {digits:12} {digits:18}\n",
};
#define ROUNDS 60
/* Sieves in one database, at first. */
#define TOGETHER 64

static GString *rule_check_sample(void)
{
	GString *out = g_string_new(NULL);
	gsize len;
	const char *text = rule_builtin_sample(&len);

	g_string_append_len(out, text, (gssize)len);
	for (guint32 round = 0; round < ROUNDS; round++)
		for (guint i = 0; i < G_N_ELEMENTS(made_up); i++) {
			struct example example;
			if (!example_expand(made_up[i], round, &example, NULL))
				g_error("the sample's template %u is wrong", i);
			g_string_append_len(out, example.text->str, (gssize)example.text->len);
			example_clear(&example);
		}
	return out;
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* The sieves of some rules, as one database. */
struct bench {
	const char **patterns;
	unsigned *flags, *ids; /* the id is the number of the rule in the list */
	guint n;
	guint64 *matches; /* by id */
};

static int count(
	unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *data)
{
	((struct bench *)data)->matches[id]++;
	return 0;
}

static void bench_init(struct bench *bench, const struct rule *const *rules, guint n)
{
	guint all = 0;

	for (guint i = 0; i < n; i++)
		all += g_strv_length((char **)rules[i]->sieve);
	*bench = (struct bench){.patterns = g_new(const char *, all + 1),
		.flags = g_new(unsigned, all + 1),
		.ids = g_new(unsigned, all + 1),
		.matches = g_new0(guint64, n + 1)};
	for (guint i = 0; i < n; i++)
		for (const char *const *at = rules[i]->sieve; *at != NULL; at++) {
			bench->patterns[bench->n] = *at;
			bench->flags[bench->n] = HS_FLAG_MULTILINE;
			bench->ids[bench->n++] = i;
		}
}

static void bench_clear(struct bench *bench)
{
	g_free(bench->patterns);
	g_free(bench->flags);
	g_free(bench->ids);
	g_free(bench->matches);
}

/* FALSE with `*message`, to be freed, when vectorscan refuses one. */
static gboolean bench_run(
	struct bench *bench, const GString *text, struct rule_cost *cost, char **message)
{
	hs_database_t *database = NULL;
	hs_scratch_t *scratch = NULL;
	hs_compile_error_t *trouble = NULL;
	double start = now_ms();

	if (hs_compile_multi(bench->patterns, bench->flags, bench->ids, bench->n, HS_MODE_BLOCK,
		    NULL, &database, &trouble) != HS_SUCCESS) {
		*message = g_strdup(trouble ? trouble->message : "?");
		hs_free_compile_error(trouble);
		return FALSE;
	}
	cost->compile_ms = now_ms() - start;
	if (hs_alloc_scratch(database, &scratch) == HS_SUCCESS) {
		start = now_ms();
		hs_scan(database, text->str, (unsigned)text->len, 0, scratch, count, bench);
		cost->scan_ms = (now_ms() - start) * (1 << 20) / (double)text->len;
	}
	hs_free_scratch(scratch);
	hs_free_database(database);
	return TRUE;
}

/* A warning from a third of the bound; an error from the bound, if the rule is ours to change. */
static void judge(struct rule_check *check, const struct rule *rule, double value, double bound,
	const char *verb, const char *unit)
{
	if (value * 3 >= bound)
		rule_check_add(check, value >= bound && !(rule->flags & RULE_FOREIGN), rule,
			"slows the whole database: its sieve %s %.*f %s; %.0f are too many", verb,
			value < 10, value, unit, bound);
}

/*
 * Hundreds of sieves one by one take many times as long to compile as together. So they are tried
 * together, and halved where that is dearer than one alone may be, down to the one at fault.
 */
static void try_together(struct rule_check *check, const struct rule *const *rules,
	struct rule_cost *const *costs, guint n, const GString *text)
{
	struct bench bench;
	struct rule_cost cost = {0};
	g_autofree char *message = NULL;

	bench_init(&bench, rules, n);
	gboolean is_done = bench_run(&bench, text, &cost, &message);
	gboolean is_dear =
		cost.compile_ms >= RULE_CHECK_COMPILE_MS || cost.scan_ms * 3 >= RULE_CHECK_SCAN_MS;
	if (n > 1 && (!is_done || is_dear)) {
		bench_clear(&bench);
		try_together(check, rules, costs, n / 2, text);
		try_together(check, rules + n / 2, costs + n / 2, n - n / 2, text);
		return;
	}
	for (guint i = 0; i < n; i++) {
		costs[i]->matches = (double)bench.matches[i] * (1 << 20) / (double)text->len;
		judge(check, rules[i], costs[i]->matches, RULE_CHECK_MATCHES, "matches",
			"times in a MiB of ordinary text");
	}
	bench_clear(&bench);
	if (n > 1)
		return;
	if (!is_done) {
		rule_check_add(check, TRUE, rules[0], "sieve: %s", message);
		return;
	}
	costs[0]->compile_ms = cost.compile_ms;
	costs[0]->scan_ms = cost.scan_ms;
	judge(check, rules[0], cost.compile_ms, RULE_CHECK_COMPILE_MS, "takes",
		"ms to compile alone");
	judge(check, rules[0], cost.scan_ms, RULE_CHECK_SCAN_MS, "takes",
		"ms for a MiB of ordinary text");
}

void rule_check_costs(struct rule_check *check, const struct rule *const *rules,
	struct rule_cost *const *costs, guint n, gboolean is_each)
{
	g_autoptr(GString) text = rule_check_sample();
	guint together = is_each ? 1 : TOGETHER;

	for (guint i = 0; i < n; i += together)
		try_together(check, rules + i, costs + i, MIN(together, n - i), text);
}
