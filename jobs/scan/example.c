/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/example.h"

#include <string.h>

#include "jobs/scan/checksum.h"
#include "jobs/scan/example_random.h"
#include "lib/error.h"

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGIT "0123456789"

struct alphabet {
	const char *name, *characters;
};

/* clang-format off */
static const struct alphabet alphabets[] = {
	{ "base62",    DIGIT UPPER LOWER },
	{ "base64",    DIGIT UPPER LOWER "+/" },
	{ "base64url", DIGIT UPPER LOWER "_-" },
	{ "word",      DIGIT UPPER LOWER "_" },
	{ "base58",    "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz" },
	{ "base36",    DIGIT LOWER },
	{ "BASE36",    DIGIT UPPER },
	{ "base32",    UPPER "234567" },
	{ "bech32",    "023456789acdefghjklmnpqrstuvwxyz" },
	{ "BECH32",    "023456789ACDEFGHJKLMNPQRSTUVWXYZ" },
	{ "hex",       DIGIT "abcdef" },
	{ "HEX",       DIGIT "ABCDEF" },
	{ "digits",    DIGIT },
	{ "lower",     LOWER },
	{ "upper",     UPPER },
	{ "alpha",     UPPER LOWER },
	{ "print",     DIGIT UPPER LOWER "!#$%&()*+,-./:;<=>?@[]^_{|}~" },
};
/* clang-format on */

struct expansion {
	const char *start, *at;
	struct example_random random;
	GString *out;
	gsize secret_at, secret_end; /* and one; 0: not met */
	guint depth;
	GError **error;
};

static gboolean fail(struct expansion *e, const char *at, const char *text)
{
	g_set_error(e->error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "%s, at byte %zu: %.20s", text,
		(size_t)(at - e->start), at);
	return FALSE;
}

static gboolean take(struct expansion *e, const char *text)
{
	if (!g_str_has_prefix(e->at, text))
		return FALSE;
	e->at += strlen(text);
	return TRUE;
}

/* ":count}" or ":min-max}". */
static gboolean take_count(struct expansion *e, guint *count)
{
	const char *start = e->at;
	char *end;

	if (*e->at != ':' || !g_ascii_isdigit(e->at[1]))
		return fail(e, start, "':' and a number of characters are expected");
	guint64 least = g_ascii_strtoull(e->at + 1, &end, 10), most = least;
	if (*end == '-' && g_ascii_isdigit(end[1]))
		most = g_ascii_strtoull(end + 1, &end, 10);
	if (*end != '}')
		return fail(e, start, "':count}' or ':min-max}' is expected");
	if (most < least || most > EXAMPLE_TEXT_MAX)
		return fail(e, start, "this number of characters is wrong");
	*count = (guint)(least + example_random_below(&e->random, (guint)(most - least) + 1));
	e->at = end + 1;
	return TRUE;
}

static gboolean append(struct expansion *e, const char *text, gsize len)
{
	if (e->out->len + len > EXAMPLE_TEXT_MAX)
		return fail(e, e->at, "the text gets too long");
	g_string_append_len(e->out, text, (gssize)len);
	return TRUE;
}

static gboolean append_random(struct expansion *e, const char *characters)
{
	guint count;

	if (!take_count(e, &count))
		return FALSE;
	g_autofree char *run = example_random_run(&e->random, characters, count);
	return append(e, run, count);
}

/* "[a-z0-9_]:count}" behind the brace. */
static gboolean expand_class(struct expansion *e)
{
	const char *at = e->at + 1, *end = strchr(at, ']');
	g_autoptr(GString) characters = g_string_new(NULL);

	if (end == NULL || end == at)
		return fail(e, e->at, "this class of characters has no end, or is empty");
	for (; at < end; at++) {
		if (at + 2 < end && at[1] == '-' && at[0] <= at[2]) {
			for (int c = (guchar)at[0]; c <= (guchar)at[2]; c++)
				g_string_append_c(characters, (char)c);
			at += 2;
		} else {
			g_string_append_c(characters, *at);
		}
	}
	e->at = end + 1;
	return append_random(e, characters->str);
}

static gboolean expand_uuid(struct expansion *e, gboolean is_upper)
{
	g_autofree char *hex = example_random_run(&e->random, alphabets[10].characters, 32);
	g_autofree char *text = g_strdup_printf("%.8s-%.4s-4%.3s-%c%.3s-%.12s", hex, hex + 8,
		hex + 13, "89ab"[example_random_below(&e->random, 4)], hex + 17, hex + 20);
	g_autofree char *upper = g_ascii_strup(text, -1);

	return append(e, is_upper ? upper : text, strlen(text));
}

/* "{repeat:text:count}", of which the text may hold colons. */
static gboolean expand_repeat(struct expansion *e)
{
	const char *start = e->at, *end = strchr(e->at, '}');
	const char *colon = end ? g_strrstr_len(start, end - start, ":") : NULL;
	guint count;

	if (colon == NULL || colon == start)
		return fail(e, start, "{repeat:text:count} is expected");
	e->at = colon;
	if (!take_count(e, &count))
		return FALSE;
	for (guint i = 0; i < count; i++)
		if (!append(e, start, (gsize)(colon - start)))
			return FALSE;
	return TRUE;
}

/* Where the token begins that ends here: letters, digits and what else may be in it. */
static gsize find_token(const struct expansion *e, const char *others)
{
	gsize at = e->out->len;

	while (at > 0 && (g_ascii_isalnum(e->out->str[at - 1]) ||
				 (e->out->str[at - 1] && strchr(others, e->out->str[at - 1]))))
		at--;
	/* The marks count in the outermost text. */
	gboolean is_marked = e->depth == 0 && e->secret_at > 0 && e->secret_end == 0;
	return is_marked ? MAX(at, e->secret_at - 1) : at;
}

static gboolean expand_checksum(struct expansion *e, const char *name)
{
	const guint8 *text = (const guint8 *)e->out->str;
	g_autofree char *sum = NULL;

	if (!strcmp(name, "crc32_62")) {
		gsize from = find_token(e, "");
		from = MAX(from, e->out->len - MIN(e->out->len, 30));
		sum = checksum_digits(checksum_crc32(text + from, e->out->len - from), 62, 6);
	} else if (!strcmp(name, "crc32_hex")) {
		/* Of all before the `_` that stands before it, lowest byte first. */
		gsize from = find_token(e, "_");
		gsize end = e->out->len - (e->out->len > from && text[e->out->len - 1] == '_');
		sum = g_strdup_printf(
			"%08x", GUINT32_SWAP_LE_BE(checksum_crc32(text + from, end - from)));
	} else {
		gsize from = find_token(e, "_.-");
		sum = checksum_digits(checksum_crc32(text + from, e->out->len - from), 36, 7);
	}
	return append(e, sum, strlen(sum));
}

static gboolean append_base64(struct expansion *e, const guint8 *bytes, gsize len, gboolean is_url)
{
	g_autofree char *text = g_base64_encode(bytes, len);

	if (is_url) {
		g_strdelimit(g_strdelimit(text, "+", '-'), "/", '_');
		text[strcspn(text, "=")] = '\0';
	}
	return append(e, text, strlen(text));
}

static gboolean expand_jwt(struct expansion *e)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	g_autofree char *digits = example_random_run(&e->random, DIGIT, 10);
	g_autofree char *name = example_random_run(&e->random, LOWER, 7);
	g_autofree char *payload = g_strdup_printf(
		"{\"sub\":\"%s\",\"name\":\"%s\",\"iat\":1700000000}", digits, name);
	g_autofree char *signature = example_random_run(&e->random, alphabets[2].characters, 43);

	return append_base64(e, (const guint8 *)header, strlen(header), TRUE) &&
	       append(e, ".", 1) &&
	       append_base64(e, (const guint8 *)payload, strlen(payload), TRUE) &&
	       append(e, ".", 1) && append(e, signature, 43);
}

/* Bytes that begin as such a key does: DER's SEQUENCE of an INTEGER or, encrypted, a SEQUENCE. */
static void fill_key(struct expansion *e, guint8 *bytes, gsize len, const char *label)
{
	for (gsize i = 0; i < len; i++)
		bytes[i] = (guint8)example_random_below(&e->random, 256);
	if (strstr(label, "OPENSSH") != NULL) {
		memcpy(bytes, "openssh-key-v1", 15);
	} else if (strstr(label, "PGP") == NULL) {
		const guint8 head[] = {0x30, 0x82, (guint8)((len - 4) >> 8), (guint8)(len - 4),
			strstr(label, "ENCRYPTED") ? 0x30 : 0x02, 0x01, 0x00};
		memcpy(bytes, head, sizeof head);
	}
}

/* "LABEL:lines}" */
static gboolean expand_pem(struct expansion *e)
{
	const char *start = e->at, *colon = strchr(e->at, ':');
	guint lines;

	if (colon == NULL || colon - start > 60)
		return fail(e, start, "{pem:LABEL:lines} is expected");
	g_autofree char *label = g_strndup(start, (gsize)(colon - start));
	e->at = colon;
	if (!take_count(e, &lines))
		return FALSE;
	if (lines < 1 || lines > 500)
		return fail(e, colon, "a key has 1 to 500 lines");
	gsize len = lines * 48;
	g_autofree guint8 *bytes = g_malloc(len);
	fill_key(e, bytes, len, label);
	g_autofree char *body = g_base64_encode(bytes, len);
	/* In pieces, so that this file is no finding either. */
	g_autoptr(GString) text = g_string_new("-----");
	g_string_append_printf(text, "BEGIN %s-----\n", label);
	if (strstr(label, "PGP") != NULL)
		g_string_append_c(text, '\n');
	for (gsize i = 0; i < strlen(body); i += 64)
		g_string_append_printf(text, "%.64s\n", body + i);
	g_string_append_printf(text, "-----END %s-----", label);
	return append(e, text->str, text->len);
}

static gboolean expand(struct expansion *e, gboolean is_inner);

enum encoding {
	ENCODING_BASE64,
	ENCODING_BASE64URL,
	ENCODING_HEX,
	ENCODING_PERCENT
};

static gboolean append_encoded(struct expansion *e, const GString *text, enum encoding encoding)
{
	if (encoding == ENCODING_BASE64 || encoding == ENCODING_BASE64URL)
		return append_base64(
			e, (const guint8 *)text->str, text->len, encoding == ENCODING_BASE64URL);
	for (gsize i = 0; i < text->len; i++) {
		char code[4];
		gboolean is_plain = encoding == ENCODING_PERCENT && g_ascii_isalnum(text->str[i]);
		g_snprintf(code, sizeof code, encoding == ENCODING_HEX ? "%02x" : "%%%02X",
			(guchar)text->str[i]);
		if (!append(e, is_plain ? &text->str[i] : code, is_plain ? 1 : strlen(code)))
			return FALSE;
	}
	return TRUE;
}

/* What is inside is a template of its own, up to the brace that closes it. */
static gboolean expand_encoded(struct expansion *e, enum encoding encoding)
{
	GString *outer = e->out;
	g_autoptr(GString) inner = g_string_new(NULL);

	if (e->depth == EXAMPLE_DEPTH_MAX)
		return fail(e, e->at, "encodings lie too deep in one another");
	e->depth++;
	e->out = inner;
	gboolean is_fine = expand(e, TRUE);
	e->out = outer;
	e->depth--;
	return is_fine && append_encoded(e, inner, encoding);
}

static gboolean expand_mark(struct expansion *e, gboolean is_begin)
{
	if (e->depth > 0)
		return fail(e, e->at, "the secret's marks stand outside of encodings");
	if (is_begin ? e->secret_at > 0 : e->secret_at == 0 || e->secret_end > 0)
		return fail(e, e->at, "{<} and {>} stand once, in this order");
	*(is_begin ? &e->secret_at : &e->secret_end) = e->out->len + 1;
	return TRUE;
}

/* Behind the brace. */
static gboolean expand_placeholder(struct expansion *e)
{
	static const char *const sums[] = {"crc32_62", "crc32_hex", "gitlab_routable"};
	const char *start = e->at;

	if (*e->at == '[')
		return expand_class(e);
	if (take(e, "<}"))
		return expand_mark(e, TRUE);
	if (take(e, ">}"))
		return expand_mark(e, FALSE);
	if (take(e, "uuid}"))
		return expand_uuid(e, FALSE);
	if (take(e, "UUID}"))
		return expand_uuid(e, TRUE);
	if (take(e, "jwt}"))
		return expand_jwt(e);
	if (take(e, "repeat:"))
		return expand_repeat(e);
	if (take(e, "pem:"))
		return expand_pem(e);
	if (take(e, "b64:"))
		return expand_encoded(e, ENCODING_BASE64);
	if (take(e, "b64url:"))
		return expand_encoded(e, ENCODING_BASE64URL);
	if (take(e, "hexof:"))
		return expand_encoded(e, ENCODING_HEX);
	if (take(e, "percent:"))
		return expand_encoded(e, ENCODING_PERCENT);
	gsize len = strcspn(start, ":}");
	g_autofree char *name = g_strndup(start, len);
	for (guint i = 0; i < G_N_ELEMENTS(sums); i++)
		if (start[len] == '}' && !strcmp(name, sums[i])) {
			e->at += len + 1;
			return expand_checksum(e, sums[i]);
		}
	for (guint i = 0; i < G_N_ELEMENTS(alphabets); i++)
		if (!strcmp(name, alphabets[i].name)) {
			e->at += len;
			return append_random(e, alphabets[i].characters);
		}
	return fail(
		e, start - 1, "there is no such placeholder; a brace of the text is written {{");
}

/* To the end, or inside of a placeholder to the brace that closes it. */
static gboolean expand(struct expansion *e, gboolean is_inner)
{
	guint braces = 0; /* literal ones that are open: in JSON they come in pairs */

	while (*e->at) {
		if (*e->at == '{' && e->at[1] == '{') {
			braces++;
			e->at += 2;
			if (!append(e, "{", 1))
				return FALSE;
		} else if (*e->at == '{') {
			e->at++;
			if (!expand_placeholder(e))
				return FALSE;
		} else if (*e->at == '}') {
			if (is_inner && braces == 0) {
				e->at++;
				return TRUE;
			}
			if (e->at[1] != '}')
				return fail(e, e->at, "a brace of the text is written }}");
			braces -= braces > 0;
			e->at += 2;
			if (!append(e, "}", 1))
				return FALSE;
		} else {
			gsize len = strcspn(e->at, "{}");
			if (!append(e, e->at, len))
				return FALSE;
			e->at += len;
		}
	}
	return !is_inner || fail(e, e->at, "a placeholder has no end");
}

gboolean example_expand(const char *template, guint32 seed, struct example *out, GError **error)
{
	struct expansion e = {.start = template, .at = template, .error = error};

	e.out = g_string_new(NULL);
	example_random_init(&e.random, seed, template);
	gboolean is_fine = expand(&e, FALSE);
	if (is_fine && e.secret_at > 0 && e.secret_end == 0)
		is_fine = fail(&e, e.at, "{<} without {>}");
	if (!is_fine) {
		g_string_free(e.out, TRUE);
		return FALSE;
	}
	*out = (struct example){.text = e.out};
	if (e.secret_at > 0) {
		out->secret_at = e.secret_at - 1;
		out->secret_len = e.secret_end - e.secret_at;
	}
	return TRUE;
}

void example_clear(struct example *example)
{
	if (example->text != NULL)
		g_string_free(example->text, TRUE);
	*example = (struct example){0};
}
