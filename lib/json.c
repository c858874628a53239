/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/json.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "lib/error.h"

#define JSON_DEPTH_MAX 128
/* From this many keys on an object's keys go into a hash table instead of being compared. */
#define KEYS_LINEAR_MAX 24
/* No number that a double can hold needs more of either. */
#define NUMBER_MAX_BYTES 511
#define EXPONENT_MAX 1000

const struct json_limits json_limits_request = {1024 * 1024, 16, 1000};
const struct json_limits json_limits_report = {256 * 1024 * 1024, 32, 100000};

struct level {
	gboolean is_object;
	guint first;       /* index of this object's first key in keys */
	GHashTable *table; /* all keys of this object, once they are many */
};

struct checker {
	const char *start, *at, *end;
	const struct json_limits *limits;
	struct level levels[JSON_DEPTH_MAX];
	guint depth;
	GPtrArray *keys; /* of char *, of all open objects */
	GString *text;   /* the string being decoded */
	GError **error;
};

/* Keys come from outside: a keyed hash keeps them from being chosen to collide. */
static guchar hash_key[crypto_shorthash_KEYBYTES];

static guint key_hash(gconstpointer key)
{
	guchar out[crypto_shorthash_BYTES];
	guint hash;
	crypto_shorthash(out, key, strlen(key), hash_key);
	memcpy(&hash, out, sizeof(hash));
	return hash;
}

static gboolean refuse(struct checker *c, enum muster_error code, const char *why)
{
	g_set_error(c->error, MUSTER_ERROR, code,
		"not acceptable JSON at byte %" G_GSIZE_FORMAT ": %s", (gsize)(c->at - c->start),
		why);
	return FALSE;
}

static void skip_space(struct checker *c)
{
	while (c->at < c->end &&
		(*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
		c->at++;
}

static int hex_read(const char *at)
{
	int value = 0;
	for (int i = 0; i < 4; i++) {
		int digit = g_ascii_xdigit_value(at[i]);
		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

/* After "\u"; two escapes when the first is a high surrogate (RFC 8259, section 7). */
static gboolean unicode_read(struct checker *c)
{
	int unit = c->end - c->at >= 4 ? hex_read(c->at) : -1;
	if (unit < 0)
		return refuse(c, MUSTER_ERROR_INPUT, "\\u needs four hexadecimal digits");
	if (unit == 0)
		return refuse(c, MUSTER_ERROR_INPUT, "U+0000 is not allowed");
	gunichar code = (gunichar)unit;
	gsize len = 4;
	if (unit >= 0xd800 && unit <= 0xdbff) {
		gboolean is_pair = c->end - c->at >= 10 && c->at[4] == '\\' && c->at[5] == 'u';
		int low = is_pair ? hex_read(c->at + 6) : -1;
		if (low < 0xdc00 || low > 0xdfff)
			return refuse(c, MUSTER_ERROR_INPUT, "a lone surrogate");
		code = 0x10000 + (((gunichar)unit - 0xd800) << 10) + ((gunichar)low - 0xdc00);
		len = 10;
	} else if (unit >= 0xdc00 && unit <= 0xdfff) {
		return refuse(c, MUSTER_ERROR_INPUT, "a lone surrogate");
	}
	c->at += len;
	g_string_append_unichar(c->text, code);
	return TRUE;
}

/* At the opening quote; leaves the decoded bytes in c->text when is_key. */
static gboolean string_read(struct checker *c, gboolean is_key)
{
	const char *run = ++c->at;
	gboolean is_ascii = TRUE;

	g_string_truncate(c->text, 0);
	for (;;) {
		if (c->at == c->end)
			return refuse(c, MUSTER_ERROR_INPUT, "a string without an end");
		guchar byte = (guchar)*c->at;
		if (byte < 0x20)
			return refuse(c, MUSTER_ERROR_INPUT, "a control character in a string");
		is_ascii = is_ascii && byte < 0x80;
		if (byte != '"' && byte != '\\') {
			c->at++;
			continue;
		}
		const char *valid_end;
		if (!is_ascii && !g_utf8_validate_len(run, (gsize)(c->at - run), &valid_end)) {
			c->at = valid_end;
			return refuse(c, MUSTER_ERROR_INPUT, "a string that is not UTF-8");
		}
		if (is_key)
			g_string_append_len(c->text, run, c->at - run);
		c->at++;
		if (byte == '"')
			return TRUE;
		if (c->at == c->end)
			return refuse(c, MUSTER_ERROR_INPUT, "a string without an end");
		static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
		char escape = *c->at;
		const char *known = escape != '\0' ? strchr(escapes, escape) : NULL;
		if (known != NULL)
			g_string_append_c(c->text, meant[known - escapes]);
		else if (escape != 'u')
			return refuse(c, MUSTER_ERROR_INPUT, "an unknown escape");
		c->at++;
		if (escape == 'u' && !unicode_read(c))
			return FALSE;
		if (!is_key)
			g_string_truncate(c->text, 0);
		run = c->at;
		is_ascii = TRUE;
	}
}

static void digits_skip(struct checker *c)
{
	while (c->at < c->end && g_ascii_isdigit(*c->at))
		c->at++;
}

/*
 * Neither too large for a reader's double nor so small that it becomes zero: PostgreSQL's numeric
 * refuses what is much smaller, and a zero with a huge exponent too.
 */
static gboolean number_is_in_range(const char *start, gsize len, gboolean is_integer)
{
	char digits[NUMBER_MAX_BYTES + 1];

	if (len > NUMBER_MAX_BYTES)
		return FALSE;
	memcpy(digits, start, len);
	digits[len] = '\0';
	if (is_integer)
		return g_ascii_string_to_signed(digits, 10, G_MININT64, G_MAXINT64, NULL, NULL);
	gsize mantissa = strcspn(digits, "eE");
	gint64 exponent =
		digits[mantissa] != '\0' ? g_ascii_strtoll(digits + mantissa + 1, NULL, 10) : 0;
	if (exponent < -EXPONENT_MAX || exponent > EXPONENT_MAX)
		return FALSE;
	double value = g_ascii_strtod(digits, NULL);
	return isfinite(value) && (value != 0 || strcspn(digits, "123456789") >= mantissa);
}

static gboolean number_read(struct checker *c)
{
	const char *start = c->at;
	gboolean is_integer = TRUE;

	if (*c->at == '-')
		c->at++;
	if (c->at == c->end || !g_ascii_isdigit(*c->at))
		return refuse(c, MUSTER_ERROR_INPUT, "a value is expected");
	if (*c->at == '0' && c->at + 1 < c->end && g_ascii_isdigit(c->at[1]))
		return refuse(c, MUSTER_ERROR_INPUT, "a number with a leading zero");
	digits_skip(c);
	if (c->at < c->end && *c->at == '.') {
		const char *point = c->at++;
		is_integer = FALSE;
		digits_skip(c);
		if (c->at == point + 1)
			return refuse(c, MUSTER_ERROR_INPUT, "digits must follow the point");
	}
	if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
		is_integer = FALSE;
		c->at++;
		if (c->at < c->end && (*c->at == '+' || *c->at == '-'))
			c->at++;
		const char *exponent = c->at;
		digits_skip(c);
		if (c->at == exponent)
			return refuse(c, MUSTER_ERROR_INPUT, "digits must follow the exponent");
	}
	if (!number_is_in_range(start, (gsize)(c->at - start), is_integer)) {
		c->at = start;
		return refuse(c, MUSTER_ERROR_INPUT, "a number out of range");
	}
	return TRUE;
}

static gboolean key_add(struct checker *c)
{
	struct level *level = &c->levels[c->depth - 1];
	guint count = c->keys->len - level->first;
	gboolean is_new = TRUE;

	if (count >= c->limits->keys)
		return refuse(c, MUSTER_ERROR_LIMIT, "an object with too many keys");
	if (count < KEYS_LINEAR_MAX) {
		for (guint i = level->first; i < c->keys->len && is_new; i++)
			is_new = strcmp(c->keys->pdata[i], c->text->str) != 0;
	} else {
		if (level->table == NULL) {
			level->table = g_hash_table_new(key_hash, g_str_equal);
			for (guint i = level->first; i < c->keys->len; i++)
				g_hash_table_add(level->table, c->keys->pdata[i]);
		}
		is_new = !g_hash_table_contains(level->table, c->text->str);
	}
	if (!is_new)
		return refuse(c, MUSTER_ERROR_INPUT, "a key is given twice");
	char *key = g_strndup(c->text->str, c->text->len);
	g_ptr_array_add(c->keys, key);
	if (level->table != NULL)
		g_hash_table_add(level->table, key);
	return TRUE;
}

/* "key" : , leaving at on the value. */
static gboolean member_read(struct checker *c)
{
	skip_space(c);
	if (c->at == c->end || *c->at != '"')
		return refuse(c, MUSTER_ERROR_INPUT, "a key is expected");
	const char *key = c->at;
	if (!string_read(c, TRUE))
		return FALSE;
	const char *after = c->at;
	c->at = key; /* what a refusal names */
	if (!key_add(c))
		return FALSE;
	c->at = after;
	skip_space(c);
	if (c->at == c->end || *c->at != ':')
		return refuse(c, MUSTER_ERROR_INPUT, "':' is expected");
	c->at++;
	return TRUE;
}

static gboolean word_read(struct checker *c, const char *word)
{
	gsize len = strlen(word);
	if ((gsize)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
		return refuse(c, MUSTER_ERROR_INPUT, "a value is expected");
	c->at += len;
	return TRUE;
}

static void level_close(struct checker *c)
{
	struct level *level = &c->levels[--c->depth];
	g_clear_pointer(&level->table, g_hash_table_destroy);
	if (level->is_object)
		g_ptr_array_set_size(c->keys, (gint)level->first);
	c->at++;
}

/*
 * One value, or the opening of one. *is_open is set when an array or object was opened that is
 * not empty: a value (or member) must follow.
 */
static gboolean value_read(struct checker *c, gboolean *is_open)
{
	*is_open = FALSE;
	skip_space(c);
	if (c->at == c->end)
		return refuse(c, MUSTER_ERROR_INPUT, "a value is expected");
	switch (*c->at) {
	case '{':
	case '[': {
		gboolean is_object = *c->at == '{';
		if (c->depth >= MIN(c->limits->depth, JSON_DEPTH_MAX))
			return refuse(c, MUSTER_ERROR_LIMIT, "nested too deeply");
		c->levels[c->depth++] =
			(struct level){.is_object = is_object, .first = c->keys->len};
		c->at++;
		skip_space(c);
		if (c->at < c->end && *c->at == (is_object ? '}' : ']')) {
			level_close(c);
			return TRUE;
		}
		*is_open = TRUE;
		return !is_object || member_read(c);
	}
	case '"':
		return string_read(c, FALSE);
	case 't':
		return word_read(c, "true");
	case 'f':
		return word_read(c, "false");
	case 'n':
		return word_read(c, "null");
	default:
		return number_read(c);
	}
}

static gboolean document_read(struct checker *c)
{
	for (;;) {
		gboolean is_open;
		if (!value_read(c, &is_open))
			return FALSE;
		if (is_open)
			continue;
		/* A value ended: close what ends with it, then expect a comma. */
		for (;;) {
			skip_space(c);
			if (c->depth == 0) {
				if (c->at != c->end)
					return refuse(c, MUSTER_ERROR_INPUT,
						"something follows the value");
				return TRUE;
			}
			gboolean is_object = c->levels[c->depth - 1].is_object;
			if (c->at < c->end && *c->at == (is_object ? '}' : ']')) {
				level_close(c);
				continue;
			}
			if (c->at == c->end || *c->at != ',')
				return refuse(c, MUSTER_ERROR_INPUT, "',' or an end is expected");
			c->at++;
			if (is_object && !member_read(c))
				return FALSE;
			break;
		}
	}
}

gboolean json_check(const char *bytes, gsize len, const struct json_limits *limits, GError **error)
{
	static gsize is_ready;
	struct checker c = {
		.start = bytes, .at = bytes, .end = bytes + len, .limits = limits, .error = error};

	if (g_once_init_enter(&is_ready)) {
		if (sodium_init() < 0)
			g_error("libsodium cannot start");
		crypto_shorthash_keygen(hash_key);
		g_once_init_leave(&is_ready, 1);
	}
	if (len > limits->size_bytes)
		return refuse(&c, MUSTER_ERROR_LIMIT, "larger than allowed");
	c.keys = g_ptr_array_new_with_free_func(g_free);
	c.text = g_string_new(NULL);
	gboolean ok = document_read(&c);
	while (c.depth > 0)
		g_clear_pointer(&c.levels[--c.depth].table, g_hash_table_destroy);
	g_ptr_array_unref(c.keys);
	g_string_free(c.text, TRUE);
	return ok;
}

json_object *json_parse(
	const char *bytes, gsize len, const struct json_limits *limits, GError **error)
{
	if (!json_check(bytes, len, limits, error))
		return NULL;
	if (len > INT_MAX) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "a document over 2 GiB");
		return NULL;
	}
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
	if (tokener == NULL)
		g_error("out of memory");
	json_object *value = json_tokener_parse_ex(tokener, bytes, (int)len);
	enum json_tokener_error state = json_tokener_get_error(tokener);
	/* A number at the very end is complete only when something follows it. */
	if (state == json_tokener_continue)
		value = json_tokener_parse_ex(tokener, " ", 1);
	state = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (state != json_tokener_success || value == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "not acceptable JSON: %s",
			value == NULL && state == json_tokener_success
				? "null"
				: json_tokener_error_desc(state));
		return NULL;
	}
	return value;
}

json_object *json_get(json_object *object, const char *name, enum json_type type, GError **error)
{
	json_object *value = NULL;
	if (json_object_is_type(object, json_type_object) &&
		json_object_object_get_ex(object, name, &value) && json_object_is_type(value, type))
		return value;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "'%s' is missing or not of type %s",
		name, json_type_to_name(type));
	return NULL;
}

const char *json_get_text(json_object *object, const char *name, GError **error)
{
	json_object *value = json_get(object, name, json_type_string, error);
	return value != NULL ? json_object_get_string(value) : NULL;
}

static void texts_wipe(json_object *value)
{
	struct json_object_iter at;

	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreachC(value, at) texts_wipe(at.val);
	} else if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			texts_wipe(json_object_array_get_idx(value, i));
	} else if (json_object_is_type(value, json_type_string)) {
		/* json-c has no call for it; the bytes are its own, and not shared. */
		sodium_memzero((char *)json_object_get_string(value),
			(size_t)json_object_get_string_len(value));
	}
}

void json_wipe(json_object *object, const char *name)
{
	json_object *value = NULL;

	if (!json_object_object_get_ex(object, name, &value))
		return;
	texts_wipe(value);
	json_object_object_del(object, name);
}
