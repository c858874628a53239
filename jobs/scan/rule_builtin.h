/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_RULE_BUILTIN_H
#define MUSTER_JOBS_SCAN_RULE_BUILTIN_H

#include <glib.h>

/*
 * The text of every file in jobs/scan/rules, as the build found them: before each, a line
 * "#@ <file>". `*len` bytes and a zero behind; static.
 */
const char *rule_builtin(gsize *len);

/* Ordinary text, on which `muster rules check` measures: some of our own sources and pages. */
const char *rule_builtin_sample(gsize *len);

#endif
