/* SPDX-License-Identifier: MIT */
#ifndef LIB_SEVERITY_H
#define LIB_SEVERITY_H

/* How bad a failed check or a finding is: one scale for all of them, ordered. */
enum severity {
	SEVERITY_UNSET,
	SEVERITY_INFO,
	SEVERITY_LOW,
	SEVERITY_MEDIUM,
	SEVERITY_HIGH,
	SEVERITY_CRITICAL,
};

/* "info" to "critical"; NULL for UNSET. */
const char *severity_name(enum severity severity);
/* UNSET when it is none of them. */
enum severity severity_parse(const char *name);

#endif
