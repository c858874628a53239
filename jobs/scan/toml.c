/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/toml.h"

#include <string.h>

#include "jobs/scan/toml_reader.h"
#include "lib/error.h"
#include "lib/quote.h"

/*
 * The document: tables, headers and keys; toml_value.c reads what stands behind a `=`.
 * Source of all rules: toml.io/en/v1.0.0.
 */

/* How a table came to be decides what may be added to it. */
enum {
	MADE_IMPLICIT, /* by a longer header: [a.b] makes a; [a] may still come, once */
	MADE_HEADER,   /* by [a] or [[a]]: keys come below it, no second header */
	MADE_DOTTED,   /* by a.b = …: only by dotted keys of the same table */
	MADE_INLINE,   /* by { }: closed */
};

#define BLOCK_BYTES 65536

void toml_fail_at(struct toml_reader *r, guint line, int code, const char *format, ...)
{
	va_list args;

	if (r->error != NULL && *r->error != NULL)
		return;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	/* Keys are foreign, and messages go to terminals. */
	g_autofree char *safe = quote_format(text);
	g_set_error(r->error, MUSTER_ERROR, code, "%s:%u: %s", r->name, line, safe);
}

gpointer toml_take(struct toml *doc, gsize bytes)
{
	bytes = (bytes + 15) & ~(gsize)15;
	if (doc->left < bytes) {
		gsize size = MAX(bytes + 16, BLOCK_BYTES);
		char *block = g_malloc(size);
		/* The first word of a block leads to the one before. */
		*(char **)block = doc->block;
		doc->block = block;
		doc->at = block + 16;
		doc->left = size - 16;
	}
	char *taken = doc->at;
	doc->at += bytes;
	doc->left -= bytes;
	return memset(taken, 0, bytes);
}

/* Room for one more; the old place is given up, so all growing costs twice the end at most. */
static gpointer grow(struct toml *doc, gpointer old, guint n, guint *room, gsize size)
{
	if (n < *room)
		return old;
	*room = *room ? *room * 2 : 4;
	gpointer list = toml_take(doc, *room * size);
	if (n > 0)
		memcpy(list, old, n * size);
	return list;
}

struct toml_value *toml_add_item(struct toml_reader *r, struct toml_value *array, guint line)
{
	if (array->n >= TOML_ITEMS_MAX || ++r->values > TOML_VALUES_MAX) {
		toml_fail(r, MUSTER_ERROR_LIMIT, "too many values");
		return NULL;
	}
	array->items = grow(r->doc, array->items, array->n, &array->room, sizeof *array->items);
	struct toml_value *value = &array->items[array->n++];
	*value = (struct toml_value){.line = line};
	return value;
}

static struct toml_entry *find(const struct toml_table *table, const char *key)
{
	for (guint i = 0; i < table->n; i++)
		if (!strcmp(table->entries[i].key, key))
			return &table->entries[i];
	return NULL;
}

static struct toml_value *add(
	struct toml_reader *r, struct toml_table *table, const char *key, guint line)
{
	if (table->n >= TOML_KEYS_MAX || ++r->values > TOML_VALUES_MAX) {
		toml_fail(r, MUSTER_ERROR_LIMIT, "too many keys");
		return NULL;
	}
	table->entries =
		grow(r->doc, table->entries, table->n, &table->room, sizeof *table->entries);
	struct toml_entry *entry = &table->entries[table->n++];
	*entry = (struct toml_entry){.key = key, .value.line = line};
	return &entry->value;
}

static struct toml_table *add_table(
	struct toml_reader *r, struct toml_table *in, const char *key, guint8 made)
{
	struct toml_value *value = add(r, in, key, r->line);

	if (value == NULL)
		return NULL;
	value->kind = TOML_TABLE;
	value->table = toml_take(r->doc, sizeof *value->table);
	value->table->made = made;
	return value->table;
}

static gboolean is_bare(char c)
{
	return g_ascii_isalnum(c) || c == '_' || c == '-';
}

static const char *read_name(struct toml_reader *r)
{
	struct toml_value value = {0};
	const char *start = r->at;

	if (*r->at == '"' || *r->at == '\'') {
		if (!strncmp(r->at, "\"\"\"", 3) || !strncmp(r->at, "'''", 3)) {
			toml_fail(r, MUSTER_ERROR_INPUT, "a key cannot be a multi-line string");
			return NULL;
		}
		if (!toml_read_string(r, &value))
			return NULL;
	} else {
		while (is_bare(*r->at))
			r->at++;
		value.len = (gsize)(r->at - start);
		if (value.len == 0) {
			toml_fail(r, MUSTER_ERROR_INPUT, "a key is expected here");
			return NULL;
		}
	}
	if (value.len > TOML_KEY_BYTES_MAX) {
		toml_fail(r, MUSTER_ERROR_LIMIT, "this key is too long");
		return NULL;
	}
	return value.string ? value.string : toml_copy(r->doc, start, value.len);
}

/* A key with its dots, as a list of names; 0 when it is wrong. */
static guint read_key(struct toml_reader *r, const char *names[TOML_DEPTH_MAX])
{
	guint n = 0;

	for (;;) {
		if (n == TOML_DEPTH_MAX) {
			toml_fail(r, MUSTER_ERROR_LIMIT, "this key has too many parts");
			return 0;
		}
		names[n] = read_name(r);
		if (names[n++] == NULL)
			return 0;
		toml_skip_blank(r);
		if (*r->at != '.')
			return n;
		r->at++;
		toml_skip_blank(r);
	}
}

static gboolean fail_twice(struct toml_reader *r, const char *key, guint line)
{
	toml_fail(r, MUSTER_ERROR_INPUT, "'%s' is already defined in line %u", key, line);
	return FALSE;
}

gboolean toml_read_pair(struct toml_reader *r, struct toml_table *table, guint depth)
{
	const char *names[TOML_DEPTH_MAX];
	guint n = read_key(r, names);

	if (n == 0)
		return FALSE;
	for (guint i = 0; i + 1 < n; i++) {
		struct toml_entry *entry = find(table, names[i]);
		if (entry == NULL) {
			table = add_table(r, table, names[i], MADE_DOTTED);
			if (table == NULL)
				return FALSE;
		} else if (entry->value.kind != TOML_TABLE ||
			   entry->value.table->made != MADE_DOTTED) {
			return fail_twice(r, names[i], entry->value.line);
		} else {
			table = entry->value.table;
		}
	}
	struct toml_entry *entry = find(table, names[n - 1]);
	if (entry != NULL)
		return fail_twice(r, names[n - 1], entry->value.line);
	if (*r->at != '=') {
		toml_fail(
			r, MUSTER_ERROR_INPUT, "'=' is expected behind the key '%s'", names[n - 1]);
		return FALSE;
	}
	r->at++;
	toml_skip_blank(r);
	struct toml_value *value = add(r, table, names[n - 1], r->line);
	struct toml_value read = {.line = r->line};
	/* Read aside: an inline table's own keys may move the list in which `value` lies. */
	guint at = table->n - 1;
	if (value == NULL || !toml_read_value(r, &read, depth))
		return FALSE;
	table->entries[at].value = read;
	return TRUE;
}

struct toml_table *toml_new_inline(struct toml_reader *r)
{
	struct toml_table *table = toml_take(r->doc, sizeof *table);

	table->made = MADE_INLINE;
	return table;
}

/* The table that a header's leading names lead to, or the last one of an array of tables. */
static struct toml_table *descend(struct toml_reader *r, const char *const *names, guint n)
{
	struct toml_table *table = &r->doc->root;

	for (guint i = 0; i < n; i++) {
		struct toml_entry *entry = find(table, names[i]);
		if (entry == NULL) {
			table = add_table(r, table, names[i], MADE_IMPLICIT);
			if (table == NULL)
				return NULL;
			continue;
		}
		struct toml_value *value = &entry->value;
		if (value->kind == TOML_ARRAY && value->is_tables)
			value = &value->items[value->n - 1];
		if (value->kind != TOML_TABLE || value->table->made == MADE_INLINE) {
			toml_fail(r, MUSTER_ERROR_INPUT, "'%s' of line %u is not a table", names[i],
				entry->value.line);
			return NULL;
		}
		table = value->table;
	}
	return table;
}

/* Behind "[[": the next table of an array. */
static struct toml_table *open_array(
	struct toml_reader *r, struct toml_table *in, const char *name, guint line)
{
	struct toml_entry *entry = find(in, name);
	struct toml_value *array = entry ? &entry->value : NULL;

	if (array == NULL) {
		array = add(r, in, name, line);
		if (array == NULL)
			return NULL;
		array->kind = TOML_ARRAY;
		array->is_tables = TRUE;
	} else if (array->kind != TOML_ARRAY || !array->is_tables) {
		fail_twice(r, name, array->line);
		return NULL;
	}
	struct toml_value *item = toml_add_item(r, array, line);
	if (item == NULL)
		return NULL;
	item->kind = TOML_TABLE;
	item->table = toml_take(r->doc, sizeof *item->table);
	item->table->made = MADE_HEADER;
	return item->table;
}

static struct toml_table *open_table(struct toml_reader *r, struct toml_table *in, const char *name)
{
	struct toml_entry *entry = find(in, name);

	if (entry == NULL)
		return add_table(r, in, name, MADE_HEADER);
	if (entry->value.kind != TOML_TABLE || entry->value.table->made != MADE_IMPLICIT) {
		fail_twice(r, name, entry->value.line);
		return NULL;
	}
	entry->value.table->made = MADE_HEADER;
	return entry->value.table;
}

static struct toml_table *read_header(struct toml_reader *r)
{
	const char *names[TOML_DEPTH_MAX];
	gboolean is_array = r->at[1] == '[';
	guint line = r->line;

	r->at += is_array ? 2 : 1;
	toml_skip_blank(r);
	guint n = read_key(r, names);
	if (n == 0)
		return NULL;
	if (*r->at != ']' || (is_array && r->at[1] != ']')) {
		toml_fail(r, MUSTER_ERROR_INPUT, "'%s' is expected here", is_array ? "]]" : "]");
		return NULL;
	}
	r->at += is_array ? 2 : 1;
	struct toml_table *in = descend(r, names, n - 1);
	if (in == NULL)
		return NULL;
	return is_array ? open_array(r, in, names[n - 1], line) : open_table(r, in, names[n - 1]);
}

static gboolean read_document(struct toml_reader *r)
{
	struct toml_table *table = &r->doc->root;

	for (;;) {
		if (!toml_skip_space(r))
			return FALSE;
		if (r->at == r->end)
			return TRUE;
		if (*r->at == '[') {
			table = read_header(r);
			if (table == NULL)
				return FALSE;
		} else if (!toml_read_pair(r, table, 1)) {
			return FALSE;
		}
		toml_skip_blank(r);
		if (r->at < r->end && *r->at != '\n' && *r->at != '#' &&
			!(*r->at == '\r' && r->at[1] == '\n')) {
			toml_fail(r, MUSTER_ERROR_INPUT,
				"there is something behind the end of this line");
			return FALSE;
		}
	}
}

/* Most files are; eight bytes at a time, ten times as fast as to look at characters. */
static gboolean is_ascii(const char *text, gsize len)
{
	const guint64 ones = G_GUINT64_CONSTANT(0x0101010101010101);
	guint64 bad = 0, word;
	gsize i = 0;

	/* A byte above 7F has its high bit; of one that is 0, subtracting 1 sets it. */
	for (; i + sizeof word <= len; i += sizeof word) {
		memcpy(&word, text + i, sizeof word);
		bad |= (word | ((word - ones) & ~word)) & ones << 7;
	}
	for (; i < len; i++)
		bad |= (guchar)(text[i] - 1) >= 0x7f;
	return bad == 0;
}

struct toml *toml_parse(const char *name, const char *text, gsize len, GError **error)
{
	const char *bad;

	if (!is_ascii(text, len) && !g_utf8_validate_len(text, len, &bad)) {
		guint line = 1;
		for (const char *p = text; p < bad; p++)
			line += *p == '\n';
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "%s:%u: %s", name, line,
			bad < text + len && *bad == '\0' ? "a zero byte" : "not UTF-8");
		return NULL;
	}
	struct toml *doc = g_new0(struct toml, 1);
	/* A zero behind the text, so that looking at the next byte is always allowed. */
	char *copy = g_try_malloc(len + 1);
	if (copy == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "%s: no memory for it", name);
		toml_free(doc);
		return NULL;
	}
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	g_autoptr(GError) problem = NULL;
	struct toml_reader r = {.name = name,
		.at = copy,
		.end = copy + len,
		.line = 1,
		.doc = doc,
		.error = &problem};
	doc->root.made = MADE_HEADER;
	if (len >= 3 && !memcmp(copy, "\xef\xbb\xbf", 3))
		r.at += 3;
	gboolean is_fine = read_document(&r);
	g_free(copy);
	if (is_fine)
		return doc;
	g_propagate_error(error, g_steal_pointer(&problem));
	toml_free(doc);
	return NULL;
}

void toml_free(struct toml *doc)
{
	if (doc == NULL)
		return;
	while (doc->block != NULL) {
		char *before = *(char **)doc->block;
		g_free(doc->block);
		doc->block = before;
	}
	g_free(doc);
}

const struct toml_table *toml_root(const struct toml *doc)
{
	return &doc->root;
}

const struct toml_value *toml_find(const struct toml_table *table, const char *key)
{
	struct toml_entry *entry = find(table, key);

	return entry ? &entry->value : NULL;
}

const char *toml_kind_name(enum toml_kind kind)
{
	static const char *const names[] = {[TOML_STRING] = "a string",
		[TOML_INTEGER] = "an integer",
		[TOML_FLOAT] = "a float",
		[TOML_BOOLEAN] = "true or false",
		[TOML_ARRAY] = "an array",
		[TOML_TABLE] = "a table"};

	return (guint)kind < G_N_ELEMENTS(names) && names[kind] ? names[kind] : "nothing";
}
