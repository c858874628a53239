/* SPDX-License-Identifier: MIT */
#ifndef LIB_MEMORY_H
#define LIB_MEMORY_H

#include <glib.h>

/*
 * Memory in large pages. The first touch of a page of 4 KiB takes one to three microseconds, the
 * more in a virtual machine, and a table of some megabytes has more such pages than a processor
 * keeps in mind. A page of 2 MiB costs a fifth of what its 512 small ones do. Where the system has
 * none, all is as with malloc().
 *
 *	guint32 *rows = memory_try_table0(count * sizeof(*rows));
 *	…
 *	g_free(rows);
 */

/* NULL: there is not that much. The second one is cleared; from 16 MiB on its pages are small. */
gpointer memory_try_table(gsize bytes);
gpointer memory_try_table0(gsize bytes);

/*
 * So many large pages, 16 at most, are the next that malloc() gives small blocks from: for a
 * program that is over in milliseconds. They, and two more, must be allowed to lie free at the
 * heap's end (M_TRIM_THRESHOLD).
 */
void memory_heap(guint large_pages);

#endif
