/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/archive_head.h"

#include <string.h>

/* clang-format off */
static const struct {
	guint16 at;
	guint8 len;
	const char *bytes;
} heads[] = {
	{ 0, 4, "PK\3\4" },
	{ 0, 4, "PK\5\6" }, /* a zip of nothing */
	{ 0, 2, "\x1f\x8b" },
	{ 0, 3, "BZh" },
	{ 0, 6, "\xfd" "7zXZ\0" },
	{ 0, 5, "\x5d\0\0\x80\0" }, /* lzma, with the dictionary that everybody has */
	{ 0, 4, "\x28\xb5\x2f\xfd" },
	{ 0, 4, "\x04\x22\x4d\x18" },
	{ 0, 2, "\x1f\x9d" },
	{ 0, 6, "7z\xbc\xaf\x27\x1c" },
	{ 0, 6, "Rar!\x1a\x07" },
	{ 0, 5, "07070" },
	{ 0, 8, "!<arch>\n" },
	{ 0, 4, "MSCF" },
	{ 257, 5, "ustar" },
};
/* clang-format on */

gboolean archive_head_is(const guint8 *data, gsize len)
{
	for (gsize i = 0; i < G_N_ELEMENTS(heads); i++)
		if (len >= (gsize)heads[i].at + heads[i].len &&
			memcmp(data + heads[i].at, heads[i].bytes, heads[i].len) == 0)
			return TRUE;
	return FALSE;
}
