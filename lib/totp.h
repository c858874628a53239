/* SPDX-License-Identifier: MIT */
#ifndef LIB_TOTP_H
#define LIB_TOTP_H

#include <glib.h>

/*
 * Codes of six digits that an app on a telephone shows for half a minute: TOTP (RFC 6238) with
 * HMAC-SHA-1, because that is what all apps know, whatever else the address says. Refused: codes
 * more than one step away from now. That a code is used once is for the caller to see to: it keeps
 * the step of the last one.
 *
 *	guchar secret[TOTP_SECRET_BYTES];
 *	totp_secret_make(secret);
 *	g_autofree char *uri = totp_uri(secret, sizeof(secret), "me@example.org");
 *	...
 *	gint64 step = totp_find(secret, sizeof(secret), "123456", now, last_step);	0: no
 */

#define TOTP_SECRET_BYTES 20 /* RFC 4226, section 4: 160 bits */
#define TOTP_DIGITS 6
#define TOTP_STEP_S 30

void totp_secret_make(guchar secret[TOTP_SECRET_BYTES]);

/* Unpadded base32 (RFC 4648), as people type it into an app. Freed by the caller. */
char *totp_base32(const guchar *bytes, gsize len);

/* otpauth://totp/Muster:name?…, which apps read from a QR code. Freed by the caller. */
char *totp_uri(const guchar *secret, gsize len, const char *name);

/*
 * The step (of 30 seconds since 1970) that code is for, when it is now's or a neighbour's and later
 * than after; 0: it is none of them. Takes the same time for all codes.
 */
gint64 totp_find(const guchar *secret, gsize len, const char *code, gint64 now, gint64 after);

#endif
