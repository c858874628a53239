/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_MUSTER_H
#define MUSTER_JOBS_MUSTER_H

/*
 * The commands of `muster`, one file each; jobs/muster.c has the table. A command gets its own name
 * as argv[0] and returns an exit code of lib/exit.h.
 */

int audit_main(int argc, char **argv);
int diff_main(int argc, char **argv);
int rules_main(int argc, char **argv);
int scan_main(int argc, char **argv);

#endif
