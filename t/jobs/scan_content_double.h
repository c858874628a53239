/* SPDX-License-Identifier: MIT */
#ifndef T_JOBS_SCAN_CONTENT_DOUBLE_H
#define T_JOBS_SCAN_CONTENT_DOUBLE_H

/*
 * A matcher with five rules of its own, in plain loops, that stands in for jobs/scan/matcher.h's
 * where what is tested is which bytes it is asked about. It keeps that header's promises and not
 * more: a match looks at one byte behind its end and one before its start, windows end at lines
 * or at what the object's edges cut, encoded runs are looked into when the range touches them.
 *
 *	0 token   \bKEY-[a-z0-9]{4,10}\b; refused with "test" on its line, marked by "allow" on it
 *	1 block   BEGIN, and END within DOUBLE_BEHIND bytes: the secret is what is between
 *	2 pair    pw=[a-z0-9]+ with "ctx" on its line or the line before
 *	3 hexed   SEC and one byte more, within a run of eight or more small hex digits that has no dot
 *		  within DOUBLE_AROUND bytes on either side
 *	4 whole   WH ... EL anywhere, a rule without a sieve
 */
#define DOUBLE_MARGIN 16
#define DOUBLE_LINE 24
#define DOUBLE_BEHIND 60
#define DOUBLE_RUN 40
#define DOUBLE_AROUND 6
#define DOUBLE_RULES 5

#endif
