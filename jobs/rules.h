/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_RULES_H
#define MUSTER_JOBS_RULES_H

/* What jobs/rules.c and jobs/rules_print.c share: see muster-rules(1). */

#include "jobs/output/output.h"
#include "jobs/scan/rule.h"
#include "jobs/scan/rule_check.h"

void rules_print_table(const struct rule_set *set, const struct output_style *style, GString *out);
void rules_print_json(const struct rule_set *set, GString *out);
/* One rule, with all there is to say of it. */
void rules_print_one(const struct rule *rule, const struct output_style *style, GString *out);
void rules_print_one_json(const struct rule *rule, GString *out);
/* Faults by rule, then a line that counts. */
void rules_print_check(const struct rule_set *set, const struct rule_check *check,
	gboolean is_verbose, const struct output_style *style, GString *out);
void rules_print_check_json(
	const struct rule_set *set, const struct rule_check *check, GString *out);
/* What of a file is not done. */
void rules_print_problems(
	const struct rule_set *set, const struct output_style *style, GString *out);

#endif
