/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/job_kinds.h"

#define MIB ((gint64)1024 * 1024)

/* clang-format off */
const struct job_kind job_kinds[] = {
	{
		.name = "audit", .queue = "audit",
		.soft_s = 15 * 60, .hard_s = 16 * 60, .cpu_s = 3600,
		.memory_bytes = 2048 * MIB, .files = 4096,
		.result_max_bytes = 256 * MIB,
		.prepare = job_audit_prepare,
		.confine = job_audit_confine,
		.run = job_audit_run,
		.store = job_audit_store,
		.record = job_audit_record,
		.help = "look at every repository below a watched folder",
	},
	{
		.name = "clone", .queue = "network",
		.soft_s = 60 * 60, .hard_s = 61 * 60, .cpu_s = 3600,
		.memory_bytes = 4096 * MIB, .files = 1024,
		.result_max_bytes = 65536,
		.prepare = job_clone_prepare,
		.may_connect = TRUE, .may_execute = TRUE,
		.confine = job_clone_confine,
		.run = job_clone_run,
		.record = job_clone_record,
		.help = "clone a repository that was added by its address",
	},
	{
		.name = "prune", .queue = "database",
		.help = "forget what is older than an organization's settings say",
	},
	{
		.name = "remove", .queue = "database",
		.help = "remove an organization or an account with all its rows",
	},
};
/* clang-format on */

const gsize job_kinds_len = G_N_ELEMENTS(job_kinds);
