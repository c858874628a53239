/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run_frame.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/secret.h"

#define READ_BYTES (256 * 1024)
#define ROOM_BYTES (16 * 1024)

struct frame_reader {
	gsize result_max_bytes;
	guchar header[FRAME_HEADER_BYTES];
	gsize header_len;
	char *body; /* room bytes and one for the NUL */
	gsize body_len, room, expected;
};

struct frame_reader *frame_reader_new(gsize result_max_bytes)
{
	struct frame_reader *reader = g_new0(struct frame_reader, 1);
	reader->result_max_bytes = result_max_bytes;
	return reader;
}

void frame_reader_free(struct frame_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->body != NULL)
		secret_wipe(reader->body, reader->body_len);
	g_free(reader->body);
	g_free(reader);
}

gboolean frame_write(int fd, enum frame_kind kind, const char *body, gsize len, GError **error)
{
	guchar header[FRAME_HEADER_BYTES] = {(guchar)(len >> 24), (guchar)(len >> 16),
		(guchar)(len >> 8), (guchar)len, (guchar)kind};

	if (len <= G_MAXUINT32 && file_write_all(fd, header, sizeof(header)) &&
		file_write_all(fd, body, len))
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
		"cannot write to the other side of a job: %s", g_strerror(errno));
	return FALSE;
}

static gboolean frame_max_bytes(const struct frame_reader *reader, guchar kind, gsize *max)
{
	switch (kind) {
	case FRAME_PARAMS:
		*max = FRAME_PARAMS_MAX_BYTES;
		return TRUE;
	case FRAME_PROGRESS:
	case FRAME_LOG:
	case FRAME_ERROR:
		*max = FRAME_SMALL_MAX_BYTES;
		return TRUE;
	case FRAME_RESULT:
		*max = reader->result_max_bytes;
		return TRUE;
	}
	return FALSE;
}

static gboolean header_check(struct frame_reader *reader, GError **error)
{
	const guchar *h = reader->header;
	gsize len = (gsize)h[0] << 24 | (gsize)h[1] << 16 | (gsize)h[2] << 8 | h[3];
	gsize max;

	if (!frame_max_bytes(reader, h[4], &max)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the job's process sent something that is no frame");
		return FALSE;
	}
	if (len > max) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"the job's process sent %" G_GSIZE_FORMAT " bytes at once, %" G_GSIZE_FORMAT
			" are allowed",
			len, max);
		return FALSE;
	}
	reader->expected = len;
	return TRUE;
}

/*
 * The length is the other side's word, so room grows with what really came. TRUE with at least one
 * byte of room, or none when the frame is whole.
 */
static gboolean room_make(struct frame_reader *reader, GError **error)
{
	if (reader->body != NULL &&
		(reader->body_len < reader->room || reader->room == reader->expected))
		return TRUE;
	gsize room = MIN(MAX(reader->room * 2, ROOM_BYTES), reader->expected);
	/* Parameters may hold a secret: they are never moved, for a copy would stay behind. */
	if (reader->header[FRAME_HEADER_BYTES - 1] == FRAME_PARAMS)
		room = reader->expected;
	char *body = g_try_realloc(reader->body, room + 1);
	if (body == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"no memory for %" G_GSIZE_FORMAT " bytes of a job's result", room);
		return FALSE;
	}
	reader->body = body;
	reader->room = room;
	return TRUE;
}

static gboolean frame_is_whole(const struct frame_reader *reader)
{
	return reader->header_len == FRAME_HEADER_BYTES && reader->body != NULL &&
	       reader->body_len == reader->expected;
}

/* As read(2), into the header or the body. */
static ssize_t part_read(struct frame_reader *reader, int fd)
{
	gboolean is_header = reader->header_len < FRAME_HEADER_BYTES;
	char *to = is_header ? (char *)reader->header + reader->header_len
			     : reader->body + reader->body_len;
	gsize want = is_header ? FRAME_HEADER_BYTES - reader->header_len
			       : reader->room - reader->body_len;
	ssize_t n;

	do
		n = read(fd, to, want);
	while (n < 0 && errno == EINTR);
	if (n > 0 && is_header)
		reader->header_len += (gsize)n;
	else if (n > 0)
		reader->body_len += (gsize)n;
	return n;
}

static gboolean frame_take(
	struct frame_reader *reader, enum frame_kind *kind, GBytes **body, GError **error)
{
	reader->body[reader->body_len] = '\0';
	if (!json_check(reader->body, reader->body_len, &json_limits_report, error)) {
		g_prefix_error(error, "the job's process sent what is no JSON: ");
		return FALSE;
	}
	*kind = reader->header[4];
	*body = g_bytes_new_take(g_steal_pointer(&reader->body), reader->body_len);
	reader->header_len = reader->body_len = reader->room = 0;
	return TRUE;
}

enum frame_state frame_read(
	struct frame_reader *reader, int fd, enum frame_kind *kind, GBytes **body, GError **error)
{
	for (gsize total = 0; total < READ_BYTES;) {
		if (reader->header_len == FRAME_HEADER_BYTES &&
			(!header_check(reader, error) || !room_make(reader, error)))
			return FRAME_STATE_BAD;
		if (frame_is_whole(reader))
			return frame_take(reader, kind, body, error) ? FRAME_STATE_WHOLE
								     : FRAME_STATE_BAD;
		ssize_t n = part_read(reader, fd);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return FRAME_STATE_MORE;
		if (n < 0) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
				"cannot read from a job's process: %s", g_strerror(errno));
			return FRAME_STATE_BAD;
		}
		if (n == 0 && reader->header_len > 0) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
				"the job's process ended in the middle of a frame");
			return FRAME_STATE_BAD;
		}
		if (n == 0)
			return FRAME_STATE_END;
		total += (gsize)n;
	}
	return FRAME_STATE_MORE;
}
