/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/dump.h"

#include <string.h>
#include <sys/stat.h>

#include "lib/error.h"
#include "lib/file.h"

/* What pg_dump calls the schema in its list; we have made it already. */
#define LIST_SCHEMA " SCHEMA - muster "
#define LIST_COMMENT " COMMENT - SCHEMA muster "

static gboolean url_check(const struct conf *conf, GError **error)
{
	const char *url = conf_get(conf, "database.direct");

	if (strstr(url, "password") == NULL &&
		!g_regex_match_simple("://[^/@]*:[^/@]*@", url, 0, 0))
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
		"a backup needs the password in ~/.pgpass, not in database.url");
	return FALSE;
}

/* What the program says to standard error becomes the error; *out, unless NULL, what it prints. */
static gboolean tool_run(const char *const *argv, char **out, GError **error)
{
	g_autofree char *said = NULL, *printed = NULL;
	g_autoptr(GError) failed = NULL;
	int status;

	mode_t mask = umask(0077);
	gboolean started = g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
		&printed, &said, &status, &failed);
	umask(mask);
	if (!started) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
			"%s (apt install postgresql-client)", failed->message);
		return FALSE;
	}
	if (!g_spawn_check_wait_status(status, NULL)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s failed: %s", argv[0],
			g_strchomp(said));
		return FALSE;
	}
	if (out != NULL)
		*out = g_steal_pointer(&printed);
	return TRUE;
}

gboolean dump_write(const struct conf *conf, const char *owner, const char *path, GError **error)
{
	const char *argv[] = {"pg_dump", "--format=custom", "--schema=muster", "--no-password",
		"--file", path, "--dbname", conf_get(conf, "database.direct"),
		owner != NULL ? "--role" : NULL, owner, NULL};

	return url_check(conf, error) && tool_run(argv, NULL, error);
}

gboolean dump_check(const char *path, GError **error)
{
	const char *argv[] = {"pg_restore", "--file=/dev/null", path, NULL};

	return tool_run(argv, NULL, error);
}

/* The list of what is in the dump, without the schema itself. */
static char *list_make(const char *path, GError **error)
{
	const char *argv[] = {"pg_restore", "--list", path, NULL};
	g_autofree char *text = NULL;

	if (!tool_run(argv, &text, error))
		return NULL;
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_autoptr(GString) kept = g_string_new(NULL);
	for (guint i = 0; lines[i] != NULL; i++)
		if (strstr(lines[i], LIST_SCHEMA) == NULL && strstr(lines[i], LIST_COMMENT) == NULL)
			g_string_append_printf(kept, "%s\n", lines[i]);
	return g_string_free(g_steal_pointer(&kept), FALSE);
}

gboolean dump_restore(const struct conf *conf, const char *owner, const char *path,
	const char *folder, GError **error)
{
	g_autofree char *list = g_build_filename(folder, "list", NULL);
	const char *argv[] = {"pg_restore", "--no-owner", "--no-privileges", "--exit-on-error",
		"--single-transaction", "--no-password", "--role", owner, "--use-list", list,
		"--dbname", conf_get(conf, "database.direct"), path, NULL};

	if (!url_check(conf, error))
		return FALSE;
	g_autofree char *text = list_make(path, error);
	return text != NULL && file_write(list, text, strlen(text), 0600, error) &&
	       tool_run(argv, NULL, error);
}
