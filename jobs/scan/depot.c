/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/depot.h"

#include "jobs/scan/depot_forest.h"
#include "jobs/scan/depot_inside.h"

#include <string.h>

#define MEMORY_BYTES_DEFAULT (G_GUINT64_CONSTANT(256) << 20)
/* With many threads some more, so that what they keep from family to family leaves room. */
#define MEMORY_BYTES_THREAD (G_GUINT64_CONSTANT(16) << 20)
#define OBJECT_BYTES_DEFAULT (G_GUINT64_CONSTANT(128) << 20)
#define THREADS_MAX 256u
/* The share of the budget that one object may take, when it is only needed as a base. */
#define BASE_SHARE 4u

static void options_complete(struct depot *depot, const struct depot_options *options)
{
	if (options != NULL)
		depot->options = *options;
	if (depot->options.threads == 0)
		depot->options.threads = g_get_num_processors();
	depot->options.threads = MIN(depot->options.threads, THREADS_MAX);
	if (depot->options.memory_bytes == 0)
		depot->options.memory_bytes =
			MAX(MEMORY_BYTES_DEFAULT, depot->options.threads * MEMORY_BYTES_THREAD);
	if (depot->options.object_max_bytes == 0)
		depot->options.object_max_bytes = OBJECT_BYTES_DEFAULT;
	depot->material_max =
		MAX(depot->options.object_max_bytes, depot->options.memory_bytes / BASE_SHARE);
	depot->material_max = MIN(depot->material_max, DEPOT_MATERIAL_MAX);
}

struct depot *depot_open(
	const char *const *object_folders, const struct depot_options *options, GError **error)
{
	g_autoptr(Depot) depot = g_new0(struct depot, 1);

	g_mutex_init(&depot->lock);
	depot->problems = g_array_new(FALSE, FALSE, sizeof(struct depot_problem));
	depot->paths = g_ptr_array_new_with_free_func(g_free);
	options_complete(depot, options);
	if (!depot_folders_read(depot, object_folders, error) || !depot_numbers_make(depot, error))
		return NULL;
	return g_steal_pointer(&depot);
}

void depot_close(struct depot *depot)
{
	if (depot == NULL)
		return;
	depot_forest_free(depot->forest);
	depot_numbers_clear(depot);
	depot_folders_clear(depot);
	g_array_unref(depot->problems);
	g_ptr_array_unref(depot->paths);
	g_mutex_clear(&depot->lock);
	g_free(depot);
}

gboolean depot_is_partial(const struct depot *depot)
{
	return depot->is_partial;
}

enum depot_type depot_type_peek(const struct depot *depot, guint32 number)
{
	return (enum depot_type)depot_type_known(depot, number);
}

static gboolean problem_is_new(struct depot *depot, guint32 number)
{
	if (number == DEPOT_NONE)
		return TRUE;
	guint64 bit = G_GUINT64_CONSTANT(1) << number % 64,
		*word = &depot->has_problem[number / 64];
	if ((*word & bit) != 0)
		return FALSE;
	*word |= bit;
	return TRUE;
}

void depot_problem_add(
	struct depot *depot, enum depot_reason reason, guint32 number, const char *path)
{
	struct depot_problem problem = {.reason = reason, .number = number};

	g_mutex_lock(&depot->lock);
	if (problem_is_new(depot, number)) {
		depot->counts[reason]++;
		if (depot->problems->len < DEPOT_PROBLEMS_MAX) {
			if (path != NULL) {
				char *copy = g_strdup(path);
				g_ptr_array_add(depot->paths, copy);
				problem.path = copy;
			}
			g_array_append_val(depot->problems, problem);
		}
	}
	g_mutex_unlock(&depot->lock);
}

guint depot_problem_count(const struct depot *depot, enum depot_reason reason)
{
	struct depot *d = (struct depot *)depot;

	g_mutex_lock(&d->lock);
	guint count = depot->counts[reason];
	g_mutex_unlock(&d->lock);
	return count;
}

guint depot_problem_total(const struct depot *depot)
{
	guint total = 0;

	for (guint reason = DEPOT_FINE + 1; reason < DEPOT_REASONS; reason++)
		total += depot_problem_count(depot, reason);
	return total;
}

static gint problem_order(gconstpointer a, gconstpointer b)
{
	const struct depot_problem *x = a, *y = b;

	if (x->reason != y->reason)
		return x->reason < y->reason ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return g_strcmp0(x->path, y->path);
}

GArray *depot_problem_list(const struct depot *depot)
{
	struct depot *d = (struct depot *)depot;
	GArray *list = g_array_new(FALSE, FALSE, sizeof(struct depot_problem));

	g_mutex_lock(&d->lock);
	if (depot->problems->len > 0)
		g_array_append_vals(list, depot->problems->data, depot->problems->len);
	g_mutex_unlock(&d->lock);
	g_array_sort(list, problem_order);
	return list;
}

const char *depot_reason_text(enum depot_reason reason)
{
	/* clang-format off */
	static const char *const texts[DEPOT_REASONS] = {
		[DEPOT_FINE]       = "nothing is wrong with it",
		[DEPOT_BROKEN]     = "its bytes are damaged",
		[DEPOT_TRUNCATED]  = "it lies outside of its file",
		[DEPOT_TOO_LARGE]  = "it is larger than allowed, or claims to be",
		[DEPOT_NO_BASE]    = "it is a delta whose base is missing or unreadable",
		[DEPOT_CYCLE]      = "it is a delta that needs itself",
		[DEPOT_WRONG_NAME] = "its bytes do not have its name",
		[DEPOT_NO_MEMORY]  = "there was no memory for it",
		[DEPOT_UNOPENED]   = "the file or folder could not be read",
		[DEPOT_BAD_INDEX]  = "the index of a pack is damaged",
		[DEPOT_BAD_PACK]   = "the pack is damaged or does not belong to its index",
		[DEPOT_FENCED]     = "the folder may not be read, or is one too many",
	};
	/* clang-format on */

	return reason < DEPOT_REASONS ? texts[reason] : texts[DEPOT_BROKEN];
}
