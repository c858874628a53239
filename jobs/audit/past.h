/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_AUDIT_PAST_H
#define MUSTER_JOBS_AUDIT_PAST_H

#include "jobs/audit/facts.h"
#include "jobs/audit/inspect.h"

/*
 * The part of the facts that comes from commits and from HEAD's tree: log, head_tree, the branches'
 * counts and times, the tags' times, disk_bytes. Needs refs to be gathered.
 *
 * Results are kept below options->cache in one file a repository, under the tips they were computed
 * from, so that a repository in which nothing moved costs one small file and no object is read.
 * What depends on the clock is stored as times, not as counts. When tips moved, what is still true
 * of single commits is used again. A file that is damaged, of another version or another repository
 * is as good as none. The file is written whole and renamed; two audits at once do no harm.
 *
 * Never fails: facts->history_error says what could not be read.
 */
void past_gather(
	struct audit_facts *facts, const struct repo *r, const struct inspect_options *options);

#endif
