/* SPDX-License-Identifier: MIT */
/* A tree: each entry lies inside, and the walk ends. */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/scan/git_bytes.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	const guint8 *at = data, *end = data + len, *before = data;
	struct tree_bytes_entry e;

	while (tree_bytes_next(&at, end, &e)) {
		fuzz_require(at > before && at <= end);
		fuzz_require(e.name_len > 0 && (const guint8 *)e.name > before);
		fuzz_require(e.name[e.name_len] == '\0' && memchr(e.name, 0, e.name_len) == NULL);
		fuzz_require((const guint8 *)(e.oid + 1) == at);
		before = at;
	}
	fuzz_require(at == before);
	return 0;
}
