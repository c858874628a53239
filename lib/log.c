/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/log.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "lib/quote.h"

static struct {
	char *program;
	char *prefix;
	enum log_level level;
	gboolean is_journald;
} log_state = {.level = LOG_LEVEL_INFO};

/* clang-format off */
static const struct {
	const char *word;
	GLogLevelFlags flag;
} levels[] = {
	[LOG_LEVEL_DEBUG] = { "debug", G_LOG_LEVEL_DEBUG },
	[LOG_LEVEL_INFO] = { "info", G_LOG_LEVEL_INFO },
	[LOG_LEVEL_WARNING] = { "warning", G_LOG_LEVEL_WARNING },
	[LOG_LEVEL_ERROR] = { "error", G_LOG_LEVEL_CRITICAL },
};
/* clang-format on */

void log_init(const char *program, const struct conf *conf)
{
	g_free(log_state.program);
	log_state.program = g_strdup(program);
	if (conf == NULL)
		return;
	const char *level = conf_get(conf, "log.level");
	const char *target = conf_get(conf, "log.target");
	for (guint i = LOG_LEVEL_DEBUG; i < G_N_ELEMENTS(levels); i++)
		if (!strcmp(levels[i].word, level))
			log_state.level = i;
	log_state.is_journald =
		!strcmp(target, "journald") ||
		(!strcmp(target, "auto") && g_log_writer_is_journald(STDERR_FILENO));
}

static void value_append(GString *line, const char *value)
{
	if (value == NULL)
		value = "-";
	gboolean is_plain = *value != '\0';
	for (const char *p = value; *p != '\0' && is_plain; p++)
		is_plain = g_ascii_isgraph(*p) && *p != '"' && *p != '=' && *p != '\\';
	if (is_plain) {
		g_string_append(line, value);
		return;
	}
	g_string_append_c(line, '"');
	while (*value != '\0') {
		gsize len;
		gboolean is_safe = quote_is_safe(value, &len);
		if (*value == '"' || *value == '\\')
			g_string_append_printf(line, "\\%c", *value);
		else if (*value == '\n')
			g_string_append(line, "\\n");
		else if (is_safe)
			g_string_append_len(line, value, (gssize)len);
		else
			for (gsize i = 0; i < len; i++)
				g_string_append_printf(line, "\\x%02x", (guchar)value[i]);
		value += len;
	}
	g_string_append_c(line, '"');
}

void log_set_prefix(const char *key, const char *value)
{
	g_clear_pointer(&log_state.prefix, g_free);
	if (key == NULL)
		return;
	g_autoptr(GString) prefix = g_string_new(NULL);
	g_string_append_printf(prefix, "%s=", key);
	value_append(prefix, value);
	g_string_append_c(prefix, ' ');
	log_state.prefix = g_string_free(g_steal_pointer(&prefix), FALSE);
}

gboolean log_is_enabled(enum log_level level)
{
	return level >= log_state.level;
}

static void line_write(enum log_level level, const GString *text)
{
	if (log_state.is_journald) {
		GLogField fields[] = {
			{"MESSAGE", text->str, (gssize)text->len},
			{"SYSLOG_IDENTIFIER", log_state.program ? log_state.program : "muster", -1},
		};
		if (g_log_writer_journald(levels[level].flag, fields, G_N_ELEMENTS(fields), NULL) ==
			G_LOG_WRITER_HANDLED)
			return;
	}
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");
	g_autofree char *line = g_strdup_printf("%s.%03dZ level=%s program=%s %s\n", time,
		g_date_time_get_microsecond(now) / 1000, levels[level].word,
		log_state.program ? log_state.program : "muster", text->str);
	/* A log that cannot be written is not a reason to stop. */
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return;
}

void log_write(enum log_level level, const char *msg, ...)
{
	va_list args;

	if (!log_is_enabled(level))
		return;
	g_autoptr(GString) text = g_string_new(log_state.prefix);
	g_string_append(text, "msg=");
	value_append(text, msg);
	va_start(args, msg);
	for (const char *key; (key = va_arg(args, const char *)) != NULL;) {
		g_string_append_printf(text, " %s=", key);
		value_append(text, va_arg(args, const char *));
	}
	va_end(args);
	line_write(level, text);
}

void log_failure(enum log_level level, const char *msg, const GError *error)
{
	if (error == NULL) {
		log_write(level, msg, "error", "none was given", NULL);
		return;
	}
	g_autofree char *code = g_strdup_printf("%d", error->code);
	log_write(level, msg, "error", error->message, "domain", g_quark_to_string(error->domain),
		"code", code, NULL);
}
