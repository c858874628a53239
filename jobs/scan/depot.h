/* SPDX-License-Identifier: MIT */
/*
 * A depot: every object of one repository, wherever it lies, and the fastest way past all of them.
 *
 * The sources are the packs (idx versions 1 and 2, 64-bit offsets) and loose objects of the folders
 * given, and of the folders these name in info/alternates. Each object has a number, 0 to
 * depot_count() - 1, distinct by name over all sources; numbers hold as long as the depot is open
 * and are in no order that anybody may rely on. Packs are mapped: a file that its owner shortens
 * meanwhile ends in SIGBUS, which the program handles.
 *
 * depot_walk() visits objects in the order in which they can be made cheaply: each pack entry is
 * inflated once, a delta is applied to the base just made, and the visitor is told what each delta
 * changed. depot_read() is for the few objects that are needed out of order.
 *
 * Everything read is foreign: lengths and offsets are checked, chains that go round are found,
 * sizes are capped before memory is asked for. What cannot be read is a problem with a name; all
 * else is read nevertheless. When one of several copies of an object is broken, another is used.
 * A missing object is nobody's business here: depot_find() does not find it, and only a delta whose
 * base is missing is a problem. Object names are believed unless options.verify is set.
 *
 * Ownership: a depot owns its mappings; names and problems are borrowed until depot_close(). All
 * functions but depot_walk() may be called from several threads, each with a reader of its own; a
 * depot does one walk at a time.
 *
 *	const char *const folders[] = {objects, NULL};
 *	struct depot_options options = {.threads = 2, .memory_bytes = 256 << 20};
 *	g_autoptr(Depot) depot = depot_open(folders, &options, error);
 *	struct depot_visitor visitor = {.visit = count_lines};
 *	if (!depot_walk(depot, DEPOT_MASK(DEPOT_BLOB), NULL, &visitor, &lines, NULL, error))
 *		return FALSE;
 */
#ifndef JOBS_SCAN_DEPOT_H
#define JOBS_SCAN_DEPOT_H

#include "lib/oid.h"

struct depot;
typedef struct depot Depot; /* for g_autoptr */

/* Numbers as in a pack. */
enum depot_type {
	DEPOT_UNREADABLE,
	DEPOT_COMMIT = 1,
	DEPOT_TREE = 2,
	DEPOT_BLOB = 3,
	DEPOT_TAG = 4,
};
#define DEPOT_MASK(type) (1u << (type))
#define DEPOT_MASK_ALL 0x1eu

#define DEPOT_NONE G_MAXUINT32 /* the number of no object */

struct depot_options {
	guint threads; /* 0: one for each core */
	/* Of objects made and kept, all threads together; 0: 256 MiB, or 16 MiB a thread. */
	guint64 memory_bytes;
	guint64 object_max_bytes; /* larger ones are not visited but counted; 0: 128 MiB */
	gboolean verify;          /* compare each object's name with its bytes */
	/* May this folder, named in an alternates file, be read? NULL: any may. */
	gboolean (*fence)(gpointer data, const char *folder);
	gpointer fence_data;
};

/*
 * `object_folders` ends with NULL; the first is the repository's own ("…/.git/objects"), others are
 * the quarantine's of a hook, GIT_ALTERNATE_OBJECT_DIRECTORIES and such. Cheap: indexes are mapped
 * and looked through once, loose objects are listed, nothing is inflated. Errors:
 * MUSTER_ERROR_MISSING and _IO for the first folder (the others become problems), _LIMIT.
 */
struct depot *depot_open(
	const char *const *object_folders, const struct depot_options *options, GError **error);
void depot_close(struct depot *depot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Depot, depot_close)

/*
 * Another number when objects have come since, by whatever way; no depot is opened. 0: that cannot
 * be said, or the last of them came not clearly before since_us.
 */
guint64 depot_stamp(const char *objects_folder, gint64 since_us);

guint32 depot_count(const struct depot *depot);
const struct oid *depot_oid(const struct depot *depot, guint32 number);
gboolean depot_find(const struct depot *depot, const struct oid *oid, guint32 *number);
/*
 * Tells that depot_find() will be asked for it soon: who has many to find tells of some first, and
 * does not wait for memory at each.
 */
void depot_expect(const struct depot *depot, const struct oid *oid);

/* Looks at headers along the chain of bases, once; a loose object is read. */
enum depot_type depot_type(struct depot *depot, guint32 number);

/* The same without looking anywhere: DEPOT_UNREADABLE when nobody has asked or walked yet. */
enum depot_type depot_type_peek(const struct depot *depot, guint32 number);

/* A pack says that what it names may be missing: a partial clone. */
gboolean depot_is_partial(const struct depot *depot);

/*
 * Problems. At most DEPOT_PROBLEMS_MAX are kept by name, each object once; all are counted.
 */
#define DEPOT_PROBLEMS_MAX 10000

enum depot_reason {
	DEPOT_FINE,
	DEPOT_BROKEN,     /* bytes that do not inflate, a delta that does not fit, a bad header */
	DEPOT_TRUNCATED,  /* it lies outside of its file */
	DEPOT_TOO_LARGE,  /* over object_max_bytes, or claims what its bytes cannot hold */
	DEPOT_NO_BASE,    /* the base of a delta is missing or unreadable */
	DEPOT_CYCLE,      /* deltas that need each other */
	DEPOT_WRONG_NAME, /* verify: the bytes have another name */
	DEPOT_NO_MEMORY,  /* could not be had, though within the caps */
	DEPOT_UNOPENED,   /* a file or folder of objects that could not be opened or read */
	DEPOT_BAD_INDEX,  /* an idx that cannot be used: the pack's objects are not known */
	DEPOT_BAD_PACK,   /* a pack that cannot be used, or does not belong to its idx */
	DEPOT_FENCED,     /* an alternates folder that may not be read, or one too many */
	DEPOT_REASONS,
};

struct depot_problem {
	enum depot_reason reason;
	guint32 number;   /* of the object, or DEPOT_NONE */
	const char *path; /* of the file or folder, or NULL */
};

guint depot_problem_count(const struct depot *depot, enum depot_reason reason);
guint depot_problem_total(const struct depot *depot);
/* A copy, sorted by reason and number, of struct depot_problem; unref it. */
GArray *depot_problem_list(const struct depot *depot);
/* For people: "a delta whose base is missing". */
const char *depot_reason_text(enum depot_reason reason);

/*
 * One object by its number. *bytes belong to the reader and hold until its next read. A reader
 * keeps some bases, so that neighbours of a chain are cheap. Errors: MUSTER_ERROR_INPUT when it
 * cannot be read (it becomes a problem, too), _LIMIT when it is longer than max_bytes or
 * object_max_bytes (no problem). `type` may be NULL.
 */
struct depot_reader;
typedef struct depot_reader DepotReader; /* for g_autoptr */
struct depot_reader *depot_reader_new(struct depot *depot);
void depot_reader_free(struct depot_reader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DepotReader, depot_reader_free)
gboolean depot_read(struct depot_reader *reader, guint32 number, gsize max_bytes,
	enum depot_type *type, const guint8 **bytes, gsize *len, GError **error);

/*
 * One instruction of a delta: the object's [at, at + len) is the base's [from, from + len), or new
 * bytes when from is DEPOT_INSERT. The pieces of an object are in order, leave no gap, none is
 * empty; two neighbours that are one run of the base have been made one, and so have two inserts.
 */
#define DEPOT_INSERT G_MAXUINT32
struct depot_piece {
	guint32 at, from, len;
};

/* What a visitor sees; all of it holds until visit() returns. */
struct depot_object {
	guint32 number;
	enum depot_type type;
	const guint8
		*data; /* not terminated; at least 64 bytes behind len may be read, of any value */
	guint32 len;
	/*
	 * What it was made from, when that is an object that was visited in this walk: NULL, 0 for
	 * one that is stored whole or whose base was not visited, is of another type or unreadable.
	 */
	const struct depot_piece *pieces;
	guint n_pieces;
	guint32 base_number; /* DEPOT_NONE without pieces */
	guint32 base_len;
	const guint8 *base;  /* only for a visitor that keeps_base, else NULL */
	gpointer base_state; /* what visit() returned for the base */
};

/*
 * visit() returns the state that the objects made from this one are given as base_state, or NULL.
 * forget() is called once for each state that is not NULL, when the last of them was visited (at
 * once when there is none), by any thread. An object is never visited before its base, and never
 * twice; children of one base are visited by several threads at a time, so a state that was
 * returned is read only. thread_begin() makes what visit() and forget() get as thread_data, in that
 * thread; NULL: they get `data` itself. thread_end() is called in the same thread.
 *
 * Without keeps_base most deltas are applied in place, in the bytes of their base, which saves
 * copying: set it only when the base's bytes are needed.
 */
struct depot_visitor {
	gpointer (*visit)(gpointer thread_data, const struct depot_object *object);
	void (*forget)(gpointer thread_data, gpointer state);    /* NULL: nothing to free */
	gpointer (*thread_begin)(gpointer data, guint thread);   /* may be NULL */
	void (*thread_end)(gpointer data, gpointer thread_data); /* may be NULL */
	gboolean keeps_base;
};

/*
 * Atomic: read them with g_atomic_* or __atomic_load_n() while a walk runs. objects and bytes count
 * what was visited; objects_expected is set when the walk knows. Set cancel to stop: depot_walk()
 * returns FALSE with MUSTER_ERROR_BUSY when all threads are through with their object.
 */
struct depot_progress {
	guint64 objects_expected;
	guint64 objects;
	guint64 bytes;
	gint cancel;
};

/*
 * Visits each wanted object of the types in the mask once. `wanted` is a bitmap by number
 * ((depot_count() + 63) / 64 words), NULL for all. Objects not wanted are made only when a wanted
 * one needs them. What cannot be read becomes a problem, and is no error. memory_bytes bounds what
 * is kept for objects still to come, and how many large ones are made at a time: beyond it one
 * thread alone goes on, with an object, its base and its delta. Errors: MUSTER_ERROR_BUSY
 * (cancelled), _LIMIT (no memory for the tables).
 */
gboolean depot_walk(struct depot *depot, guint type_mask, const guint64 *wanted,
	const struct depot_visitor *visitor, gpointer data, struct depot_progress *progress,
	GError **error);

/* Gives back what is kept between walks (24 bytes an object); another walk makes it again. */
void depot_rest(struct depot *depot);

#endif
