/* SPDX-License-Identifier: MIT */
/* An idx file: names that are in order are found where they are, and all tables lie in the file. */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/scan/depot_idx.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	struct depot_idx idx;
	guint64 offset;
	guint32 found;

	if (!depot_idx_init(&idx, data, len))
		return 0;
	fuzz_require(idx.count <= len / OID_BYTES);
	for (guint32 i = 0; i < idx.count; i++) {
		const struct oid *oid = depot_idx_oid(&idx, i);
		fuzz_require(
			(const guint8 *)oid >= data && (const guint8 *)(oid + 1) <= data + len);
		if (idx.is_sorted)
			fuzz_require(depot_idx_find(&idx, oid, &found) && found == i);
		else
			fuzz_require(!depot_idx_find(&idx, oid, &found));
		depot_idx_offset(&idx, i, &offset);
	}
	if (len >= OID_BYTES) {
		struct oid any;
		memcpy(&any, data + len - OID_BYTES, sizeof(any));
		if (depot_idx_find(&idx, &any, &found))
			fuzz_require(memcmp(depot_idx_oid(&idx, found), &any, sizeof(any)) == 0);
	}
	depot_idx_clear(&idx);
	return 0;
}
