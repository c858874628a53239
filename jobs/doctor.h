/* SPDX-License-Identifier: MIT */
#ifndef JOBS_DOCTOR_H
#define JOBS_DOCTOR_H

#include <glib.h>
#include <sys/types.h>

#include "lib/conf.h"
#include "lib/db.h"

/*
 * `muster doctor`: is everything here as it has to be, and if not, which command mends it? A check
 * looks and says what it saw; it changes nothing. What cannot be looked at is unknown, never fine.
 *
 *	static void clock_check(struct doctor *doctor)
 *	{
 *		if (is_wrong)
 *			doctor_say(doctor, DOCTOR_PROBLEM, "timedatectl set-ntp true",
 *				"the clock is %d s late", late);
 *		else
 *			doctor_say(doctor, DOCTOR_FINE, NULL, "the clock is right");
 *	}
 *
 * and a row in one of the tables at the end of doctor_host.c, doctor_database.c, doctor_service.c.
 */

enum doctor_state {
	DOCTOR_UNSET,
	DOCTOR_FINE,
	DOCTOR_WARNING, /* works, but should be otherwise: no effect on the exit code */
	DOCTOR_PROBLEM,
	DOCTOR_UNKNOWN,
};

struct doctor {
	const struct conf *conf;
	struct db *db;       /* as database.url says; NULL: not reached */
	gboolean has_schema; /* doctor->db acts as its owner */
	const char *check;   /* the one that runs */
	GPtrArray *said;     /* struct doctor_said */
};

struct doctor_said {
	const char *check;
	enum doctor_state state;
	char *text;
	char *mend; /* a command or what to do; NULL: nothing */
};

struct doctor_check {
	const char *id;
	void (*run)(struct doctor *doctor);
};

/* A check may say several things. mend may be NULL, and is copied. */
void doctor_say(struct doctor *doctor, enum doctor_state state, const char *mend,
	const char *format, ...) G_GNUC_PRINTF(4, 5);

/* The name of a system user, or its number; freed by the caller. */
char *doctor_owner(uid_t uid);

extern const struct doctor_check doctor_host_checks[];
extern const gsize doctor_host_checks_len;
/* Opens doctor->db; what needs it says nothing when it is not there. */
extern const struct doctor_check doctor_database_checks[];
extern const gsize doctor_database_checks_len;
extern const struct doctor_check doctor_service_checks[];
extern const gsize doctor_service_checks_len;

#endif
