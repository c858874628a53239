/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_BUDGET_H
#define MUSTER_JOBS_SCAN_BUDGET_H

#include <glib.h>

/*
 * Memory that several threads share: who wants more of it than is left waits until others have
 * given theirs back. It counts; it allocates nothing.
 *
 *	struct budget *budget = budget_new(256 << 20);
 *	struct budget_lease lease = {.budget = budget};		in each thread
 *	budget_take(&lease, len);
 *	…
 *	budget_give(&lease, 0);
 *
 * What alone is more than there is would wait for ever: one thread at a time goes on beyond the
 * budget, with whatever it asks for, and the others wait until it has given that back. So no more
 * is there than the budget and what one thread wants, and none waits for one that waits.
 *
 * What is small is neither counted nor waited for: see BUDGET_SMALL.
 */
struct budget;

#define BUDGET_SMALL (1u << 20)
#define BUDGET_BYTES (G_GUINT64_CONSTANT(256) << 20) /* when nobody says how much */

struct budget_lease {
	struct budget *budget; /* NULL: nothing is counted */
	guint64 bytes;
	gboolean is_beyond;
};

struct budget *budget_new(guint64 bytes); /* 0: BUDGET_BYTES */
void budget_free(struct budget *budget);

/* So many more; returns when they may be had. A lease that is NULL counts nothing. */
void budget_take(struct budget_lease *lease, guint64 more);
/* All but so many, when it has more. */
void budget_give(struct budget_lease *lease, guint64 kept);

#endif
