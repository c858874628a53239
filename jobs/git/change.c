/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <git2.h>

#include "jobs/git/odb.h"
#include "jobs/git/status.h"
#include "lib/error.h"
#include "lib/quote.h"

/* More at once is hardly what somebody looked at and meant. */
#define CHANGES_MAX 200000
#define HEX_LEN 40

struct change {
	char *path;
	struct gitconfig *user;
	Repo *r;
	git_repository *repo;
	git_commit *head; /* NULL before the first commit */
	GPtrArray *log;
};

typedef struct change change;
static void change_clear(struct change *change)
{
	git_commit_free(change->head);
	git_repository_free(change->repo);
	repo_free(change->r);
	gitconfig_free(change->user);
	g_free(change->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(change, change_clear)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_status_list, git_status_list_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_index, git_index_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_tree, git_tree_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_signature, git_signature_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(git_remote, git_remote_free)

static void note(struct change *change, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void note(struct change *change, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	g_ptr_array_add(change->log, g_strdup_vprintf(format, arguments));
	va_end(arguments);
}

static gboolean refuse(GError **error, const char *why)
{
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, why);
	return FALSE;
}

/* What libgit2 says, as one of ours. */
static gboolean fail(int code, const char *what, GError **error)
{
	const git_error *last = git_error_last();
	g_autofree char *reason = quote_show(
		last != NULL && last->message != NULL ? last->message : "no reason given");

	g_set_error(error, MUSTER_ERROR,
		code == GIT_ELOCKED     ? MUSTER_ERROR_BUSY
		: code == GIT_EMODIFIED ? MUSTER_ERROR_CONFLICT
					: MUSTER_ERROR_IO,
		"%s: %s", what, reason);
	return FALSE;
}

/* A link in place of a file of the git folder would have another file written. */
static gboolean parts_check(const struct repo *r, GError **error)
{
	static const struct {
		const char *name;
		mode_t type;
	} parts[] = {{"HEAD", S_IFREG}, {"config", S_IFREG}, {"config.worktree", S_IFREG},
		{"index", S_IFREG}, {"packed-refs", S_IFREG}, {"objects", S_IFDIR},
		{"objects/info", S_IFDIR}, {"objects/pack", S_IFDIR}, {"refs", S_IFDIR},
		{"refs/heads", S_IFDIR}, {"logs", S_IFDIR}, {"logs/HEAD", S_IFREG},
		{"logs/refs", S_IFDIR}, {"logs/refs/heads", S_IFDIR}};
	struct stat st;

	for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
		if (fstatat(r->gitdir_fd, parts[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			(st.st_mode & S_IFMT) != parts[i].type) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				".git/%s is not what git makes it", parts[i].name);
			return FALSE;
		}
	return TRUE;
}

/* A linked worktree, a submodule or a link: what is written would be written there. */
static gboolean git_check(const char *path, GError **error)
{
	g_autofree char *git = g_build_filename(path, ".git", NULL);
	struct stat st;

	return lstat(git, &st) != 0 || S_ISDIR(st.st_mode) ||
	       refuse(error, "its git folder lies elsewhere: change it where that is");
}

static gboolean place_check(const struct repo *r, GError **error)
{
	if (r->worktree_fd < 0)
		return refuse(error, "it has no working tree");
	if (r->kind != REPO_KIND_NORMAL || strcmp(r->gitdir, r->commondir) != 0)
		return refuse(error, "its git folder shares another's: change it where that is");
	return parts_check(r, error);
}

/* What can be said without looking at a file of the working tree. */
static gboolean state_check(const struct change *change, GError **error)
{
	enum refs_operation operation = refs_operation_get(change->r);

	if (operation != REFS_OPERATION_NONE) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"a %s is going on: end it or abort it first",
			refs_operation_name(operation));
		return FALSE;
	}
	if (change->r->is_sparse_checkout)
		return refuse(error, "only a part of its files is checked out");
	return !change->r->has_partial_clone ||
	       refuse(error, "it is a partial clone, whose objects only a remote has");
}

static gboolean change_open(struct change *change, const char *path, GPtrArray *log, GError **error)
{
	change->log = log;
	change->path = g_strdup(path);
	change->user = gitconfig_new_user();
	if (!odb_library_start(error))
		return FALSE;
	/* What a person told git about line endings and files to leave out holds here too. */
	for (int level = GIT_CONFIG_LEVEL_SYSTEM; level <= GIT_CONFIG_LEVEL_GLOBAL; level++)
		git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, NULL);
	git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	if (!git_check(path, error))
		return FALSE;
	change->r = repo_open(path, change->user, error);
	if (change->r == NULL || !place_check(change->r, error))
		return FALSE;
	int code =
		git_repository_open_ext(&change->repo, path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);
	return code == 0 || fail(code, "it cannot be opened", error);
}

static gboolean head_read(struct change *change, const char *seen, GError **error)
{
	git_oid oid;
	char hex[HEX_LEN + 1];

	if (git_repository_head_detached(change->repo) == 1)
		return refuse(error, "it is on no branch");
	int code = git_reference_name_to_id(&oid, change->repo, "HEAD");
	if (code == 0)
		code = git_commit_lookup(&change->head, change->repo, &oid);
	else if (code == GIT_ENOTFOUND && git_repository_head_unborn(change->repo) == 1)
		code = 0;
	if (code != 0)
		return fail(code, "its last commit cannot be read", error);
	if (change->head != NULL)
		git_oid_fmt(hex, &oid);
	hex[change->head != NULL ? HEX_LEN : 0] = '\0';
	if (seen == NULL || !strcmp(seen, hex))
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT,
		"its last commit is another than the audit saw: audit it again, and look");
	return FALSE;
}

static gboolean count_check(gint64 seen, guint64 now, const char *what, GError **error)
{
	if (seen < 0 || (guint64)seen == now)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT,
		"the audit saw %" G_GINT64_FORMAT " %s, now there %s %" G_GUINT64_FORMAT
		": audit it again, and look",
		seen, what, now == 1 ? "is" : "are", now);
	return FALSE;
}

static gboolean digest_check(const struct change *change, const struct change_seen *seen,
	const struct status *status, GError **error)
{
	g_autofree char *now = status_digest(change->r, status);

	if (seen->digest != NULL && now != NULL && !strcmp(seen->digest, now))
		return TRUE;
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT,
		status->entries_count == 0 ? "nothing is changed in it any more: audit it again"
		: now == NULL ? "more has changed than can be told apart: throw it away by hand"
		: seen->digest == NULL
			? "the audit does not say what it saw: audit it again, and look"
			: "what is changed is not what the audit saw: audit it again, and look");
	return FALSE;
}

/* Beside what was seen. Our own reader: its numbers are those of the report. */
static gboolean status_check(const struct change *change, const struct change_seen *seen,
	gboolean is_thrown_away, GError **error)
{
	const struct status_options options = {
		.entries_max = is_thrown_away ? STATUS_DIGEST_ENTRIES : 0};
	g_autoptr(Status) status = status_read(change->r, &options, error);

	if (status == NULL)
		return FALSE;
	if (status->counts.unmerged > 0)
		return refuse(error, "it holds files that are not merged");
	if (status->unreadable > 0)
		return refuse(error, "a folder of it cannot be read");
	return count_check(seen->staged, status->counts.staged, "staged", error) &&
	       count_check(seen->unstaged, status->counts.unstaged, "changed", error) &&
	       count_check(seen->untracked, status->counts.untracked, "untracked", error) &&
	       (!is_thrown_away || digest_check(change, seen, status, error));
}

/* Whether what git keeps of this path is not its bytes, but what a program makes of them. */
static gboolean filter_check(const struct change *change, const char *path, GError **error)
{
	static const char *const names[] = {"filter", "working-tree-encoding"};
	const char *values[G_N_ELEMENTS(names)];
	g_autofree char *shown = NULL;

	if (git_attr_get_many(values, change->repo, GIT_ATTR_CHECK_FILE_THEN_INDEX, path,
		    G_N_ELEMENTS(names), (const char **)names) != 0)
		return fail(-1, "its attributes cannot be read", error);
	gboolean has_encoding = git_attr_value(values[1]) == GIT_ATTR_VALUE_STRING;
	if (!has_encoding &&
		(git_attr_value(values[0]) != GIT_ATTR_VALUE_STRING ||
			(strcmp(values[0], "lfs") != 0 && !repo_has_filter(change->r, values[0]))))
		return TRUE;
	shown = quote_format(path);
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
		"%s goes through %s, which is not run here: do it by hand", shown,
		has_encoding ? "another encoding" : "a filter");
	return FALSE;
}

static git_status_list *list_read(struct change *change, GError **error)
{
	git_status_options options = GIT_STATUS_OPTIONS_INIT;
	git_status_list *list = NULL;

	options.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR;
	options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_RECURSE_UNTRACKED_DIRS |
			GIT_STATUS_OPT_INCLUDE_UNREADABLE;
	int code = git_status_list_new(&list, change->repo, &options);
	if (code != 0) {
		fail(code, "its changes cannot be read", error);
	} else if (git_status_list_entrycount(list) > CHANGES_MAX) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"more than %d files have changed", CHANGES_MAX);
		g_clear_pointer(&list, git_status_list_free);
	}
	return list;
}

static const char *entry_path(const git_status_entry *entry)
{
	const git_diff_delta *delta =
		entry->index_to_workdir != NULL ? entry->index_to_workdir : entry->head_to_index;
	return delta->new_file.path != NULL ? delta->new_file.path : delta->old_file.path;
}

/* A folder that libgit2 does not look into is a repository inside. */
static gboolean is_inner(const char *path)
{
	return g_str_has_suffix(path, "/");
}

static gboolean list_check(struct change *change, git_status_list *list, GError **error)
{
	for (gsize i = 0; i < git_status_list_entrycount(list); i++) {
		const git_status_entry *entry = git_status_byindex(list, i);
		const char *path = entry_path(entry);
		if (entry->status & GIT_STATUS_CONFLICTED)
			return refuse(error, "it holds files that are not merged");
		if (entry->status & GIT_STATUS_WT_UNREADABLE)
			return refuse(error, "a file of it cannot be read");
		if (!is_inner(path) && !filter_check(change, path, error))
			return FALSE;
	}
	return TRUE;
}

/*
 * git's lock of the index, which keeps others away until it is taken back or renamed. It tells
 * whose it is: one that a job left behind when it was killed is taken away by the next, for the
 * caller holds this repository's lock.
 */
static const char lock_text[] = "muster\n";

static gboolean lock_is_stale(int dir, const char *name)
{
	char text[sizeof(lock_text)] = "";
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(lock_text) && !memcmp(text, lock_text, (gsize)n);
}

static gboolean index_lock(int dir, GError **error)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		int fd = openat(dir, "index.lock",
			O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0) {
			gboolean ok = write(fd, lock_text, strlen(lock_text)) ==
				      (ssize_t)strlen(lock_text);
			close(fd);
			if (ok)
				return TRUE;
			unlinkat(dir, "index.lock", 0);
			break;
		}
		if (errno != EEXIST)
			break;
		if (!lock_is_stale(dir, "index.lock")) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_BUSY,
				"another git is at work in it (.git/index.lock)");
			return FALSE;
		}
		unlinkat(dir, "index.lock", 0);
	}
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "its index cannot be locked: %s",
		g_strerror(errno));
	return FALSE;
}

#define INDEX_NEW "index.muster"

/* Beside the index, for libgit2 would take the lock that we hold. */
static gboolean index_save(struct change *change, git_index *index, GError **error)
{
	g_autofree char *path = g_build_filename(change->r->gitdir, INDEX_NEW, NULL);
	g_autoptr(git_index) copy = NULL;

	unlinkat(change->r->gitdir_fd, INDEX_NEW, 0);
	unlinkat(change->r->gitdir_fd, INDEX_NEW ".lock", 0);
	int code = git_index_open(&copy, path);
	for (gsize i = 0; code == 0 && i < git_index_entrycount(index); i++)
		code = git_index_add(copy, git_index_get_byindex(index, i));
	if (code == 0)
		code = git_index_write(copy);
	return code == 0 || fail(code, "its index cannot be written", error);
}

struct adding {
	struct change *change;
	guint inner;
};

/* 0: add it; 1: leave it out. */
static int add_one(const char *path, const char *pattern, void *data)
{
	struct adding *adding = data;

	if (is_inner(path)) {
		g_autofree char *shown = quote_format(path);
		if (adding->inner++ < 10)
			note(adding->change, "%s is a repository of its own and stays out.", shown);
		return 1;
	}
	return 0;
}

static gboolean tree_make(struct change *change, git_index *index, git_tree **tree, GError **error)
{
	struct adding adding = {.change = change};
	git_oid oid;

	int code = git_index_add_all(index, NULL, GIT_INDEX_ADD_DEFAULT, add_one, &adding);
	if (code == 0)
		code = git_index_write_tree(&oid, index);
	if (code == 0)
		code = git_tree_lookup(tree, change->repo, &oid);
	return code == 0 || fail(code, "what changed cannot be stored", error);
}

static gboolean commit_make(struct change *change, const struct change_author *author,
	const char *message, const git_tree *tree, GError **error)
{
	g_autoptr(git_signature) who = NULL;
	const git_commit *parents[] = {change->head};
	git_buf text = {0};
	git_oid oid;
	char hex[HEX_LEN + 1] = "";

	int code = git_signature_now(&who, author->name, author->email);
	if (code == 0)
		code = git_repository_set_ident(change->repo, author->name, author->email);
	if (code == 0)
		code = git_message_prettify(&text, message, 0, 0);
	/* The branch is moved only when its tip is still the parent. */
	if (code == 0)
		code = git_commit_create(&oid, change->repo, "HEAD", who, who, NULL, text.ptr, tree,
			change->head != NULL, parents);
	git_buf_dispose(&text);
	if (code != 0)
		return fail(code, "it cannot be committed", error);
	git_oid_fmt(hex, &oid);
	note(change, "Committed %.12s.", hex);
	return TRUE;
}

/* The index stays locked: from what is read to what is put in its place nobody else changes it. */
static gboolean commit_locked(struct change *change, const struct change_author *author,
	const char *message, GError **error)
{
	g_autoptr(git_index) index = NULL;
	g_autoptr(git_tree) tree = NULL;

	int code = git_repository_index(&index, change->repo);
	if (code == 0)
		code = git_index_read(index, 1);
	if (code != 0)
		return fail(code, "its index cannot be read", error);
	if (!tree_make(change, index, &tree, error) || !index_save(change, index, error))
		return FALSE;
	gboolean is_same = change->head != NULL &&
			   git_oid_equal(git_tree_id(tree), git_commit_tree_id(change->head));
	if (change->head == NULL && git_tree_entrycount(tree) == 0)
		is_same = TRUE;
	if (is_same)
		note(change, "There is nothing to commit.");
	else if (!commit_make(change, author, message, tree, error))
		return FALSE;
	if (renameat(change->r->gitdir_fd, INDEX_NEW, change->r->gitdir_fd, "index") != 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"its index cannot be put in its place: %s", g_strerror(errno));
		return FALSE;
	}
	return TRUE;
}

gboolean change_commit(const char *path, const struct change_seen *seen,
	const struct change_author *author, const char *message, GPtrArray *log, GError **error)
{
	g_auto(change) change = {0};

	if (!change_open(&change, path, log, error) || !state_check(&change, error) ||
		!head_read(&change, seen->head, error) ||
		!status_check(&change, seen, FALSE, error))
		return FALSE;
	g_autoptr(git_status_list) list = list_read(&change, error);
	if (list == NULL || !list_check(&change, list, error) ||
		!index_lock(change.r->gitdir_fd, error))
		return FALSE;
	gboolean ok = commit_locked(&change, author, message, error);
	unlinkat(change.r->gitdir_fd, INDEX_NEW, 0);
	unlinkat(change.r->gitdir_fd, "index.lock", 0);
	return ok;
}

/* A file below dir, and folders that it leaves empty; no link on the way is followed. */
static void file_remove(int dir, const char *path)
{
	const char *slash = strchr(path, '/');

	if (slash == NULL) {
		unlinkat(dir, path, 0);
		return;
	}
	g_autofree char *name = g_strndup(path, (gsize)(slash - path));
	int inner = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (inner < 0)
		return;
	file_remove(inner, slash + 1);
	close(inner);
	unlinkat(dir, name, AT_REMOVEDIR);
}

static void untracked_remove(struct change *change, git_status_list *list)
{
	guint removed = 0, changed = 0;

	for (gsize i = 0; i < git_status_list_entrycount(list); i++) {
		const git_status_entry *entry = git_status_byindex(list, i);
		const char *path = entry_path(entry);
		if (entry->status != GIT_STATUS_WT_NEW) {
			changed++;
		} else if (is_inner(path)) {
			g_autofree char *shown = quote_format(path);
			note(change, "%s is a repository of its own and stays.", shown);
		} else {
			file_remove(change->r->worktree_fd, path);
			removed++;
		}
	}
	note(change, "%u changed file%s %s as committed, %u file%s removed.", changed,
		changed == 1 ? "" : "s", changed == 1 ? "is" : "are", removed,
		removed == 1 ? "" : "s");
}

gboolean change_discard(
	const char *path, const struct change_seen *seen, GPtrArray *log, GError **error)
{
	git_checkout_options options = GIT_CHECKOUT_OPTIONS_INIT;
	g_auto(change) change = {0};

	if (!change_open(&change, path, log, error) || !state_check(&change, error) ||
		!head_read(&change, seen->head, error) || !status_check(&change, seen, TRUE, error))
		return FALSE;
	if (change.head == NULL)
		return refuse(error, "nothing was ever committed to go back to");
	g_autoptr(git_status_list) list = list_read(&change, error);
	if (list == NULL || !list_check(&change, list, error))
		return FALSE;
	if (lock_is_stale(change.r->gitdir_fd, "index.lock"))
		unlinkat(change.r->gitdir_fd, "index.lock", 0);
	git_repository_set_ident(change.repo, "Muster", "muster@localhost");
	int code =
		git_reset(change.repo, (const git_object *)change.head, GIT_RESET_HARD, &options);
	if (code != 0)
		return fail(code, "its files cannot be put back", error);
	untracked_remove(&change, list);
	return TRUE;
}

gboolean change_set_origin(const char *path, const char *url, GPtrArray *log, GError **error)
{
	g_auto(change) change = {0};
	g_autoptr(git_remote) origin = NULL;

	if (!change_open(&change, path, log, error))
		return FALSE;
	if (git_remote_lookup(&origin, change.repo, "origin") != 0)
		return refuse(error, "it has no remote named origin");
	if (!g_strcmp0(git_remote_url(origin), url)) {
		note(&change, "origin is %s already.", url);
		return TRUE;
	}
	int code = git_remote_set_url(change.repo, "origin", url);
	if (code != 0)
		return fail(code, "its configuration cannot be written", error);
	note(&change, "origin is %s.", url);
	return TRUE;
}
