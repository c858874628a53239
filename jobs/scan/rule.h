/* SPDX-License-Identifier: MIT */
/*
 * Rules: what a scan looks for. They come from TOML files, ours built into the program, a person's
 * and an organisation's from disk, gitleaks' as they are; muster-rule(5) has the format, word by
 * word. This is what is left of them in memory: checked, with defaults filled in, foreign syntax
 * translated, nothing compiled.
 *
 * It refuses: two rules of one id in one file, files over RULE_FILE_MAX bytes, and, in files of our
 * own format, every key it does not know. In gitleaks' files such a key is a problem in the list,
 * with file and line, and the rest is used.
 *
 * Ownership: a set owns every string and list in it; a rule lives as long as its set. Sets never
 * change once loaded: threads share them.
 *
 *	struct rule_options options = { .paths = argv_paths };
 *	g_autoptr(RuleSet) set = rule_set_load(&options, &error);
 *	for (guint i = 0; i < set->n; i++)
 *		printf("%s\n", set->rules[i].id);
 */
#ifndef MUSTER_JOBS_SCAN_RULE_H
#define MUSTER_JOBS_SCAN_RULE_H

#include <glib.h>

#include "lib/severity.h"

#define RULE_FILE_MAX (4 * 1024 * 1024)
#define RULE_MAX 4096          /* rules in a set; candidates count them in 16 bits */
#define RULE_PATTERN_MAX 16384 /* bytes of one pattern */
#define RULE_LIST_MAX 4096     /* entries in one list: keywords, stopwords, regexes */
#define RULE_SIEVE_WIDTH 256   /* a sieve's match is at most this wide */
#define RULE_WITHIN_MAX 2048   /* how far from a match its context is looked for */
#define RULE_HASH_BYTES 16

/* Lists of strings end with NULL and are never NULL themselves. */

/* What an allowlist's regexes are held against. */
enum rule_target {
	RULE_TARGET_SECRET = 1, /* the captured secret; the default */
	RULE_TARGET_MATCH,      /* the whole match of the rule's regex */
	RULE_TARGET_LINE,       /* the line, or lines, in which the match lies */
};

/*
 * When one condition holds (or with is_and: one of each kind that is given), the match is no
 * finding. Paths and commits are only known after attribution: they are the command's, all else
 * the judge's. With is_and an allowlist of both kinds is split so: the judge's part decides whether
 * the command has to look.
 */
struct rule_allowlist {
	const char *description;
	gboolean is_and;
	enum rule_target target;
	const char *const *regexes;   /* PCRE2; one match anywhere in the target suffices */
	const char *const *stopwords; /* in small letters; found in the secret, in any case */
	const char *const *paths;     /* PCRE2, held against the path */
	const char *const *commits;   /* full or short names in hex, small letters */
	const char *const *rules;     /* targetRules of a global list: for these ids only */
	const char *source;           /* its file */
	guint line;                   /* in there */
};

/* Another rule that must match near this one, or this one is no finding. */
struct rule_required {
	const char *id;
	guint rule;          /* its number in the set; G_MAXUINT: not in the set */
	gint within_lines;   /* -1: anywhere in the same object; 0: the same line */
	gint within_columns; /* -1: any */
};

enum rule_flag {
	RULE_DECODE = 1 << 0,      /* also looked for in base64, hex, percent-encoded runs */
	RULE_PLACEHOLDER = 1 << 1, /* a secret that looks like a placeholder is refused */
	RULE_FOREIGN = 1 << 2,     /* from a file in gitleaks' format */
	RULE_HIDDEN = 1 << 3,      /* only there because another one requires it: not reported */
	RULE_DERIVED = 1 << 4,     /* the sieve was made by us from keywords or the pattern */
	RULE_SLOW = 1 << 5,        /* no sieve can be made: run over whole objects, and listed */
	RULE_PATH_ONLY = 1 << 6,   /* without a regex: each file whose path it matches */
};

struct rule {
	const char *id;     /* unique in the set: [A-Za-z0-9_.-]+ */
	const char *family; /* what findings are keyed by, so that a rule may be split or renamed */
	const char *description;
	enum severity severity;
	guint specificity; /* 1 to 100; of two findings on the same bytes the greater stays */

	const char *regex;           /* PCRE2 in bytes, no flags; NULL with RULE_PATH_ONLY */
	guint secret_group;          /* 0: the first group that took part, else the whole match */
	const char *const *sieve;    /* vectorscan in bytes, no flags; any of them */
	const char *const *keywords; /* in small letters */
	const char *path;            /* PCRE2, held against the path after attribution; NULL any */
	double entropy;              /* least bits a character (Shannon) of the secret; 0 none */
	const char *checksum;        /* a name of checksum.h; NULL none */
	guint before,
		behind; /* the judge looks that many bytes around the sieve's match; 0 default */

	const char *const *context; /* one must be near the match, in any case of letters */
	guint within;               /* bytes before the match's start and behind its end */

	const struct rule_allowlist *allowlists;
	guint n_allowlists;
	const struct rule_required *required;
	guint n_required;
	unsigned flags; /* enum rule_flag */

	const char *const *aliases; /* what other scanners call it, for their ignore files */
	const char *const *tags;
	const char *const *examples;  /* templates (example.h) in which it must be found */
	const char *const *negatives; /* templates in which it must not */
	const char *rotate;           /* URL of the page on which the credential is revoked */
	const char *remedy;           /* what to do when it has leaked: a sentence or some */

	const char *source; /* "github.toml" of ours, else the file's path as given */
	guint line;         /* of its [[rules]] in there */
	gboolean is_builtin;
	guint8 hash[RULE_HASH_BYTES]; /* of all that decides what it finds, and of nothing else */
};

/* What is wrong with a file and does not stop the scan. */
enum rule_problem_kind {
	RULE_PROBLEM_UNKNOWN = 1, /* a key that nobody knows */
	RULE_PROBLEM_UNSUPPORTED, /* a key we know and do not do: a rule may find more, or less */
	RULE_PROBLEM_DROPPED,     /* the rule cannot be used, and is not in the set */
};

struct rule_problem {
	enum rule_problem_kind kind;
	const char *source;
	guint line;
	const char *rule; /* id; NULL: the file */
	const char *text; /* a sentence without file and line */
};

struct rule_set {
	struct rule *rules; /* in the order of files, later files behind */
	guint n;
	const struct rule_allowlist *allowlists; /* for every rule */
	guint n_allowlists;
	const struct rule_problem *problems;
	guint n_problems;
	const char *alone; /* a file in gitleaks' form that takes ours away unasked; NULL: none */
	guint8 common[RULE_HASH_BYTES]; /* of what decides for every rule: the allowlists, us */
	guint8 hash[32]; /* of the rules' hashes and the allowlists: the rule set's name */
};
typedef struct rule_set RuleSet; /* for g_autoptr */

struct rule_options {
	const char *const *paths;   /* files, weakest first; NULL none */
	const char *const *only;    /* ids or families to keep; NULL all */
	const char *const *without; /* ids or families to drop; NULL none */
	gboolean no_builtin;        /* our own only where a file extends them */
};

/*
 * Our rules, then those of each file in turn: a later rule replaces an earlier one of the same id.
 * A file in gitleaks' format stands for itself as it does there: our rules are only used beside it
 * when it has extend.useDefault, or there is another file that keeps them.
 * INPUT: a file is wrong, with file and line; IO, MISSING: it cannot be read; LIMIT: a cap.
 */
struct rule_set *rule_set_load(const struct rule_options *options, GError **error);
/* One file alone, from memory; `name` is what messages call it. `check` fills structure in only. */
struct rule_set *rule_set_parse(const char *name, const char *text, gsize len, GError **error);
void rule_set_free(struct rule_set *set);
/* What a person who wrote the first rule of their own is told of `alone`. Freed; NULL: nothing. */
char *rule_set_alone_text(const struct rule_set *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RuleSet, rule_set_free)

/* Whether it is its id, its family, or what another scanner calls it: for what people write. */
gboolean rule_has_name(const struct rule *rule, const char *name);

/* What a name is among the rules of a set, and those that only and without took out of it. */
enum rule_name {
	RULE_NAME_UNKNOWN,
	RULE_NAME_ALIAS, /* only other scanners call something so */
	RULE_NAME_OURS,  /* an id or a family: then it is no alias, whoever else calls one so */
};
enum rule_name rule_set_name(const struct rule_set *set, const char *name);
/* Whether a rule is meant by a name of that kind. */
gboolean rule_is_named(const struct rule *rule, const char *name, enum rule_name kind);

/* NULL when there is none. */
const struct rule *rule_find(const struct rule_set *set, const char *id);

#endif
