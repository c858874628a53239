/* SPDX-License-Identifier: MIT */
/*
 * The form of a state's files, for state_file.c (writes) and state_load.c (reads) only. Numbers are
 * as this machine has them: a cache does not travel. Whatever changes here, or in a struct that
 * lies in a file, changes STATE_VERSION; sizes are compared besides.
 *
 * head: struct state_head, a table of STATE_SECTIONS sections, their data, each at a multiple of 8.
 * A base: struct state_base_head, then the names of blobs, sorted; or the commits and their order.
 */
#ifndef MUSTER_JOBS_SCAN_STATE_FILE_H
#define MUSTER_JOBS_SCAN_STATE_FILE_H

#include "jobs/scan/state_store.h"

#define STATE_MAGIC "MUSTSCAN"
#define STATE_VERSION 4u

struct state_head {
	char magic[8];
	guint32 version, n_sections;
	guint64 len; /* of the file */
	guint64 sum; /* of all behind this */
};

enum state_section {
	STATE_FACTS = 1,
	STATE_ENGINE,
	STATE_RULES,
	STATE_TEXTS,
	STATE_SECRETS,
	STATE_BLOBS,
	STATE_HITS,
	STATE_GAPS,
	STATE_KNOWN_YOUNG,
	STATE_LOST,
	STATE_LOST_KINDS,
	STATE_YOUNG,
	STATE_EDGES,
	STATE_NODES,
	STATE_ENTRIES,
	STATE_SIGHTINGS,
	STATE_COMMITS,
	STATE_REFS,
	STATE_VERSIONS,
	STATE_TIPS,
	STATE_TIP_PLACES,
};
#define STATE_SECTIONS STATE_TIP_PLACES

struct state_section_head {
	guint32 tag, size; /* of one element */
	guint64 count, at;
};

struct state_facts {
	guint8 hash[STATE_HASH_BYTES], shallow[STATE_HASH_BYTES];
	guint8 key[STATE_KEY_BYTES];
	guint64 counters[STATE_COUNTERS];
	guint64 place; /* state_place() */
	guint32 has_graph, must_walk;
	struct {
		char name[32];
		guint64 count, sum;
	} bases[2];
};

struct state_base_head {
	char magic[8];
	guint32 kind, version;
	guint64 count, sum;
};

guint64 state_sum(const void *bytes, gsize len);

/* The bytes of a head. Its bases are those that the state names. */
GByteArray *state_head_make(const struct state *state, const guint8 *hash);
/*
 * Takes over what such bytes say; they start at a multiple of 8. NULL, or what is wrong with them
 * (an empty text: nothing, but they are of no use); the state has to be reset then.
 */
const char *state_head_take(struct state *state, const char *bytes, gsize len);

/* Of the folder's name, which is the repository's: a state does not move to another one. */
guint64 state_place(const struct state *state);

#endif
