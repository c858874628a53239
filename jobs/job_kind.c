/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/job_kinds.h"

#include <string.h>

#define DISK_BYTES ((gint64)1024 * 1024 * 1024)

const struct job_kind *job_kind_find(const char *name)
{
	for (gsize i = 0; i < job_kinds_len; i++)
		if (!strcmp(job_kinds[i].name, name))
			return &job_kinds[i];
	return NULL;
}

gint64 job_kind_disk_bytes(const struct job_kind *kind)
{
	return kind->disk_bytes > 0 ? kind->disk_bytes : DISK_BYTES;
}

void job_record_clear(struct job_record *record)
{
	for (guint i = 0; i < record->n_params; i++)
		g_clear_pointer(&record->params[i], g_free);
	record->n_params = 0;
}
