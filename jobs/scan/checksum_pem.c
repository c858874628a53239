/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/checksum_pem.h"

#include <string.h>

/* Enough for RSA of 16384 bits and an OpenPGP key with some signatures. */
#define BODY_MAX 65536
/* An Ed25519 key in PKCS #8 is 48 bytes, in SEC 1 a P-256 one 121; both without anything else. */
#define BODY_MIN 32

static const char *find(const char *text, gsize len, const char *word)
{
	return g_strstr_len(text, (gssize)len, word);
}

/*
 * The base64 characters of the body. Header lines ("Proc-Type: 4,ENCRYPTED") have a colon; the
 * checksum line of OpenPGP begins with '='. Escaped line ends count as line ends.
 */
static GString *collect(const char *text, gsize len)
{
	GString *body = g_string_new(NULL);
	gsize line = 0;
	gboolean is_header = FALSE;

	for (gsize i = 0; i < len && body->len < BODY_MAX; i++) {
		char c = text[i];
		gboolean is_end = c == '\n';
		if (c == '\\' && i + 1 < len && (text[i + 1] == 'n' || text[i + 1] == 'r')) {
			is_end = TRUE;
			i++;
		} else if (c == ':') {
			is_header = TRUE;
		} else if (g_ascii_isalnum(c) || c == '+' || c == '/') {
			g_string_append_c(body, c);
		} else if (c == '=') {
			if (body->len == line)
				is_header = TRUE;
		} else if (c == '*' || c == '.' || c == '<' || c == '{' || c == '$') {
			g_string_truncate(body, 0);
			return body;
		}
		if (is_end) {
			if (is_header)
				g_string_truncate(body, line);
			is_header = FALSE;
			line = body->len;
		}
	}
	if (is_header)
		g_string_truncate(body, line);
	return body;
}

/* X.690: tag 0x30, a definite length. What was cut off behind is still a key. */
static gboolean is_der(const guint8 *bytes, gsize n)
{
	gsize size = 0, from = 2;

	if (n < 8 || bytes[0] != 0x30)
		return FALSE;
	if (bytes[1] < 0x80) {
		size = bytes[1];
	} else {
		guint count = bytes[1] & 0x7f;
		if (count == 0 || count > 3 || n < 2u + count)
			return FALSE;
		for (guint i = 0; i < count; i++)
			size = size << 8 | bytes[2 + i];
		from = 2 + count;
	}
	/* An INTEGER (PKCS #1, #8, SEC 1) or, in an encrypted PKCS #8, a SEQUENCE. */
	if (bytes[from] != 0x02 && bytes[from] != 0x30)
		return FALSE;
	return n <= size + from + 3;
}

gboolean checksum_pem(const guint8 *bytes, gsize len)
{
	const char *text = (const char *)bytes;
	const char *begin = find(text, len, "-----BEGIN");
	const char *body = text;
	gsize n = 0, size = len;
	gboolean is_opaque = find(text, len, "ENCRYPTED") != NULL ||
			     find(text, len, "PGP") != NULL || find(text, len, "SSH2") != NULL;

	if (begin != NULL) {
		gsize rest = len - (gsize)(begin - text) - 10;
		const char *close = find(begin + 10, rest, "-----");
		if (close == NULL)
			return FALSE;
		body = close + 5;
		size = len - (gsize)(body - text);
	}
	const char *end = find(body, size, "-----END");
	if (end == NULL)
		end = find(body, size, "---- END");
	if (end != NULL)
		size = (gsize)(end - body);
	GString *clean = collect(body, size);
	while (clean->len % 4 == 1)
		g_string_truncate(clean, clean->len - 1);
	while (clean->len % 4 != 0)
		g_string_append_c(clean, '=');
	g_autofree guint8 *key = g_base64_decode_inplace(clean->str, &n);
	g_string_free(clean, FALSE);
	if (n < BODY_MIN)
		return FALSE;
	return is_der(key, n) || (n > 16 && memcmp(key, "openssh-key-v1", 15) == 0) ||
	       (is_opaque && n >= 48);
}
