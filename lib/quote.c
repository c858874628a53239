/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/quote.h"

#include <string.h>

static gboolean is_escape(const char *at)
{
	return at[0] == '%' && g_ascii_isxdigit(at[1]) && g_ascii_isxdigit(at[2]);
}

static gboolean is_control(gunichar code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

gboolean quote_is_safe(const char *at, gsize *len)
{
	gunichar code = g_utf8_get_char_validated(at, -1);
	gboolean is_valid = code != (gunichar)-1 && code != (gunichar)-2;

	*len = is_valid ? (gsize)(g_utf8_next_char(at) - at) : 1;
	return is_valid && !is_control(code);
}

char *quote_format(const char *name)
{
	GString *out = g_string_sized_new(strlen(name) + 1);

	for (const char *at = name; *at != '\0';) {
		gsize len;
		if (quote_is_safe(at, &len) && !is_escape(at))
			g_string_append_len(out, at, (gssize)len);
		else
			for (gsize i = 0; i < len; i++)
				g_string_append_printf(out, "%%%02X", (guchar)at[i]);
		at += len;
	}
	return g_string_free(out, FALSE);
}

char *quote_show(const char *text)
{
	gsize len;

	for (const char *at = text; *at != '\0'; at += len)
		if (!quote_is_safe(at, &len))
			return quote_format(text);
	return g_strdup(text);
}

char *quote_parse(const char *quoted)
{
	GString *out = g_string_sized_new(strlen(quoted) + 1);

	for (const char *at = quoted; *at != '\0';) {
		if (is_escape(at) && memcmp(at, "%00", 3) != 0) {
			g_string_append_c(out, (char)(g_ascii_xdigit_value(at[1]) << 4 |
						       g_ascii_xdigit_value(at[2])));
			at += 3;
		} else {
			g_string_append_c(out, *at++);
		}
	}
	return g_string_free(out, FALSE);
}
