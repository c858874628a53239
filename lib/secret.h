/* SPDX-License-Identifier: MIT */
#ifndef LIB_SECRET_H
#define LIB_SECRET_H

#include <glib.h>

/*
 * Keys, passwords and tokens, all of them libsodium's. Nothing here is logged, and buffers that
 * held a key are zeroed when freed.
 *
 *	g_autoptr(secret_key) key = secret_key_load(path, TRUE, error);
 *	g_autofree char *token = secret_token_new("mst_");	shown once
 *	secret_token_hash(token, hash);				stored
 */

#define SECRET_HASH_BYTES 32
#define SECRET_PASSWORD_MAX_BYTES 1024

struct secret_key;
typedef struct secret_key secret_key;

/*
 * The master key: 32 bytes in a file that only its owner can read, or its group too where the
 * runner is another user than the rest. make: created when missing, for its owner alone; programs
 * that start at once all get the same. The file may hold several keys, the newest first: that one
 * signs and seals, all of them verify and open, and the oldest one names findings, which have to
 * keep their names. A program that runs takes a rotation over at its next use of a key. Errors:
 * MUSTER_ERROR_MISSING, _IO, _INPUT or _LIMIT when the file is not 32 bytes for each key, _INPUT
 * when others may read it, or its group write.
 */
#define SECRET_KEYS_MAX 8
#define SECRET_KEY_FORBIDDEN 0037 /* none of these in its mode */
struct secret_key *secret_key_load(const char *path, gboolean make, GError **error);
void secret_key_free(struct secret_key *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(secret_key, secret_key_free)

guint secret_key_count(const struct secret_key *key);
/* Tells key n from others and nothing about it: eight hexadecimal digits. Freed by the caller. */
char *secret_key_name(const struct secret_key *key, guint n);

/*
 * A new key before those that the file has; and away with all but the newest. The file keeps its
 * owner, group and mode. Errors: as secret_key_load(); MUSTER_ERROR_LIMIT when there are
 * SECRET_KEYS_MAX.
 */
gboolean secret_key_rotate(const char *path, GError **error);
gboolean secret_key_drop(const char *path, GError **error);

/*
 * What subkeys are for; the number is part of the key, so rows keep theirs. Derived with
 * crypto_kdf_derive_from_key, context "muster__".
 */
enum secret_purpose {
	SECRET_PURPOSE_UNSET,
	SECRET_PURPOSE_JWT = 1,
	SECRET_PURPOSE_CSRF = 2,
	SECRET_PURPOSE_CURSOR = 3,
	SECRET_PURPOSE_SEAL = 4,
	SECRET_PURPOSE_FINDING = 5, /* names leaked secrets, joins repositories */
	SECRET_PURPOSE_NAME = 6,    /* names the key itself */
};

/* prefix and 32 random bytes in unpadded base64url. Freed by the caller. */
char *secret_token_new(const char *prefix);

/* SHA-256 of the token's text: what is stored of it. Enough because tokens are random. */
void secret_token_hash(const char *token, guchar hash[SECRET_HASH_BYTES]);

/* HMAC-SHA-256 (RFC 2104) of text under the purpose's subkey, as unpadded base64url. */
char *secret_sign(const struct secret_key *key, enum secret_purpose purpose, const char *text);

/* In constant time for equal lengths. */
gboolean secret_is_equal(const char *a, const char *b);

/*
 * argon2id (RFC 9106), 19 MiB, two passes, one lane: the OWASP minimum. NULL and
 * MUSTER_ERROR_LIMIT for a password over SECRET_PASSWORD_MAX_BYTES, _IO when memory is short. A
 * program holds at most two of these at once a host: each takes about 30 ms and 19 MiB.
 */
char *secret_password_hash(const char *password, GError **error);
gboolean secret_password_is_valid(const char *hash, const char *password);

/*
 * A name for secrets that others leaked, the same everywhere: argon2id with a fixed public salt, 4
 * MiB and three passes, about 5 ms of one core. Slow on purpose: who knows the name of a guessable
 * secret has to pay that much for each guess. FALSE when there is no memory.
 */
gboolean secret_stretch(const guchar *bytes, gsize len, guchar hash[SECRET_HASH_BYTES]);

/*
 * The same in a microsecond, for one holder of a random key: keyed BLAKE2b. Who has the key can
 * guess a million times a second.
 */
#define SECRET_QUICK_KEY_BYTES 32
void secret_quick_key_make(guchar key[SECRET_QUICK_KEY_BYTES]);
void secret_quick_hash(const guchar key[SECRET_QUICK_KEY_BYTES], const guchar *bytes, gsize len,
	guchar hash[SECRET_HASH_BYTES]);

/* A name for them that only holders of the key can make: HMAC-SHA-256 under the subkey. */
void secret_keyed_hash(const struct secret_key *key, enum secret_purpose purpose,
	const guchar *bytes, gsize len, guchar hash[SECRET_HASH_BYTES]);

/*
 * The subkey alone, as text, for a process that has to make such names and shall hold no master
 * key; and from that text a key that can do nothing else. Who freed the text wipes it before.
 * Errors: MUSTER_ERROR_INPUT.
 */
char *secret_subkey_format(const struct secret_key *key, enum secret_purpose purpose);
struct secret_key *secret_subkey_parse(
	enum secret_purpose purpose, const char *text, GError **error);

/*
 * Closed for all but holders of the key, and bound to context: what was sealed for one is not
 * opened for another. XChaCha20-Poly1305 under SECRET_PURPOSE_SEAL, nonce and box in unpadded
 * base64url. open: NULL when the text is not one of these; *len without the NUL that follows. Both
 * freed by the caller.
 */
char *secret_seal(
	const struct secret_key *key, const char *context, const guchar *bytes, gsize len);
guchar *secret_open(
	const struct secret_key *key, const char *context, const char *text, gsize *len);
/* The same, with which key of the file had sealed it: 0 is the newest. */
guchar *secret_open_which(const struct secret_key *key, const char *context, const char *text,
	gsize *len, guint *which);

/* The contexts of what is sealed in rows: such a word and the row's id. */
#define SECRET_SEAL_CREDENTIAL "credential:" /* a host's password */
#define SECRET_SEAL_TOTP "totp:"             /* a second factor */

/* Overwrites what held a secret; the compiler may not leave it out. */
void secret_wipe(gpointer bytes, gsize len);

/*
 * JSON Web Token (RFC 7519) with HS256 under SECRET_PURPOSE_JWT. claims is a JSON object's text.
 * verify checks algorithm, signature and exp against now (seconds since 1970) and returns the
 * claims' text, or NULL with MUSTER_ERROR_AUTH.
 */
char *secret_jwt_sign(const struct secret_key *key, const char *claims);
char *secret_jwt_verify(
	const struct secret_key *key, const char *token, gint64 now, GError **error);

#endif
