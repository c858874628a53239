/* SPDX-License-Identifier: MIT */
/*
 * Archives as muster-unpack opens them, with small limits: whatever they are, no more is sent than
 * these allow, and all that was taken is given back. The fence is not here; t/jobs/scan-archive.t
 * gives the same inputs to the program in it.
 */
#include "config.h"
#include "t/fuzz/target.h"

#include <string.h>

#include "jobs/unpack_walk.h"

#define DEPTH 3
#define ENTRY_MAX 65536
#define BYTES_MAX (4 * ENTRY_MAX)
#define ENTRIES_MAX 50

struct seen {
	guint64 bytes;
	guint entries, others, frames;
};

static void on_frame(
	gpointer data, enum unpack_kind kind, const char *name, const void *bytes, gsize len)
{
	struct seen *seen = data;
	guint8 sum = 0;

	fuzz_require(name != NULL && (bytes != NULL || len == 0));
	fuzz_require(strlen(name) < G_MAXUINT32);
	for (gsize i = 0; i < len; i++)
		sum ^= ((const guint8 *)bytes)[i];
	*(volatile guint8 *)&sum = sum; /* it was read */
	seen->frames++;
	switch (kind) {
	case UNPACK_ENTRY:
		seen->entries++;
		seen->bytes += len;
		fuzz_require(len <= ENTRY_MAX);
		break;
	case UNPACK_OTHER:
		seen->others++;
		fuzz_require(*name == '\0' && len == 0);
		break;
	default:
		fuzz_require((kind == UNPACK_BROKEN || kind == UNPACK_LIMITED) && len == 0);
	}
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
	struct seen seen = {0};
	struct unpack u = {.depth_max = DEPTH,
		.entry_max = ENTRY_MAX,
		.left_bytes = BYTES_MAX,
		.left_entries = ENTRIES_MAX,
		.send = on_frame,
		.send_data = &seen};
	/* As large as it is and no larger: what is read beyond is seen. */
	g_autofree guint8 *exact = g_memdup2(data, size);

	unpack_walk(&u, exact != NULL ? exact : (const guint8 *)"", size);
	fuzz_require(seen.bytes <= BYTES_MAX && u.left_bytes <= BYTES_MAX);
	fuzz_require(seen.entries <= ENTRIES_MAX + 1 && seen.others <= 1);
	/* Each entry is told once, and each archive once more when it is damaged. */
	fuzz_require(seen.frames <= 2 * (ENTRIES_MAX + 1) + 1);
	return 0;
}
