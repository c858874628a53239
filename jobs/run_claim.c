/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run.h"

#include <unistd.h>

#include "lib/error.h"
#include "lib/log.h"

/* So long a job may be ours without being begun. */
#define AHEAD_US (500 * (gint64)1000)
/* One that somebody holds is given back later. */
#define GIVE_BACK_WAIT_US (2 * (gint64)G_USEC_PER_SEC)
/* So long after a quick job there may be another one. */
#define QUICK_FOR_US (200 * (gint64)1000)

/* How many may be claimed beyond the free slots: one for each that is not taken for long. */
static guint ahead_room(const struct runner *runner, gint64 now)
{
	guint slots = slot_count(runner->conf),
	      taken = g_queue_get_length((GQueue *)&runner->ahead);
	GHashTableIter iter;
	gpointer value;

	if (now - runner->quick_us > QUICK_FOR_US)
		return 0;
	g_hash_table_iter_init(&iter, runner->jobs);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct run_job *job = value;
		if (!job->is_ended && now - job->begun_us >= RUN_QUICK_US)
			taken++;
	}
	return slots > taken ? slots - taken : 0;
}

/* FALSE: ask again. After its lease it is nobody's, whatever the database says. */
static gboolean give_back(struct run_job *job)
{
	struct queue *queue = job->runner->queue;
	g_autoptr(GError) error = NULL;
	gboolean is_ours;

	if (!queue_give_back(queue, job->job.id, job->job.lease, &is_ours, &error) &&
		g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY) &&
		g_get_monotonic_time() - job->claimed_us < QUEUE_LEASE_S * (gint64)G_USEC_PER_SEC)
		return FALSE;
	run_job_prefix(job);
	log_debug("given back", NULL);
	log_set_prefix(NULL, NULL);
	job->runner->is_committed = TRUE;
	run_job_free(job);
	return TRUE;
}

void run_claim_end(struct runner *runner)
{
	for (guint n = g_queue_get_length(&runner->ahead); n > 0; n--) {
		struct run_job *job = g_queue_pop_head(&runner->ahead);
		if (!give_back(job))
			g_queue_push_tail(&runner->ahead, job);
	}
}

static gboolean is_overdue(const struct run_job *job, gint64 now)
{
	return now - job->claimed_us > AHEAD_US;
}

/* Gives back those that waited for too long. */
static void ahead_check(struct runner *runner, gint64 now)
{
	for (GList *link = runner->ahead.head, *next; link != NULL; link = next) {
		struct run_job *job = link->data;
		next = link->next;
		if (!is_overdue(job, now) || now < job->offer_at_us)
			continue;
		runner->quick_us = 0;
		if (give_back(job))
			g_queue_delete_link(&runner->ahead, link);
		else
			job->offer_at_us = g_get_monotonic_time() + GIVE_BACK_WAIT_US;
	}
}

/* The first that may still be begun; NULL: there is none. */
static struct run_job *ahead_pop(struct runner *runner, gint64 now)
{
	for (GList *link = runner->ahead.head; link != NULL; link = link->next) {
		struct run_job *job = link->data;
		if (is_overdue(job, now))
			continue;
		g_queue_delete_link(&runner->ahead, link);
		return job;
	}
	return NULL;
}

static gboolean is_claiming(const struct runner *runner, gint64 now)
{
	return runner->state == RUNNER_CLAIMING && now >= runner->rest_us;
}

/* Their locks: what is taken first is promised to nobody else. */
static GArray *slots_take(struct runner *runner)
{
	GArray *slots = g_array_new(FALSE, FALSE, sizeof(int));

	for (guint i = 0; i < slot_count(runner->conf); i++) {
		int fd = slot_take(runner->conf, runner->set, i);
		if (fd >= 0)
			g_array_append_val(slots, fd);
	}
	return slots;
}

static void slot_pop(GArray *slots)
{
	close(g_array_index(slots, int, slots->len - 1));
	g_array_set_size(slots, slots->len - 1);
}

/* What is left of slots afterwards nobody wants. */
static void slots_fill(struct runner *runner, GArray *slots)
{
	gint64 now = g_get_monotonic_time();
	struct run_job *job;

	while (slots->len > 0 && is_claiming(runner, now) &&
		(job = ahead_pop(runner, now)) != NULL) {
		run_job_begin(job, g_array_index(slots, int, slots->len - 1));
		/* The child has it, or nobody. */
		slot_pop(slots);
	}
}

static void slots_free(GArray *slots)
{
	while (slots->len > 0)
		slot_pop(slots);
	g_array_free(slots, TRUE);
}

void run_claim_begin(struct runner *runner)
{
	if (g_queue_is_empty(&runner->ahead))
		return;
	GArray *slots = slots_take(runner);
	slots_fill(runner, slots);
	slots_free(slots);
}

static void claimed_take(struct runner *runner, GArray *claimed)
{
	for (guint i = 0; i < claimed->len; i++) {
		struct run_job *job =
			run_job_new(runner, &g_array_index(claimed, struct queue_job, i));
		/* One that cannot be begun needs no slot to say so. */
		if (job->trouble != NULL)
			run_job_begin(job, -1);
		else
			g_queue_push_tail(&runner->ahead, job);
	}
}

/* Whoever is left out by this, whatever the reason, is asked for alone, which tells why. */
static void done_settle(GPtrArray *done, GHashTable *known)
{
	for (guint i = 0; i < done->len; i++) {
		struct run_job *job = done->pdata[i];
		if (known != NULL && g_hash_table_contains(known, &job->job.id))
			run_job_set_done(job);
		else
			run_job_settle(job);
	}
}

void run_claim_round(struct runner *runner, GPtrArray *done)
{
	g_auto(queue_round) round = {0};
	gint64 now = g_get_monotonic_time();
	GArray *slots = is_claiming(runner, now) ? slots_take(runner)
						 : g_array_new(FALSE, FALSE, sizeof(int));
	guint limit = 0;

	if (is_claiming(runner, now)) {
		ahead_check(runner, now);
		limit = slots->len + ahead_room(runner, now);
	} else {
		run_claim_end(runner);
	}
	if (limit > 0 || done->len > 0) {
		g_autofree char *results = run_job_results_format(done);
		gboolean is_asked = queue_ask_round(runner->queue, results, limit, &round, NULL);
		if (is_asked)
			runner->is_committed = FALSE;
		done_settle(done, round.done);
		if (is_asked)
			claimed_take(runner, round.claimed);
	}
	slots_fill(runner, slots);
	slots_free(slots);
}
