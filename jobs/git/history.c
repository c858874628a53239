/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/history.h"

#include <string.h>

#include "jobs/git/commit.h"
#include "jobs/git/readfile.h"
#include "lib/error.h"
#include "lib/hash.h"

#define SHALLOW_MAX_BYTES (4 * 1024 * 1024)
#define TAG_DEPTH_MAX 16
#define SLOP 5 /* commits looked at beyond the end, for clocks that were wrong; as git does */

enum node_flag {
	NODE_LEFT = 1 << 0,
	NODE_RIGHT = 1 << 1,
	NODE_QUEUED = 1 << 2,
	NODE_TOUCHED = 1 << 3,
	NODE_PARSED = 1 << 4,
	NODE_SIGNED = 1 << 5,
};
#define NODE_BOTH (NODE_LEFT | NODE_RIGHT)

struct node {
	struct oid oid;
	guint32 edge; /* first parent in edges */
	gint64 time;
	guint64 person;
	guint16 edge_count;
	guint8 flags;
};

struct history {
	struct odb *odb;
	GArray *nodes;  /* struct node */
	GArray *edges;  /* guint32: nodes */
	guint32 *slots; /* node + 1, open addressing */
	guint32 slots_mask;
	GHashTable *shallow; /* hex -> itself; NULL when the clone is whole */
	GArray *heap;        /* guint32: nodes, newest first */
	GArray *touched;     /* guint32: nodes with flags to be taken away */
	guint64 seed;
};

static struct node *node_at(struct history *h, guint32 at)
{
	return &g_array_index(h->nodes, struct node, at);
}

/* Multiply-shift with a seed of this process: names of objects are chosen by others. */
static guint32 slot_of(const struct history *h, const struct oid *oid)
{
	guint64 key;

	memcpy(&key, oid->bytes, sizeof(key));
	return (guint32)(((key ^ h->seed) * 0x9e3779b97f4a7c15u) >> 32) & h->slots_mask;
}

static void slots_grow(struct history *h)
{
	guint32 count = (h->slots_mask + 1) * 2;

	g_free(h->slots);
	h->slots = g_new0(guint32, count);
	h->slots_mask = count - 1;
	for (guint32 i = 0; i < h->nodes->len; i++) {
		guint32 slot = slot_of(h, &node_at(h, i)->oid);
		while (h->slots[slot] != 0)
			slot = (slot + 1) & h->slots_mask;
		h->slots[slot] = i + 1;
	}
}

/* Found or added, not read. */
static guint32 node_get(struct history *h, const struct oid *oid)
{
	guint32 slot = slot_of(h, oid);

	for (; h->slots[slot] != 0; slot = (slot + 1) & h->slots_mask)
		if (!memcmp(&node_at(h, h->slots[slot] - 1)->oid, oid, sizeof(*oid)))
			return h->slots[slot] - 1;
	struct node node = {.oid = *oid};
	g_array_append_val(h->nodes, node);
	h->slots[slot] = h->nodes->len;
	guint32 at = h->nodes->len - 1;
	if (h->nodes->len * 2 > h->slots_mask)
		slots_grow(h);
	return at;
}

/* FNV-1a over the address in small letters: told apart, not hidden. */
static guint64 person_hash(const struct commit_text *mail)
{
	guint64 hash = 0xcbf29ce484222325u;

	for (gsize i = 0; i < mail->len; i++)
		hash = (hash ^ (guchar)g_ascii_tolower(mail->at[i])) * 0x100000001b3u;
	return hash;
}

static gboolean node_parse(struct history *h, guint32 at, GError **error)
{
	g_auto(OdbObject) object = {0};
	struct oid oid = node_at(h, at)->oid;
	struct commit commit;
	char hex[OID_HEX + 1];

	if (node_at(h, at)->flags & NODE_PARSED)
		return TRUE;
	if (h->nodes->len > HISTORY_COMMITS_MAX) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"there are more than %d commits", HISTORY_COMMITS_MAX);
		return FALSE;
	}
	if (!odb_read(h->odb, &oid, OBJECT_COMMIT, OBJECT_COMMIT_MAX_BYTES, &object, error))
		return FALSE;
	oid_format(&oid, hex);
	if (!commit_parse(&commit, object.data, object.len)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "commit %s is broken", hex);
		return FALSE;
	}
	gsize count = MIN(commit.parent_count, (gsize)G_MAXUINT16);
	if (h->shallow != NULL && g_hash_table_contains(h->shallow, hex))
		count = 0;
	guint32 edge = h->edges->len;
	for (gsize i = 0; i < count; i++) {
		struct oid parent;
		if (!commit_parent(&commit, i, &parent)) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "commit %s is broken",
				hex);
			return FALSE;
		}
		guint32 to = node_get(h, &parent);
		g_array_append_val(h->edges, to);
	}
	struct node *node = node_at(h, at); /* may have moved */
	node->edge = edge;
	node->edge_count = (guint16)count;
	node->time = commit.time;
	node->person = person_hash(&commit.author_mail);
	node->flags |= (guint8)(NODE_PARSED | (commit.is_signed ? NODE_SIGNED : 0));
	return TRUE;
}

static void shallow_load(struct history *h, const struct repo *r)
{
	g_autofree char *text = NULL;
	gsize len;

	if (readfile_load(r->commondir_fd, "shallow", 0, SHALLOW_MAX_BYTES, &text, &len) !=
		READFILE_OK)
		return;
	h->shallow = g_hash_table_new_full(hash_text, g_str_equal, g_free, NULL);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line != NULL; line++)
		if (strlen(*line) == OID_HEX)
			g_hash_table_add(h->shallow, g_strdup(*line));
}

struct history *history_open(const struct repo *r, GError **error)
{
	struct odb *odb = odb_open(r->commondir, error);

	if (odb == NULL)
		return NULL;
	struct history *h = g_new0(struct history, 1);
	h->odb = odb;
	h->nodes = g_array_new(FALSE, FALSE, sizeof(struct node));
	h->edges = g_array_new(FALSE, FALSE, sizeof(guint32));
	h->heap = g_array_new(FALSE, FALSE, sizeof(guint32));
	h->touched = g_array_new(FALSE, FALSE, sizeof(guint32));
	h->seed = (guint64)g_random_int() << 32 | g_random_int();
	h->slots_mask = 511;
	h->slots = g_new0(guint32, 512);
	shallow_load(h, r);
	return h;
}

void history_free(struct history *h)
{
	if (h == NULL)
		return;
	odb_free(h->odb);
	g_array_unref(h->nodes);
	g_array_unref(h->edges);
	g_array_unref(h->heap);
	g_array_unref(h->touched);
	g_free(h->slots);
	if (h->shallow != NULL)
		g_hash_table_unref(h->shallow);
	g_free(h);
}

struct odb *history_odb(struct history *h)
{
	return h->odb;
}

/* A binary heap by time; GLib has none. */

static gboolean is_newer(struct history *h, guint a, guint b)
{
	return node_at(h, g_array_index(h->heap, guint32, a))->time >
	       node_at(h, g_array_index(h->heap, guint32, b))->time;
}

static void heap_swap(struct history *h, guint a, guint b)
{
	guint32 *items = &g_array_index(h->heap, guint32, 0);
	guint32 item = items[a];

	items[a] = items[b];
	items[b] = item;
}

static void heap_push(struct history *h, guint32 item)
{
	g_array_append_val(h->heap, item);
	for (guint i = h->heap->len - 1; i > 0 && is_newer(h, i, (i - 1) / 2); i = (i - 1) / 2)
		heap_swap(h, i, (i - 1) / 2);
}

static guint32 heap_pop(struct history *h)
{
	guint32 top = g_array_index(h->heap, guint32, 0);
	guint i = 0;

	heap_swap(h, 0, h->heap->len - 1);
	g_array_set_size(h->heap, h->heap->len - 1);
	while (TRUE) {
		guint newest = i;
		for (guint child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < h->heap->len && is_newer(h, child, newest))
				newest = child;
		if (newest == i)
			return top;
		heap_swap(h, i, newest);
		i = newest;
	}
}

/* Gives a node flags and puts it into the queue, again if it was there before. */
static gboolean paint(struct history *h, guint32 at, guint8 flags, guint *open, GError **error)
{
	if (!node_parse(h, at, error))
		return FALSE;
	struct node *node = node_at(h, at);
	guint8 before = node->flags;
	guint8 after = before | flags;

	if (before == after)
		return TRUE;
	if (!(before & NODE_TOUCHED))
		g_array_append_val(h->touched, at);
	gboolean was_open = (before & NODE_QUEUED) && (before & NODE_BOTH) != NODE_BOTH;
	node->flags = after | NODE_QUEUED | NODE_TOUCHED;
	*open += ((after & NODE_BOTH) != NODE_BOTH) - was_open;
	if (!(before & NODE_QUEUED))
		heap_push(h, at);
	return TRUE;
}

static void paint_clear(struct history *h)
{
	for (guint i = 0; i < h->touched->len; i++)
		node_at(h, g_array_index(h->touched, guint32, i))->flags &=
			NODE_PARSED | NODE_SIGNED;
	g_array_set_size(h->touched, 0);
	g_array_set_size(h->heap, 0);
}

/*
 * Paints what left and right reach, newest first, until everything that waits has both colours:
 * then the nodes with one colour are the difference. A clock that was wrong can make a parent newer
 * than its child; so it goes on while something newer than the oldest one-coloured node waits, and
 * a few commits more.
 */
static gboolean paint_both(struct history *h, guint32 left, guint32 right, GError **error)
{
	gint64 oldest = G_MAXINT64;
	guint open = 0, slop = SLOP;

	if (!paint(h, left, NODE_LEFT, &open, error) || !paint(h, right, NODE_RIGHT, &open, error))
		return FALSE;
	while (h->heap->len > 0) {
		guint32 at = heap_pop(h);
		struct node *node = node_at(h, at);
		guint8 colours = node->flags & NODE_BOTH;
		node->flags &= (guint8)~NODE_QUEUED;
		if (colours != NODE_BOTH) {
			open--;
			oldest = MIN(oldest, node->time);
		}
		if (open == 0 && colours == NODE_BOTH && node->time < oldest && slop-- == 0)
			break;
		guint32 edge = node->edge;
		for (guint16 i = 0, count = node->edge_count; i < count; i++)
			if (!paint(h, g_array_index(h->edges, guint32, edge + i), colours, &open,
				    error))
				return FALSE;
	}
	return TRUE;
}

gboolean history_distance(struct history *h, const struct oid *a, const struct oid *b,
	guint64 *ahead, guint64 *behind, GError **error)
{
	guint64 counts[4] = {0};

	gboolean is_done = paint_both(h, node_get(h, a), node_get(h, b), error);
	for (guint i = 0; is_done && i < h->touched->len; i++)
		counts[node_at(h, g_array_index(h->touched, guint32, i))->flags & NODE_BOTH]++;
	paint_clear(h);
	if (!is_done)
		return FALSE;
	*ahead = counts[NODE_LEFT];
	*behind = counts[NODE_RIGHT];
	return TRUE;
}

gboolean history_time(struct history *h, const struct oid *oid, gint64 *time, GError **error)
{
	struct oid at = *oid;

	for (int depth = 0; depth < TAG_DEPTH_MAX; depth++) {
		enum object_type type;
		guint64 size_bytes;
		if (!odb_look(h->odb, &at, &type, &size_bytes, error))
			return FALSE;
		if (type == OBJECT_COMMIT) {
			guint32 node = node_get(h, &at);
			if (!node_parse(h, node, error))
				return FALSE;
			*time = node_at(h, node)->time;
			return TRUE;
		}
		if (type != OBJECT_TAG)
			break;
		g_auto(OdbObject) tag = {0};
		if (!odb_read(h->odb, &at, OBJECT_TAG, OBJECT_COMMIT_MAX_BYTES, &tag, error))
			return FALSE;
		if (tag.len < 48 || memcmp(tag.data, "object ", 7) != 0 ||
			!oid_parse(&at, tag.data + 7))
			break;
	}
	*time = G_MAXINT64;
	return TRUE;
}

gboolean history_tree(struct history *h, const struct oid *oid, struct oid *tree, GError **error)
{
	g_auto(OdbObject) object = {0};
	struct commit commit;

	if (!odb_read(h->odb, oid, OBJECT_COMMIT, OBJECT_COMMIT_MAX_BYTES, &object, error))
		return FALSE;
	if (!commit_parse(&commit, object.data, object.len)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "a commit is broken");
		return FALSE;
	}
	*tree = commit.tree;
	return TRUE;
}

void history_log_free(struct history_log *log)
{
	if (log == NULL)
		return;
	g_free(log->subject);
	g_free(log->author);
	if (log->recent != NULL)
		g_array_unref(log->recent);
	if (log->people != NULL)
		g_array_unref(log->people);
	g_free(log);
}

static void log_count(
	struct history_log *log, const struct node *node, gint64 since, GHashTable *people)
{
	log->commits++;
	log->signed_commits += (node->flags & NODE_SIGNED) != 0;
	if (node->time >= since)
		g_array_append_val(log->recent, node->time);
	g_hash_table_add(people, g_memdup2(&node->person, sizeof(node->person)));
}

/* Adds what is between older_head and head; FALSE when older_head is no ancestor. */
static gboolean log_extend(struct history *h, struct history_log *log, guint32 head, gint64 since,
	const struct oid *older_head, const struct history_log *older, GHashTable *people)
{
	g_autoptr(GError) error = NULL;
	gboolean is_ancestor = TRUE;

	if (!paint_both(h, head, node_get(h, older_head), &error)) {
		paint_clear(h);
		return FALSE;
	}
	for (guint i = 0; i < h->touched->len; i++)
		is_ancestor &= (node_at(h, g_array_index(h->touched, guint32, i))->flags &
				       NODE_BOTH) != NODE_RIGHT;
	if (is_ancestor) {
		log->commits = older->commits;
		log->signed_commits = older->signed_commits;
		for (guint i = 0; i < older->recent->len; i++) {
			gint64 time = g_array_index(older->recent, gint64, i);
			if (time >= since)
				g_array_append_val(log->recent, time);
		}
		for (guint i = 0; i < older->people->len; i++)
			g_hash_table_add(
				people, g_memdup2(&g_array_index(older->people, guint64, i),
						sizeof(guint64)));
		for (guint i = 0; i < h->touched->len; i++) {
			const struct node *node = node_at(h, g_array_index(h->touched, guint32, i));
			if ((node->flags & NODE_BOTH) == NODE_LEFT)
				log_count(log, node, since, people);
		}
	}
	paint_clear(h);
	return is_ancestor;
}

/* Everything that head reaches, newest first so that a cap keeps what is new. */
static gboolean log_read(struct history *h, struct history_log *log, guint32 head, gint64 since,
	GHashTable *people, GError **error)
{
	g_autoptr(GError) limit = NULL;
	guint open = 0;
	gboolean is_done = paint(h, head, NODE_LEFT, &open, error);

	while (is_done && h->heap->len > 0) {
		guint32 at = heap_pop(h);
		log_count(log, node_at(h, at), since, people);
		guint32 edge = node_at(h, at)->edge;
		guint16 count = node_at(h, at)->edge_count;
		for (guint16 i = 0; is_done && i < count; i++)
			is_done = paint(h, g_array_index(h->edges, guint32, edge + i), NODE_LEFT,
				&open, &limit);
	}
	paint_clear(h);
	if (is_done)
		return TRUE;
	if (limit != NULL && g_error_matches(limit, MUSTER_ERROR, MUSTER_ERROR_LIMIT)) {
		log->is_truncated = true;
		return TRUE;
	}
	if (limit != NULL)
		g_propagate_error(error, g_steal_pointer(&limit));
	return FALSE;
}

static gint person_compare(gconstpointer a, gconstpointer b)
{
	guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;

	return x < y ? -1 : x > y;
}

static gboolean log_first(
	struct history *h, struct history_log *log, const struct oid *head, GError **error)
{
	g_auto(OdbObject) object = {0};
	struct commit commit;

	if (!odb_read(h->odb, head, OBJECT_COMMIT, OBJECT_COMMIT_MAX_BYTES, &object, error))
		return FALSE;
	if (!commit_parse(&commit, object.data, object.len)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "HEAD's commit is broken");
		return FALSE;
	}
	log->subject = commit_text_format(&commit, &commit.subject, HISTORY_TEXT_MAX_BYTES);
	log->author = commit_text_format(&commit, &commit.author_name, HISTORY_TEXT_MAX_BYTES);
	log->time = commit.time;
	return TRUE;
}

struct history_log *history_log_new(struct history *h, const struct oid *head, gint64 since,
	const struct oid *older_head, const struct history_log *older, GError **error)
{
	g_autoptr(GHashTable) people =
		g_hash_table_new_full(hash_number, g_int64_equal, g_free, NULL);
	struct history_log *log = g_new0(struct history_log, 1);
	GHashTableIter iter;
	gpointer person;

	log->recent = g_array_new(FALSE, FALSE, sizeof(gint64));
	log->people = g_array_new(FALSE, FALSE, sizeof(guint64));
	log->is_shallow = h->shallow != NULL;
	guint32 node = node_get(h, head);
	gboolean is_extended = older != NULL && older_head != NULL && !older->is_truncated &&
			       log_extend(h, log, node, since, older_head, older, people);
	if (!log_first(h, log, head, error) ||
		(!is_extended && !log_read(h, log, node, since, people, error))) {
		history_log_free(log);
		return NULL;
	}
	g_hash_table_iter_init(&iter, people);
	while (g_hash_table_iter_next(&iter, &person, NULL))
		g_array_append_val(log->people, *(guint64 *)person);
	g_array_sort(log->people, person_compare);
	log->contributors = log->people->len;
	return log;
}

/* Does this commit's tree have the blob at the path? */
static gboolean commit_has(struct history *h, const struct oid *commit, const char *path,
	const struct oid *blob, gboolean *has, GError **error)
{
	g_autoptr(GError) failed = NULL;
	struct oid tree, found;
	uint32_t mode;

	if (!history_tree(h, commit, &tree, error))
		return FALSE;
	*has = odb_tree_find(h->odb, &tree, path, &found, &mode, &failed) &&
	       !memcmp(&found, blob, sizeof(found));
	if (failed == NULL)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

gboolean history_added(struct history *h, const struct oid *head, const char *path,
	const struct oid *blob, guint *budget, struct oid *commit, char **author, gint64 *time,
	GError **error)
{
	guint32 at = node_get(h, head);
	gboolean has = TRUE;

	memset(commit, 0, sizeof(*commit));
	while (has) {
		has = FALSE;
		if (!node_parse(h, at, error))
			return FALSE;
		guint32 edge = node_at(h, at)->edge;
		guint16 count = node_at(h, at)->edge_count;
		for (guint16 i = 0; !has && i < count; i++) {
			guint32 parent = g_array_index(h->edges, guint32, edge + i);
			struct oid oid = node_at(h, parent)->oid;
			if (*budget == 0)
				return TRUE;
			--*budget;
			if (!commit_has(h, &oid, path, blob, &has, error))
				return FALSE;
			if (has)
				at = parent;
		}
	}
	struct history_log first = {0};
	struct oid oid = node_at(h, at)->oid;
	if (!log_first(h, &first, &oid, error))
		return FALSE;
	*commit = oid;
	*author = g_steal_pointer(&first.author);
	*time = first.time;
	g_free(first.subject);
	return TRUE;
}
