/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_SEEN_H
#define MUSTER_JOBS_SCAN_SEEN_H

#include <glib.h>

/*
 * Which bytes were sieved before, with nothing found. Of what the deltas of a history leave to be
 * looked at, six bytes in ten are no news: the same lines come in with each branch, go out with
 * each revert, and stand in a hundred files.
 *
 * Text is cut into chunks at places that the text itself decides, so that the same text is mostly
 * cut at the same places wherever it stands. A chunk is remembered by a keyed hash of itself and of
 * the bytes around it that matter: two different ones have the same with a probability of 2^-61 at
 * most, one and any of a full table's with 2^-40, whoever wrote them: the key is random, of this
 * process, and universal hashing (NH of 64-bit words, then a multiplication) knows no bad inputs.
 * Only what gave nothing is remembered, so there is nothing else to remember of it. Windows that
 * the judge refused are remembered alike. Part of the matcher.
 *
 *	gsize end = seen_chunk_end(data, at, to);
 *	guint64 chunk = seen_hash(seen, data + window, window_len, at - window, end - window);
 *	if (!seen_has(seen, chunk, &has_more))
 *		... look, and if there was nothing: seen_add(seen, chunk, has_more);
 *
 * Shared by all threads without a lock. What is forgotten when the table is full costs time only.
 */
struct seen;

/* NULL: no memory, or no random numbers; then everything is looked at. */
struct seen *seen_new(void);
void seen_free(struct seen *seen);

/* Chunks are at most that long, but for the bytes around them. */
#define SEEN_CHUNK_MAX 4096
#define SEEN_AROUND_MAX 1024

/* Where the chunk ends that begins at `at`; to at most. */
gsize seen_chunk_end(const guint8 *data, gsize at, gsize to);

/* len is at most SEEN_CHUNK_MAX + SEEN_AROUND_MAX; from and to count like bytes. */
guint64 seen_hash(const struct seen *seen, const guint8 *data, gsize len, gsize from, gsize to);

/* Asks for its place in memory, which takes a while to come. */
void seen_expect(const struct seen *seen, guint64 chunk);

/* A chunk is remembered with a mark, which says of it what its owner wants. */
gboolean seen_has(const struct seen *seen, guint64 chunk, gboolean *is_marked);
void seen_add(struct seen *seen, guint64 chunk, gboolean is_marked);

#endif
