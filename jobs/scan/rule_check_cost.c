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

GString *rule_check_sample(void)
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

static int count(
	unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *n)
{
	++*(guint64 *)n;
	return 0;
}

/* A warning from a third of the bound, an error from the bound. */
static void judge(struct rule_check *check, const struct rule *rule, double value, double bound,
	const char *verb, const char *unit)
{
	if (value * 3 >= bound)
		rule_check_add(check, value >= bound, rule,
			"slows the whole database: its sieve %s %.*f %s; %.0f are too many", verb,
			value < 10, value, unit, bound);
}

void rule_check_cost(struct rule_check *check, const struct rule *rule, struct rule_cost *cost,
	const GString *text)
{
	guint n = g_strv_length((char **)rule->sieve);
	g_autofree unsigned *flags = g_new(unsigned, n);
	hs_database_t *database = NULL;
	hs_scratch_t *scratch = NULL;
	hs_compile_error_t *trouble = NULL;
	guint64 matches = 0;
	double mib = (double)text->len / (1 << 20), start = now_ms();

	for (guint i = 0; i < n; i++)
		flags[i] = HS_FLAG_MULTILINE;
	if (hs_compile_multi((const char *const *)rule->sieve, flags, NULL, n, HS_MODE_BLOCK, NULL,
		    &database, &trouble) != HS_SUCCESS) {
		rule_check_add(check, TRUE, rule, "sieve: %s", trouble ? trouble->message : "?");
		hs_free_compile_error(trouble);
		return;
	}
	cost->compile_ms = now_ms() - start;
	if (hs_alloc_scratch(database, &scratch) == HS_SUCCESS) {
		start = now_ms();
		hs_scan(database, text->str, (unsigned)text->len, 0, scratch, count, &matches);
		cost->scan_ms = (now_ms() - start) / mib;
		cost->matches = (double)matches / mib;
	}
	hs_free_scratch(scratch);
	hs_free_database(database);
	judge(check, rule, cost->compile_ms, RULE_CHECK_COMPILE_MS, "takes", "ms to compile alone");
	judge(check, rule, cost->scan_ms, RULE_CHECK_SCAN_MS, "takes",
		"ms for a MiB of ordinary text");
	judge(check, rule, cost->matches, RULE_CHECK_MATCHES, "matches",
		"times in a MiB of ordinary text");
}
