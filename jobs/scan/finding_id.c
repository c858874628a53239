/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/finding_id.h"

#include <string.h>

#include "lib/error.h"

#define LOCATION_TEXT "muster-location-1"
#define SECRET_TEXT "muster-secret-1"

const guint8 finding_file_digest[SECRET_HASH_BYTES] = "muster location 1: a file alone.";

/* What the threads share. */
struct digesting {
	struct secret_table *secrets;
	const guint32 *numbers;
	struct finding_digest *digests;
	gsize n;
	gsize next;
	gint has_failed;
	const gint *stop;
};

static gpointer digest_run(gpointer data)
{
	struct digesting *run = data;
	gsize at;

	while ((at = __atomic_fetch_add(&run->next, 1, __ATOMIC_RELAXED)) < run->n) {
		gsize len = 0;
		if (run->stop != NULL && at >= FINDING_DIGESTS_MIN && g_atomic_int_get(run->stop))
			break;
		const guint8 *secret = secret_table_get(run->secrets, run->numbers[at], NULL, &len);
		if (secret == NULL || !secret_stretch(secret, len, run->digests[at].bytes))
			g_atomic_int_set(&run->has_failed, 1);
	}
	return NULL;
}

gboolean finding_digest_all(struct secret_table *secrets, const guint32 *numbers, gsize n,
	guint threads, const gint *stop, struct finding_digest *digests, GError **error)
{
	struct digesting run = {secrets, numbers, digests, n, 0, 0, stop};
	g_autoptr(GPtrArray) running = g_ptr_array_new();

	if (threads == 0)
		threads = g_get_num_processors();
	for (gsize i = 1; i < MIN(threads, n); i++) {
		GThread *thread = g_thread_try_new("digest", digest_run, &run, NULL);
		if (thread != NULL)
			g_ptr_array_add(running, thread);
	}
	digest_run(&run);
	for (guint i = 0; i < running->len; i++)
		g_thread_join(running->pdata[i]);
	if (!run.has_failed)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
		"no memory to name the findings (4 MiB a thread are needed)");
	return FALSE;
}

gboolean finding_digest_is_set(const struct finding_digest *digest)
{
	static const struct finding_digest nothing;

	return memcmp(digest, &nothing, sizeof(nothing)) != 0;
}

gsize finding_digests_untold(const struct finding_digest *digests, gsize n)
{
	gsize untold = 0;

	for (gsize i = 0; i < n; i++)
		untold += !finding_digest_is_set(&digests[i]);
	return untold;
}

static void hex_format(const guint8 *bytes, char id[FINDING_ID_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (guint i = 0; i < FINDING_ID_HEX / 2; i++) {
		id[2 * i] = digits[bytes[i] >> 4];
		id[2 * i + 1] = digits[bytes[i] & 15];
	}
	id[FINDING_ID_HEX] = '\0';
}

void finding_location_id(const char *family, const char *path,
	const guint8 digest[SECRET_HASH_BYTES], char id[FINDING_ID_HEX + 1])
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	guint8 hash[32];
	gsize len = sizeof(hash);

	if (path == NULL)
		path = "";
	g_checksum_update(sum, (const guchar *)LOCATION_TEXT, sizeof(LOCATION_TEXT));
	g_checksum_update(sum, (const guchar *)family, (gssize)strlen(family) + 1);
	g_checksum_update(sum, (const guchar *)path, (gssize)strlen(path) + 1);
	g_checksum_update(sum, digest, SECRET_HASH_BYTES);
	g_checksum_get_digest(sum, hash, &len);
	hex_format(hash, id);
}

void finding_secret_id(const struct secret_key *key, const char *family,
	const guint8 digest[SECRET_HASH_BYTES], char id[FINDING_ID_HEX + 1])
{
	g_autoptr(GByteArray) text = g_byte_array_new();
	guchar hash[SECRET_HASH_BYTES];

	g_byte_array_append(text, (const guint8 *)SECRET_TEXT, sizeof(SECRET_TEXT));
	g_byte_array_append(text, (const guint8 *)family, (guint)strlen(family) + 1);
	g_byte_array_append(text, digest, SECRET_HASH_BYTES);
	secret_keyed_hash(key, SECRET_PURPOSE_FINDING, text->data, text->len, hash);
	hex_format(hash, id);
}
