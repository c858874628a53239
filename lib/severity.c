/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/severity.h"

#include <string.h>

#include <glib.h>

static const char *const severity_names[] = {NULL, "info", "low", "medium", "high", "critical"};

const char *severity_name(enum severity severity)
{
	return severity_names[severity];
}

enum severity severity_parse(const char *name)
{
	for (gsize i = 1; i < G_N_ELEMENTS(severity_names); i++)
		if (!strcmp(name, severity_names[i]))
			return (enum severity)i;
	return SEVERITY_UNSET;
}
