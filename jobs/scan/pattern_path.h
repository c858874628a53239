/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_PATTERN_PATH_H
#define MUSTER_JOBS_SCAN_PATTERN_PATH_H

#include <glib.h>

/*
 * Patterns of paths as in .gitignore, without negation: '*' and '?' do not match a slash, a folder
 * named "**" stands for any number of folders; a pattern without a slash (but at its end) is held
 * against every part of the path, another against the path from its start; what matches a folder
 * matches all in it, and a slash at the end asks for a folder. A pattern that takes too many steps
 * does not match.
 *
 *	pattern_path_match("doc/ *.md", "doc/a.md")	(without the space)
 */
gboolean pattern_path_match(const char *pattern, const char *path);

#endif
