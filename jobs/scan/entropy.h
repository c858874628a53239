/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_ENTROPY_H
#define MUSTER_JOBS_SCAN_ENTROPY_H

#include <glib.h>

/*
 * How random text looks. Never alone a reason to accept anything.
 *
 *	entropy_bits((const guint8 *)"abcd", 4)	2.0
 */

/* Shannon's, in bits a character, from the text's own frequencies: at most log2(len). 0 for "". */
double entropy_bits(const guint8 *text, gsize len);

/*
 * Whether text reaches `bits`, or as much of it as its alphabet lets expect: 32 random hex digits
 * measure 3.6 of 4 bits and 16 random letters 3.7 of 4.7, so a bound made for long texts of 62
 * characters would refuse every one of them. Digits and hex are told by what is there.
 */
gboolean entropy_reaches(const guint8 *text, gsize len, double bits);

/*
 * Whether text reads like words of English or of programs: whether its pairs of neighbouring
 * letters are those that are common there. 0 to 1; about 0.2 for random letters, 0.8 for words, 0.5
 * between; 0 when there are fewer than 4 pairs.
 */
double entropy_wordiness(const guint8 *text, gsize len);

#endif
