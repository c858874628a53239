/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/hash.h"

#include <string.h>

#include <sodium.h>

guint hash_bytes(const void *bytes, gsize len)
{
	static guchar key[crypto_shorthash_KEYBYTES];
	static gsize is_ready;
	guchar out[crypto_shorthash_BYTES];
	guint hash;

	if (g_once_init_enter(&is_ready)) {
		crypto_shorthash_keygen(key);
		g_once_init_leave(&is_ready, 1);
	}
	crypto_shorthash(out, bytes, len, key);
	memcpy(&hash, out, sizeof(hash));
	return hash;
}

guint hash_text(gconstpointer text)
{
	return hash_bytes(text, strlen(text));
}

guint hash_number(gconstpointer number)
{
	return hash_bytes(number, sizeof(guint64));
}

void hash_digest(const void *bytes, gsize len, guint8 digest[HASH_DIGEST_BYTES])
{
	crypto_generichash(digest, HASH_DIGEST_BYTES, bytes, len, NULL, 0);
}
