/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/totp.h"

#include <string.h>

#include <sodium.h>

#include "lib/secret.h"

#define SHA1_BYTES 20
#define MODULUS 1000000 /* 10 to the TOTP_DIGITS */

void totp_secret_make(guchar secret[TOTP_SECRET_BYTES])
{
	if (sodium_init() < 0)
		g_error("libsodium cannot start");
	randombytes_buf(secret, TOTP_SECRET_BYTES);
}

char *totp_base32(const guchar *bytes, gsize len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	GString *text = g_string_sized_new(len * 8 / 5 + 2);
	guint held = 0, bits = 0;

	for (gsize i = 0; i < len; i++) {
		held = (held << 8 | bytes[i]) & 0xfff; /* at most four bits wait */
		for (bits += 8; bits >= 5; bits -= 5)
			g_string_append_c(text, letters[held >> (bits - 5) & 31]);
	}
	if (bits > 0)
		g_string_append_c(text, letters[held << (5 - bits) & 31]);
	return g_string_free(text, FALSE);
}

char *totp_uri(const guchar *secret, gsize len, const char *name)
{
	g_autofree char *encoded = totp_base32(secret, len);
	g_autofree char *label = g_uri_escape_string(name, NULL, FALSE);

	return g_strdup_printf("otpauth://totp/Muster:%s?secret=%s&issuer=Muster&algorithm=SHA1&"
			       "digits=%d&period=%d",
		label, encoded, TOTP_DIGITS, TOTP_STEP_S);
}

/* RFC 4226, section 5.3 */
static void code_make(const guchar *secret, gsize len, gint64 step, char code[TOTP_DIGITS + 1])
{
	guint64 counter = GUINT64_TO_BE((guint64)step);
	guchar mac[SHA1_BYTES];
	gsize mac_len = sizeof(mac);
	GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA1, secret, len);

	g_hmac_update(hmac, (const guchar *)&counter, sizeof(counter));
	g_hmac_get_digest(hmac, mac, &mac_len);
	g_hmac_unref(hmac);
	guint at = mac[SHA1_BYTES - 1] & 15;
	guint32 number = (guint32)(mac[at] & 127) << 24 | (guint32)mac[at + 1] << 16 |
			 (guint32)mac[at + 2] << 8 | mac[at + 3];
	g_snprintf(code, TOTP_DIGITS + 1, "%0*u", TOTP_DIGITS, (guint)(number % MODULUS));
}

gint64 totp_find(const guchar *secret, gsize len, const char *code, gint64 now, gint64 after)
{
	gint64 found = 0;

	for (gint64 step = now / TOTP_STEP_S - 1; step <= now / TOTP_STEP_S + 1; step++) {
		char wanted[TOTP_DIGITS + 1];
		code_make(secret, len, step, wanted);
		if (secret_is_equal(wanted, code) && step > after)
			found = step;
	}
	return found;
}
