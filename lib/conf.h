/* SPDX-License-Identifier: MIT */
#ifndef LIB_CONF_H
#define LIB_CONF_H

#include <glib.h>

/*
 * Configuration: one table of keys (lib/conf_keys.c), read once at start, then read-only.
 *
 * A value comes from, first wins: a flag (conf_set), the environment (MUSTER_<GROUP>_<KEY>), the
 * file, the default in the table. The file is the one named by --conf or MUSTER_CONF, alone;
 * without either, $XDG_CONFIG_HOME/muster/muster.conf over SYSCONFDIR/muster/muster.conf (both may
 * be absent). Files are GKeyFile groups:
 *
 *	[audit]
 *	stale_days = 90
 *
 * An unknown group or key, a key given twice and a value out of its range are errors that name
 * file and line: a setting with a typing mistake must never be silently ignored. GKeyFile reports
 * none of the three, so one pass of our own over the lines comes first.
 *
 *	g_autoptr(GError) error = NULL;
 *	g_autoptr(conf) conf = conf_load(NULL, &error);
 *	if (conf == NULL) ...
 *	gint64 stale_days = conf_get_int(conf, "audit.stale_days");
 *
 * Names given to the get functions are compile-time constants of ours: an unknown one is a defect
 * and aborts. Strings returned are borrowed from the conf.
 */

enum conf_type {
	CONF_TYPE_UNSET,
	CONF_TYPE_STRING, /* any UTF-8 without control characters */
	CONF_TYPE_PATH,   /* an absolute path; "~/" is the home folder; empty is built in */
	CONF_TYPE_INT,    /* decimal, min <= n <= max */
	CONF_TYPE_BOOL,   /* true or false */
	CONF_TYPE_WORD,   /* one of words, separated by | */
};

struct conf_key {
	const char *name; /* group.key */
	enum conf_type type;
	const char *value; /* the default, in the form it has in a file */
	gint64 min, max;   /* CONF_TYPE_INT */
	const char *words; /* CONF_TYPE_WORD */
	const char *help;  /* one sentence, for the manual page and the sample file */
};

extern const struct conf_key conf_keys[];
extern const gsize conf_keys_len;

/* Keys of earlier versions, ended by NULL: read over, so that programs start after an upgrade. */
extern const char *const conf_former_keys[];

struct conf;
typedef struct conf conf;

/*
 * file: what --conf said, or NULL. Errors: MUSTER_ERROR_INPUT (with file and line), _IO when a
 * named file cannot be read.
 */
struct conf *conf_load(const char *file, GError **error);
void conf_free(struct conf *conf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(conf, conf_free)

/* A flag's value. Errors: MUSTER_ERROR_INPUT. */
gboolean conf_set(struct conf *conf, const char *name, const char *value, GError **error);

const char *conf_get(const struct conf *conf, const char *name);
gint64 conf_get_int(const struct conf *conf, const char *name);
gboolean conf_get_bool(const struct conf *conf, const char *name);

/* Whether word is one of those, separated by spaces, that the value has. */
gboolean conf_has_word(const struct conf *conf, const char *name, const char *word);

/* "flag", "environment", the file's path, or "default": where the value came from. */
const char *conf_get_source(const struct conf *conf, const char *name);

/* The last key of an earlier version that was read over, as "file:line: name"; NULL: none. */
const char *conf_find_former(const struct conf *conf);

/* A path below paths.state or paths.run; freed by the caller. */
char *conf_get_state_path(const struct conf *conf, const char *below);
char *conf_get_run_path(const struct conf *conf, const char *below);

#endif
