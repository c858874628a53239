/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/git/packed_refs.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	char *copy = g_malloc(len + 1);
	struct oid oid;

	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	g_autoptr(PackedRefs) p = packed_refs_parse(copy, len, NULL);
	for (gsize i = 0; p != NULL && i < p->count; i++) {
		g_assert_true(packed_refs_find(p, p->list[i].name, &oid));
		g_assert_true(i == 0 || strcmp(p->list[i - 1].name, p->list[i].name) < 0);
	}
	return 0;
}
