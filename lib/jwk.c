/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/jwk.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <sodium.h>

#include "lib/error.h"

#define RSA_MIN_BITS 2048
#define EC_BYTES 32 /* a coordinate of P-256, and each half of its signatures */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_MD_CTX, EVP_MD_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OSSL_PARAM, OSSL_PARAM_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIGNUM, BN_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ECDSA_SIG, ECDSA_SIG_free)

static char *refuse(GError **error, const char *text)
{
	/* What libcrypto keeps of a failure is of no use to the next one. */
	ERR_clear_error();
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_AUTH, text);
	return NULL;
}

/* NUL-terminated behind len; NULL: not base64url. */
static guchar *decode(const char *text, gsize text_len, gsize *len)
{
	g_autofree guchar *bytes = g_malloc(text_len + 1);

	if (sodium_base642bin(bytes, text_len, text, text_len, NULL, len, NULL,
		    sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		return NULL;
	bytes[*len] = '\0';
	return g_steal_pointer(&bytes);
}

/* A member that is a number in base64url, as bytes; NULL: there is none. */
static guchar *member_decode(json_object *key, const char *name, gsize *len)
{
	const char *text = json_get_text(key, name, NULL);
	return text != NULL && *text != '\0' ? decode(text, strlen(text), len) : NULL;
}

static EVP_PKEY *key_from(const char *kind, OSSL_PARAM_BLD *build)
{
	g_autoptr(EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
	g_autoptr(OSSL_PARAM) params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY *key = NULL;

	if (context == NULL || params == NULL || EVP_PKEY_fromdata_init(context) <= 0 ||
		EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		return NULL;
	return key;
}

static EVP_PKEY *rsa_key(json_object *jwk)
{
	gsize n_len = 0, e_len = 0;
	g_autofree guchar *n = member_decode(jwk, "n", &n_len);
	g_autofree guchar *e = member_decode(jwk, "e", &e_len);

	if (n == NULL || e == NULL)
		return NULL;
	g_autoptr(BIGNUM) modulus = BN_bin2bn(n, (int)n_len, NULL);
	g_autoptr(BIGNUM) exponent = BN_bin2bn(e, (int)e_len, NULL);
	g_autoptr(OSSL_PARAM_BLD) build = OSSL_PARAM_BLD_new();
	if (modulus == NULL || exponent == NULL || build == NULL ||
		!OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) ||
		!OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent))
		return NULL;
	g_autoptr(EVP_PKEY) key = key_from("RSA", build);
	return key != NULL && EVP_PKEY_get_bits(key) >= RSA_MIN_BITS ? g_steal_pointer(&key) : NULL;
}

static EVP_PKEY *ec_key(json_object *jwk)
{
	gsize x_len = 0, y_len = 0;
	g_autofree guchar *x = member_decode(jwk, "x", &x_len);
	g_autofree guchar *y = member_decode(jwk, "y", &y_len);
	guchar point[1 + 2 * EC_BYTES] = {4}; /* uncompressed (SEC 1, section 2.3.3) */

	if (g_strcmp0(json_get_text(jwk, "crv", NULL), "P-256") || x == NULL || y == NULL ||
		x_len != EC_BYTES || y_len != EC_BYTES)
		return NULL;
	memcpy(point + 1, x, EC_BYTES);
	memcpy(point + 1 + EC_BYTES, y, EC_BYTES);
	g_autoptr(OSSL_PARAM_BLD) build = OSSL_PARAM_BLD_new();
	if (build == NULL ||
		!OSSL_PARAM_BLD_push_utf8_string(
			build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ||
		!OSSL_PARAM_BLD_push_octet_string(
			build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)))
		return NULL;
	return key_from("EC", build);
}

/* Two numbers side by side (RFC 7518, section 3.4) as the DER that libcrypto reads. */
static guchar *ec_signature(const guchar *bytes, gsize len, gsize *der_len)
{
	g_autoptr(ECDSA_SIG) pair = ECDSA_SIG_new();
	guchar *der = NULL;

	if (len != 2 * EC_BYTES || pair == NULL)
		return NULL;
	BIGNUM *r = BN_bin2bn(bytes, EC_BYTES, NULL);
	BIGNUM *s = BN_bin2bn(bytes + EC_BYTES, EC_BYTES, NULL);
	if (r == NULL || s == NULL || !ECDSA_SIG_set0(pair, r, s)) {
		BN_free(r);
		BN_free(s);
		return NULL;
	}
	int written = i2d_ECDSA_SIG(pair, &der);
	if (written <= 0)
		return NULL;
	guchar *copy = g_memdup2(der, (gsize)written);
	OPENSSL_free(der);
	*der_len = (gsize)written;
	return copy;
}

static gboolean is_signed_by(
	EVP_PKEY *key, const char *text, gsize len, const guchar *signature, gsize signature_len)
{
	g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();

	return context != NULL &&
	       EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	       EVP_DigestVerify(context, signature, signature_len, (const guchar *)text, len) == 1;
}

/* Whether the key may have signed with this algorithm at all. */
static gboolean is_meant(json_object *jwk, gboolean is_rsa, const char *kid)
{
	const char *use = json_get_text(jwk, "use", NULL), *alg = json_get_text(jwk, "alg", NULL),
		   *id = json_get_text(jwk, "kid", NULL);

	return !g_strcmp0(json_get_text(jwk, "kty", NULL), is_rsa ? "RSA" : "EC") &&
	       (use == NULL || !strcmp(use, "sig")) &&
	       (alg == NULL || !strcmp(alg, is_rsa ? "RS256" : "ES256")) &&
	       (kid == NULL || id == NULL || !strcmp(kid, id));
}

static gboolean set_has_signed(json_object *keys, gboolean is_rsa, const char *kid,
	const char *text, gsize len, const guchar *signature, gsize signature_len)
{
	gsize n = MIN(json_object_array_length(keys), JWK_KEYS_MAX);

	for (gsize i = 0; i < n; i++) {
		json_object *jwk = json_object_array_get_idx(keys, i);
		if (!json_object_is_type(jwk, json_type_object) || !is_meant(jwk, is_rsa, kid))
			continue;
		g_autoptr(EVP_PKEY) key = is_rsa ? rsa_key(jwk) : ec_key(jwk);
		if (key != NULL && is_signed_by(key, text, len, signature, signature_len))
			return TRUE;
	}
	return FALSE;
}

char *jwk_verify(json_object *set, const char *token, GError **error)
{
	json_object *keys = json_get(set, "keys", json_type_array, NULL);
	const char *dot = strchr(token, '.');
	const char *last = dot != NULL ? strchr(dot + 1, '.') : NULL;
	gsize head_len = 0, payload_len = 0, signature_len = 0, der_len = 0;

	if (keys == NULL || last == NULL || strchr(last + 1, '.') != NULL ||
		strlen(token) > JWK_TOKEN_MAX_BYTES)
		return refuse(error, "this is no signed token");
	g_autofree guchar *head_text = decode(token, (gsize)(dot - token), &head_len);
	g_autofree guchar *payload = decode(dot + 1, (gsize)(last - dot - 1), &payload_len);
	g_autofree guchar *signature = decode(last + 1, strlen(last + 1), &signature_len);
	if (head_text == NULL || payload == NULL || signature == NULL)
		return refuse(error, "this is no signed token");
	g_autoptr(json_object) head =
		json_parse((const char *)head_text, head_len, &json_limits_request, NULL);
	const char *alg = head != NULL ? json_get_text(head, "alg", NULL) : NULL;
	gboolean is_rsa = !g_strcmp0(alg, "RS256");
	/* An extension that must be understood is not (RFC 7515, section 4.1.11). */
	if ((!is_rsa && g_strcmp0(alg, "ES256")) || json_object_object_get_ex(head, "crit", NULL))
		return refuse(error, "the token is signed in a way that is not taken here");
	g_autofree guchar *der = is_rsa ? NULL : ec_signature(signature, signature_len, &der_len);
	if ((!is_rsa && der == NULL) ||
		!set_has_signed(keys, is_rsa, json_get_text(head, "kid", NULL), token,
			(gsize)(last - token), is_rsa ? signature : der,
			is_rsa ? signature_len : der_len) ||
		memchr(payload, '\0', payload_len) != NULL)
		return refuse(error, "no key of the issuer has signed the token");
	ERR_clear_error();
	return (char *)g_steal_pointer(&payload);
}

char *jwk_challenge(const char *verifier)
{
	guchar hash[crypto_hash_sha256_BYTES];
	gsize room =
		sodium_base64_encoded_len(sizeof(hash), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *text = g_malloc(room);

	crypto_hash_sha256(hash, (const guchar *)verifier, strlen(verifier));
	return sodium_bin2base64(
		text, room, hash, sizeof(hash), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
