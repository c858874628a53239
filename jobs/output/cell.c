/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/output/cell.h"

static guint char_width(gunichar code)
{
	return g_unichar_iszerowidth(code) ? 0 : g_unichar_iswide(code) ? 2 : 1;
}

guint cell_width(const char *text)
{
	guint width = 0;

	for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at))
		width += char_width(g_utf8_get_char(at));
	return width;
}

static void spaces_append(GString *out, guint count)
{
	while (count-- > 0)
		g_string_append_c(out, ' ');
}

void cell_append(GString *out, const char *text, guint width, enum cell_side side,
	const struct output_style *style)
{
	guint own = cell_width(text);
	const char *ellipsis = style->is_utf8 ? "…" : "~";
	guint used = 1;

	if (width == 0) {
		g_string_append(out, text);
		return;
	}
	if (own <= width) {
		spaces_append(out, side == CELL_RIGHT ? width - own : 0);
		g_string_append(out, text);
		spaces_append(out, side != CELL_RIGHT ? width - own : 0);
		return;
	}
	if (side == CELL_LEFT_CUT_FRONT) {
		const char *at = text;
		for (; own + 1 > width; at = g_utf8_next_char(at))
			own -= char_width(g_utf8_get_char(at));
		g_string_append(out, ellipsis);
		g_string_append(out, at);
		spaces_append(out, width - own - 1);
		return;
	}
	for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at)) {
		guint next = char_width(g_utf8_get_char(at));
		if (used + next > width)
			break;
		g_string_append_unichar(out, g_utf8_get_char(at));
		used += next;
	}
	g_string_append(out, ellipsis);
	spaces_append(out, width - used);
}

void cell_colour_on(GString *out, const struct output_style *style, const char *colour)
{
	if (style->has_colour && colour != NULL)
		g_string_append_printf(out, "\033[%sm", colour);
}

void cell_colour_off(GString *out, const struct output_style *style, const char *colour)
{
	if (style->has_colour && colour != NULL)
		g_string_append(out, "\033[0m");
}
