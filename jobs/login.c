/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/login.h"

#include <string.h>
#include <sys/mman.h>
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

int login_fd(json_object *params)
{
	json_object *login = json_get(params, "login", json_type_object, NULL);
	const char *host = login != NULL ? json_get_text(login, "host", NULL) : NULL;
	const char *user = host != NULL ? json_get_text(login, "username", NULL) : NULL;
	const char *password = user != NULL ? json_get_text(login, "password", NULL) : NULL;

	if (password == NULL)
		return 0;
	char *setting = setting_format(host, user, password);
	size_t len = strlen(setting);
	int fd = memfd_create("login", MFD_CLOEXEC);
	gboolean is_whole = fd > 0 && write(fd, setting, len) == (ssize_t)len;

	secret_wipe(setting, len);
	g_free(setting);
	json_wipe(params, "login");
	if (fd >= 0 && !is_whole)
		close(fd);
	return is_whole ? fd : 0;
}
