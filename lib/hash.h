/* SPDX-License-Identifier: MIT */
#ifndef LIB_HASH_H
#define LIB_HASH_H

#include <glib.h>

/*
 * Hash functions for tables whose keys come from strangers: names of files, refs, people. Keyed by
 * 16 random bytes of this process (SipHash-2-4, libsodium's shorthash), so that nobody can choose
 * keys that all fall together, which makes a table of n keys take n * n steps.
 *
 *	g_autoptr(GHashTable) seen = g_hash_table_new(hash_text, g_str_equal);
 *
 * The order of a table differs from run to run: sort before anything is shown.
 */

guint hash_text(gconstpointer text); /* beside g_str_equal */
guint hash_bytes(const void *bytes, gsize len);
guint hash_number(gconstpointer number); /* of a guint64, beside g_int64_equal */

/* BLAKE2b, 32 bytes: the same everywhere and for ever, for what names bytes in a file. */
#define HASH_DIGEST_BYTES 32
void hash_digest(const void *bytes, gsize len, guint8 digest[HASH_DIGEST_BYTES]);

#endif
