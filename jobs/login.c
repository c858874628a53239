/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/login.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/secret.h"

gboolean login_open(const struct conf *conf, json_object *payload, GError **error)
{
	json_object *login = json_get(payload, "login", json_type_object, NULL);
	const char *id = login != NULL ? json_get_text(login, "id", NULL) : NULL;
	const char *sealed = id != NULL ? json_get_text(login, "sealed", NULL) : NULL;
	gsize len;

	if (sealed == NULL)
		return TRUE;
	g_autoptr(secret_key) key =
		secret_key_load(conf_get(conf, "secret.key_file"), FALSE, error);
	if (key == NULL)
		return FALSE;
	g_autofree char *context = g_strconcat(SECRET_SEAL_CREDENTIAL, id, NULL);
	guchar *password = secret_open(key, context, sealed, &len);
	if (password == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the credential for %s was sealed with another master key",
			json_get_text(login, "host", NULL));
		return FALSE;
	}
	json_object_object_add(login, "password", json_object_new_string((char *)password));
	json_object_object_del(login, "sealed");
	secret_wipe(password, len);
	g_free(password);
	return TRUE;
}

/* In git's own syntax; a host has no letter that would end the section (credential_put()). */
static char *setting_format(const char *host, const char *user, const char *password)
{
	char *pair = g_strconcat(user, ":", password, NULL);
	char *basic = g_base64_encode((const guchar *)pair, strlen(pair));
	char *setting = g_strdup_printf(
		"[http \"https://%s/\"]\n\textraHeader = \"Authorization: Basic %s\"\n", host,
		basic);

	secret_wipe(pair, strlen(pair));
	secret_wipe(basic, strlen(basic));
	g_free(pair);
	g_free(basic);
	return setting;
}

/* What only its owner may read, as ssh wants keys to be; 0: there is no memory. */
static int memory_new(const char *name, const char *text)
{
	size_t len = strlen(text);
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd > 0 && fchmod(fd, 0600) == 0 && write(fd, text, len) == (ssize_t)len)
		return fd;
	if (fd >= 0)
		close(fd);
	return 0;
}

/* A line for each key, whatever its host was called where it comes from. */
static int hosts_new(const char *host_keys)
{
	g_auto(GStrv) lines = g_strsplit(host_keys, "\n", -1);
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; lines[i] != NULL; i++)
		if (*lines[i] != '\0')
			g_string_append_printf(text, LOGIN_HOST " %s\n", lines[i]);
	return memory_new("hosts", text->str);
}

void login_show(json_object *params, struct login *login)
{
	json_object *object = json_get(params, "login", json_type_object, NULL);
	const char *host = object != NULL ? json_get_text(object, "host", NULL) : NULL;
	const char *user = host != NULL ? json_get_text(object, "username", NULL) : NULL;
	const char *secret = user != NULL ? json_get_text(object, "password", NULL) : NULL;
	const char *host_keys = secret != NULL ? json_get_text(object, "host_keys", NULL) : NULL;

	if (secret == NULL)
		return;
	if (host_keys != NULL) {
		/* Never the one without the other. */
		login->hosts_fd = hosts_new(host_keys);
		login->key_fd = login->hosts_fd > 0 ? memory_new("key", secret) : 0;
		g_strlcpy(login->user, user, sizeof(login->user));
	} else {
		char *setting = setting_format(host, user, secret);
		login->git_fd = memory_new("login", setting);
		secret_wipe(setting, strlen(setting));
		g_free(setting);
	}
	json_wipe(params, "login");
}
