/* SPDX-License-Identifier: MIT */
/*
 * TOML, as far as rule files use it: version 1.0 without dates, and, as in 1.1, inline tables over
 * several lines. No library for C is in Debian, and messages need a reader that knows lines.
 *
 * The text is foreign: it must be UTF-8 without zero bytes, and everything is counted, see below. A
 * string with \u0000 is refused, so that strings are C strings. Keys and strings are copied; the
 * document owns all of it, in a few big blocks: reading is one pass, and freeing is cheap.
 *
 *	g_autoptr(Toml) doc = toml_parse("rules.toml", text, len, &error);
 *	const struct toml_value *title = toml_find(toml_root(doc), "title");
 *	if (title && title->kind == TOML_STRING)
 *		puts(title->string);
 */
#ifndef MUSTER_JOBS_SCAN_TOML_H
#define MUSTER_JOBS_SCAN_TOML_H

#include <glib.h>

#define TOML_DEPTH_MAX 16      /* values in values, and names in a dotted key */
#define TOML_VALUES_MAX 262144 /* in a document */
#define TOML_KEYS_MAX 1024     /* in a table */
#define TOML_ITEMS_MAX 65536   /* in an array */
#define TOML_KEY_BYTES_MAX 1024

enum toml_kind {
	TOML_STRING = 1,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOLEAN,
	TOML_ARRAY,
	TOML_TABLE,
};

struct toml_table;

struct toml_value {
	enum toml_kind kind;
	guint line; /* of its first character; of a table its header's or its first key's */
	union {
		struct {
			const char *string;
			gsize len;
		};
		gint64 integer;
		double number;
		gboolean boolean;
		struct {
			struct toml_value *items;
			guint n, room;
			gboolean is_tables; /* made by [[name]] */
		};
		struct toml_table *table;
	};
};

struct toml_entry {
	const char *key;
	struct toml_value value;
};

/* In the order of the file. */
struct toml_table {
	struct toml_entry *entries;
	guint n, room;
	guint8 made; /* how, for what may still be added: toml.c */
};

typedef struct toml Toml;

/*
 * `name` opens each message: "name:line: what is wrong". INPUT, or LIMIT when a cap is reached.
 * Takes no more memory than a small multiple of `len`.
 */
struct toml *toml_parse(const char *name, const char *text, gsize len, GError **error);
void toml_free(struct toml *doc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Toml, toml_free)

const struct toml_table *toml_root(const struct toml *doc);
/* NULL when there is no such key. */
const struct toml_value *toml_find(const struct toml_table *table, const char *key);
/* "a string", "an array", for messages. */
const char *toml_kind_name(enum toml_kind kind);
/* Zeroed memory that lives as long as the document. */
gpointer toml_take(struct toml *doc, gsize bytes);
/* `len` bytes and a zero, likewise. */
char *toml_copy(struct toml *doc, const char *text, gsize len);

#endif
