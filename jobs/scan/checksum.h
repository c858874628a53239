/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_CHECKSUM_H
#define MUSTER_JOBS_SCAN_CHECKSUM_H

#include <glib.h>

/*
 * What a token says about itself: a checksum in its last characters, or a form that chance does not
 * make. A rule names one of these with `checksum`; a secret for which it does not hold is refused,
 * since nobody can have been given it.
 *
 *	crc32_62	GitHub and npm, `prefix_`, 30 characters, and in 6 of base 62 (0-9A-Za-z) the
 *			CRC-32 of the 30. Source: GitHub's and npm's announcements of the format, 2021.
 *	crc32_hex	Grafana, `glsa_` 32 characters `_` and the CRC-32 of all before that `_`, in
 *			hex, lowest byte first. Source: grafana's token generator.
 *	gitlab_routable	GitLab, all but the last 7 characters summed by CRC-32 in base 36, and before
 *			it the payload's length in 2 of base 36. Source: gitlab's token generator.
 *	jwt		two parts of base64url that are JSON objects, the first with "alg", and a third
 *			one (empty only for alg none).
 *	json_base64	what follows the last `_` that is no part of it is base64 of a JSON object
 *			(Sentry, Grafana Cloud, 1Password)
 *	aws_account	AWS access key id: its base 32 holds an account number of 12 digits
 *			Source: the layout found by Aidan Steele and Tal Be'ery, 2020 and 2023.
 *	discord		a bot token's first part is base64 of a number of 17 to 20 digits
 *	age		bech32 of an age identity (BIP 173)
 *	base58check	the last 4 bytes are the first of SHA-256 twice (Bitcoin's keys)
 *	pem		a PEM private key whose body is base64 that begins as DER, an OpenSSH key or an
 *			encrypted one does, long enough to be a key
 *
 *	if (!checksum_is_right(checksum_find(rule->checksum), secret, len))
 *		refuse();
 *
 * Stripe, Slack, DigitalOcean and most others publish none.
 */
struct checksum;

/* NULL when there is none of that name. */
const struct checksum *checksum_find(const char *name);

gboolean checksum_is_right(const struct checksum *checksum, const guint8 *token, gsize len);

/*
 * Whether only who issues such tokens writes the checksum, so that a token with a right one was in
 * use, wherever it stands. Keys that anybody makes at home and forms prove less. NULL: FALSE.
 */
gboolean checksum_is_issuers(const struct checksum *checksum);

/* The i-th name from 0, in the order above, NULL behind the last. */
const char *checksum_name(guint i);

/* For templates: CRC-32 (zlib's), and a number in digits of 0-9A-Za-z, at least width of them. */
guint32 checksum_crc32(const guint8 *bytes, gsize len);
char *checksum_digits(guint32 number, guint base, guint width); /* base 2 to 62, freed by you */

#endif
