/* SPDX-License-Identifier: MIT */
#ifndef LIB_EXIT_H
#define LIB_EXIT_H

/*
 * The exit codes of every command of ours. A script may rely on them:
 *
 *	muster audit --fail-on high ~/src || mail -s "repositories need attention" me
 *
 * EXIT_PARTLY wins over EXIT_ATTENTION: what could not be read may hide something worse.
 */
enum exit_code {
	EXIT_FINE = 0,
	EXIT_ATTENTION = 1,
	EXIT_USAGE = 2,
	EXIT_PARTLY = 3,
	EXIT_OTHER = 4,
};

#endif
