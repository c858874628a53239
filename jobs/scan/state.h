/* SPDX-License-Identifier: MIT */
/*
 * What is known about one repository: which blobs were scanned by which rules, what was found in
 * them, the graph of its commits, and who introduced what (history.h fills that in). In memory
 * during a scan; between scans in files of a folder of its own, so that the next one reads only
 * what is new. It is a cache: whatever is wrong with it, it is made again, at the price of time.
 *
 * Never the secret: a secret is a digest (the caller's Argon2id of it), its family and a masked
 * text. One that is no finding at any path has no digest, for those are slow: it is pending, and
 * known by a quick hash under a random key of this state. The hash goes when the digest comes. A
 * state without a folder (NULL) is the same thing for one scan, and keeps nothing.
 *
 *	struct state_options options = {.folder = folder, .engine = "1 decode=2 …", …};
 *	g_autoptr(State) state = state_open(&options, &note);
 *	state_tips_hash(tips, n_tips, shallow, n_shallow, hash);
 *	if (!state_is_current(state, hash)) {
 *		new rules, if any: hits from a scan of what is known (state_known()), then
 *			state_keep_known(state, depot)
 *		run = history_run_new(depot, state, &history_options);
 *		history_run_find(run, wanted, &n, error)		what is new
 *		scan_blobs(scan, depot, wanted, …)
 *		for each hit
 *			secret = state_add_secret(state, family, digest, masked);
 *			state_add_hit(state, oid, &hit, secret, sample);
 *		for each gap that is a failure
 *			state_add_gap(state, oid, reason);
 *		state_add_scanned(state, depot, wanted);
 *		history_run_attribute(run, error);
 *		if (!state_save(state, hash, &error))
 *			… a note; the result of this scan is whole all the same
 *	}
 *	state_hits(), state_sightings(), state_removed() …	the answer, in both cases
 *
 * Files: "head" has all but the two big tables; "blobs-…" and "graph-…" those, rewritten only now
 * and then. Each is checksummed, written beside its target and renamed; head names the others, so
 * a crash anywhere leaves the old state whole. Writers take the folder's lock; who does not get it
 * at once keeps nothing.
 *
 * Ownership: everything returned is borrowed until the state is changed or freed. One thread.
 */
#ifndef MUSTER_JOBS_SCAN_STATE_H
#define MUSTER_JOBS_SCAN_STATE_H

#include "jobs/scan/hit.h"
#include "jobs/scan/rule.h"
#include "lib/oid.h"

struct depot;
struct state;
typedef struct state State; /* for g_autoptr */

#define STATE_NONE G_MAXUINT32
#define STATE_HASH_BYTES 32
#define STATE_DIGEST_BYTES 32
#define STATE_COUNTERS 32
#define STATE_REFS_MAX 20

struct state_options {
	const char *folder; /* of this repository alone; made when needed; NULL: memory only */
	/*
	 * All that decides what is found beside the rules themselves: version of the engine, sizes,
	 * decoding, global allowlists … Another text: nothing of the old state is used.
	 */
	const char *engine;
	const struct rule_set *rules; /* borrowed as long as the state */
};

/*
 * Never fails. `note` (g_free) is set when there was a state that could not be used, saying why in
 * a sentence: damaged, cut off, unreadable, another repository's, another version's. One with
 * another text for the engine is not used either, without a note. The old hits of rules whose hash
 * is not in the set are dropped.
 */
struct state *state_open(const struct state_options *options, char **note);
void state_free(struct state *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(State, state_free)

/* Where commits are reached from: refs, HEAD when detached, entries of the stash. */
struct history_tip {
	const char *name; /* "refs/heads/main" */
	struct oid oid;   /* a commit, or a tag, tree or blob */
	gboolean is_head; /* what HEAD is: one of them, or none when it is unborn */
};

/* What a state is current for: names, oids and order of the tips, and where history is cut off. */
void state_tips_hash(const struct history_tip *tips, gsize n_tips, const struct oid *shallow,
	gsize n_shallow, guint8 hash[STATE_HASH_BYTES]);

/* Same tips, same rules, same engine: the answer is here, no object need be read. */
gboolean state_is_current(const struct state *state, const guint8 hash[STATE_HASH_BYTES]);

/* Like the note of state_open(), for what was only met by history_run_find(); NULL none. */
const char *state_note(const struct state *state);

/*
 * Rules (by number in the set) that what is known was not scanned with; *n of them. When the state
 * is new: none, for nothing is known.
 */
const guint16 *state_new_rules(const struct state *state, guint *n);

/* Whether a blob was scanned, by every rule but the new ones. */
gboolean state_is_known(const struct state *state, const struct oid *blob);
guint64 state_known_count(const struct state *state);
/* Sets a bit for each object of the depot that is known: what new rules must be run over. */
void state_known(const struct state *state, const struct depot *depot, guint64 *wanted);

/*
 * After new rules ran over what is known: forgets what is not in the depot and what has a gap, for
 * they have not seen it. It may come back.
 */
void state_keep_known(struct state *state, const struct depot *depot);

/* A digest of all zeros is refused with 0; else the number of the secret, from 1. */
guint32 state_add_secret(struct state *state, const char *family,
	const guint8 digest[STATE_DIGEST_BYTES], const char *masked);

/*
 * The same for a secret without a digest. FALSE from state_has_digests(), and these are all there
 * are; else one that is new may be one that has a digest, which only a digest tells.
 */
guint32 state_add_pending(struct state *state, const char *family, const guint8 *secret, gsize len,
	const char *masked);
guint32 state_find_pending(
	struct state *state, const char *family, const guint8 *secret, gsize len); /* 0: none */
gboolean state_has_digests(const struct state *state);
/* Of a pending one, which it is no more. Digests are of one secret each, or 0s are refused. */
void state_set_digest(struct state *state, guint32 secret, const guint8 digest[STATE_DIGEST_BYTES]);

/*
 * hit->rule is the rule's number in the set; hit->blob and hit->secret are not looked at. sample:
 * the masked line or match, NULL none. inner: the entry's name when the blob is an archive, else
 * NULL. A hit that is there already is not added again.
 */
void state_add_hit(struct state *state, const struct oid *blob, const struct hit *hit,
	guint32 secret, const char *sample, const char *inner);

/*
 * Other samples for hits that are there: of the secrets and rules that are keys of the table
 * (guint64 *: STATE_SAMPLE_KEY -> char *), at all their places. What no hit shows any more is not
 * kept.
 */
#define STATE_SAMPLE_KEY(secret, rule) ((guint64)(secret) << 16 | (rule))
void state_replace_samples(struct state *state, GHashTable *samples);

/* What must be tried again next time: missing, unreadable, undecided. Reasons are the caller's. */
void state_add_gap(struct state *state, const struct oid *blob, guint reason);

/* All blobs of the bitmap but those with a gap are known from now on. */
void state_add_scanned(struct state *state, struct depot *depot, const guint64 *wanted);

/* Figures of the caller's own, 0 at first, kept with the state. */
guint64 *state_counters(struct state *state);

/* What was found. Blobs and secrets are numbers of this state. */
struct state_secret {
	guint8 digest[STATE_DIGEST_BYTES]; /* of a pending one the quick hash */
	guint32 family, masked;            /* state_text() */
	guint32 is_pending;
};

struct state_hit {
	struct hit hit; /* blob: state_blob(); secret: state_secret(); rule: in the set */
	guint32 sample; /* state_text(), STATE_NONE */
	guint32 inner;  /* in an archive: state_text() of the entry's name, + 1; 0 */
};

struct state_gap {
	struct oid blob;
	guint32 reason;
};

const char *state_text(const struct state *state, guint32 at); /* NULL for STATE_NONE */
const struct state_secret *state_secret(const struct state *state, guint32 number);
const struct oid *state_blob(const struct state *state, guint32 blob);
guint32 state_find_blob(const struct state *state, const struct oid *blob); /* STATE_NONE */
/* Sorted by blob, then entry when it is an archive, then place. */
const struct state_hit *state_hits(struct state *state, gsize *n);
/* Those of one blob. */
const struct state_hit *state_blob_hits(struct state *state, guint32 blob, gsize *n);
const struct state_gap *state_gaps(const struct state *state, gsize *n);

/* A commit that a sighting names. Times in seconds since 1970. */
struct state_commit {
	struct oid oid;
	guint32 author, email; /* state_text(): UTF-8 where it could be made so */
	gint64 time;           /* of the author */
	gint64 committed;      /* of the committer: what decides which commit is older */
	gint32 offset_min;     /* of the author's clock */
	guint32 reserved;
};

enum sighting_flag {
	SIGHTING_IN_HEAD = 1 << 0,   /* HEAD's tree holds it */
	SIGHTING_CUT_OFF = 1 << 1,   /* `first` has parents that are not here: it may be older */
	SIGHTING_NO_COMMIT = 1 << 2, /* no commit holds it, only a ref to a tree or blob */
	SIGHTING_NO_PATH = 1 << 3,   /* only asked for: in a blob that no tip leads to */
};

/* One secret at one path, over all of history. */
struct sighting {
	guint32 path;   /* state_text(); STATE_NONE: no tree names it */
	guint32 secret; /* state_secret() */
	guint32 flags;
	/* state_commit(), or STATE_NONE. By committer's date, ties by id: */
	guint32 first;   /* oldest whose tree holds it while none of its parents' does */
	guint32 last;    /* newest whose tree holds it */
	guint32 removed; /* newest that does not hold it while a parent does */
	/* state_blob(), or STATE_NONE: the file at this path in `first`, in `last`, in HEAD */
	guint32 first_blob, last_blob, head_blob;
	guint32 refs, n_refs;   /* state_refs(): first 20 that lead to it, in the order given */
	guint32 refs_total;     /* all of them */
	guint32 blobs, n_blobs; /* state_blobs(): versions of the file that hold it, ascending */
};

/* Sorted by path, then secret. */
const struct sighting *state_sightings(const struct state *state, gsize *n);
const struct state_commit *state_commit(const struct state *state, guint32 number);
const guint32 *state_refs(const struct state *state, const struct sighting *s);  /* texts */
const guint32 *state_blobs(const struct state *state, const struct sighting *s); /* n_blobs */

/*
 * Sightings of the last scan that this one has no more, because no tip leads to them (not because a
 * rule is gone): each is told once, by the scan that finds out. Their texts, commits, blobs and
 * hits can be asked for as the others'. Empty for a state that is current.
 */
const struct sighting *state_removed(const struct state *state, gsize *n);

/*
 * Keeps it all. Errors: MUSTER_ERROR_BUSY another scan of the repository is writing, _IO (a full
 * disk, say): the files are as they were, and so is everything in memory. A state without a folder
 * keeps nothing and does not fail.
 */
gboolean state_save(struct state *state, const guint8 hash[STATE_HASH_BYTES], GError **error);

/*
 * The folder's name for a repository, below the cache's: 32 hexadecimal digits of a hash over the
 * absolute path of its common git folder. Freed by the caller.
 */
char *state_folder(const char *cache_folder, const char *git_folder);

#endif
