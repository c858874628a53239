/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "lib/error.h"
#include "lib/file.h"
#include "lib/json.h"

#define KEY_BYTES crypto_kdf_KEYBYTES
#define JWT_MAX_BYTES 4096
#define ARGON_MEMORY_BYTES (19 * 1024 * 1024)
#define ARGON_PASSES 2
/* Part of what location ids are: they may never change. */
#define STRETCH_MEMORY_BYTES (4 * 1024 * 1024)
#define STRETCH_PASSES 3
#define STRETCH_SALT "muster-location1"

/* {"alg":"HS256","typ":"JWT"}: the only header we write and the only one we accept. */
#define JWT_HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"

G_STATIC_ASSERT(SECRET_HASH_BYTES == crypto_hash_sha256_BYTES);
G_STATIC_ASSERT(SECRET_HASH_BYTES == crypto_auth_hmacsha256_BYTES);
G_STATIC_ASSERT(SECRET_QUICK_KEY_BYTES == crypto_generichash_KEYBYTES);
G_STATIC_ASSERT(sizeof(STRETCH_SALT) - 1 == crypto_pwhash_SALTBYTES);

/* Newest first. On the heap by itself: a program that runs takes over what the file says now. */
struct ring {
	guchar bytes[SECRET_KEYS_MAX][KEY_BYTES];
	guint n;
	char *path;
	struct stat st; /* of the file that was read */
};

struct secret_key {
	struct ring *ring; /* NULL: it is a subkey */
	enum secret_purpose purpose;
	guchar subkey[crypto_auth_hmacsha256_KEYBYTES];
};

static void sodium_ready(void)
{
	if (sodium_init() < 0)
		g_error("libsodium cannot start");
}

static gboolean key_make(const char *path, GError **error)
{
	guchar bytes[KEY_BYTES];

	crypto_kdf_keygen(bytes);
	g_autofree char *folder = g_path_get_dirname(path);
	g_autofree char *mine = g_strdup_printf("%s.%x", path, (unsigned)getpid());
	gboolean ok = file_make_folder(folder, error) &&
		      file_write(mine, (const char *)bytes, sizeof(bytes), 0600, error);
	sodium_memzero(bytes, sizeof(bytes));
	if (!ok)
		return FALSE;
	/* link(), not rename(): when several programs start at once the first one's key stays. */
	ok = link(mine, path) == 0 || errno == EEXIST;
	int saved = errno;
	unlink(mine);
	if (ok)
		return file_sync(path, error);
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "the master key %s cannot be made: %s",
		path, g_strerror(saved));
	return FALSE;
}

static void ring_free(struct ring *ring)
{
	g_free(ring->path);
	sodium_memzero(ring, sizeof(*ring));
	g_free(ring);
}

static struct ring *ring_load(const char *path, GError **error)
{
	g_autofree char *bytes = NULL;
	struct stat st = {0};
	gsize len = 0;

	/* Before it is read: a rotation in between is then noticed the next time. */
	gboolean has_stat = stat(path, &st) == 0;
	if (!file_read(path, sizeof(((struct ring *)NULL)->bytes), &bytes, &len, error)) {
		g_prefix_error(error, "the master key: ");
		return NULL;
	}
	if (len == 0 || len % KEY_BYTES != 0 || !has_stat ||
		(st.st_mode & SECRET_KEY_FORBIDDEN) != 0) {
		sodium_memzero(bytes, len);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"%s is not a master key: it needs %d bytes, for each key that it holds, "
			"and mode 0600 or 0640",
			path, (int)KEY_BYTES);
		return NULL;
	}
	struct ring *ring = g_new0(struct ring, 1);
	memcpy(ring->bytes, bytes, len);
	sodium_memzero(bytes, len);
	ring->n = (guint)(len / KEY_BYTES);
	ring->path = g_strdup(path);
	ring->st = st;
	return ring;
}

/* A rotation puts another file in its place. What cannot be read leaves what we have. */
static const struct ring *ring_now(const struct secret_key *key)
{
	struct ring *ring = key->ring;
	struct stat st;

	if (stat(ring->path, &st) < 0 ||
		(st.st_ino == ring->st.st_ino && st.st_dev == ring->st.st_dev &&
			st.st_size == ring->st.st_size &&
			st.st_mtim.tv_sec == ring->st.st_mtim.tv_sec &&
			st.st_mtim.tv_nsec == ring->st.st_mtim.tv_nsec))
		return ring;
	struct ring *fresh = ring_load(ring->path, NULL);
	if (fresh == NULL)
		return ring;
	struct ring old = *ring;
	*ring = *fresh;
	*fresh = old;
	ring_free(fresh);
	return ring;
}

struct secret_key *secret_key_load(const char *path, gboolean make, GError **error)
{
	sodium_ready();
	if (make && access(path, F_OK) < 0 && errno == ENOENT && !key_make(path, error))
		return NULL;
	struct ring *ring = ring_load(path, error);
	if (ring == NULL)
		return NULL;
	struct secret_key *key = g_new0(struct secret_key, 1);
	key->ring = ring;
	return key;
}

void secret_key_free(struct secret_key *key)
{
	if (key == NULL)
		return;
	if (key->ring != NULL)
		ring_free(key->ring);
	sodium_memzero(key, sizeof(*key));
	g_free(key);
}

guint secret_key_count(const struct secret_key *key)
{
	return key->ring->n;
}

/* Puts the keys into the file's place, which keeps its owner, group and mode. */
static gboolean ring_write(const struct ring *ring, guint n, GError **error)
{
	g_autofree char *part = g_strdup_printf("%s.%x", ring->path, (unsigned)getpid());

	if (!file_write(part, (const char *)ring->bytes, (gsize)n * KEY_BYTES, 0600, error))
		return FALSE;
	/* The group first: who else may read it is decided by the mode. */
	if (chown(part, geteuid() == 0 ? ring->st.st_uid : (uid_t)-1, ring->st.st_gid) < 0 ||
		chmod(part, ring->st.st_mode & 0640) < 0 || rename(part, ring->path) < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "the master key %s: %s",
			ring->path, g_strerror(errno));
		unlink(part);
		return FALSE;
	}
	return file_sync(ring->path, error);
}

gboolean secret_key_rotate(const char *path, GError **error)
{
	g_autoptr(secret_key) key = secret_key_load(path, FALSE, error);

	if (key == NULL)
		return FALSE;
	struct ring *ring = key->ring;
	if (ring->n == SECRET_KEYS_MAX) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"%s holds %d keys already: drop the old ones first", path, SECRET_KEYS_MAX);
		return FALSE;
	}
	memmove(ring->bytes[1], ring->bytes[0], (gsize)ring->n * KEY_BYTES);
	crypto_kdf_keygen(ring->bytes[0]);
	return ring_write(ring, ring->n + 1, error);
}

gboolean secret_key_drop(const char *path, GError **error)
{
	g_autoptr(secret_key) key = secret_key_load(path, FALSE, error);

	return key != NULL && ring_write(key->ring, 1, error);
}

static char *base64url(const guchar *bytes, gsize len)
{
	gsize room = sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *text = g_malloc(room);
	sodium_bin2base64(text, room, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return text;
}

char *secret_token_new(const char *prefix)
{
	guchar bytes[32];

	sodium_ready();
	randombytes_buf(bytes, sizeof(bytes));
	g_autofree char *text = base64url(bytes, sizeof(bytes));
	sodium_memzero(bytes, sizeof(bytes));
	return g_strconcat(prefix, text, NULL);
}

void secret_token_hash(const char *token, guchar hash[SECRET_HASH_BYTES])
{
	crypto_hash_sha256(hash, (const guchar *)token, strlen(token));
}

static void subkey_derive(const guchar key[KEY_BYTES], enum secret_purpose purpose,
	guchar subkey[crypto_auth_hmacsha256_KEYBYTES])
{
	crypto_kdf_derive_from_key(
		subkey, crypto_auth_hmacsha256_KEYBYTES, purpose, "muster__", key);
}

static void hash_with(const guchar key[KEY_BYTES], enum secret_purpose purpose, const guchar *bytes,
	gsize len, guchar hash[SECRET_HASH_BYTES])
{
	guchar subkey[crypto_auth_hmacsha256_KEYBYTES];

	subkey_derive(key, purpose, subkey);
	crypto_auth_hmacsha256(hash, bytes, len, subkey);
	sodium_memzero(subkey, sizeof(subkey));
}

void secret_keyed_hash(const struct secret_key *key, enum secret_purpose purpose,
	const guchar *bytes, gsize len, guchar hash[SECRET_HASH_BYTES])
{
	if (key->ring != NULL) {
		hash_with(key->ring->bytes[key->ring->n - 1], purpose, bytes, len, hash);
		return;
	}
	g_assert(purpose == key->purpose);
	crypto_auth_hmacsha256(hash, bytes, len, key->subkey);
}

char *secret_subkey_format(const struct secret_key *key, enum secret_purpose purpose)
{
	guchar subkey[crypto_auth_hmacsha256_KEYBYTES];

	subkey_derive(key->ring->bytes[key->ring->n - 1], purpose, subkey);
	char *text = base64url(subkey, sizeof(subkey));
	sodium_memzero(subkey, sizeof(subkey));
	return text;
}

struct secret_key *secret_subkey_parse(
	enum secret_purpose purpose, const char *text, GError **error)
{
	struct secret_key *key = g_new0(struct secret_key, 1);
	gsize len = 0;

	sodium_ready();
	key->purpose = purpose;
	if (sodium_base642bin(key->subkey, sizeof(key->subkey), text, strlen(text), NULL, &len,
		    NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
		len == sizeof(key->subkey))
		return key;
	secret_key_free(key);
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "this is no key");
	return NULL;
}

char *secret_key_name(const struct secret_key *key, guint n)
{
	guchar hash[SECRET_HASH_BYTES];

	hash_with(key->ring->bytes[n], SECRET_PURPOSE_NAME, (const guchar *)"", 0, hash);
	return g_strdup_printf("%02x%02x%02x%02x", hash[0], hash[1], hash[2], hash[3]);
}

static char *text_sign(
	const guchar bytes[KEY_BYTES], enum secret_purpose purpose, const char *text, gsize len)
{
	guchar mac[SECRET_HASH_BYTES];

	hash_with(bytes, purpose, (const guchar *)text, len, mac);
	return base64url(mac, sizeof(mac));
}

gboolean secret_stretch(const guchar *bytes, gsize len, guchar hash[SECRET_HASH_BYTES])
{
	sodium_ready();
	return crypto_pwhash(hash, SECRET_HASH_BYTES, (const char *)bytes, len,
		       (const guchar *)STRETCH_SALT, STRETCH_PASSES, STRETCH_MEMORY_BYTES,
		       crypto_pwhash_ALG_ARGON2ID13) == 0;
}

void secret_quick_key_make(guchar key[SECRET_QUICK_KEY_BYTES])
{
	sodium_ready();
	crypto_generichash_keygen(key);
}

void secret_quick_hash(const guchar key[SECRET_QUICK_KEY_BYTES], const guchar *bytes, gsize len,
	guchar hash[SECRET_HASH_BYTES])
{
	crypto_generichash(hash, SECRET_HASH_BYTES, bytes, len, key, SECRET_QUICK_KEY_BYTES);
}

#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define SEAL_BYTES (NONCE_BYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES)

static void seal_key(
	const guchar key[KEY_BYTES], guchar subkey[crypto_aead_xchacha20poly1305_ietf_KEYBYTES])
{
	crypto_kdf_derive_from_key(subkey, crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
		SECRET_PURPOSE_SEAL, "muster__", key);
}

char *secret_seal(const struct secret_key *key, const char *context, const guchar *bytes, gsize len)
{
	guchar subkey[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	g_autofree guchar *box = g_malloc(len + SEAL_BYTES);

	seal_key(ring_now(key)->bytes[0], subkey);
	randombytes_buf(box, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(box + NONCE_BYTES, NULL, bytes, len,
		(const guchar *)context, strlen(context), NULL, box, subkey);
	sodium_memzero(subkey, sizeof(subkey));
	return base64url(box, len + SEAL_BYTES);
}

guchar *secret_open_which(const struct secret_key *key, const char *context, const char *text,
	gsize *len, guint *which)
{
	guchar subkey[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	const struct ring *ring = ring_now(key);
	gsize room = strlen(text), box_len = 0;
	g_autofree guchar *box = g_malloc(room + 1);

	if (sodium_base642bin(box, room, text, room, NULL, &box_len, NULL,
		    sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
		box_len < SEAL_BYTES)
		return NULL;
	g_autofree guchar *bytes = g_malloc(box_len - SEAL_BYTES + 1);
	for (guint i = 0; i < ring->n; i++) {
		seal_key(ring->bytes[i], subkey);
		int failure = crypto_aead_xchacha20poly1305_ietf_decrypt(bytes, NULL, NULL,
			box + NONCE_BYTES, box_len - NONCE_BYTES, (const guchar *)context,
			strlen(context), box, subkey);
		sodium_memzero(subkey, sizeof(subkey));
		if (failure != 0)
			continue;
		bytes[box_len - SEAL_BYTES] = '\0';
		*len = box_len - SEAL_BYTES;
		*which = i;
		return g_steal_pointer(&bytes);
	}
	return NULL;
}

guchar *secret_open(const struct secret_key *key, const char *context, const char *text, gsize *len)
{
	guint which;

	return secret_open_which(key, context, text, len, &which);
}

void secret_wipe(gpointer bytes, gsize len)
{
	sodium_memzero(bytes, len);
}

char *secret_sign(const struct secret_key *key, enum secret_purpose purpose, const char *text)
{
	return text_sign(key->ring->bytes[0], purpose, text, strlen(text));
}

gboolean secret_is_equal(const char *a, const char *b)
{
	gsize len = strlen(a);
	return len == strlen(b) && sodium_memcmp(a, b, len) == 0;
}

char *secret_password_hash(const char *password, GError **error)
{
	char *hash = g_malloc(crypto_pwhash_STRBYTES);

	sodium_ready();
	if (strlen(password) > SECRET_PASSWORD_MAX_BYTES) {
		g_free(hash);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"a password has at most %d bytes", SECRET_PASSWORD_MAX_BYTES);
		return NULL;
	}
	if (crypto_pwhash_str_alg(hash, password, strlen(password), ARGON_PASSES,
		    ARGON_MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13) != 0) {
		g_free(hash);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"not enough memory to hash a password (19 MiB are needed)");
		return NULL;
	}
	return hash;
}

gboolean secret_password_is_valid(const char *hash, const char *password)
{
	gsize len = strlen(password);
	char stored[crypto_pwhash_STRBYTES] = {0};

	sodium_ready();
	/* libsodium reads the hash as an array of this size. */
	g_strlcpy(stored, hash, sizeof(stored));
	return len <= SECRET_PASSWORD_MAX_BYTES &&
	       crypto_pwhash_str_verify(stored, password, len) == 0;
}

char *secret_jwt_sign(const struct secret_key *key, const char *claims)
{
	g_autofree char *payload = base64url((const guchar *)claims, strlen(claims));
	g_autofree char *signed_part = g_strconcat(JWT_HEADER ".", payload, NULL);
	g_autofree char *mac = text_sign(
		ring_now(key)->bytes[0], SECRET_PURPOSE_JWT, signed_part, strlen(signed_part));
	return g_strconcat(signed_part, ".", mac, NULL);
}

static char *jwt_refuse(GError **error)
{
	g_set_error(
		error, MUSTER_ERROR, MUSTER_ERROR_AUTH, "the token is not valid or has expired");
	return NULL;
}

char *secret_jwt_verify(const struct secret_key *key, const char *token, gint64 now, GError **error)
{
	const char *mac = strrchr(token, '.');
	gsize head = strlen(JWT_HEADER ".");

	if (strlen(token) > JWT_MAX_BYTES || !g_str_has_prefix(token, JWT_HEADER ".") ||
		mac < token + head)
		return jwt_refuse(error);
	const struct ring *ring = ring_now(key);
	gboolean is_ours = FALSE;
	for (guint i = 0; i < ring->n && !is_ours; i++) {
		g_autofree char *expected =
			text_sign(ring->bytes[i], SECRET_PURPOSE_JWT, token, (gsize)(mac - token));
		is_ours = secret_is_equal(expected, mac + 1);
	}
	if (!is_ours)
		return jwt_refuse(error);

	char claims[JWT_MAX_BYTES + 1];
	gsize len = 0;
	if (sodium_base642bin((guchar *)claims, sizeof(claims) - 1, token + head,
		    (gsize)(mac - token) - head, NULL, &len, NULL,
		    sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		return jwt_refuse(error);
	claims[len] = '\0';
	g_autoptr(json_object) object = json_parse(claims, len, &json_limits_request, NULL);
	json_object *expiry = object != NULL ? json_get(object, "exp", json_type_int, NULL) : NULL;
	if (expiry == NULL || json_object_get_int64(expiry) <= now)
		return jwt_refuse(error);
	return g_strndup(claims, len);
}
