/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_VERB_H
#define MUSTER_JOBS_VERB_H

#include <glib.h>

#include "lib/conf.h"
#include "lib/db.h"

/*
 * Commands of an administrator that are a noun and a verb, as `muster account add EMAIL`. A verb is
 * a row of its command's table; it gets a connection that acts as the schema's owner (see
 * jobs/migrate.h) and answers with an exit code, errors told.
 *
 *	static const struct verb verbs[] = {
 *		{ "add", 1, 2, account_add, FALSE },	one word behind it, or two
 *		...
 *	return verb_run(conf, verbs, G_N_ELEMENTS(verbs), &options, FALSE, argc, argv);
 */
struct verb_call {
	const struct conf *conf;
	struct db *db;
	const void *options; /* the command's own */
	char **words;        /* behind the verb, ended by NULL: one that is left out is NULL */
	gboolean is_json;    /* a list is wanted as JSON */
};

struct verb {
	const char *name;
	int words, words_max;
	int (*run)(const struct verb_call *call);
	gboolean is_list; /* it prints one list, and takes --json */
};

/* A row of the command's options, for what verb_run() is told as is_json. */
#define VERB_JSON(flag)                                                                            \
	{                                                                                          \
		"json", 0, 0, G_OPTION_ARG_NONE, flag, "what is listed, as JSON", NULL             \
	}

/* argv[1] is the verb. */
int verb_run(const struct conf *conf, const struct verb *verbs, gsize n, const void *options,
	gboolean is_json, int argc, char **argv);

/* One statement; what it answers is not looked at. */
int verb_do(const struct verb_call *call, const char *sql, int n, const char *const *params);

/* The same, and its rows are printed under titles; *count, unless NULL, is how many. */
int verb_list(const struct verb_call *call, const char *sql, int n, const char *const *params,
	const char *const *titles, guint *count);

#endif
