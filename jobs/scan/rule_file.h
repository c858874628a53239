/* SPDX-License-Identifier: MIT */
/*
 * One rule file, as it was written: what rule.c puts together to a set. For rule*.c only.
 *
 * A draft's fields are unset where the file says nothing (0, NULL; lists too), so that a later file
 * can be laid over an earlier one; rule_finish() fills in what is still unset.
 */
#ifndef MUSTER_JOBS_SCAN_RULE_FILE_H
#define MUSTER_JOBS_SCAN_RULE_FILE_H

#include "jobs/scan/rule.h"
#include "jobs/scan/toml.h"

struct rule_draft {
	struct rule rule;
	unsigned flags_given; /* of rule.flags: those that the file sets, to either value */
};

struct rule_file {
	const char *name;
	struct toml *doc; /* owns every string below */
	gboolean is_builtin, is_foreign;
	struct rule_draft *drafts;
	guint n;
	struct rule_allowlist *allowlists;
	guint n_allowlists;
	/* [extend]; use_default is -1 when the file does not say. */
	int use_default;
	const char *extend_path;
	guint extend_line;
	const char *const *disabled; /* never NULL */
	GArray *problems;            /* struct rule_problem, borrowed */
};

/*
 * Reads what a document says into `file`, whose name, doc, is_builtin and problems are set.
 * INPUT with file and line.
 */
gboolean rule_file_read(struct rule_file *file, GError **error);

void rule_problem_add(struct rule_file *file, enum rule_problem_kind kind, guint line,
	const char *rule, const char *format, ...) G_GNUC_PRINTF(5, 6);
/* "name:line: …", always FALSE. */
gboolean rule_file_fail(const struct rule_file *file, guint line, GError **error,
	const char *format, ...) G_GNUC_PRINTF(4, 5);

extern const char *const rule_no_list[1]; /* the list of nothing */
/* A string, or an array of strings, as a list that ends with NULL. */
gboolean rule_list_read(struct rule_file *file, const char *key, const struct toml_value *value,
	const char *const **list, GError **error);
/* A table of an allowlist, for a rule or (is_global) for all. */
gboolean rule_allowlist_read(struct rule_file *file, const struct toml_table *table, guint line,
	const char *rule, gboolean is_global, struct rule_allowlist *list, GError **error);

/*
 * RE2's syntax (Go's regexp) as PCRE2's over bytes: `$` is the end of the text, a `[` in a class is
 * itself, code points become UTF-8. The result belongs to `doc`; it is `regex` itself when nothing
 * differs. `*note` is set to what could not be carried over, or left.
 */
const char *rule_regex_translate(struct toml *doc, const char *regex, const char **note);
/* Whether PCRE2 takes it; `groups`, when not NULL: how many it captures. INPUT with its words. */
gboolean rule_regex_check(const char *regex, guint *groups, GError **error);

/*
 * Betterleaks' `filter`: what of it entropy bounds and allowlists can say is added to the draft.
 * What cannot is a problem, unsupported.
 */
gboolean rule_filter_read(struct rule_file *file, struct rule_draft *draft, const char *text,
	guint line, GError **error);
/* A global `filter` or `prefilter`, likewise into the file's allowlists. */
gboolean rule_filter_read_global(
	struct rule_file *file, const char *key, const char *text, guint line, GError **error);
/* Whether it is its id, or what another scanner calls it; FALSE without an id. */
gboolean rule_is_called(const struct rule *rule, const char *name);
void rule_draft_add_allowlist(
	struct toml *doc, struct rule_draft *draft, const struct rule_allowlist *list);

/* A sieve for a rule that has none; sets RULE_DERIVED or RULE_SLOW as needed. */
void rule_sieve_derive(struct toml *doc, struct rule *rule);

#endif
