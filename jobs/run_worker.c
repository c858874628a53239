/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run.h"

#include "jobs/run_slot.h"

/* As often as leases are renewed. */
#define TELL_US (QUEUE_RENEW_S * (gint64)G_USEC_PER_SEC)

/* clang-format off */
static const char *const state_names[] = {
	[RUNNER_WAITING] = "waiting",
	[RUNNER_CLAIMING] = "claiming",
	[RUNNER_MINDING] = "minding",
	[RUNNER_DRAINING] = "draining",
	[RUNNER_STOPPING] = "stopping",
};
/* clang-format on */

const char *runner_state_format(enum runner_state state)
{
	return state_names[state];
}

static char *jobs_format(struct runner *runner)
{
	GString *ids = g_string_new("{");
	GHashTableIter iter;
	gpointer job;

	g_hash_table_iter_init(&iter, runner->jobs);
	while (g_hash_table_iter_next(&iter, NULL, &job))
		g_string_append_printf(ids, "%s%" G_GINT64_FORMAT, ids->len > 1 ? "," : "",
			((struct run_job *)job)->job.id);
	return g_string_free(g_string_append_c(ids, '}'), FALSE);
}

void run_worker_tell(struct runner *runner, gint64 now)
{
	if (now < runner->tell_at_us && runner->state == runner->told_state)
		return;
	g_autofree char *jobs = jobs_format(runner);
	runner->tell_at_us = now + TELL_US;
	if (runner->worker == NULL)
		runner->worker = g_uuid_string_random();
	if (queue_tell_worker(runner->queue, runner->worker, runner_state_format(runner->state),
		    slot_count(runner->conf), runner->set, jobs, NULL))
		runner->told_state = runner->state;
}

void run_worker_end(struct runner *runner)
{
	if (runner->told_state != RUNNER_UNSET && !queue_is_away(runner->queue))
		queue_remove_worker(runner->queue, runner->worker, NULL);
	g_clear_pointer(&runner->worker, g_free);
}
