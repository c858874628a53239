/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RUN_FRAME_H
#define JOBS_RUN_FRAME_H

#include <glib.h>

/*
 * What a job's child and the runner say to each other: frames on pipes. A frame is five bytes, the
 * length of its body (big-endian) and its kind, then the body, one JSON value. The child is not
 * believed: a frame of an unknown kind, one longer than its kind may be and one that is no JSON end
 * the job.
 *
 *	frame_write(fd, FRAME_PROGRESS, "{\"percent\":40}", 14, error)		the child, waiting
 *
 *	while (frame_read(reader, fd, &kind, &body, &error))			the runner
 *		...
 */

enum frame_kind {
	FRAME_UNSET,
	FRAME_PARAMS = 'p',   /* to the child: the job; first and only */
	FRAME_PROGRESS = 'g', /* {"percent":0..100,"message":text,"done","total","name","step"} */
	FRAME_LOG = 'l',      /* {"level":"info","message":text} */
	FRAME_RESULT = 'r',   /* what the job found; any object */
	FRAME_ERROR = 'e',    /* {"message":text,"retry":bool} */
};

#define FRAME_HEADER_BYTES 5
#define FRAME_SMALL_MAX_BYTES (64 * 1024)   /* progress, log, error */
#define FRAME_PARAMS_MAX_BYTES (128 * 1024) /* a job's payload has at most 64 KiB */

/* Waits until all is written. Errors: MUSTER_ERROR_IO. */
gboolean frame_write(int fd, enum frame_kind kind, const char *body, gsize len, GError **error);

struct frame_reader;
typedef struct frame_reader frame_reader;

/* result_max_bytes: the largest FRAME_RESULT accepted. */
struct frame_reader *frame_reader_new(gsize result_max_bytes);
void frame_reader_free(struct frame_reader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(frame_reader, frame_reader_free)

enum frame_state {
	FRAME_STATE_UNSET,
	FRAME_STATE_MORE,  /* nothing whole yet; call again when fd is readable */
	FRAME_STATE_WHOLE, /* *kind and *body are set, body is the caller's */
	FRAME_STATE_END,   /* the other side closed, and nothing is left */
	FRAME_STATE_BAD,   /* error is set; the reader is of no more use */
};

/*
 * The next frame from fd, reading at most a quarter of a MiB a call: others want their turn. A
 * non-blocking fd gives MORE, a blocking one waits. body's bytes were found by json_check() to be
 * one JSON value, and are followed by a NUL that its length does not count. Errors:
 * MUSTER_ERROR_INPUT, _LIMIT, _IO, _MISSING (the other side closed in the middle).
 */
enum frame_state frame_read(
	struct frame_reader *reader, int fd, enum frame_kind *kind, GBytes **body, GError **error);

#endif
