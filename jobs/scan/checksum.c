/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/checksum.h"

#include <string.h>

#include <libdeflate.h>

#include "jobs/scan/checksum_pem.h"

typedef gboolean (*check_function)(const guint8 *token, gsize len);

struct checksum {
	const char *name;
	check_function is_right;
	gboolean is_issuers;
};

static const char digits62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

guint32 checksum_crc32(const guint8 *bytes, gsize len)
{
	return libdeflate_crc32(0, bytes, len);
}

/* Bases up to 36 are written in small letters, as everybody does. */
char *checksum_digits(guint32 number, guint base, guint width)
{
	char reversed[33];
	guint n = 0;
	GString *out = g_string_new(NULL);

	for (; number != 0 || n == 0; number /= base)
		reversed[n++] = base <= 36 ? g_ascii_tolower(digits62[number % base])
					   : digits62[number % base];
	for (guint i = n; i < width; i++)
		g_string_append_c(out, '0');
	while (n > 0)
		g_string_append_c(out, reversed[--n]);
	return g_string_free(out, FALSE);
}

static gboolean ends_in(const guint8 *token, gsize len, const char *digits)
{
	gsize n = strlen(digits);

	return len >= n && memcmp(token + len - n, digits, n) == 0;
}

static gboolean crc32_62(const guint8 *token, gsize len)
{
	if (len < 36)
		return FALSE;
	g_autofree char *sum = checksum_digits(checksum_crc32(token + len - 36, 30), 62, 6);
	return ends_in(token, len, sum);
}

static gboolean crc32_hex(const guint8 *token, gsize len)
{
	char sum[9];

	if (len < 10 || token[len - 9] != '_')
		return FALSE;
	guint32 crc = checksum_crc32(token, len - 9);
	g_snprintf(sum, sizeof(sum), "%08x", GUINT32_SWAP_LE_BE(crc));
	return g_ascii_strncasecmp((const char *)token + len - 8, sum, 8) == 0;
}

static gboolean gitlab_routable(const guint8 *token, gsize len)
{
	if (len < 12)
		return FALSE;
	g_autofree char *sum = checksum_digits(checksum_crc32(token, len - 7), 36, 7);
	const guint8 *dot = memchr(token, '.', len), *dash = dot;
	if (dot == NULL || !ends_in(token, len, sum))
		return FALSE;
	/* Prefixes hold dashes, and so may the payload: one of them must fit the length. */
	for (dash = token; dash < dot; dash++) {
		g_autofree char *size = checksum_digits((guint32)(dot - dash - 1), 36, 2);
		if (*dash == '-' && memcmp(token + len - 9, size, 2) == 0)
			return TRUE;
	}
	return FALSE;
}

/* Base64 of either alphabet, padded or not; NULL when a character is none. */
static guint8 *undo_base64(const guint8 *text, gsize len, gsize *n)
{
	while (len > 0 && text[len - 1] == '=')
		len--;
	if (len == 0 || len % 4 == 1 || len > 65536)
		return NULL;
	GString *clean = g_string_sized_new(len + 4);
	for (gsize i = 0; i < len; i++) {
		char c = (char)text[i];
		c = c == '-' ? '+' : c == '_' ? '/' : c;
		if (!g_ascii_isalnum(c) && c != '+' && c != '/') {
			g_string_free(clean, TRUE);
			return NULL;
		}
		g_string_append_c(clean, c);
	}
	while (clean->len % 4 != 0)
		g_string_append_c(clean, '=');
	guint8 *bytes = g_base64_decode(clean->str, n);
	g_string_free(clean, TRUE);
	return bytes;
}

/* Looks like a JSON object; its syntax is not checked, for texts shorten tokens. */
static gboolean is_object(const guint8 *bytes, gsize n)
{
	gsize from = 0, quotes = 0;

	while (from < n && g_ascii_isspace(bytes[from]))
		from++;
	while (n > from && g_ascii_isspace(bytes[n - 1]))
		n--;
	if (n < from + 2 || bytes[from] != '{' || bytes[n - 1] != '}')
		return FALSE;
	for (gsize i = from; i < n; i++) {
		if (bytes[i] < 0x20 && !g_ascii_isspace(bytes[i]))
			return FALSE;
		quotes += bytes[i] == '"';
	}
	return quotes >= 2 && quotes % 2 == 0;
}

static gboolean jwt(const guint8 *token, gsize len)
{
	const guint8 *dot = memchr(token, '.', len);
	gsize n = 0;

	if (dot == NULL)
		return FALSE;
	const guint8 *body = dot + 1;
	const guint8 *end = memchr(body, '.', len - (gsize)(body - token));
	g_autofree guint8 *head = undo_base64(token, (gsize)(dot - token), &n);
	if (head == NULL || !is_object(head, n) ||
		g_strstr_len((char *)head, (gssize)n, "\"alg\"") == NULL)
		return FALSE;
	if (end == NULL)
		end = token + len;
	/* A JWE's second part is an encrypted key, and may be empty. */
	if (g_strstr_len((char *)head, (gssize)n, "\"enc\"") != NULL)
		return TRUE;
	g_autofree guint8 *claims = undo_base64(body, (gsize)(end - body), &n);
	return claims != NULL && is_object(claims, n);
}

static gboolean json_base64(const guint8 *token, gsize len)
{
	/* `{"` in base64; the parts before it are prefixes. */
	const char *start = g_strstr_len((const char *)token, (gssize)len, "eyJ");
	gsize n = 0, size;

	if (start == NULL)
		return FALSE;
	size = len - (gsize)((const guint8 *)start - token);
	g_autofree guint8 *all = undo_base64((const guint8 *)start, size, &n);
	if (all != NULL && is_object(all, n))
		return TRUE;
	/* A signature may follow, behind a `=`, `_` or `.`. */
	for (gsize i = 1; i < size; i++) {
		if (start[i] != '_' && start[i] != '=' && start[i] != '.')
			continue;
		g_autofree guint8 *part = undo_base64((const guint8 *)start, i, &n);
		if (part != NULL && is_object(part, n))
			return TRUE;
	}
	return FALSE;
}

static gboolean aws_account(const guint8 *token, gsize len)
{
	static const char digits32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	guint64 bits = 0;

	if (len < 20)
		return FALSE;
	/* Older keys have an I or J there and hold no account. */
	if (token[4] == 'I' || token[4] == 'J')
		return TRUE;
	/* 10 digits of base 32 are 50 bits; the account's 40 begin behind the first of them. */
	for (guint i = 4; i < 14; i++) {
		const char *digit = strchr(digits32, token[i]);
		if (digit == NULL || *digit == '\0')
			return FALSE;
		bits = bits << 5 | (guint64)(digit - digits32);
	}
	return (bits >> 9 & G_GUINT64_CONSTANT(0xffffffffff)) <= G_GUINT64_CONSTANT(999999999999);
}

static gboolean discord(const guint8 *token, gsize len)
{
	const guint8 *dot = memchr(token, '.', len);
	gsize n = 0;

	if (dot == NULL)
		return FALSE;
	g_autofree guint8 *number = undo_base64(token, (gsize)(dot - token), &n);
	if (number == NULL || n < 17 || n > 20)
		return FALSE;
	for (gsize i = 0; i < n; i++)
		if (!g_ascii_isdigit(number[i]))
			return FALSE;
	return TRUE;
}

/* BIP 173: the polynomial over the expanded prefix, the data and the sum is 1. */
static gboolean age(const guint8 *token, gsize len)
{
	static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
	static const guint32 generator[] = {
		0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
	static const char prefix[] = "age-secret-key-";
	const gsize n = strlen(prefix);
	guint32 sum = 1;

	if (len < n + 1 + 6 || len > 1024 || token[n] != '1')
		return FALSE;
	for (gsize i = 0; i < 2 * n + 1 + (len - n - 1); i++) {
		guint32 value;
		if (i < n)
			value = (guint32)prefix[i] >> 5;
		else if (i == n)
			value = 0;
		else if (i <= 2 * n)
			value = prefix[i - n - 1] & 31;
		else {
			const char *at = strchr(alphabet, g_ascii_tolower(token[i - n]));
			if (at == NULL || *at == '\0')
				return FALSE;
			value = (guint32)(at - alphabet);
		}
		guint32 top = sum >> 25;
		sum = (sum & 0x1ffffff) << 5 ^ value;
		for (guint bit = 0; bit < 5; bit++)
			if (top >> bit & 1)
				sum ^= generator[bit];
	}
	return sum == 1;
}

static gboolean base58check(const guint8 *token, gsize len)
{
	static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
	guint8 bytes[128] = {0}, digest[32];
	gsize n = 0, size = sizeof(digest);

	if (len < 6 || len > 128)
		return FALSE;
	/* Big numbers by long multiplication, lowest byte first. */
	for (gsize i = 0; i < len; i++) {
		const char *at = strchr(alphabet, token[i]);
		if (token[i] == '\0' || at == NULL)
			return FALSE;
		guint carry = (guint)(at - alphabet);
		for (gsize j = 0; j < n || carry != 0; j++) {
			if (j == sizeof(bytes))
				return FALSE;
			carry += 58u * (j < n ? bytes[j] : 0);
			bytes[j] = carry & 0xff;
			carry >>= 8;
			n = MAX(n, j + 1);
		}
	}
	for (gsize i = 0; i < len && token[i] == '1' && n < sizeof(bytes); i++)
		bytes[n++] = 0;
	if (n < 5)
		return FALSE;
	for (gsize i = 0; i < n / 2; i++) {
		guint8 other = bytes[i];
		bytes[i] = bytes[n - 1 - i];
		bytes[n - 1 - i] = other;
	}
	for (guint round = 0; round < 2; round++) {
		g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
		if (round == 0)
			g_checksum_update(sum, bytes, (gssize)(n - 4));
		else
			g_checksum_update(sum, digest, sizeof(digest));
		g_checksum_get_digest(sum, digest, &size);
	}
	return memcmp(digest, bytes + n - 4, 4) == 0;
}

/* clang-format off */
static const struct checksum checksums[] = {
	{ "crc32_62", crc32_62, TRUE },
	{ "crc32_hex", crc32_hex, TRUE },
	{ "gitlab_routable", gitlab_routable, TRUE },
	{ "jwt", jwt, FALSE },
	{ "json_base64", json_base64, FALSE },
	{ "aws_account", aws_account, FALSE },
	{ "discord", discord, FALSE },
	{ "age", age, FALSE },
	{ "base58check", base58check, FALSE },
	{ "pem", checksum_pem, FALSE },
};
/* clang-format on */

const struct checksum *checksum_find(const char *name)
{
	for (gsize i = 0; name != NULL && i < G_N_ELEMENTS(checksums); i++)
		if (strcmp(checksums[i].name, name) == 0)
			return &checksums[i];
	return NULL;
}

gboolean checksum_is_right(const struct checksum *checksum, const guint8 *token, gsize len)
{
	return checksum->is_right(token, len);
}

gboolean checksum_is_issuers(const struct checksum *checksum)
{
	return checksum != NULL && checksum->is_issuers;
}

const char *checksum_name(guint i)
{
	return i < G_N_ELEMENTS(checksums) ? checksums[i].name : NULL;
}
