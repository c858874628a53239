/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/job_kinds.h"

#define MIB ((gint64)1024 * 1024)

/* clang-format off */
const struct job_kind job_kinds[] = {
	{
		.name = "audit", .queue = "audit", .attempts = 3,
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
		.name = "clone", .queue = "network", .attempts = 5, .backoff_s = 15,
		.soft_s = 3300, .hard_s = 3600, .cpu_s = 3600,
		.memory_bytes = 4096 * MIB, .disk_bytes = 65536 * MIB, .files = 1024,
		.result_max_bytes = 65536,
		.prepare = job_clone_prepare,
		.may_connect = TRUE, .may_execute = TRUE, .has_login = TRUE,
		.confine = job_clone_confine,
		.run = job_clone_run,
		.record = job_clone_record,
		.help = "clone a repository that was added by its address",
	},
	{
		.name = "fetch", .queue = "network",
		.soft_s = 3300, .hard_s = 3600, .cpu_s = 3600,
		.memory_bytes = 4096 * MIB, .disk_bytes = 65536 * MIB, .files = 1024,
		.result_max_bytes = 65536,
		.prepare = job_fetch_prepare,
		.may_connect = TRUE, .may_execute = TRUE, .has_login = TRUE,
		.confine = job_fetch_confine,
		.run = job_fetch_run,
		.record = job_fetch_record,
		.help = "bring a clone or a mirror of ours up to date",
	},
	{
		.name = "prune", .queue = "database", .backoff_s = 30,
		.help = "forget what is older than an organization's settings say",
	},
	{
		.name = "reconcile", .queue = "disk", .attempts = 3,
		.soft_s = 15 * 60, .hard_s = 16 * 60, .cpu_s = 600,
		.memory_bytes = 512 * MIB, .files = 256,
		.result_max_bytes = 64 * MIB,
		.prepare = job_reconcile_prepare,
		.confine = job_reconcile_confine,
		.run = job_reconcile_run,
		.record = job_reconcile_record,
		.help = "remove what lies in the state folder and nobody has any more",
	},
	{
		.name = "remediate", .queue = "remediate",
		.soft_s = 30 * 60, .hard_s = 31 * 60, .cpu_s = 1800,
		.memory_bytes = 2048 * MIB, .disk_bytes = 65536 * MIB, .files = 1024,
		.result_max_bytes = 65536,
		.prepare = job_remediate_prepare,
		.confine = job_remediate_confine,
		.run = job_remediate_run,
		.record = job_remediate_record,
		.help = "change a repository as somebody asked: commit, discard, delete and so on",
	},
	{
		.name = "remove", .queue = "database", .backoff_s = 30,
		.help = "remove an organization or an account with all its rows",
	},
	{
		.name = "report", .queue = "database", .backoff_s = 30,
		.help = "keep how an organization's repositories are today, and tell who wants to know",
	},
	{
		.name = "scan", .queue = "scan", .attempts = 3,
		.soft_s = 3300, .hard_s = 3600, .cpu_s = 4 * 3600,
		.memory_bytes = 2048 * MIB, .files = 4096,
		.result_max_bytes = 256 * MIB,
		.warm = job_scan_warm,
		.make = job_scan_make,
		.prepare = job_scan_prepare,
		.confine = job_scan_confine,
		.run = job_scan_run,
		.record = job_scan_record,
		.help = "look for secrets in what a repository's history has that is new",
	},
};
/* clang-format on */

const gsize job_kinds_len = G_N_ELEMENTS(job_kinds);
