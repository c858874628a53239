/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_AUDIT_MEMBER_H
#define MUSTER_JOBS_AUDIT_MEMBER_H

#include <glib.h>

#include "lib/json.h"

/*
 * Adding members to a JSON object that is being built. Keys are string constants of ours, each
 * added once, so json-c neither copies nor looks for them: a report of 1 000 repositories has
 * 150 000 members.
 *
 * Those with is_known write null when it is FALSE.
 */

#define ROW_BRANCHES_MAX 500

void member_add(json_object *object, const char *key, json_object *value);
void member_text(json_object *object, const char *key, const char *text);  /* NULL: null */
void member_name(json_object *object, const char *key, const char *bytes); /* quoted */
void member_number(json_object *object, const char *key, gint64 number, gboolean is_known);
void member_real(json_object *object, const char *key, double number, gboolean is_known);
void member_flag(json_object *object, const char *key, gboolean flag, gboolean is_known);
/* Unix seconds as RFC 3339 in UTC; years 1 to 9999, others are null. */
void member_time(json_object *object, const char *key, gint64 seconds, gboolean is_known);

/* New, added, borrowed. */
json_object *member_array(json_object *object, const char *key);
json_object *member_object(json_object *object, const char *key);

#endif
