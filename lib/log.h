/* SPDX-License-Identifier: MIT */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <glib.h>

#include "lib/conf.h"

/*
 * Log lines for programs (library code never logs): one line each, key=value, to standard error or
 * journald. Values with spaces, quotes or control characters are quoted and escaped (as bytes \xNN,
 * what is no UTF-8 too), so a hostile name can neither start a line nor reach a terminal.
 *
 *	log_init("muster-pusher", conf);
 *	log_set_prefix("request", "01HF…");		(until log_set_prefix(NULL, NULL))
 *	log_info("report ingested", "root", root, "repos", count_text, NULL);
 *
 * gives	level=info program=muster-pusher request=01HF… msg="report ingested" root=… repos=…
 *
 * Not thread-safe in its setters; lines themselves are written by one write(2).
 */
enum log_level {
	LOG_LEVEL_UNSET,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR,
};

/* conf may be NULL: level info to standard error. */
void log_init(const char *program, const struct conf *conf);

/* The key=value put before every line, for the current request or job; NULL takes it away. */
void log_set_prefix(const char *key, const char *value);

gboolean log_is_enabled(enum log_level level);

/* msg, then key, value pairs of strings, ended by NULL. A NULL value is written as "-". */
void log_write(enum log_level level, const char *msg, ...) G_GNUC_NULL_TERMINATED;

#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

/* An error with its whole chain: msg="…" error="…" domain=… code=…. */
void log_failure(enum log_level level, const char *msg, const GError *error);

#endif
