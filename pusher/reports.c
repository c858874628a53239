/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/reports.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/report.h"

/* A report of 10 000 repositories has 20 MB. */
#define REPORT_MAX_BYTES (256 * 1024 * 1024)
/* libpq keeps the buffer of the longest statement it ever sent. */
#define RENEW_BYTES (1024 * 1024)
#define ROOTS_MAX 100000
/* Of those that come back with a report; more are read from the log. */
#define EVENTS_MAX 100
#define RETRY_LEAST_S 1.
#define RETRY_MOST_S 60.

#define FOLDER_EVENTS                                                                              \
	(IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW)
#define ROOT_EVENTS                                                                                \
	(IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW)

/* What tells one file from the next of the same name. */
struct signature {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

/* A folder that is watched: the top (no organization), an organization's, or a root's. */
struct folder {
	int watch;
	char *path, *organization, *root;
	struct signature seen; /* of the report that was given last; a root's only */
	gboolean is_due;
	double retry_at, retry_s;
	GList link; /* in due */
};

struct reports {
	struct ev_loop *loop;
	char *top;
	const char *host; /* the configuration's */
	int fd;
	ev_io io;
	ev_timer tick;
	GHashTable *by_path, *by_watch; /* by_path owns */
	GQueue due;
	struct lane *lane;
	struct folder *current; /* whose report is on its way; NULL when it went away meanwhile */
	struct signature current_signature;
	gboolean is_busy, is_large;
	struct log_reader *reader;
	gint64 asked; /* the reader's cursor when the report was sent */
};

static void folder_add(
	struct reports *reports, const char *path, const char *organization, const char *root);

static void due_set(struct reports *reports, struct folder *folder)
{
	if (folder->is_due)
		return;
	folder->is_due = TRUE;
	g_queue_push_tail_link(&reports->due, &folder->link);
}

static void folder_free(gpointer data)
{
	struct folder *folder = data;

	g_free(folder->path);
	g_free(folder->organization);
	g_free(folder->root);
	g_free(folder);
}

static void folder_remove(struct reports *reports, struct folder *folder)
{
	if (folder->is_due)
		g_queue_unlink(&reports->due, &folder->link);
	if (reports->current == folder)
		reports->current = NULL;
	inotify_rm_watch(reports->fd, folder->watch);
	g_hash_table_remove(reports->by_watch, GINT_TO_POINTER(folder->watch));
	g_hash_table_remove(reports->by_path, folder->path);
}

/* The folder of that name below one that is watched, if it may be one of ours. */
static void child_add(struct reports *reports, const struct folder *parent, const char *name)
{
	if (!report_slug_is_valid(name))
		return;
	g_autofree char *path = g_build_filename(parent->path, name, NULL);
	if (parent->organization == NULL)
		folder_add(reports, path, name, NULL);
	else if (parent->root == NULL)
		folder_add(reports, path, parent->organization, name);
}

/* Looks at what is there already: it may have come before the watch. */
static void folder_scan(struct reports *reports, struct folder *folder)
{
	if (folder->root != NULL) {
		due_set(reports, folder);
		return;
	}
	DIR *dir = opendir(folder->path);
	if (dir == NULL)
		return;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)
			child_add(reports, folder, entry->d_name);
	closedir(dir);
}

static void folder_add(
	struct reports *reports, const char *path, const char *organization, const char *root)
{
	struct folder *folder = g_hash_table_lookup(reports->by_path, path);
	int watch =
		inotify_add_watch(reports->fd, path, root != NULL ? ROOT_EVENTS : FOLDER_EVENTS);

	/* Another folder under a known name: what is known belongs to the old one. */
	if (folder != NULL && folder->watch != watch) {
		folder_remove(reports, folder);
		folder = NULL;
	}
	if (watch < 0) {
		if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
			log_warning("a report folder cannot be watched", "path", path, "error",
				g_strerror(errno), NULL);
		return;
	}
	if (folder == NULL && g_hash_table_size(reports->by_path) < ROOTS_MAX) {
		struct folder *moved =
			g_hash_table_lookup(reports->by_watch, GINT_TO_POINTER(watch));
		if (moved != NULL) { /* renamed within what we watch */
			g_hash_table_remove(reports->by_watch, GINT_TO_POINTER(watch));
			moved->watch = -1;
			folder_remove(reports, moved);
		}
		folder = g_new0(struct folder, 1);
		folder->watch = watch;
		folder->path = g_strdup(path);
		folder->organization = g_strdup(organization);
		folder->root = g_strdup(root);
		folder->link.data = folder;
		g_hash_table_insert(reports->by_path, folder->path, folder);
		g_hash_table_insert(reports->by_watch, GINT_TO_POINTER(watch), folder);
	}
	if (folder != NULL)
		folder_scan(reports, folder);
}

static void scan_all(struct reports *reports)
{
	if (file_make_folder(reports->top, NULL))
		folder_add(reports, reports->top, NULL, NULL);
}

/*
 * The folder went away, or is known by its new name already: the notice of a rename within what we
 * watch comes after that of the name. What has the name now is watched; nothing, when that is so.
 */
static void folder_again(struct reports *reports, struct folder *folder)
{
	g_autofree char *path = g_strdup(folder->path);
	g_autofree char *organization = g_strdup(folder->organization);
	g_autofree char *root = g_strdup(folder->root);

	folder_remove(reports, folder);
	folder_add(reports, path, organization, root);
}

static void notice_take(struct reports *reports, const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW) {
		log_warning("notices of report folders were lost: looking at all of them", NULL);
		scan_all(reports);
		return;
	}
	struct folder *folder = g_hash_table_lookup(reports->by_watch, GINT_TO_POINTER(event->wd));
	if (folder == NULL)
		return;
	if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) {
		folder_again(reports, folder);
		return;
	}
	if (event->len == 0)
		return;
	if (folder->root == NULL) {
		if (event->mask & IN_ISDIR)
			child_add(reports, folder, event->name);
	} else if (!strcmp(event->name, REPORT_FILE)) {
		folder->retry_at = folder->retry_s = 0;
		due_set(reports, folder);
	}
}

static void io_ready(struct ev_loop *loop, ev_io *io, int events)
{
	struct reports *reports = io->data;
	char room[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	gssize got;

	while ((got = read(reports->fd, room, sizeof(room))) > 0)
		for (char *at = room; at < room + got;) {
			const struct inotify_event *event = (const struct inotify_event *)at;
			notice_take(reports, event);
			at += sizeof(*event) + event->len;
		}
	reports_run(reports);
}

static gboolean signature_take(const char *path, struct signature *signature)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return FALSE;
	/* Padding is compared too. */
	memset(signature, 0, sizeof(*signature));
	signature->device = st.st_dev;
	signature->inode = st.st_ino;
	signature->size = st.st_size;
	signature->modified = st.st_mtim;
	signature->changed = st.st_ctim;
	return TRUE;
}

static void ingest_done(gpointer data, const struct db_result *result, const GError *error)
{
	struct reports *reports = data;
	struct folder *folder = g_steal_pointer(&reports->current);

	reports->is_busy = FALSE;
	/* It may have been done all the same, and nobody else tells what it made. */
	if (error != NULL)
		log_reader_wake(reports->reader);
	if (error == NULL) {
		if (folder != NULL)
			folder->seen = reports->current_signature;
		log_reader_take(reports->reader, reports->asked, EVENTS_MAX, result);
	} else if (folder != NULL && g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY)) {
		folder->retry_s = CLAMP(folder->retry_s * 2, RETRY_LEAST_S, RETRY_MOST_S);
		folder->retry_at = lane_is_up(reports->lane) ? ev_time() + folder->retry_s : 0;
		due_set(reports, folder);
	} else if (folder != NULL) {
		folder->seen = reports->current_signature;
		log_warning("a report was refused", "folder", folder->path, "error", error->message,
			NULL);
	}
	if (reports->is_large)
		lane_renew(reports->lane);
	reports_run(reports);
}

/* FALSE when there is nothing (new) to give. */
static gboolean report_give(struct reports *reports, struct folder *folder)
{
	g_autofree char *path = g_build_filename(folder->path, REPORT_FILE, NULL);
	g_autoptr(GError) error = NULL;
	g_autofree char *bytes = NULL;
	gsize len = 0;
	struct signature signature;

	/* Before the file is read: a younger one under the older signature is only read twice. */
	if (!signature_take(path, &signature) ||
		!memcmp(&signature, &folder->seen, sizeof(signature)))
		return FALSE;
	if (!file_read(path, REPORT_MAX_BYTES, &bytes, &len, &error)) {
		if (!g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_MISSING)) {
			log_failure(LOG_LEVEL_WARNING, "a report cannot be read", error);
			folder->seen = signature;
		}
		return FALSE;
	}
	if (memchr(bytes, '\0', len) != NULL || !g_utf8_validate(bytes, (gssize)len, NULL)) {
		log_warning("a report was refused", "folder", folder->path, "error",
			"it is not UTF-8 text", NULL);
		folder->seen = signature;
		return FALSE;
	}
	reports->asked = log_reader_cursor(reports->reader);
	char **params = g_new0(char *, 7);
	params[0] = g_strdup(folder->organization);
	params[1] = g_strdup(reports->host);
	params[2] = g_strdup(folder->root);
	params[3] = g_steal_pointer(&bytes);
	params[4] = g_strdup_printf("%" G_GINT64_FORMAT, reports->asked);
	params[5] = g_strdup_printf("%d", EVENTS_MAX);
	reports->current = folder;
	reports->current_signature = signature;
	reports->is_busy = TRUE;
	reports->is_large = len > RENEW_BYTES;
	lane_send(reports->lane,
		"select * from muster.report_feed($1, $2, $3, $4, $5::bigint, $6::integer)", params,
		ingest_done, reports);
	return TRUE;
}

void reports_run(struct reports *reports)
{
	GList *next;

	if (reports->lane == NULL)
		return;
	for (GList *link = reports->due.head; link != NULL; link = next) {
		struct folder *folder = link->data;
		next = link->next;
		if (reports->is_busy || !lane_is_up(reports->lane))
			return;
		if (folder->retry_at > ev_time())
			continue;
		g_queue_unlink(&reports->due, link);
		folder->is_due = FALSE;
		/* It may come back at once, or another may be given from within: start again. */
		if (report_give(reports, folder))
			return;
	}
}

/* Retries, and a top folder that was taken away. */
static void tick_ready(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct reports *reports = timer->data;

	if (!g_hash_table_contains(reports->by_path, reports->top))
		scan_all(reports);
	reports_run(reports);
}

struct reports *reports_new(
	struct ev_loop *loop, const struct conf *conf, struct log_reader *reader, GError **error)
{
	struct reports *reports = g_new0(struct reports, 1);

	reports->loop = loop;
	reports->top = conf_get_state_path(conf, "reports");
	reports->host = conf_get(conf, "server.host");
	reports->reader = reader;
	reports->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, folder_free);
	reports->by_watch = g_hash_table_new(NULL, NULL);
	g_queue_init(&reports->due);
	reports->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	ev_io_init(&reports->io, io_ready, reports->fd, EV_READ);
	ev_timer_init(&reports->tick, tick_ready, 1., 1.);
	reports->io.data = reports->tick.data = reports;
	if (reports->fd < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "inotify cannot be used: %s",
			g_strerror(errno));
		reports_free(reports);
		return NULL;
	}
	if (!file_make_folder(reports->top, error)) {
		reports_free(reports);
		return NULL;
	}
	ev_io_start(loop, &reports->io);
	ev_timer_start(loop, &reports->tick);
	return reports;
}

void reports_start(struct reports *reports, struct lane *lane)
{
	reports->lane = lane;
	scan_all(reports);
	reports_run(reports);
}

void reports_free(struct reports *reports)
{
	if (reports == NULL)
		return;
	ev_io_stop(reports->loop, &reports->io);
	ev_timer_stop(reports->loop, &reports->tick);
	if (reports->fd >= 0)
		close(reports->fd);
	g_hash_table_destroy(reports->by_watch);
	g_hash_table_destroy(reports->by_path);
	g_free(reports->top);
	g_free(reports);
}
