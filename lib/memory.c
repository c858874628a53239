/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LARGE_PAGE_BYTES ((gsize)2 << 20)
#define SPARSE_BYTES ((gsize)16 << 20)
#define HEAP_PAGES_MAX 16u
#define FIRST_BYTES (256 * 1024)   /* more than the heap has */
#define USUAL_TOP_PAD (128 * 1024) /* of the C library */

gpointer memory_try_table(gsize bytes)
{
	void *table = NULL;

	if (bytes < LARGE_PAGE_BYTES / 2 || bytes > G_MAXSIZE - LARGE_PAGE_BYTES)
		return g_try_malloc(MAX(1, bytes));
	bytes = (bytes + LARGE_PAGE_BYTES - 1) & ~(LARGE_PAGE_BYTES - 1);
	if (posix_memalign(&table, LARGE_PAGE_BYTES, bytes) != 0)
		return NULL;
	/* Advice: what it says makes no difference but of time. */
	madvise(table, bytes, MADV_HUGEPAGE);
	return table;
}

gpointer memory_try_table0(gsize bytes)
{
	gpointer table;

	/* Of a large one most may never be touched: then it takes no memory at all. */
	if (bytes > SPARSE_BYTES)
		return g_try_malloc0(bytes);
	table = memory_try_table(bytes);

	return table != NULL ? memset(table, 0, MAX(1, bytes)) : NULL;
}

/* A page that was touched before it was known to be a large one stays small: none is. */
void memory_heap(guint large_pages)
{
	gsize from = (gsize)sbrk(0), at = (from + FIRST_BYTES) % LARGE_PAGE_BYTES;
	gsize bytes = MIN(large_pages, HEAP_PAGES_MAX) * LARGE_PAGE_BYTES;

	mallopt(M_TOP_PAD, (int)(LARGE_PAGE_BYTES - at + bytes));
	void *volatile first = malloc(FIRST_BYTES); /* or compilers leave both calls out */
	mallopt(M_TOP_PAD, USUAL_TOP_PAD);
	gsize to = (gsize)sbrk(0);
	free(first);
	from = (from + LARGE_PAGE_BYTES - 1) & ~(LARGE_PAGE_BYTES - 1);
	if (from < to)
		madvise((void *)from, to - from, MADV_HUGEPAGE);
}
