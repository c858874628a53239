/* SPDX-License-Identifier: MIT */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include <glib.h>
#include <json.h>

/*
 * JSON from outside. json-c, even when strict, takes duplicate keys (the last wins), NaN and
 * integers that it clamps; PostgreSQL's jsonb refuses U+0000. json_check() is one pass of our own
 * over the bytes that refuses all of that before json-c or PostgreSQL sees them, so that every
 * reader of a document reads the same document. It builds nothing and its memory is bounded by
 * the limits.
 *
 *	g_autoptr(json_object) body = json_parse(bytes, len, &json_limits_request, error);
 *
 * Grammar: RFC 8259, UTF-8 only, no byte order mark, one value. Numbers without fraction and
 * exponent must fit a signed 64-bit integer; others have an exponent of at most 1 000 either way,
 * are finite as doubles, and are zero only when their digits are. Strings are valid UTF-8; escapes
 * \u0000 and lone surrogates are refused.
 */

struct json_limits {
	gsize size_bytes; /* of the whole document */
	guint depth;      /* of nested arrays and objects; a scalar has depth 0; at most 128 */
	guint keys;       /* members of one object */
};

extern const struct json_limits json_limits_request; /* 1 MiB, depth 16, 1 000 keys */
extern const struct json_limits json_limits_report;  /* 256 MiB, depth 32, 100 000 keys */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_object, json_object_put)

/* Errors: MUSTER_ERROR_INPUT with the byte offset, _LIMIT. bytes need no terminator. */
gboolean json_check(const char *bytes, gsize len, const struct json_limits *limits, GError **error);

/* json_check(), then json-c. The caller owns the result; JSON null is refused as a document. */
json_object *json_parse(
	const char *bytes, gsize len, const struct json_limits *limits, GError **error);

/*
 * The member of that name and type, else NULL and, when error is given, MUSTER_ERROR_INPUT.
 * Borrowed from object.
 */
json_object *json_get(json_object *object, const char *name, enum json_type type, GError **error);
const char *json_get_text(json_object *object, const char *name, GError **error);

/* Takes the member away, if there is one, and overwrites its texts: it was a secret. */
void json_wipe(json_object *object, const char *name);

#endif
