/* SPDX-License-Identifier: MIT */
/*
 * Trees as changes: for each tree of the depot the names under which something of interest is, or
 * is no more, compared with the tree it is a delta of; all of them for one that is no delta. Of
 * interest are folders and the blobs in which there are hits. For history.c's full walk only.
 *
 * A change is a row of words: the base's number (DEPOT_NONE: none), how many, then pairs (name,
 * child). A child is the number of a tree, HOLDING_BLOB or HOLDING_GAP with a number, or
 * TREE_CHANGE_GONE. What is changed is named with all its children, so a name can be there twice.
 */
#ifndef MUSTER_JOBS_SCAN_HISTORY_TREE_H
#define MUSTER_JOBS_SCAN_HISTORY_TREE_H

#include "jobs/scan/history_inside.h"
#include "jobs/scan/word_arena.h"

#define TREE_CHANGE_WORDS 2
#define TREE_CHANGE_GONE G_MAXUINT32
#define TREE_MARK_BLOB 0x80000000u /* in marks: a blob of interest, the other bits its number */

struct tree_changes {
	struct history_run *run;
	struct word_arena *arena;
	guint32 *marks;         /* by number in the depot: a tree's change, or a blob of interest */
	guint8 *plain;          /* likewise, two bits: made by tree_changes_walk() out of marks */
	struct word_cursor own; /* of the thread that resolves */
	guint32 no_name;        /* the text "", under which a broken rest is found */
	GMutex lock;            /* of the names and the gaps */
	struct depot_progress progress;
	gint is_full;
};

/* Walks all trees. Before, marks has the blobs of interest. */
gboolean tree_changes_walk(struct tree_changes *changes, GError **error);

/* The change of a tree read by itself, without a base; 0 when it cannot be read. */
guint32 tree_changes_read(struct tree_changes *changes, guint32 number);

#endif
