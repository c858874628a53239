/* SPDX-License-Identifier: MIT */
/* A delta on a base of as many bytes as its first byte says; and the rest as a tree. */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/git/object.h"
#include "jobs/git/pack.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	static const char base[256] = "base";
	struct tree_entry t;
	char *out = NULL;
	gsize out_len = 0;

	if (len == 0)
		return 0;
	if (pack_delta_apply(base, data[0], data + 1, len - 1, 1 << 20, &out, &out_len)) {
		g_assert_cmpuint(out_len, <=, 1 << 20);
		g_free(out);
	}
	const char *at = (const char *)data, *end = at + len;
	while (tree_next(&at, end, &t))
		g_assert_cmpuint(t.name_len, >, 0);
	g_assert_true(at <= end);
	return 0;
}
