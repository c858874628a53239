/* SPDX-License-Identifier: MIT */
/* What toml.c and toml_value.c share: one reading of one text. For nobody else. */
#ifndef MUSTER_JOBS_SCAN_TOML_READER_H
#define MUSTER_JOBS_SCAN_TOML_READER_H

#include "jobs/scan/toml.h"

struct toml {
	struct toml_table root;
	char *block, *at; /* the newest block, and what is free of it */
	gsize left;
};

struct toml_reader {
	const char *name;
	const char *at, *end; /* *end is a zero */
	guint line;
	guint values;
	struct toml *doc;
	GError **error; /* the first one stays */
};

#define toml_fail(r, code, ...) toml_fail_at(r, (r)->line, code, __VA_ARGS__)
void toml_fail_at(struct toml_reader *r, guint line, int code, const char *format, ...)
	G_GNUC_PRINTF(4, 5);

/* Spaces and tabs. */
void toml_skip_blank(struct toml_reader *r);
/* Those, line ends and comments; FALSE when a comment holds a control character. */
gboolean toml_skip_space(struct toml_reader *r);

/* At a quote; fills in string and len. */
gboolean toml_read_string(struct toml_reader *r, struct toml_value *value);
/* Any value; `depth` counts those around it. */
gboolean toml_read_value(struct toml_reader *r, struct toml_value *value, guint depth);
/* `key = value`, dotted or not, into a table. */
gboolean toml_read_pair(struct toml_reader *r, struct toml_table *table, guint depth);

struct toml_value *toml_add_item(struct toml_reader *r, struct toml_value *array, guint line);
struct toml_table *toml_new_inline(struct toml_reader *r);

#endif
