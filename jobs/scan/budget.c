/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/budget.h"

struct budget {
	GMutex lock;
	GCond given;
	guint64 max, held;
	gboolean has_beyond; /* a thread that holds more than there is */
};

struct budget *budget_new(guint64 bytes)
{
	struct budget *budget = g_new0(struct budget, 1);

	g_mutex_init(&budget->lock);
	g_cond_init(&budget->given);
	budget->max = bytes > 0 ? bytes : BUDGET_BYTES;
	return budget;
}

void budget_free(struct budget *budget)
{
	if (budget == NULL)
		return;
	g_mutex_clear(&budget->lock);
	g_cond_clear(&budget->given);
	g_free(budget);
}

static gboolean is_over(const struct budget *budget, guint64 more)
{
	return budget->held > budget->max || more > budget->max - budget->held;
}

void budget_take(struct budget_lease *lease, guint64 more)
{
	struct budget *budget = lease != NULL ? lease->budget : NULL;

	if (budget == NULL || more < BUDGET_SMALL)
		return;
	g_mutex_lock(&budget->lock);
	while (!lease->is_beyond && budget->has_beyond && is_over(budget, more))
		g_cond_wait(&budget->given, &budget->lock);
	if (!lease->is_beyond && is_over(budget, more))
		lease->is_beyond = budget->has_beyond = TRUE;
	budget->held += more;
	lease->bytes += more;
	g_mutex_unlock(&budget->lock);
}

void budget_give(struct budget_lease *lease, guint64 kept)
{
	struct budget *budget = lease != NULL ? lease->budget : NULL;

	if (budget == NULL || lease->bytes <= kept)
		return;
	g_mutex_lock(&budget->lock);
	budget->held -= lease->bytes - kept;
	lease->bytes = kept;
	if (lease->is_beyond && !is_over(budget, 0))
		lease->is_beyond = budget->has_beyond = FALSE;
	g_cond_broadcast(&budget->given);
	g_mutex_unlock(&budget->lock);
}
