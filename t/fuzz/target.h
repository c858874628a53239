/* SPDX-License-Identifier: MIT */
#ifndef T_FUZZ_TARGET_H
#define T_FUZZ_TARGET_H

#include <stddef.h>
#include <stdlib.h>

#include <glib.h>

/*
 * A fuzz target is one file t/fuzz/<stem>.c with this function, a folder t/fuzz/corpus/<stem>/ of
 * inputs worth keeping (each one found once, or one for each branch), and four lines in
 * t/local.mk. A build with --enable-fuzzing links it with libFuzzer; any other with replay.c, which
 * feeds it the corpus and simple changes of it, so that every `make check` runs it for a moment.
 *
 * The target returns 0 for every input. What it finds wrong it says by fuzz_require(), or the
 * sanitizers do.
 */
int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

#define fuzz_require(condition)                                                                    \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#endif
