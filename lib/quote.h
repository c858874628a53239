/* SPDX-License-Identifier: MIT */
#ifndef LIB_QUOTE_H
#define LIB_QUOTE_H

#include <glib.h>

/*
 * The one quoted form for names and paths that are no UTF-8 or hold control characters: each such
 * byte is written %XX (two upper-case hexadecimal digits), and so is '%' itself where two
 * hexadecimal digits follow it, so that quote_parse(quote_format(x)) is x for every x without NUL.
 * Everything else stays as it is, so ordinary names look ordinary.
 *
 *	quote_format("caf\xe9")		"caf%E9"
 *	quote_format("100%")		"100%"
 *	quote_format("a%41")		"a%2541"
 *
 * Control characters are U+0000 to U+001F, U+007F to U+009F, and the bidirectional and
 * line-separator controls U+2028 to U+202E and U+2066 to U+2069, which could make a terminal or a
 * page show another name than the one meant.
 */

/* Freed by the caller; always UTF-8. */
char *quote_format(const char *name);

/*
 * A text for a person that nobody reads back: as it is when all of it may be shown, so that what is
 * quoted already is not quoted twice, else quoted. Freed by the caller.
 */
char *quote_show(const char *text);

/* The bytes meant; freed by the caller. %00 is left as it is: a name cannot hold it. */
char *quote_parse(const char *quoted);

/*
 * Whether the character at at (not the end) may be shown as it is; *len is its length in bytes, 1
 * for a byte that is no UTF-8. For writers with an escape of their own.
 */
gboolean quote_is_safe(const char *at, gsize *len);

#endif
