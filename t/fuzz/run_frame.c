/* SPDX-License-Identifier: MIT */
/* What a job's child may send: a whole input lies in the pipe before it is read. */
#include "config.h"
#include "t/fuzz/target.h"

#include <fcntl.h>
#include <unistd.h>

#include "jobs/run_frame.h"
#include "lib/json.h"

#define RESULT_MAX_BYTES 4096

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
	g_autoptr(frame_reader) reader = frame_reader_new(RESULT_MAX_BYTES);
	g_autoptr(GError) error = NULL;
	enum frame_state state;
	int fds[2];

	/* A pipe's room: more would wait for a reader. */
	if (size > 60000 || pipe2(fds, O_CLOEXEC) < 0)
		return 0;
	fuzz_require(write(fds[1], data, size) == (ssize_t)size);
	close(fds[1]);
	for (gsize frames = 0;; frames++) {
		enum frame_kind kind = FRAME_UNSET;
		g_autoptr(GBytes) body = NULL;
		state = frame_read(reader, fds[0], &kind, &body, &error);
		if (state == FRAME_STATE_MORE)
			continue;
		if (state != FRAME_STATE_WHOLE)
			break;
		gsize len;
		const char *bytes = g_bytes_get_data(body, &len);
		fuzz_require(frames <= size / FRAME_HEADER_BYTES);
		fuzz_require(len <= (kind == FRAME_RESULT          ? RESULT_MAX_BYTES
					    : kind == FRAME_PARAMS ? FRAME_PARAMS_MAX_BYTES
								   : FRAME_SMALL_MAX_BYTES));
		fuzz_require(bytes[len] == '\0');
		fuzz_require(json_check(bytes, len, &json_limits_report, NULL));
	}
	fuzz_require(state == FRAME_STATE_END || (state == FRAME_STATE_BAD && error != NULL));
	close(fds[0]);
	return 0;
}
