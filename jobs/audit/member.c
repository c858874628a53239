/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/member.h"

#include <string.h>

#include "lib/quote.h"

void member_add(json_object *object, const char *key, json_object *value)
{
	json_object_object_add_ex(
		object, key, value, JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

void member_text(json_object *object, const char *key, const char *text)
{
	member_add(object, key, text != NULL ? json_object_new_string(text) : NULL);
}

void member_name(json_object *object, const char *key, const char *bytes)
{
	g_autofree char *quoted = bytes != NULL ? quote_format(bytes) : NULL;

	member_text(object, key, quoted);
}

void member_number(json_object *object, const char *key, gint64 number, gboolean is_known)
{
	member_add(object, key, is_known ? json_object_new_int64(number) : NULL);
}

void member_real(json_object *object, const char *key, double number, gboolean is_known)
{
	char text[32];

	if (!is_known) {
		member_add(object, key, NULL);
		return;
	}
	/* Four decimals are more than any share of ours means. */
	g_ascii_formatd(text, sizeof(text), "%.4f", number);
	member_add(object, key, json_object_new_double_s(number, text));
}

void member_flag(json_object *object, const char *key, gboolean flag, gboolean is_known)
{
	member_add(object, key, is_known ? json_object_new_boolean(flag) : NULL);
}

void member_time(json_object *object, const char *key, gint64 seconds, gboolean is_known)
{
	g_autoptr(GDateTime) time = is_known ? g_date_time_new_from_unix_utc(seconds) : NULL;
	g_autofree char *text =
		time != NULL ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : NULL;

	member_text(object, key, text);
}

json_object *member_array(json_object *object, const char *key)
{
	json_object *array = json_object_new_array_ext(2);

	member_add(object, key, array);
	return array;
}

json_object *member_object(json_object *object, const char *key)
{
	json_object *member = json_object_new_object();

	member_add(object, key, member);
	return member;
}
