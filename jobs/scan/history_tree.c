/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/history_tree.h"

#include <string.h>

#include "lib/error.h"

#define FOUND_MAX 64   /* entries that are looked up together */
#define WHOLE_ABOVE 64 /* more changed names than that are told as a whole tree */

/*
 * What most entries lead to, and what need not be looked at closer. Two bits an object: they stay
 * in a core's cache, where types and marks do not.
 */
enum plain {
	PLAIN_UNKNOWN,
	PLAIN_BLOB, /* of no interest */
	PLAIN_TREE,
};

/* An entry of interest. */
struct tree_item {
	guint32 at, end; /* in the tree's bytes */
	guint32 name;
	guint32 child;
};

/*
 * What is remembered of a tree for those made from it: where entries begin, a bit a byte, and the
 * entries of interest. Parsing begins at a known place and takes the same way over the same bytes:
 * where a copied piece is entered at what was a beginning in the base, all that was parsed in the
 * base until the piece's end holds here too.
 */
struct tree_state {
	guint32 len;
	guint32 parsed; /* less than len: it is broken from there on */
	guint32 n;
	guint64 *begins; /* len + 1 bits; behind the items */
	struct tree_item items[];
};

/* An entry that was parsed and is not looked up yet: which item it may become. */
struct tree_found {
	struct tree_bytes_entry entry;
	guint item;
};

struct tree_thread {
	struct tree_changes *changes;
	struct word_cursor cursor;
	GArray *items;   /* struct tree_item */
	GArray *found;   /* struct tree_found */
	GArray *touched; /* guint32: names */
	GArray *words;
	GByteArray *kept; /* by item of the base: it was taken over */
	guint64 *begins;
	gsize begins_room; /* words */
	guint64 trees;
};

static gpointer thread_begin(gpointer data, guint thread)
{
	struct tree_thread *t = g_new0(struct tree_thread, 1);

	t->changes = data;
	t->items = g_array_new(FALSE, FALSE, sizeof(struct tree_item));
	t->found = g_array_new(FALSE, FALSE, sizeof(struct tree_found));
	t->touched = g_array_new(FALSE, FALSE, sizeof(guint32));
	t->words = g_array_new(FALSE, FALSE, sizeof(guint32));
	t->kept = g_byte_array_new();
	return t;
}

static void thread_end(gpointer data, gpointer thread_data)
{
	struct tree_changes *changes = data;
	struct tree_thread *t = thread_data;

	g_mutex_lock(&changes->lock);
	changes->run->counts.trees += t->trees;
	g_mutex_unlock(&changes->lock);
	g_array_unref(t->items);
	g_array_unref(t->found);
	g_array_unref(t->touched);
	g_array_unref(t->words);
	g_byte_array_unref(t->kept);
	g_free(t->begins);
	g_free(t);
}

static gboolean bit_get(const guint64 *bits, guint32 at)
{
	return bits[at / 64] >> (at % 64) & 1;
}

static void bit_set(guint64 *bits, guint32 at)
{
	bits[at / 64] |= G_GUINT64_CONSTANT(1) << (at % 64);
}

/* The last bit set in [from, to]; bit `from` is set. */
static guint32 bit_last(const guint64 *bits, guint32 from, guint32 to)
{
	for (guint32 word = to / 64;; word--) {
		guint64 value = bits[word];
		if (word == to / 64 && to % 64 != 63)
			value &= (G_GUINT64_CONSTANT(2) << (to % 64)) - 1;
		if (value != 0)
			return MAX(from, word * 64 + 63 - (guint32)__builtin_clzll(value));
		if (word == from / 64)
			return from;
	}
}

/* 64 bits that begin at any bit; the words behind the last are not read. */
static guint64 bits_at(const guint64 *bits, guint32 at, guint32 n_words)
{
	guint32 word = at / 64, shift = at % 64;
	guint64 value = word < n_words ? bits[word] >> shift : 0;

	if (shift != 0 && word + 1 < n_words)
		value |= bits[word + 1] << (64 - shift);
	return value;
}

/* Sets in `to` the bits [at, at + n) as they are in `from` at [from_at, from_at + n). */
static void bits_copy(guint64 *to, guint32 at, const guint64 *from, guint32 from_at, guint32 n,
	guint32 from_words)
{
	while (n > 0) {
		guint32 take = MIN(n, 64 - at % 64), word = from_at / 64, shift = from_at % 64;
		/* Whole words from here on, but for the last: most of a tree is one long copy. */
		for (; take == 64 && word + 1 < from_words; word++) {
			to[at / 64] = from[word] >> shift | from[word + 1] << 1 << (63 - shift);
			at += 64;
			from_at += 64;
			n -= 64;
			take = MIN(n, 64);
		}
		guint64 value = bits_at(from, from_at, from_words);
		if (take < 64)
			value &= (G_GUINT64_CONSTANT(1) << take) - 1;
		to[at / 64] |= value << (at % 64);
		at += take;
		from_at += take;
		n -= take;
	}
}

static guint32 name_add(struct tree_changes *changes, const char *name, guint32 len)
{
	g_mutex_lock(&changes->lock);
	guint32 number = text_pool_add(&changes->run->state->texts, name, len);
	g_mutex_unlock(&changes->lock);
	return number;
}

static guint32 gap_add(struct tree_changes *changes, enum history_gap kind, const struct oid *oid)
{
	struct oid copy;

	memcpy(&copy, oid, sizeof(copy));
	g_mutex_lock(&changes->lock);
	guint32 child = history_gap_add(changes->run, kind, &copy);
	g_mutex_unlock(&changes->lock);
	return child;
}

/* 0: of no interest. */
static guint32 entry_child(struct tree_changes *changes, const struct tree_bytes_entry *entry)
{
	guint32 kind = entry->mode & TREE_BYTES_KIND, number;
	gboolean is_folder = kind == TREE_BYTES_FOLDER;

	if (kind == TREE_BYTES_SUBMODULE)
		return 0;
	if (!depot_find(changes->run->depot, entry->oid, &number))
		return gap_add(
			changes, is_folder ? HISTORY_GAP_TREE : HISTORY_GAP_BLOB, entry->oid);
	enum plain plain = (enum plain)(changes->plain[number / 4] >> number % 4 * 2 & 3);
	if (plain == (is_folder ? PLAIN_TREE : PLAIN_BLOB))
		return is_folder ? number + 1 : 0;
	if (history_is_other_kind(changes->run, number, is_folder))
		return gap_add(changes, HISTORY_GAP_BROKEN, entry->oid);
	if (is_folder)
		return number + 1;
	guint32 mark = changes->marks[number];
	return mark & TREE_MARK_BLOB ? HOLDING_BLOB | (mark & ~TREE_MARK_BLOB) : 0;
}

static void item_add(struct tree_thread *t, guint32 at, guint32 end, guint32 name, guint32 child)
{
	struct tree_item item = {at, end, name, child};

	g_array_append_val(t->items, item);
	g_array_append_val(t->touched, name);
}

/* Takes over the base's [from, to), which begins at `at` here. */
static void items_copy(
	struct tree_thread *t, const struct tree_state *base, guint32 at, guint32 from, guint32 to)
{
	guint32 low = 0, high = base->n;

	while (low < high) {
		guint32 middle = low + (high - low) / 2;
		if (base->items[middle].at < from)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < base->n && base->items[low].at < to; low++) {
		struct tree_item item = base->items[low];
		if (item.end > to) /* the broken rest of the base */
			continue;
		item.at += at - from;
		item.end += at - from;
		g_array_append_val(t->items, item);
		t->kept->data[low] = 1;
	}
}

/* Parses one entry at `at`; where it ends, or 0 when it is broken. */
static guint32 entry_parse(struct tree_thread *t, const guint8 *data, guint32 at, guint32 len)
{
	const guint8 *p = data + at;
	struct tree_found found = {.item = t->items->len};

	if (!tree_bytes_next(&p, data + len, &found.entry))
		return 0;
	guint32 end = (guint32)(p - data);
	if ((found.entry.mode & TREE_BYTES_KIND) == TREE_BYTES_SUBMODULE)
		return end;
	struct tree_item item = {.at = at, .end = end};
	depot_expect(t->changes->run->depot, found.entry.oid);
	g_array_append_val(t->items, item);
	g_array_append_val(t->found, found);
	return end;
}

/*
 * Looks up what was parsed, several entries together because each is somewhere else in memory, and
 * drops the items that are of no interest.
 */
static void entries_find(struct tree_thread *t)
{
	struct tree_item *items = (struct tree_item *)(void *)t->items->data;
	guint kept = t->found->len > 0 ? g_array_index(t->found, struct tree_found, 0).item : 0;

	for (guint f = 0; f < t->found->len; f++) {
		const struct tree_found *found = &g_array_index(t->found, struct tree_found, f);
		const struct tree_bytes_entry *entry = &found->entry;
		guint next = f + 1 < t->found->len ? found[1].item : t->items->len;
		guint32 child = entry_child(t->changes, entry);
		if (child != 0 || (entry->mode & TREE_BYTES_KIND) == TREE_BYTES_FOLDER) {
			struct tree_item item = items[found->item];
			item.name = name_add(t->changes, entry->name, entry->name_len);
			item.child = child;
			g_array_append_val(t->touched, item.name);
			items[kept++] = item;
		}
		/* Those taken over from the base up to the next that was parsed. */
		guint n = next - found->item - 1;
		memmove(items + kept, items + found->item + 1, n * sizeof(*items));
		kept += n;
	}
	if (t->found->len > 0)
		g_array_set_size(t->items, kept);
	g_array_set_size(t->found, 0);
}

/* Fills items, touched and begins; how far it could be parsed. */
static guint32 tree_parse(struct tree_thread *t, const struct depot_object *object)
{
	const struct tree_state *base = object->base_state;
	guint32 at = 0, piece = 0, len = object->len;
	guint32 base_words = base != NULL ? base->len / 64 + 1 : 0;

	while (at < len) {
		bit_set(t->begins, at);
		while (piece < object->n_pieces &&
			object->pieces[piece].at + object->pieces[piece].len <= at)
			piece++;
		if (base != NULL && piece < object->n_pieces &&
			object->pieces[piece].from != DEPOT_INSERT) {
			const struct depot_piece *p = &object->pieces[piece];
			guint32 from = p->from + (at - p->at), limit = p->from + p->len;
			if (limit <= base->len && bit_get(base->begins, from)) {
				guint32 to = bit_last(base->begins, from, limit);
				if (to > from) {
					items_copy(t, base, at, from, to);
					bits_copy(t->begins, at, base->begins, from, to - from,
						base_words);
					at += to - from;
					continue;
				}
			}
		}
		guint32 end = entry_parse(t, object->data, at, len);
		if (end == 0)
			return at;
		if (t->found->len == FOUND_MAX)
			entries_find(t);
		at = end;
	}
	bit_set(t->begins, len);
	return len;
}

static int number_compare(gconstpointer a, gconstpointer b)
{
	guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;

	return (x > y) - (x < y);
}

static void pair_add(GArray *words, guint32 name, guint32 child)
{
	g_array_append_val(words, name);
	g_array_append_val(words, child);
}

/* A row for what differs from the base, or for all of it. */
static guint32 change_add(struct tree_thread *t, const struct tree_state *base, guint32 base_number)
{
	const struct tree_item *items = (const struct tree_item *)(const void *)t->items->data;
	guint32 zero = 0;

	g_array_set_size(t->words, 0);
	for (guint32 i = 0; base != NULL && i < base->n; i++)
		if (!t->kept->data[i])
			g_array_append_val(t->touched, base->items[i].name);
	guint32 *touched = (guint32 *)(void *)t->touched->data;
	if (base == NULL || t->touched->len > WHOLE_ABOVE) {
		base_number = DEPOT_NONE;
		g_array_append_val(t->words, base_number);
		g_array_append_val(t->words, zero);
		for (guint i = 0; i < t->items->len; i++)
			if (items[i].child != 0)
				pair_add(t->words, items[i].name, items[i].child);
	} else {
		g_array_append_val(t->words, base_number);
		g_array_append_val(t->words, zero);
		if (t->touched->len > 1)
			qsort(touched, t->touched->len, sizeof(*touched), number_compare);
		for (guint i = 0; i < t->touched->len; i++) {
			if (i > 0 && touched[i] == touched[i - 1])
				continue;
			gboolean is_there = FALSE;
			for (guint k = 0; k < t->items->len; k++) {
				if (items[k].name != touched[i] || items[k].child == 0)
					continue;
				pair_add(t->words, touched[i], items[k].child);
				is_there = TRUE;
			}
			if (!is_there)
				pair_add(t->words, touched[i], TREE_CHANGE_GONE);
		}
	}
	g_array_index(t->words, guint32, 1) = (t->words->len - TREE_CHANGE_WORDS) / 2;
	return word_arena_add(t->changes->arena, &t->cursor,
		(const guint32 *)(const void *)t->words->data, t->words->len);
}

static gboolean thread_prepare(struct tree_thread *t, guint32 len, const struct tree_state *base)
{
	gsize n_words = len / 64 + 1;

	if (n_words > t->begins_room) {
		g_free(t->begins);
		t->begins_room = 0;
		t->begins = g_try_new(guint64, n_words * 2);
		if (t->begins == NULL)
			return FALSE;
		t->begins_room = n_words * 2;
	}
	memset(t->begins, 0, n_words * sizeof(guint64));
	g_array_set_size(t->items, 0);
	g_array_set_size(t->found, 0);
	g_array_set_size(t->touched, 0);
	g_byte_array_set_size(t->kept, base != NULL ? base->n + 1 : 1);
	memset(t->kept->data, 0, t->kept->len);
	return TRUE;
}

static struct tree_state *state_make(const struct tree_thread *t, guint32 len, guint32 parsed)
{
	gsize items = t->items->len * sizeof(struct tree_item);
	gsize begins = (len / 64 + 1) * sizeof(guint64);
	struct tree_state *state = g_try_malloc(sizeof(*state) + items + begins);

	if (state == NULL) /* those made from it are parsed whole */
		return NULL;
	state->len = len;
	state->parsed = parsed;
	state->n = t->items->len;
	if (items > 0)
		memcpy(state->items, t->items->data, items);
	state->begins = (guint64 *)(void *)((char *)(state + 1) + items);
	memcpy(state->begins, t->begins, begins);
	return state;
}

static gpointer tree_visit(gpointer thread_data, const struct depot_object *object)
{
	struct tree_thread *t = thread_data;
	struct tree_changes *changes = t->changes;
	const struct tree_state *base = object->base_state;

	t->trees++;
	if (changes->run->options.cancel != NULL && g_atomic_int_get(changes->run->options.cancel))
		g_atomic_int_set(&changes->progress.cancel, 1);
	if (!thread_prepare(t, object->len, base))
		return NULL;
	guint32 parsed = tree_parse(t, object);
	entries_find(t);
	if (parsed < object->len) {
		guint32 gap = gap_add(changes, HISTORY_GAP_BROKEN,
			depot_oid(changes->run->depot, object->number));
		if (gap != 0)
			item_add(t, parsed, object->len, changes->no_name, gap);
	}
	guint32 row = change_add(t, base, object->base_number);
	if (row == 0) {
		g_atomic_int_set(&changes->is_full, 1);
		g_atomic_int_set(&changes->progress.cancel, 1);
	}
	changes->marks[object->number] = row;
	return state_make(t, object->len, parsed);
}

static void tree_forget(gpointer thread_data, gpointer state)
{
	g_free(state);
}

static void plain_fill(struct tree_changes *changes)
{
	const struct depot *depot = changes->run->depot;

	for (guint32 i = 0; i < depot_count(depot); i++) {
		enum depot_type type = depot_type_peek(depot, i);
		enum plain plain = PLAIN_UNKNOWN;
		if (type == DEPOT_BLOB && changes->marks[i] == 0)
			plain = PLAIN_BLOB;
		else if (type == DEPOT_TREE)
			plain = PLAIN_TREE;
		changes->plain[i / 4] |= (guint8)(plain << i % 4 * 2);
	}
}

gboolean tree_changes_walk(struct tree_changes *changes, GError **error)
{
	const struct depot_visitor visitor = {.visit = tree_visit,
		.forget = tree_forget,
		.thread_begin = thread_begin,
		.thread_end = thread_end};

	plain_fill(changes);
	if (depot_walk(changes->run->depot, DEPOT_MASK(DEPOT_TREE), NULL, &visitor, changes,
		    &changes->progress, error))
		return TRUE;
	if (changes->is_full) {
		g_clear_error(error);
		g_set_error_literal(
			error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "there are too many trees");
	}
	return FALSE;
}

guint32 tree_changes_read(struct tree_changes *changes, guint32 number)
{
	struct depot_object object = {
		.number = number, .type = DEPOT_TREE, .base_number = DEPOT_NONE};
	enum depot_type type;
	gsize len;

	if (!depot_read(changes->run->reader, number, HISTORY_OBJECT_MAX, &type, &object.data, &len,
		    NULL) ||
		type != DEPOT_TREE)
		return 0;
	object.len = (guint32)len;
	struct tree_thread *t = thread_begin(changes, 0);
	t->cursor = changes->own;
	g_free(tree_visit(t, &object));
	changes->own = t->cursor;
	thread_end(changes, t);
	return changes->marks[number];
}
