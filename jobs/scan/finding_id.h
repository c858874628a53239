/* SPDX-License-Identifier: MIT */
/*
 * The names of findings, made from the digest of a secret, never from the secret itself, so that
 * what an earlier scan kept (state.h) suffices. Both are the first 128 bits of a hash, in hex.
 *
 *	digest		Argon2id(secret), public salt: secret_stretch(), about 5 ms
 *	location_id	SHA-256 of "muster-location-1", the rule's family and the path, each ended by a
 *			zero byte, and the digest: the same everywhere
 *	secret_id	HMAC-SHA-256, under the key, of "muster-secret-1", the family, each ended by a
 *			zero byte, and the digest
 *
 * The slow half is done once for each distinct secret, on all threads:
 *
 *	finding_digest_all(secrets, numbers, n, threads, digests, error);
 *	finding_location_id(family, path, digests[0].bytes, finding->location_id);
 */
#ifndef MUSTER_JOBS_SCAN_FINDING_ID_H
#define MUSTER_JOBS_SCAN_FINDING_ID_H

#include "jobs/scan/finding.h"
#include "jobs/scan/secret_table.h"
#include "lib/secret.h"

struct finding_digest {
	guint8 bytes[SECRET_HASH_BYTES];
};

/*
 * Digests of the secrets with these numbers, in the same order; no number twice, or it is done
 * twice. threads 0: one for each processor. A file of a million secrets takes an hour: once *stop
 * is not 0 (it may be NULL), those beyond the first FINDING_DIGESTS_MIN that are not done are left
 * as they were. Errors: MUSTER_ERROR_IO (no memory: 4 MiB a thread).
 */
#define FINDING_DIGESTS_MIN 1000
gboolean finding_digest_all(struct secret_table *secrets, const guint32 *numbers, gsize n,
	guint threads, const gint *stop, struct finding_digest *digests, GError **error);

/* Whether it was made: no digest is all zero. How many of n were not. */
gboolean finding_digest_is_set(const struct finding_digest *digest);
gsize finding_digests_untold(const struct finding_digest *digests, gsize n);

/* Of a file that a rule knows by its path alone, in place of a secret's. */
extern const guint8 finding_file_digest[SECRET_HASH_BYTES];

/* path NULL is "". */
void finding_location_id(const char *family, const char *path,
	const guint8 digest[SECRET_HASH_BYTES], char id[FINDING_ID_HEX + 1]);
void finding_secret_id(const struct secret_key *key, const char *family,
	const guint8 digest[SECRET_HASH_BYTES], char id[FINDING_ID_HEX + 1]);

#endif
