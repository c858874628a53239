/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_CHAR_RUN_H
#define MUSTER_JOBS_SCAN_CHAR_RUN_H

#include <glib.h>

/*
 * Long words, found fast: so many letters and digits in a row, so many characters of base64's two
 * alphabets, so many hex digits and dashes as UUIDs have. Some bytes in a hundred of a usual text
 * are in one; 64 bytes are looked at in a step.
 */
enum char_run_kind {
	CHAR_RUN_KIND_ALNUM,  /* 0-9A-Za-z */
	CHAR_RUN_KIND_BASE64, /* 0-9A-Za-z+/-_= */
	CHAR_RUN_KIND_UUID,   /* 0-9A-Fa-f- */
	CHAR_RUN_KINDS,
};
#define CHAR_RUN_ALNUM 16
#define CHAR_RUN_BASE64 20
#define CHAR_RUN_UUID 13

struct char_run {
	gsize from, to;
	enum char_run_kind kind;
};

/*
 * Appends every longest run in [from, to) of data, as if nothing were around it, to `runs` (struct
 * char_run): those of one kind in order, the kinds mixed.
 */
void char_run_find(const guint8 *data, gsize from, gsize to, GArray *runs);

/* How many in a row make a run of that kind; and whether a character may be in one. */
guint char_run_least(enum char_run_kind kind);
gboolean char_run_has(enum char_run_kind kind, guint8 c);

#endif
