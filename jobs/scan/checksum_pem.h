/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_CHECKSUM_PEM_H
#define MUSTER_JOBS_SCAN_CHECKSUM_PEM_H

#include <glib.h>

/*
 * Whether text holds the body of a private key: between "-----BEGIN ...-----" and "-----END", or
 * all of it when there is neither; with real line ends, or the two characters \n as in JSON and in
 * environment files, quotes and indentation. It is when its base64 decodes to
 *
 *	a DER sequence that is no shorter than the rest (PKCS #1, #8, SEC 1)
 *	"openssh-key-v1"
 *	something of at least 48 bytes, when the text has "ENCRYPTED" or is a PGP or SSH2 key
 *
 * and is at least 32 bytes. The cut-off, the starred and the made-up are not.
 */
gboolean checksum_pem(const guint8 *text, gsize len);

#endif
