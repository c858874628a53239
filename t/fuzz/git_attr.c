/* SPDX-License-Identifier: MIT */
/* The first line is the path, the rest the attributes; then the same bytes as a text file. */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/git/attr.h"
#include "jobs/git/convert.h"

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
	struct attr_values values;
	g_autoptr(AttrList) list = attr_list_new(text, rest, "", true);
	g_autoptr(GPtrArray) lists = g_ptr_array_new();
	g_ptr_array_add(lists, list);
	struct attr_macros macros = {.list = lists};
	attr_values_init(&values);
	attr_list_apply(list, &macros, path, path_len, name_at, false, &values);
	convert_plan_make(&values, REPO_AUTOCRLF_TRUE);

	g_autofree char *body = g_memdup2(data, len);
	convert_look(body, len);
	gsize shorter = convert_ident(body, len);
	g_assert_cmpuint(shorter, <=, len);
	g_assert_cmpuint(convert_to_lf(body, shorter, data[0] & 1), <=, shorter);
	return 0;
}
