/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_RULE_HASH_H
#define MUSTER_JOBS_SCAN_RULE_HASH_H

#include "jobs/scan/rule.h"

/*
 * Fills in each rule's hash and the set's. Equal hashes mean equal findings in equal bytes: what a
 * person reads of a rule (description, severity, remedy …) is left out, and so is where it stands,
 * so that a change of those does not scan anything again. The set's hash does not depend on the
 * order of its rules.
 */
void rule_hash_set(struct rule_set *set);

#endif
