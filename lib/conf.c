/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/conf.h"

#include <string.h>
#include <unistd.h>

#include "lib/error.h"

/* A settings file larger than this is something else. */
#define CONF_FILE_MAX_BYTES (1024 * 1024)

struct conf {
	char **values; /* one for each row of conf_keys */
	char **sources;
	gint64 *numbers;
	gboolean *is_computed; /* nobody set it: it follows the setting it is derived from */
	char *former;
};

static gssize key_find(const char *name)
{
	for (gsize i = 0; i < conf_keys_len; i++)
		if (!strcmp(conf_keys[i].name, name))
			return (gssize)i;
	return -1;
}

static gsize key_get(const char *name)
{
	gssize i = key_find(name);
	if (i < 0)
		g_error("no configuration key is named '%s'", name);
	return (gsize)i;
}

static gboolean has_control(const char *value)
{
	for (const char *p = value; *p != '\0'; p++)
		if (g_ascii_iscntrl(*p))
			return TRUE;
	return FALSE;
}

static gboolean word_is_listed(const char *words, const char *word)
{
	g_auto(GStrv) list = g_strsplit(words, "|", -1);
	return g_strv_contains((const char *const *)list, word);
}

/* Stores a checked value; where is "file:line: ", "MUSTER_X: " or the like. */
static gboolean value_store(struct conf *conf, gsize i, const char *value, const char *source,
	const char *where, GError **error)
{
	const struct conf_key *key = &conf_keys[i];
	gint64 number = 0;
	g_autofree char *stored = g_strdup(value);

	if (!g_utf8_validate(value, -1, NULL) || has_control(value)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"%s%s: the value holds control characters or is not UTF-8", where,
			key->name);
		return FALSE;
	}
	switch (key->type) {
	case CONF_TYPE_INT:
		if (!g_ascii_string_to_signed(value, 10, key->min, key->max, &number, NULL)) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"%s%s is '%s': a whole number from %" G_GINT64_FORMAT
				" to %" G_GINT64_FORMAT " is needed",
				where, key->name, value, key->min, key->max);
			return FALSE;
		}
		break;
	case CONF_TYPE_BOOL:
		number = !strcmp(value, "true");
		if (!number && strcmp(value, "false") != 0) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"%s%s is '%s': true or false is needed", where, key->name, value);
			return FALSE;
		}
		break;
	case CONF_TYPE_WORD:
		if (!word_is_listed(key->words, value)) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"%s%s is '%s': one of %s is needed", where, key->name, value,
				key->words);
			return FALSE;
		}
		break;
	case CONF_TYPE_PATH:
		if (g_str_has_prefix(value, "~/")) {
			g_free(stored);
			stored = g_build_filename(g_get_home_dir(), value + 2, NULL);
		} else if (*value != '\0' && !g_path_is_absolute(value)) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"%s%s is '%s': an absolute path is needed", where, key->name,
				value);
			return FALSE;
		}
		break;
	case CONF_TYPE_STRING:
	case CONF_TYPE_UNSET:
		break;
	}
	g_free(conf->values[i]);
	g_free(conf->sources[i]);
	conf->values[i] = g_steal_pointer(&stored);
	conf->sources[i] = g_strdup(source);
	conf->numbers[i] = number;
	conf->is_computed[i] = *value == '\0';
	return TRUE;
}

/* One line of a file; group is what the last [group] line said. */
static gboolean line_read(struct conf *conf, char *line, char **group, GHashTable *seen,
	const char *file, guint number, GError **error)
{
	g_strstrip(line);
	if (*line == '\0' || *line == '#')
		return TRUE;
	g_autofree char *where = g_strdup_printf("%s:%u: ", file, number);
	if (*line == '[') {
		gsize len = strlen(line);
		gboolean is_known = FALSE;
		if (line[len - 1] != ']') {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"%sa group is written [name]", where);
			return FALSE;
		}
		line[len - 1] = '\0';
		g_autofree char *prefix = g_strconcat(line + 1, ".", NULL);
		for (gsize i = 0; i < conf_keys_len && !is_known; i++)
			is_known = g_str_has_prefix(conf_keys[i].name, prefix);
		if (!is_known) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"%sthere is no group [%s]; see muster.conf(5)", where, line + 1);
			return FALSE;
		}
		g_free(*group);
		*group = g_strdup(line + 1);
		return TRUE;
	}
	char *equal = strchr(line, '=');
	if (equal == NULL || *group == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "%s%s", where,
			equal == NULL ? "a setting is written key = value"
				      : "a setting must stand below a [group]");
		return FALSE;
	}
	*equal = '\0';
	g_autofree char *name = g_strdup_printf("%s.%s", *group, g_strchomp(line));
	gssize i = key_find(name);
	if (i < 0 && g_strv_contains(conf_former_keys, name)) {
		g_free(conf->former);
		conf->former = g_strconcat(where, name, NULL);
		return TRUE;
	}
	if (i < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"%sthere is no key '%s' in [%s]; see muster.conf(5)", where, line, *group);
		return FALSE;
	}
	guint first = GPOINTER_TO_UINT(g_hash_table_lookup(seen, name));
	if (first > 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"%s%s is given twice, first in line %u", where, name, first);
		return FALSE;
	}
	if (!value_store(conf, (gsize)i, g_strchug(equal + 1), file, where, error))
		return FALSE;
	g_hash_table_insert(seen, g_steal_pointer(&name), GUINT_TO_POINTER(number));
	return TRUE;
}

static gboolean file_read(struct conf *conf, const char *file, gboolean must_exist, GError **error)
{
	g_autofree char *text = NULL;
	g_autoptr(GError) failure = NULL;
	gsize len;

	if (!g_file_get_contents(file, &text, &len, &failure)) {
		if (!must_exist && g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
			return TRUE;
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"the configuration cannot be read: %s", failure->message);
		return FALSE;
	}
	if (len > CONF_FILE_MAX_BYTES || memchr(text, '\0', len) != NULL) {
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "%s: not a settings file", file);
		return FALSE;
	}
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autofree char *group = NULL;
	for (guint n = 0; lines[n] != NULL; n++)
		if (!line_read(conf, lines[n], &group, seen, file, n + 1, error))
			return FALSE;
	return TRUE;
}

static gboolean environment_read(struct conf *conf, GError **error)
{
	for (gsize i = 0; i < conf_keys_len; i++) {
		g_autofree char *upper = g_ascii_strup(conf_keys[i].name, -1);
		g_autofree char *variable =
			g_strconcat("MUSTER_", g_strdelimit(upper, ".", '_'), NULL);
		const char *value = g_getenv(variable);
		g_autofree char *where = g_strconcat(variable, ": ", NULL);
		if (value != NULL && !value_store(conf, i, value, "environment", where, error))
			return FALSE;
	}
	return TRUE;
}

static void default_fill(struct conf *conf, const char *name, char *value)
{
	gsize i = key_get(name);
	/* Computed again when a flag moved the folder it lies in. */
	if (conf->is_computed[i]) {
		g_free(conf->values[i]);
		conf->values[i] = value;
	} else {
		g_free(value);
	}
}

/*
 * The folder that systemd made for a service (StateDirectory= and the like): one, absolute. NULL
 * outside of a service.
 */
static char *service_folder(const char *variable)
{
	const char *folder = g_getenv(variable);
	return folder != NULL && *folder == '/' && strchr(folder, ':') == NULL ? g_strdup(folder)
									       : NULL;
}

/* Defaults that depend on who runs the program and from where. */
static void defaults_fill(struct conf *conf)
{
	gboolean is_root = geteuid() == 0;
	char *state = service_folder("STATE_DIRECTORY"), *run = service_folder("RUNTIME_DIRECTORY"),
	     *cache = service_folder("CACHE_DIRECTORY");
	default_fill(conf, "paths.state",
		state != NULL ? state
		: is_root     ? g_strdup(LOCALSTATEDIR "/lib/muster")
			      : g_build_filename(g_get_user_state_dir(), "muster", NULL));
	default_fill(conf, "paths.run",
		run != NULL ? run
		: is_root   ? g_strdup("/run/muster")
			    : g_build_filename(g_get_user_runtime_dir(), "muster", NULL));
	default_fill(conf, "paths.cache",
		cache != NULL ? cache : g_build_filename(g_get_user_cache_dir(), "muster", NULL));
	default_fill(conf, "paths.sql", g_strdup(PKGDATADIR "/sql"));
	default_fill(conf, "paths.htdocs", g_strdup(PKGDATADIR "/htdocs"));
	default_fill(conf, "paths.muster", g_strdup(BINDIR "/muster"));
	default_fill(conf, "secret.key_file", conf_get_state_path(conf, "key"));
	default_fill(conf, "server.host", g_strdup(g_get_host_name()));
	default_fill(conf, "database.direct", g_strdup(conf_get(conf, "database.url")));
}

struct conf *conf_load(const char *file, GError **error)
{
	g_autoptr(conf) conf = g_new0(struct conf, 1);
	conf->values = g_new0(char *, conf_keys_len + 1);
	conf->sources = g_new0(char *, conf_keys_len + 1);
	conf->numbers = g_new0(gint64, conf_keys_len + 1);
	conf->is_computed = g_new0(gboolean, conf_keys_len + 1);
	for (gsize i = 0; i < conf_keys_len; i++)
		if (!value_store(conf, i, conf_keys[i].value, "default", "", error))
			return NULL;

	if (file == NULL)
		file = g_getenv("MUSTER_CONF");
	if (file != NULL) {
		if (!file_read(conf, file, TRUE, error))
			return NULL;
	} else {
		g_autofree char *user =
			g_build_filename(g_get_user_config_dir(), "muster", "muster.conf", NULL);
		if (!file_read(conf, SYSCONFDIR "/muster/muster.conf", FALSE, error) ||
			!file_read(conf, user, FALSE, error))
			return NULL;
	}
	if (!environment_read(conf, error))
		return NULL;
	defaults_fill(conf);
	return g_steal_pointer(&conf);
}

void conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	for (gsize i = 0; i < conf_keys_len; i++) {
		g_free(conf->values[i]);
		g_free(conf->sources[i]);
	}
	g_free(conf->values);
	g_free(conf->sources);
	g_free(conf->numbers);
	g_free(conf->is_computed);
	g_free(conf->former);
	g_free(conf);
}

gboolean conf_set(struct conf *conf, const char *name, const char *value, GError **error)
{
	gsize i = key_get(name);
	if (!value_store(conf, i, value, "flag", "", error))
		return FALSE;
	defaults_fill(conf);
	return TRUE;
}

const char *conf_get(const struct conf *conf, const char *name)
{
	return conf->values[key_get(name)];
}

gint64 conf_get_int(const struct conf *conf, const char *name)
{
	gsize i = key_get(name);
	g_assert(conf_keys[i].type == CONF_TYPE_INT);
	return conf->numbers[i];
}

gboolean conf_get_bool(const struct conf *conf, const char *name)
{
	gsize i = key_get(name);
	g_assert(conf_keys[i].type == CONF_TYPE_BOOL);
	return conf->numbers[i] != 0;
}

gboolean conf_has_word(const struct conf *conf, const char *name, const char *word)
{
	g_auto(GStrv) words = g_strsplit(conf_get(conf, name), " ", -1);
	return *word != '\0' && g_strv_contains((const char *const *)words, word);
}

const char *conf_get_source(const struct conf *conf, const char *name)
{
	return conf->sources[key_get(name)];
}

const char *conf_find_former(const struct conf *conf)
{
	return conf->former;
}

char *conf_get_state_path(const struct conf *conf, const char *below)
{
	return g_build_filename(conf_get(conf, "paths.state"), below, NULL);
}

char *conf_get_run_path(const struct conf *conf, const char *below)
{
	return g_build_filename(conf_get(conf, "paths.run"), below, NULL);
}
