/* SPDX-License-Identifier: MIT */
/* Numbers that look random and are the same everywhere, for example.c. Nothing secret is made. */
#ifndef MUSTER_JOBS_SCAN_EXAMPLE_RANDOM_H
#define MUSTER_JOBS_SCAN_EXAMPLE_RANDOM_H

#include <glib.h>

struct example_random {
	guint64 state;
};

/* Two templates with the same seed get different numbers. */
void example_random_init(struct example_random *random, guint32 seed, const char *template);
/* 0 to below - 1; below is at least 1. */
guint example_random_below(struct example_random *random, guint below);

/*
 * count characters, freed by you. Of several draws the one with the most entropy that no filter
 * takes for a placeholder, and, where there is room, with a character of each kind (small letter,
 * capital, digit) that the alphabet has: as nearly all real tokens are.
 */
char *example_random_run(struct example_random *random, const char *characters, guint count);

#endif
