/* SPDX-License-Identifier: MIT */
/*
 * What the files of one status share: the run, its workers, and the folders a worker stands in.
 * Private to jobs/git/status*.c.
 *
 * Each thread is one worker with its own results, buffers and object store; the index and the
 * repository are read by all and changed by none. A folder lives on the stack of the walk; its
 * ignore and attribute files are read when the first question about them comes.
 */
#ifndef MUSTER_JOBS_GIT_STATUS_RUN_H
#define MUSTER_JOBS_GIT_STATUS_RUN_H

#include "jobs/git/attr.h"
#include "jobs/git/ignore.h"
#include "jobs/git/index.h"
#include "jobs/git/object.h"
#include "jobs/git/status.h"

#include <sys/stat.h>

#define STATUS_DENTS_BYTES (64 * 1024)
#define STATUS_DEPTH_MAX 2048
#define STATUS_SUBMODULE_DEPTH_MAX 16
/* A file of which more than this would have to be converted in memory is left unverified. */
#define STATUS_CONVERT_MAX_BYTES (256u * 1024 * 1024)

/* sizeof(struct child) of status_walk.c, which checks it. */
#define STATUS_CHILD_BYTES 32

struct status_queue;

struct status_run {
	const struct repo *r;
	const struct status_options *options;
	struct index *ix;
	bool has_skipped; /* some entry is skip-worktree */
	GMutex lock;      /* for the lists below, read by whoever asks first */
	bool has_ignores;
	struct ignore_list *ignores[2]; /* info/exclude, core.excludesFile: strongest first */
	bool has_attrs;
	struct attr_list *attr_info;    /* stronger than any folder's */
	struct attr_list *attr_user[2]; /* core.attributesFile, the system's */
	struct status_queue *queue;     /* NULL with one thread */
	struct gitconfig *modules;      /* .gitmodules, read when the first submodule is met */
	bool has_modules;
};

/* One line of the result, before X and Y of a path have come together. */
struct status_change {
	enum status_kind kind;
	char x, y;
	char submodule[5];
	const char *path; /* in the index or in the worker's paths */
	gsize path_len;
};

struct status_worker {
	struct status_run *run;
	struct status_counts counts;
	guint64 unreadable, submodules, submodules_untracked, submodules_untracked_only;
	GArray *changes; /* struct status_change, at most entries_max */
	GStringChunk *paths;
	GString *path;              /* of the folder that is walked, with a slash at its end */
	GByteArray *names;          /* stack of names of folders still to be looked at */
	GArray *children;           /* stack of what the index has in a folder */
	struct object_store *store; /* made when needed */
	GChecksum *sha1;
	char *dents;
	char *block; /* for hashing */
};

enum status_known {
	STATUS_UNKNOWN,
	STATUS_NO,
	STATUS_YES
};

struct status_folder {
	struct status_folder *parent;
	gsize path_len; /* of worker->path up to and with this folder's slash */
	enum status_known has_ignore_file;
	enum status_known has_attr_file;
	enum status_known is_excluded;
	bool is_ignore_read;
	bool is_attr_read;
	struct ignore_list *ignore;
	struct attr_list *attr;
};

struct status_worker *status_worker_new(struct status_run *run);
void status_worker_free(struct status_worker *w);
struct object_store *status_worker_store(struct status_worker *w);

/* Counts are the caller's; this lists the change while there is room. The path is not copied. */
void status_change_add(struct status_worker *w, enum status_kind kind, char x, char y,
	const char *submodule, const char *path, gsize path_len);

/* status_folder.c */
void status_folder_clear(struct status_folder *f);
bool status_folder_is_excluded(struct status_worker *w, struct status_folder *f);
/* Is the path (below folder f, its last part at name_at) ignored? */
bool status_is_ignored(struct status_worker *w, struct status_folder *f, const char *path,
	gsize path_len, gsize name_at, bool is_folder);
void status_attr_read(struct status_worker *w, struct status_folder *f, const char *path,
	gsize path_len, struct attr_values *values);

/* status_file.c */
enum status_answer {
	STATUS_SAME,
	STATUS_DIFFERENT,
	STATUS_UNVERIFIED
};
/* Is the stat data what the index remembers, and not racy? `is_size_changed`: settles it. */
bool status_stat_match(const struct status_run *run, const struct index_entry *e,
	const struct stat *st, bool *is_size_changed);
enum status_answer status_file_compare(struct status_worker *w, struct status_folder *f, int dir_fd,
	const char *name, const struct index_entry *e, const struct stat *st);

/* status_submodule.c: an entry of mode gitlink whose folder is there. */
void status_submodule_check(struct status_worker *w, const struct index_entry *e);
/* Is there a repository in this open folder? */
bool status_is_nested(int folder_fd);

/* status_walk.c */
void status_walk(struct status_worker *w, struct status_folder *f, int fd, gsize low, gsize high,
	unsigned depth);
/* The same for the files of the folder alone, without looking for untracked ones. Takes fd. */
void status_walk_files(
	struct status_worker *w, struct status_folder *f, int fd, gsize low, gsize high);
void status_untracked_check(struct status_worker *w, struct status_folder *f, int fd,
	const char *name, gsize len, unsigned char type, unsigned depth);

/* status_threads.c: hands a folder to another thread if one is idle; takes fd then. */
bool status_queue_offer(struct status_worker *w, int fd, gsize low, gsize high, unsigned depth);
/* The same for a slice of one folder's files; fd stays the caller's. */
bool status_queue_offer_files(struct status_worker *w, int fd, gsize low, gsize high);
/* Walks the whole tree with `count` threads, the caller's worker among them. */
void status_queue_run(struct status_worker **workers, unsigned count);

/* status_head.c */
gboolean status_staged_find(struct status_worker *w, const struct refs_head *head, GError **error);

#endif
