/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/pattern_path.h"

#include <string.h>

#define STEPS_MAX 100000

/* Whether p matches a start of t that ends at the end of t or at a slash; *is_folder: a slash. */
static gboolean match(
	const char *p, const char *p_end, const char *t, guint *steps, gboolean *is_folder)
{
	for (;;) {
		if (++*steps > STEPS_MAX)
			return FALSE;
		if (p == p_end) {
			*is_folder = *t == '/';
			return *t == '\0' || *t == '/';
		}
		if (p + 3 <= p_end && !memcmp(p, "**/", 3)) {
			for (const char *at = t; at != NULL; at = strchr(at, '/')) {
				at += at != t;
				if (match(p + 3, p_end, at, steps, is_folder))
					return TRUE;
			}
			return FALSE;
		}
		if (p + 2 == p_end && !memcmp(p, "**", 2)) {
			*is_folder = TRUE;
			return *t != '\0';
		}
		if (*p == '*') {
			for (const char *at = t;; at++) {
				if (match(p + 1, p_end, at, steps, is_folder))
					return TRUE;
				if (*at == '\0' || *at == '/' || *steps > STEPS_MAX)
					return FALSE;
			}
		}
		if (*p == '\\' && p + 1 < p_end)
			p++;
		else if (*p == '?' && *t != '\0' && *t != '/') {
			p++;
			t++;
			continue;
		}
		if (*p != *t || *t == '\0')
			return FALSE;
		p++;
		t++;
	}
}

gboolean pattern_path_match(const char *pattern, const char *path)
{
	const char *end = pattern + strlen(pattern);
	gboolean is_folder_only = FALSE, is_folder = FALSE;
	guint steps = 0;

	if (end > pattern && end[-1] == '/') {
		is_folder_only = TRUE;
		end--;
	}
	gboolean is_anchored = memchr(pattern, '/', (gsize)(end - pattern)) != NULL;
	if (*pattern == '/')
		pattern++;
	if (pattern >= end)
		return FALSE;
	for (const char *at = path; at != NULL; at = strchr(at, '/')) {
		at += at != path;
		if (match(pattern, end, at, &steps, &is_folder) && (is_folder || !is_folder_only))
			return TRUE;
		if (is_anchored)
			return FALSE;
		/* A star that could end at an earlier slash was tried there. */
	}
	return FALSE;
}
