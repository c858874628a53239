/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/account.h"

#include <string.h>

#include "jobs/muster_server.h"
#include "jobs/verb.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/secret.h"
#include "lib/ssh_key.h"

/* Most forges want any name beside a token. */
#define USER_DEFAULT "git"

#define HOST_KEYS_MAX_BYTES 8000

struct credential_options {
	char *organization;
	char *password_file, *ssh_key, *host_keys;
	gboolean is_json;
};

static void credential_options_clear(struct credential_options *options)
{
	g_free(options->organization);
	g_free(options->password_file);
	g_free(options->ssh_key);
	g_free(options->host_keys);
}
typedef struct credential_options credential_options;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(credential_options, credential_options_clear)

static const char *organization_of(const struct credential_options *options)
{
	return options->organization != NULL ? options->organization : ORGANIZATION_DEFAULT;
}

/* The first line. Who frees it wipes it before. */
static char *password_read(const char *path, GError **error)
{
	char *text = NULL;
	gsize len;

	if (!file_read(!strcmp(path, "-") ? "/dev/stdin" : path, SECRET_PASSWORD_MAX_BYTES + 2,
		    &text, &len, error))
		return NULL;
	text[strcspn(text, "\r\n")] = '\0';
	const char *p = text;
	gboolean is_text = *text != '\0' && g_utf8_validate(text, -1, NULL);
	for (; is_text && *p != '\0'; p = g_utf8_next_char(p))
		is_text = !g_unichar_iscntrl(g_utf8_get_char(p));
	if (is_text)
		return text;
	g_free(text);
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
		"the password is empty, no UTF-8, or has a control character");
	return NULL;
}

/* The same of a private key, whole. */
static char *key_read(const char *path, GError **error)
{
	char *text = NULL;
	gsize len;

	if (!file_read(!strcmp(path, "-") ? "/dev/stdin" : path, SSH_KEY_MAX_BYTES, &text, &len,
		    error))
		return NULL;
	char *key = ssh_key_take(text, error);
	secret_wipe(text, len);
	g_free(text);
	if (key == NULL)
		g_prefix_error(error, "%s ", path);
	return key;
}

static char *sealed_make(const struct verb_call *call, const char *id, GError **error)
{
	const struct credential_options *options = call->options;
	const char *path = options->password_file != NULL ? options->password_file : "-";
	g_autoptr(secret_key) key =
		secret_key_load(conf_get(call->conf, "secret.key_file"), FALSE, error);
	char *password = key == NULL                ? NULL
			 : options->ssh_key != NULL ? key_read(options->ssh_key, error)
						    : password_read(path, error);

	if (password == NULL)
		return NULL;
	g_autofree char *context = g_strconcat(SECRET_SEAL_CREDENTIAL, id, NULL);
	char *sealed = secret_seal(key, context, (guchar *)password, strlen(password));
	secret_wipe(password, strlen(password));
	g_free(password);
	return sealed;
}

static int credential_add(const struct verb_call *call)
{
	static const char sql[] = "select muster.credential_put(muster.organization_find($1),"
				  " $2::uuid, $3, $4, $5, $6, $7)";
	const struct credential_options *options = call->options;
	g_autoptr(GError) error = NULL;
	g_autofree char *id = g_uuid_string_random(), *host_keys = NULL;
	gsize len;

	if ((options->ssh_key == NULL) != (options->host_keys == NULL) ||
		(options->ssh_key != NULL && options->password_file != NULL))
		return server_usage("--ssh-key and --host-keys go together, without a password");
	if (options->host_keys != NULL &&
		!file_read(options->host_keys, HOST_KEYS_MAX_BYTES, &host_keys, &len, &error))
		return server_fail(error);
	g_autofree char *sealed = sealed_make(call, id, &error);
	const char *user = call->words[1] != NULL ? call->words[1] : USER_DEFAULT;
	const char *params[] = {organization_of(call->options), id, call->words[0], user, sealed,
		options->ssh_key != NULL ? "ssh-key" : "password", host_keys};

	return sealed == NULL ? server_fail(error)
			      : verb_do(call, sql, G_N_ELEMENTS(params), params);
}

static int credential_list(const struct verb_call *call)
{
	static const char *const titles[] = {"ID", "ORGANIZATION", "HOST", "USERNAME", "ACCOUNT",
		"MADE", "USED", "WORKED", "ERROR", "KIND"};
	const struct credential_options *options = call->options;
	const char *params[] = {options->organization};
	return verb_list(call,
		"select id, organization, host, username, account, muster.iso(created_at),"
		"       muster.iso(used_at), muster.iso(worked_at), error, kind"
		"  from muster.credential_rows($1)",
		1, params, titles, NULL);
}

static int credential_remove(const struct verb_call *call)
{
	const char *params[] = {organization_of(call->options), call->words[0]};
	return verb_do(call, "select muster.credential_end($1, $2)", 2, params);
}

/* clang-format off */
static const struct verb verbs[] = {
	{ "add", 1, 2, credential_add, FALSE },
	{ "list", 0, 0, credential_list, TRUE },
	{ "remove", 1, 1, credential_remove, FALSE },
};
/* clang-format on */

int credential_main(int argc, char **argv)
{
	g_auto(credential_options) options = {0};
	const GOptionEntry entries[] = {
		{"organization", 0, 0, G_OPTION_ARG_STRING, &options.organization,
			"whose it is (default); list: only of this one", "SLUG"},
		{"password-file", 0, 0, G_OPTION_ARG_FILENAME, &options.password_file,
			"add: the password or token is its first line; without: of standard input",
			"FILE"},
		{"ssh-key", 0, 0, G_OPTION_ARG_FILENAME, &options.ssh_key,
			"add: this private key, for ssh; - is standard input", "FILE"},
		{"host-keys", 0, 0, G_OPTION_ARG_FILENAME, &options.host_keys,
			"add: the keys that the host may show, as ssh-keyscan prints them", "FILE"},
		VERB_JSON(&options.is_json), {NULL}};
	int exit_code;
	g_autoptr(conf) conf = server_start("credential add HOST [USERNAME] | list | remove HOST",
		entries, &argc, &argv, &exit_code);

	return conf == NULL ? exit_code
			    : verb_run(conf, verbs, G_N_ELEMENTS(verbs), &options, options.is_json,
				      argc, argv);
}
