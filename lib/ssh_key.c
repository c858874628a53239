/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/ssh_key.h"

#include <string.h>

#include "lib/error.h"
#include "lib/secret.h"

/* PROTOCOL.key of OpenSSH: this, and then the length and the name of the cipher. */
#define OPENSSH_BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define OPENSSH_END "-----END OPENSSH PRIVATE KEY-----\n"
#define OPENSSH_MAGIC "openssh-key-v1\0\0\0\0\4none"

static const char is_locked[] = "has a passphrase, and nobody would be there to type it";

static const char *openssh_fault(const char *text)
{
	const char *body = text + strlen(OPENSSH_BEGIN);
	const char *end = strstr(body, OPENSSH_END);
	gsize len = 0;

	if (end == NULL)
		return "is cut off";
	char *base64 = g_strndup(body, (gsize)(end - body));
	guchar *bytes = g_base64_decode(base64, &len);
	const char *fault = len < sizeof(OPENSSH_MAGIC) || memcmp(bytes, OPENSSH_MAGIC, 15) != 0
				    ? "is no private key"
			    : memcmp(bytes, OPENSSH_MAGIC, sizeof(OPENSSH_MAGIC) - 1) != 0
				    ? is_locked
				    : NULL;
	secret_wipe(bytes, len);
	secret_wipe(base64, strlen(base64));
	g_free(bytes);
	g_free(base64);
	return fault;
}

static const char *key_fault(const char *text)
{
	static const char *const others[] = {"-----BEGIN RSA PRIVATE KEY-----\n",
		"-----BEGIN EC PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----\n"};

	if (strlen(text) > SSH_KEY_MAX_BYTES)
		return "is too long for a private key";
	for (const char *p = text; *p != '\0'; p++)
		if (*p != '\n' && !g_ascii_isprint(*p))
			return "has a character that none has";
	if (g_str_has_prefix(text, OPENSSH_BEGIN))
		return openssh_fault(text);
	if (strstr(text, "ENCRYPTED") != NULL)
		return is_locked;
	for (gsize i = 0; i < G_N_ELEMENTS(others); i++)
		if (g_str_has_prefix(text, others[i]))
			return strstr(text, "\n-----END ") != NULL ? NULL : "is cut off";
	if (g_str_has_prefix(text, "ssh-") || g_str_has_prefix(text, "ecdsa-"))
		return "is the public key; the private one is wanted";
	return "is no private key as ssh-keygen writes it";
}

char *ssh_key_take(const char *text, GError **error)
{
	gsize len = strlen(text), n = 0;
	char *key = g_malloc(len + 2);

	while (g_ascii_isspace(*text))
		text++;
	for (; *text != '\0'; text++)
		if (*text != '\r')
			key[n++] = *text;
	while (n > 0 && g_ascii_isspace(key[n - 1]))
		n--;
	key[n] = '\n';
	key[n + 1] = '\0';
	const char *fault = key_fault(key);
	if (fault == NULL)
		return key;
	secret_wipe(key, n);
	g_free(key);
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, fault);
	return NULL;
}
