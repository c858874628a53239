/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "jobs/output/output.h"

/* The report itself, a member a line: for people and for diff, and programs do not mind. */
void output_json(json_object *report, GString *out)
{
	g_string_append(out, json_object_to_json_string_ext(
				     report, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
						     JSON_C_TO_STRING_NOSLASHESCAPE));
	g_string_append_c(out, '\n');
}
