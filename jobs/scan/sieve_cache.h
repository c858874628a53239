/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_SIEVE_CACHE_H
#define MUSTER_JOBS_SCAN_SIEVE_CACHE_H

#include <glib.h>

#include "jobs/scan/sieve.h"

/*
 * A compiled sieve on the disk; sieve.h says what is believed. No function reports an error:
 * without a cache the sieve is compiled, which is slower and nothing else.
 *
 * The file, numbers in this machine's order, for it never leaves the machine:
 *	"MSTSIEV1"  magic
 *	key[32]     what was compiled, by what, for what
 *	u32 crc     of all that follows
 *	u32 n_rules, margin; before, after and length of each part, 0 for none
 *	struct sieve_reach[n_rules]
 *	the serialised databases, each filled up to a multiple of 8
 */
#define SIEVE_KEY_BYTES 32

/* Fills in the databases, their numbers, reach and n_rules; FALSE: leaves the sieve as it was. */
gboolean sieve_cache_load(
	const char *folder, const guint8 key[SIEVE_KEY_BYTES], guint n_rules, struct sieve *sieve);

/* Whether there is such a file; whether it is believed shows when it is loaded. */
gboolean sieve_cache_has(const char *folder, const guint8 key[SIEVE_KEY_BYTES]);

/* Makes the folder when it is not there. */
void sieve_cache_save(
	const char *folder, const guint8 key[SIEVE_KEY_BYTES], const struct sieve *sieve);

#endif
