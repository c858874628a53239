/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_ROWS_H
#define MUSTER_JOBS_ROWS_H

#include <glib.h>

#include "lib/db.h"

/*
 * The rows of a query for a person: a table with titles on a terminal, lines with tabs between the
 * fields in a pipe. What is null or empty is "-". Control characters are written in the quoted form
 * (lib/quote.h), so that no value can hold a tab, start a line or reach the terminal.
 *
 *	const char *const titles[] = {"SLUG", "NAME"};
 *	rows_print(result, titles);		one title for each column of the result
 */
void rows_print(const struct db_result *rows, const char *const *titles);

/*
 * The same for a program: an array with an object for each row, whose members are called as the
 * titles, in small letters and with '_' for a space. Numbers are numbers, null is null, all else is
 * text as it is.
 */
void rows_print_json(const struct db_result *rows, const char *const *titles);

#endif
