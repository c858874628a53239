/* SPDX-License-Identifier: MIT */
/*
 * Prints what a depot holds as `git cat-file --batch-all-objects --batch` does, and checks on the
 * way what a walk promises: each object once, pieces that rebuild it, states forgotten once. See
 * scan-depot.t.
 *
 *	scan-depot-dump [--read] [--few N] [--count [--meet]] [--threads N] … OBJECTS-FOLDER…
 *
 * Problems go to standard error, "problem <reason> <name or path>". Ends with 3 when there are any,
 * 2 when it cannot begin, and by abort() when a promise is broken.
 */
#include "config.h"

#include "jobs/scan/depot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED ", sanitized"
#else
#define SANITIZED ""
#endif

#define require(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			g_error("not so: %s", #condition);                                         \
	} while (0)

struct kept {
	guint8 *bytes; /* NULL: not visited */
	gsize len;
	enum depot_type type;
};

/* What a visit of this program returns. */
struct state {
	guint32 number;
	gint is_forgotten;
};

struct dump {
	struct depot *depot;
	GMutex lock;
	struct kept *kept; /* by number */
	GPtrArray *states;
	guint64 pieces, whole; /* objects visited either way */
	gboolean keeps_base;
};

struct counts {
	guint64 objects[5], bytes;
	gboolean has_met;
};

/* Where threads wait, each with its first object, until all have one. */
static struct {
	GMutex lock;
	GCond changed;
	int arrived;
} meeting;
#define MEETING_US (60 * G_USEC_PER_SEC)

static int is_read, is_count, is_verify, is_keeping, is_fenced, is_meeting;
static int threads = 2, few, memory_bytes, object_max_bytes;
static char *types_text;

/* Copies the base gives, bytes that are new, no gap, nothing that could be one piece. */
static void pieces_check(const struct dump *dump, const struct depot_object *object)
{
	const struct kept *base = &dump->kept[object->base_number];
	guint32 at = 0;

	require(base->bytes != NULL && base->len == object->base_len && base->type == object->type);
	require(!dump->keeps_base || memcmp(object->base, base->bytes, base->len) == 0);
	for (guint i = 0; i < object->n_pieces; i++) {
		const struct depot_piece *piece = &object->pieces[i], *last = piece - 1;
		require(piece->at == at && piece->len > 0 && piece->len <= object->len - at);
		at += piece->len;
		if (i > 0 && last->from == DEPOT_INSERT)
			require(piece->from != DEPOT_INSERT);
		else if (i > 0)
			require(piece->from != last->from + last->len);
		if (piece->from == DEPOT_INSERT)
			continue;
		require(piece->from <= base->len && piece->len <= base->len - piece->from);
		require(memcmp(object->data + piece->at, base->bytes + piece->from, piece->len) ==
			0);
	}
	require(at == object->len);
}

static gpointer dump_visit(gpointer data, const struct depot_object *object)
{
	struct dump *dump = data;
	struct kept *kept = &dump->kept[object->number];

	require(object->type >= DEPOT_COMMIT && object->type <= DEPOT_TAG);
	require(depot_type(dump->depot, object->number) == object->type);
	g_mutex_lock(&dump->lock);
	require(kept->bytes == NULL);
	require((object->pieces != NULL) == (object->n_pieces > 0));
	if (object->pieces != NULL) {
		const struct state *base = object->base_state;
		require(base != NULL && base->number == object->base_number && !base->is_forgotten);
		pieces_check(dump, object);
		dump->pieces++;
	} else {
		require(object->base_number == DEPOT_NONE && object->base_state == NULL);
		dump->whole++;
	}
	kept->bytes = g_malloc((gsize)object->len + 1);
	memcpy(kept->bytes, object->data, object->len);
	kept->len = object->len;
	kept->type = object->type;
	struct state *state = g_new0(struct state, 1);
	state->number = object->number;
	g_ptr_array_add(dump->states, state);
	g_mutex_unlock(&dump->lock);
	return state;
}

static void dump_forget(gpointer data, gpointer state)
{
	struct dump *dump = data;

	g_mutex_lock(&dump->lock);
	require(!((struct state *)state)->is_forgotten);
	((struct state *)state)->is_forgotten = TRUE;
	g_mutex_unlock(&dump->lock);
}

static gint number_order(gconstpointer a, gconstpointer b, gpointer depot)
{
	const struct oid *x = depot_oid(depot, *(const guint32 *)a);
	const struct oid *y = depot_oid(depot, *(const guint32 *)b);

	return memcmp(x, y, sizeof(*x));
}

static void dump_print(const struct dump *dump)
{
	static const char *const words[] = {"", "commit", "tree", "blob", "tag"};
	guint32 count = depot_count(dump->depot);
	g_autofree guint32 *numbers = g_new(guint32, count + 1);
	char hex[OID_HEX + 1];

	for (guint32 i = 0; i < count; i++)
		numbers[i] = i;
	g_qsort_with_data(numbers, (gint)count, sizeof(*numbers), number_order, dump->depot);
	for (guint32 i = 0; i < count; i++) {
		const struct kept *kept = &dump->kept[numbers[i]];
		guint32 found;
		require(depot_find(dump->depot, depot_oid(dump->depot, numbers[i]), &found));
		require(found == numbers[i]);
		if (kept->bytes == NULL)
			continue;
		oid_format(depot_oid(dump->depot, numbers[i]), hex);
		printf("%s %s %zu\n", hex, words[kept->type], kept->len);
		fwrite(kept->bytes, 1, kept->len, stdout);
		putchar('\n');
	}
}

static void dump_read(struct dump *dump)
{
	g_autoptr(DepotReader) reader = depot_reader_new(dump->depot);
	guint32 count = depot_count(dump->depot);

	for (guint32 i = 0; i < count; i++) {
		/* Far apart, then near. */
		guint32 number = i % 2 == 0 ? i : count - 1 - (i ^ 1) % count;
		number = count % 2 == 0 ? number : i;
		const guint8 *bytes;
		gsize len;
		enum depot_type type;
		if (!depot_read(reader, number, G_MAXUINT32, &type, &bytes, &len, NULL))
			continue;
		require(depot_type(dump->depot, number) == type);
		struct kept *kept = &dump->kept[number];
		g_free(kept->bytes);
		*kept = (struct kept){g_malloc(len + 1), len, type};
		memcpy(kept->bytes, bytes, len);
	}
}

static void problems_print(const struct depot *depot)
{
	g_autoptr(GArray) list = depot_problem_list(depot);
	char hex[OID_HEX + 1];

	for (guint i = 0; i < list->len; i++) {
		const struct depot_problem *problem = &g_array_index(list, struct depot_problem, i);
		if (problem->number != DEPOT_NONE)
			oid_format(depot_oid(depot, problem->number), hex);
		fprintf(stderr, "problem %d %s %s\n", problem->reason,
			problem->number != DEPOT_NONE ? hex : problem->path,
			depot_reason_text(problem->reason));
	}
}

static gpointer counts_begin(gpointer data, guint thread)
{
	return (struct counts *)data + 1 + thread;
}

static void meet(void)
{
	gint64 until = g_get_monotonic_time() + MEETING_US;

	g_mutex_lock(&meeting.lock);
	meeting.arrived++;
	g_cond_broadcast(&meeting.changed);
	while (meeting.arrived < threads)
		require(g_cond_wait_until(&meeting.changed, &meeting.lock, until));
	g_mutex_unlock(&meeting.lock);
}

static gpointer counts_visit(gpointer data, const struct depot_object *object)
{
	struct counts *counts = data;

	if (is_meeting && !counts->has_met) {
		counts->has_met = TRUE;
		meet();
	}
	counts->objects[object->type]++;
	counts->bytes += object->len;
	return NULL;
}

static void counts_walk(struct depot *depot, guint mask, const guint64 *wanted)
{
	g_autofree struct counts *counts = g_new0(struct counts, threads + 2);
	struct depot_visitor visitor = {
		.visit = counts_visit, .thread_begin = counts_begin, .keeps_base = is_keeping};
	g_autoptr(GError) error = NULL;

	if (!depot_walk(depot, mask, wanted, &visitor, counts, NULL, &error))
		g_error("%s", error->message);
	for (int i = 1; i <= threads; i++) {
		for (guint type = 0; type < G_N_ELEMENTS(counts->objects); type++)
			counts->objects[type] += counts[i].objects[type];
		counts->bytes += counts[i].bytes;
	}
	printf("commit %" G_GUINT64_FORMAT " tree %" G_GUINT64_FORMAT " blob %" G_GUINT64_FORMAT
	       " tag %" G_GUINT64_FORMAT " bytes %" G_GUINT64_FORMAT "\n",
		counts->objects[1], counts->objects[2], counts->objects[3], counts->objects[4],
		counts->bytes);
}

/* Every n-th object. */
static guint64 *few_make(const struct depot *depot)
{
	guint64 *wanted = g_new0(guint64, depot_count(depot) / 64 + 1);

	for (guint32 i = 0; i < depot_count(depot); i += (guint32)few)
		wanted[i / 64] |= G_GUINT64_CONSTANT(1) << i % 64;
	return wanted;
}

static void dump_walk(struct dump *dump, guint mask, const guint64 *wanted)
{
	struct depot_visitor visitor = {
		.visit = dump_visit, .forget = dump_forget, .keeps_base = is_keeping};
	struct depot_progress progress = {0};
	g_autoptr(GError) error = NULL;

	if (!depot_walk(dump->depot, mask, wanted, &visitor, dump, &progress, &error))
		g_error("%s", error->message);
	require(progress.objects == dump->states->len);
	require(progress.objects <= progress.objects_expected);
	for (guint i = 0; i < dump->states->len; i++)
		require(((struct state *)dump->states->pdata[i])->is_forgotten);
	for (guint32 i = 0; i < depot_count(dump->depot); i++)
		require(wanted == NULL || (wanted[i / 64] >> i % 64 & 1) != 0 ||
			dump->kept[i].bytes == NULL);
}

/* The peak is the kernel's for this program: that of getrusage() begins with what forked it. */
static void usage_print(void)
{
	g_autofree char *status = NULL;
	struct rusage usage;

	require(g_file_get_contents("/proc/self/status", &status, NULL, NULL));
	const char *peak = strstr(status, "VmHWM:");
	getrusage(RUSAGE_SELF, &usage);
	fprintf(stderr, "user %ld.%03ld s, system %ld.%03ld s, peak %ld MiB%s\n",
		usage.ru_utime.tv_sec, usage.ru_utime.tv_usec / 1000, usage.ru_stime.tv_sec,
		usage.ru_stime.tv_usec / 1000,
		peak != NULL ? strtol(peak + strlen("VmHWM:"), NULL, 10) / 1024 : 0, SANITIZED);
}

static gboolean fence_closed(gpointer data, const char *folder)
{
	(void)data;
	(void)folder;
	return FALSE;
}

static guint mask_parse(void)
{
	guint mask = 0;

	if (types_text == NULL)
		return DEPOT_MASK_ALL;
	for (const char *at = types_text; *at != '\0'; at++)
		mask |= *at == 'c'   ? DEPOT_MASK(DEPOT_COMMIT)
			: *at == 't' ? DEPOT_MASK(DEPOT_TREE)
			: *at == 'b' ? DEPOT_MASK(DEPOT_BLOB)
				     : DEPOT_MASK(DEPOT_TAG);
	return mask;
}

int main(int argc, char **argv)
{
	const GOptionEntry entries[] = {
		{"read", 0, 0, G_OPTION_ARG_NONE, &is_read, "by depot_read()", NULL},
		{"count", 0, 0, G_OPTION_ARG_NONE, &is_count, "only counts", NULL},
		{"verify", 0, 0, G_OPTION_ARG_NONE, &is_verify, "compare names", NULL},
		{"keep-base", 0, 0, G_OPTION_ARG_NONE, &is_keeping, "ask for bases", NULL},
		{"fence", 0, 0, G_OPTION_ARG_NONE, &is_fenced, "no alternates", NULL},
		{"few", 0, 0, G_OPTION_ARG_INT, &few, "every n-th object", "N"},
		{"meet", 0, 0, G_OPTION_ARG_NONE, &is_meeting, "all threads get one", NULL},
		{"threads", 0, 0, G_OPTION_ARG_INT, &threads, "threads", "N"},
		{"memory", 0, 0, G_OPTION_ARG_INT, &memory_bytes, "budget", "BYTES"},
		{"object-max", 0, 0, G_OPTION_ARG_INT, &object_max_bytes, "cap", "BYTES"},
		{"types", 0, 0, G_OPTION_ARG_STRING, &types_text, "of commit, tree, blob, gag",
			"ctbg"},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("FOLDER…");
	g_autoptr(GError) error = NULL;
	struct dump dump = {0};

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc < 2)
		return 2;
	struct depot_options options = {.threads = (guint)threads,
		.memory_bytes = (guint64)memory_bytes,
		.object_max_bytes = (guint64)object_max_bytes,
		.verify = is_verify,
		.fence = is_fenced ? fence_closed : NULL};
	g_autoptr(Depot) depot = depot_open((const char *const *)argv + 1, &options, &error);
	if (depot == NULL) {
		fprintf(stderr, "%s\n", error->message);
		return 2;
	}
	g_autofree guint64 *wanted = few > 0 ? few_make(depot) : NULL;
	if (is_count) {
		counts_walk(depot, mask_parse(), wanted);
		usage_print();
		problems_print(depot);
		return depot_problem_total(depot) > 0 ? 3 : 0;
	}
	dump.depot = depot;
	dump.keeps_base = is_keeping;
	dump.kept = g_new0(struct kept, depot_count(depot) + 1);
	dump.states = g_ptr_array_new_with_free_func(g_free);
	g_mutex_init(&dump.lock);
	if (is_read)
		dump_read(&dump);
	else
		dump_walk(&dump, mask_parse(), wanted);
	dump_print(&dump);
	problems_print(depot);
	fprintf(stderr, "pieces %" G_GUINT64_FORMAT " whole %" G_GUINT64_FORMAT "%s\n", dump.pieces,
		dump.whole, depot_is_partial(depot) ? " partial" : "");
	for (guint32 i = 0; i < depot_count(depot); i++)
		g_free(dump.kept[i].bytes);
	g_free(dump.kept);
	g_ptr_array_unref(dump.states);
	g_mutex_clear(&dump.lock);
	return depot_problem_total(depot) > 0 ? 3 : 0;
}
