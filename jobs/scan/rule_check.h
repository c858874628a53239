/* SPDX-License-Identifier: MIT */
/*
 * Whether rules are good ones: `muster rules check`. Each rule's texts and patterns are looked at,
 * its examples and negatives go through the real matcher, and what its sieve costs is measured on
 * ordinary text: lines of programs and prose, and lists of hashes, lock files and the like that are
 * made up here.
 *
 * Errors are what makes a rule unfit (a sieve too wide, an example not found, a price that all
 * others pay), and a rule that had to be left out of the set, which is among its problems;
 * everything else is a warning. What a foreign file never has (examples, remedies, our style) is
 * not asked of it.
 *
 *	g_autoptr(rule_check) check = rule_check_new(set, &options, &error);
 *	for (guint i = 0; i < check->faults->len; i++)
 *		…g_ptr_array_index(check->faults, i)…
 */
#ifndef MUSTER_JOBS_SCAN_RULE_CHECK_H
#define MUSTER_JOBS_SCAN_RULE_CHECK_H

#include "jobs/scan/rule.h"

/* Bounds for one rule's sieve alone. Found with 760 rules: nearly all are far below. */
#define RULE_CHECK_COMPILE_MS 1000 /* to compile */
#define RULE_CHECK_MATCHES 600     /* matches in a MiB of ordinary text */
#define RULE_CHECK_SCAN_MS 6       /* to run over a MiB */

struct rule_fault {
	gboolean is_error;
	const struct rule *rule; /* of the set */
	char *text;
};

/* What one rule's sieve costs, alone: times only when measured alone. */
struct rule_cost {
	double compile_ms, scan_ms; /* CPU; the second for a MiB */
	double matches;             /* in a MiB */
	guint width;                /* its widest match, bytes */
};

struct rule_check {
	GPtrArray *faults;       /* struct rule_fault, in the order of the set's rules */
	struct rule_cost *costs; /* one a rule; zeros when not measured */
	guint n_errors;          /* of faults, and rules left out */
	guint n_warnings, n_examples, n_negatives;
};
typedef struct rule_check rule_check;

struct rule_check_options {
	const char *cache_folder; /* of the matcher; NULL none */
	gboolean no_costs;        /* measure nothing */
	gboolean each_alone;      /* measure each rule alone, which takes ten times as long */
};

/* Errors: only what keeps all of it from being done, as matcher_new() fails. */
struct rule_check *rule_check_new(
	const struct rule_set *set, const struct rule_check_options *options, GError **error);
void rule_check_free(struct rule_check *check);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(rule_check, rule_check_free)

/* For rule_check*.c: adds a fault. */
void rule_check_add(struct rule_check *check, gboolean is_error, const struct rule *rule,
	const char *format, ...) G_GNUC_PRINTF(4, 5);
/*
 * For rule_check*.c: fills in the costs of n rules, which have sieves; adds what is beyond a bound.
 * is_each: of each alone.
 */
void rule_check_costs(struct rule_check *check, const struct rule *const *rules,
	struct rule_cost *const *costs, guint n, gboolean is_each);

#endif
