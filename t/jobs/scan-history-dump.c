/* SPDX-License-Identifier: MIT */
/*
 * Scans a repository's history as the command does, with rules a test can follow with its eyes: a
 * rule is a word, and finds that word with what small letters, digits and underscores follow it.
 *
 *	scan-history-dump OBJECTS STATE-FOLDER|- <<EOF
 *	rule TOKEN-
 *	tip <oid> h refs/heads/main
 *	tip <oid> - refs/tags/v1
 *	shallow <oid> | without <oid> | unreachable | engine <text> | threads <n> | singly <n> | times
 *	EOF
 *
 * Prints what happened ("note", "current", "full", "wanted"), one line a sighting, one a removed
 * one, one a problem, fields separated by tabs.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "jobs/scan/history.h"
#include "lib/error.h"

struct input {
	GArray *tips, *shallow, *without;
	GPtrArray *words;
	char *engine;
	gboolean is_unreachable, has_times;
	guint threads, singly_max;
};

static void line_take(struct input *in, char **w, guint n)
{
	struct oid oid = {{0}};

	if (n >= 2 && strcmp(w[0], "rule") == 0)
		g_ptr_array_add(in->words, g_strdup(w[1]));
	else if (n >= 2 && strcmp(w[0], "engine") == 0)
		in->engine = g_strdup(w[1]);
	else if (n >= 2 && strcmp(w[0], "threads") == 0)
		in->threads = (guint)atoi(w[1]);
	else if (n >= 2 && strcmp(w[0], "singly") == 0)
		in->singly_max = (guint)atoi(w[1]);
	else if (strcmp(w[0], "unreachable") == 0)
		in->is_unreachable = TRUE;
	else if (strcmp(w[0], "times") == 0)
		in->has_times = TRUE;
	else if (n < 2 || strlen(w[1]) != OID_HEX || !oid_parse(&oid, w[1]))
		g_error("not understood: %s", w[0]);
	else if (strcmp(w[0], "shallow") == 0)
		g_array_append_val(in->shallow, oid);
	else if (strcmp(w[0], "without") == 0)
		g_array_append_val(in->without, oid);
	else if (strcmp(w[0], "tip") == 0 && n == 4) {
		struct history_tip tip = {g_strdup(w[3]), oid, *w[2] == 'h'};
		g_array_append_val(in->tips, tip);
	}
}

static void input_read(struct input *in)
{
	char line[4096];

	in->tips = g_array_new(FALSE, FALSE, sizeof(struct history_tip));
	in->shallow = g_array_new(FALSE, FALSE, sizeof(struct oid));
	in->without = g_array_new(FALSE, FALSE, sizeof(struct oid));
	in->words = g_ptr_array_new();
	in->threads = 2;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		g_auto(GStrv) words = g_strsplit(g_strchomp(line), " ", 4);
		line_take(in, words, g_strv_length(words));
	}
}

static void blob_scan(struct state *state, const struct oid *oid, const struct input *in,
	const guint8 *bytes, gsize len)
{
	for (guint r = 0; r < in->words->len; r++) {
		const char *word = g_ptr_array_index(in->words, r);
		gsize n = strlen(word);
		for (const guint8 *at = bytes;
			(at = memmem(at, len - (gsize)(at - bytes), word, n));) {
			gsize more = n;
			while (at + more < bytes + len &&
				(g_ascii_islower(at[more]) || g_ascii_isdigit(at[more]) ||
					at[more] == '_'))
				more++;
			guint8 digest[STATE_DIGEST_BYTES];
			gsize digest_len = sizeof(digest);
			g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
			g_checksum_update(sum, at, (gssize)more);
			g_checksum_get_digest(sum, digest, &digest_len);
			struct hit hit = {.at = (guint32)(at - bytes),
				.len = (guint32)more,
				.rule = (guint16)r};
			g_autofree char *shown = g_strndup((const char *)at, more);
			state_add_hit(state, oid, &hit,
				state_add_secret(state, word, digest, shown), NULL, NULL);
			at += more;
		}
	}
}

static void scan(
	struct state *state, struct depot *depot, const struct input *in, const guint64 *wanted)
{
	g_autoptr(DepotReader) reader = depot_reader_new(depot);

	for (guint32 i = 0; i < depot_count(depot); i++) {
		enum depot_type type;
		const guint8 *bytes;
		gsize len;
		if (!(wanted[i / 64] >> (i % 64) & 1) || depot_type(depot, i) != DEPOT_BLOB)
			continue;
		if (depot_read(reader, i, G_MAXUINT32, &type, &bytes, &len, NULL))
			blob_scan(state, depot_oid(depot, i), in, bytes, len);
		else
			state_add_gap(state, depot_oid(depot, i), 1);
	}
	state_add_scanned(state, depot, wanted);
}

static void commit_print(const struct state *state, guint32 number)
{
	const struct state_commit *c = state_commit(state, number);
	char hex[OID_HEX + 1];

	if (c == NULL) {
		printf("\t-");
		return;
	}
	oid_format(&c->oid, hex);
	printf("\t%s", hex);
}

static void blob_print(const struct state *state, guint32 number)
{
	const struct oid *oid = state_blob(state, number);
	char hex[OID_HEX + 1] = "-";

	if (oid != NULL)
		oid_format(oid, hex);
	printf("%s", hex);
}

static void sighting_print(const struct state *state, const char *what, const struct sighting *s)
{
	const struct state_commit *first = state_commit(state, s->first);
	const char *path = state_text(state, s->path);
	const char *masked = state_text(state, state_secret(state, s->secret)->masked);

	printf("%s\t%s\t%s\t%u", what, path != NULL ? path : "-", masked, s->flags);
	commit_print(state, s->first);
	commit_print(state, s->last);
	commit_print(state, s->removed);
	printf("\t");
	blob_print(state, s->first_blob);
	printf("\t");
	blob_print(state, s->last_blob);
	printf("\t");
	blob_print(state, s->head_blob);
	printf("\t%u\t", s->refs_total);
	for (guint32 i = 0; i < s->n_refs; i++)
		printf("%s%s", i > 0 ? "," : "", state_text(state, state_refs(state, s)[i]));
	printf("\t");
	for (guint32 i = 0; i < s->n_blobs; i++) {
		printf("%s", i > 0 ? "," : "");
		blob_print(state, state_blobs(state, s)[i]);
	}
	if (first != NULL)
		printf("\t%s\t%s\t%" G_GINT64_FORMAT "\t%d", state_text(state, first->author),
			state_text(state, first->email), first->time, first->offset_min);
	printf("\n");
}

/* For people who measure: what each step took of all processors. */
static void step_time(const struct input *in, const char *step)
{
	static gint64 before;
	gint64 now = (gint64)clock() * 1000000 / CLOCKS_PER_SEC;

	if (in->has_times && before != 0)
		fprintf(stderr, "%s %.1f ms\n", step, (double)(now - before) / 1000);
	before = now;
}

static void history_read(struct state *state, struct input *in, const char *objects)
{
	const char *const folders[] = {objects, NULL};
	struct depot_options depot_options = {.threads = in->threads};
	g_autoptr(GError) error = NULL;
	g_autoptr(Depot) depot = depot_open(folders, &depot_options, &error);
	g_assert_no_error(error);
	struct history_options options = {.tips = (const void *)in->tips->data,
		.n_tips = in->tips->len,
		.shallow = (const void *)in->shallow->data,
		.n_shallow = in->shallow->len,
		.without = (const void *)in->without->data,
		.n_without = in->without->len,
		.is_unreachable = in->is_unreachable,
		.threads = in->threads,
		.singly_max = in->singly_max};
	g_autoptr(HistoryRun) run = history_run_new(depot, state, &options);
	g_autofree guint64 *wanted = g_new0(guint64, depot_count(depot) / 64 + 1);
	guint64 n, total;
	gsize n_problems;
	guint n_rules;

	step_time(in, "open");
	if (!history_run_find(run, wanted, &n, &error))
		g_error("find: %s", error->message);
	step_time(in, "find");
	state_new_rules(state, &n_rules);
	if (n_rules > 0)
		state_known(state, depot, wanted);
	scan(state, depot, in, wanted);
	step_time(in, "scan");
	history_run_begin(run);
	if (!history_run_attribute(run, &error))
		g_error("attribute: %s", error->message);
	step_time(in, "attribute");
	struct history_counts counts = history_run_counts(run);
	printf("%s\t%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT
	       "\t%" G_GUINT64_FORMAT "\t%u\n",
		counts.is_full ? "full" : "new", counts.commits, counts.new_commits, n,
		counts.missing_blobs, n_rules);
	const struct history_problem *problems = history_run_problems(run, &n_problems, &total);
	for (gsize i = 0; i < n_problems; i++) {
		char hex[OID_HEX + 1];
		oid_format(&problems[i].oid, hex);
		printf("problem\t%d\t%s\n", problems[i].kind, hex);
	}
}

int main(int argc, char **argv)
{
	struct input in = {0};
	g_autoptr(GError) error = NULL;
	g_autofree char *note = NULL;
	guint8 hash[STATE_HASH_BYTES];
	gsize n;

	if (argc != 3)
		return 2;
	input_read(&in);
	g_autofree struct rule *list = g_new0(struct rule, in.words->len + 1);
	struct rule_set rules = {.rules = list, .n = in.words->len};
	for (guint i = 0; i < in.words->len; i++)
		memcpy(rules.rules[i].hash, g_ptr_array_index(in.words, i),
			MIN(RULE_HASH_BYTES, strlen(g_ptr_array_index(in.words, i))));
	struct state_options options = {.folder = strcmp(argv[2], "-") != 0 ? argv[2] : NULL,
		.engine = in.engine != NULL ? in.engine : "1",
		.rules = &rules};
	step_time(&in, "start");
	g_autoptr(State) state = state_open(&options, &note);
	if (note != NULL)
		printf("note\t%s\n", note);
	step_time(&in, "state");
	state_tips_hash((const void *)in.tips->data, in.tips->len, (const void *)in.shallow->data,
		in.shallow->len, hash);
	if (state_is_current(state, hash))
		printf("current\n");
	else
		history_read(state, &in, argv[1]);
	step_time(&in, "rest");
	const struct sighting *s = state_sightings(state, &n);
	for (gsize i = 0; i < n; i++)
		sighting_print(state, "sighting", &s[i]);
	s = state_removed(state, &n);
	for (gsize i = 0; i < n; i++)
		sighting_print(state, "removed", &s[i]);
	step_time(&in, "print");
	if (!state_save(state, hash, &error))
		printf("unsaved\t%s\n", error->message);
	step_time(&in, "save");
	return 0;
}
