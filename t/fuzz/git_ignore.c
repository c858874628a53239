/* SPDX-License-Identifier: MIT */
/* The first line is the path, the rest the file of patterns. */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/git/ignore.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	const uint8_t *newline = len > 0 ? memchr(data, '\n', len) : NULL;

	if (newline == NULL || newline == data || newline - data > 4096)
		return 0;
	gsize path_len = (gsize)(newline - data), rest = len - path_len - 1;
	g_autofree char *path = g_strndup((const char *)data, path_len);
	path_len = strlen(path);
	char *text = g_malloc(rest + 1);
	memcpy(text, newline + 1, rest);
	text[rest] = '\0';
	const char *slash = strrchr(path, '/');
	gsize name_at = slash != NULL ? (gsize)(slash + 1 - path) : 0;
	g_autoptr(IgnoreList) list = ignore_list_new(text, rest, data[0] & 1 ? "a/" : "");
	for (int i = 0; i < 4; i++)
		ignore_list_match(list, path, path_len, name_at, i & 1, i & 2);
	return 0;
}
