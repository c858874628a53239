/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/output/terminal.h"

#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROGRESS_INTERVAL_US 50000
#define BAR_COLUMNS 24
#define COLUMNS_DEFAULT 80

struct progress {
	struct output_style style;
	gint64 start_us; /* of the second part */
	gint64 drawn_us;
	gboolean is_shown;
};

static guint columns_get(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return COLUMNS_DEFAULT;
}

void terminal_style_init(struct output_style *style, int fd)
{
	const char *no_colour = g_getenv("NO_COLOR");
	const char *term = g_getenv("TERM");
	gboolean is_terminal = isatty(fd);

	*style = (struct output_style){
		.has_colour = is_terminal && (no_colour == NULL || *no_colour == '\0') &&
			      term != NULL && strcmp(term, "dumb") != 0,
		.is_utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
		.columns = is_terminal ? columns_get(fd) : 0,
	};
}

struct progress *progress_new(void)
{
	struct output_style style;

	terminal_style_init(&style, STDERR_FILENO);
	if (style.columns == 0)
		return NULL;
	struct progress *progress = g_new0(struct progress, 1);
	progress->style = style;
	return progress;
}

static gboolean is_due(struct progress *progress)
{
	gint64 now = g_get_monotonic_time();

	if (now - progress->drawn_us < PROGRESS_INTERVAL_US)
		return FALSE;
	progress->drawn_us = now;
	return TRUE;
}

/* One write a line, so that it does not flicker; cut at the last column but one. */
static void line_draw(struct progress *progress, const char *text)
{
	g_autoptr(GString) line = g_string_new("\r");
	guint left = progress->style.columns - 1;

	for (const char *at = text; *at != '\0' && left > 0; at = g_utf8_next_char(at)) {
		gunichar code = g_utf8_get_char(at);
		guint width = g_unichar_iswide(code) ? 2 : 1;
		if (width > left)
			break;
		g_string_append_unichar(line, code);
		left -= width;
	}
	g_string_append(line, "\033[K");
	progress->is_shown = TRUE;
	fwrite(line->str, 1, line->len, stderr);
	fflush(stderr);
}

void progress_looking(struct progress *progress, guint folders, guint repos)
{
	if (progress == NULL || !is_due(progress))
		return;
	g_autofree char *text =
		g_strdup_printf("Looking for repositories: %u found in %u folders", repos, folders);
	line_draw(progress, text);
}

void progress_done(struct progress *progress, guint done, guint total, const char *name)
{
	if (progress == NULL || total == 0)
		return;
	if (progress->start_us == 0)
		progress->start_us = g_get_monotonic_time();
	if (!is_due(progress))
		return;
	double seconds = (double)(progress->drawn_us - progress->start_us) / G_USEC_PER_SEC;
	double rate = seconds > 0 ? done / seconds : 0;
	guint filled = (guint)((guint64)done * BAR_COLUMNS / total);
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; i < BAR_COLUMNS; i++)
		g_string_append(text, progress->style.is_utf8 ? (i < filled ? "█" : "░")
							      : (i < filled ? "#" : "."));
	g_string_append_printf(text, " %u/%u", done, total);
	if (seconds >= 0.2)
		g_string_append_printf(
			text, "  %.0f/s  %.0f s left", rate, (total - done) / MAX(rate, 0.01));
	g_string_append_printf(text, "  %s", name);
	line_draw(progress, text->str);
}

void progress_scanned(
	struct progress *progress, guint64 done, guint64 total, guint64 bytes, const char *name)
{
	if (progress == NULL)
		return;
	if (progress->start_us == 0)
		progress->start_us = g_get_monotonic_time();
	if (!is_due(progress))
		return;
	double seconds = (double)(progress->drawn_us - progress->start_us) / G_USEC_PER_SEC;
	g_autoptr(GString) text = g_string_new(NULL);
	if (total > 0) {
		guint filled = (guint)(MIN(done, total) * BAR_COLUMNS / total);
		for (guint i = 0; i < BAR_COLUMNS; i++)
			g_string_append(text, progress->style.is_utf8 ? (i < filled ? "█" : "░")
								      : (i < filled ? "#" : "."));
		g_string_append_printf(
			text, " %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT, done, total);
	} else {
		g_string_append(text, "Reading");
	}
	g_autofree char *size = g_format_size(bytes);
	g_string_append_printf(text, "  %s", size);
	if (seconds >= 0.2 && bytes > 0) {
		g_autofree char *rate = g_format_size((guint64)((double)bytes / seconds));
		g_string_append_printf(text, "  %s/s", rate);
	}
	if (seconds >= 0.5 && done > 0 && total > done)
		g_string_append_printf(
			text, "  %.0f s left", seconds / (double)done * (double)(total - done));
	if (name != NULL)
		g_string_append_printf(text, "  %s", name);
	line_draw(progress, text->str);
}

void progress_said(struct progress *progress, const char *text)
{
	if (progress != NULL && is_due(progress))
		line_draw(progress, text);
}

void progress_clear(struct progress *progress)
{
	if (progress == NULL || !progress->is_shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	progress->is_shown = FALSE;
}

void progress_free(struct progress *progress)
{
	progress_clear(progress);
	g_free(progress);
}
