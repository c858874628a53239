/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/issuer.h"

#include <string.h>
#include <sys/stat.h>

#include "lib/error.h"
#include "lib/http.h"

#define GITHUB_URL "https://github.com"
#define ISSUERS_MAX 32

static void issuer_free(gpointer data)
{
	struct issuer *issuer = data;

	if (issuer == NULL)
		return;
	g_free(issuer->id);
	g_free(issuer->name);
	g_free(issuer->url);
	g_free(issuer->client_id);
	g_free(issuer->client_secret);
	g_free(issuer->scopes);
	json_object_put(issuer->discovery);
	g_free(issuer);
}

typedef struct issuer issuer;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(issuer, issuer_free)

static gboolean refuse(GError **error, const char *id, const char *text)
{
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "[%s]: %s", id, text);
	return FALSE;
}

/* A key's text; fallback, which may be NULL, when it is not there. Freed by the caller. */
static char *text_take(GKeyFile *file, const char *id, const char *key, const char *fallback)
{
	char *text = g_key_file_get_string(file, id, key, NULL);
	return text != NULL ? g_strstrip(text) : g_strdup(fallback);
}

/* One of two words; FALSE when it is neither. */
static gboolean word_take(GKeyFile *file, const char *id, const char *key, const char *off,
	const char *on, gboolean *is_on, GError **error)
{
	g_autofree char *text = text_take(file, id, key, off);

	*is_on = !strcmp(text, on);
	if (*is_on || !strcmp(text, off))
		return TRUE;
	g_autofree char *fault = g_strdup_printf("%s is neither %s nor %s", key, off, on);
	return refuse(error, id, fault);
}

static gboolean id_is_valid(const char *id)
{
	gsize len = strlen(id);
	return len > 0 && len <= 40 && g_ascii_isalnum(*id) &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static gboolean keys_check(GKeyFile *file, const char *id, GError **error)
{
	static const char *const known[] = {"issuer", "client_id", "client_secret", "name", "kind",
		"scopes", "accounts", "private", NULL};
	g_auto(GStrv) keys = g_key_file_get_keys(file, id, NULL, error);

	for (guint i = 0; keys != NULL && keys[i] != NULL; i++)
		if (!g_strv_contains(known, keys[i])) {
			g_autofree char *fault = g_strdup_printf("there is no key '%s'", keys[i]);
			return refuse(error, id, fault);
		}
	return keys != NULL;
}

static gboolean url_check(const struct issuer *issuer, GError **error)
{
	g_autofree char *origin = issuer->url != NULL ? http_origin(issuer->url) : NULL;

	if (origin == NULL)
		return refuse(error, issuer->id, "issuer is no address");
	if (!issuer->is_private && !g_str_has_prefix(origin, "https://"))
		return refuse(error, issuer->id,
			"issuer must be https, or private=true say that it is in one's own network");
	return TRUE;
}

static struct issuer *issuer_take(GKeyFile *file, const char *id, GError **error)
{
	g_autoptr(issuer) issuer = g_new0(struct issuer, 1);
	gboolean is_github = FALSE;

	issuer->id = g_strdup(id);
	if (!id_is_valid(id)) {
		refuse(error, id, "a name has small letters, digits and '-'");
		return NULL;
	}
	if (!keys_check(file, id, error) ||
		!word_take(file, id, "kind", "openid", "github", &is_github, error) ||
		!word_take(
			file, id, "accounts", "existing", "create", &issuer->is_creating, error) ||
		!word_take(file, id, "private", "false", "true", &issuer->is_private, error))
		return NULL;
	issuer->kind = is_github ? ISSUER_KIND_GITHUB : ISSUER_KIND_OPENID;
	issuer->name = text_take(file, id, "name", id);
	issuer->url = text_take(file, id, "issuer", is_github ? GITHUB_URL : NULL);
	issuer->client_id = text_take(file, id, "client_id", NULL);
	issuer->client_secret = text_take(file, id, "client_secret", NULL);
	issuer->scopes = text_take(
		file, id, "scopes", is_github ? "read:user user:email" : "openid email profile");
	if (!url_check(issuer, error))
		return NULL;
	if (issuer->client_id == NULL || *issuer->client_id == '\0') {
		refuse(error, id, "client_id is missing");
		return NULL;
	}
	for (gsize len = strlen(issuer->url); len > 0 && issuer->url[len - 1] == '/'; len--)
		issuer->url[len - 1] = '\0';
	return g_steal_pointer(&issuer);
}

static gboolean file_take(GPtrArray *issuers, const char *path, GError **error)
{
	g_autoptr(GKeyFile) file = g_key_file_new();
	struct stat st;

	if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, error))
		return FALSE;
	if (stat(path, &st) < 0 || (st.st_mode & 0007) != 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"it holds secrets, and others may read it: chmod o= %s", path);
		return FALSE;
	}
	g_auto(GStrv) ids = g_key_file_get_groups(file, NULL);
	if (g_strv_length(ids) > ISSUERS_MAX) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "it has more than %d issuers",
			ISSUERS_MAX);
		return FALSE;
	}
	for (guint i = 0; ids[i] != NULL; i++) {
		struct issuer *issuer = issuer_take(file, ids[i], error);
		if (issuer == NULL)
			return FALSE;
		g_ptr_array_add(issuers, issuer);
	}
	return TRUE;
}

GPtrArray *issuer_load(const struct conf *conf, GError **error)
{
	g_autoptr(GPtrArray) issuers = g_ptr_array_new_with_free_func(issuer_free);
	const char *path = conf_get(conf, "auth.openid_file");

	if (*path != '\0' && !file_take(issuers, path, error)) {
		g_prefix_error(error, "%s: ", path);
		return NULL;
	}
	return g_steal_pointer(&issuers);
}

struct issuer *issuer_find(const GPtrArray *issuers, const char *id)
{
	for (guint i = 0; i < issuers->len; i++) {
		struct issuer *issuer = issuers->pdata[i];
		if (!strcmp(issuer->id, id))
			return issuer;
	}
	return NULL;
}
