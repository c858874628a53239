/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ev.h>

#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/live.h"
#include "lib/log.h"
#include "lib/wake.h"
#include "pusher/gate.h"
#include "pusher/log_reader.h"
#include "pusher/replay.h"
#include "pusher/reports.h"
#include "pusher/run.h"
#include "pusher/snapshot.h"

/*
 * muster-pusher: brings events from the log to browsers and reports from folders to the log. The
 * parts are made here and told about each other; what each does is in its header.
 */

/* Beside the clients: sockets, database, inotify, what libraries open. */
#define DESCRIPTORS_MORE 256
#define STOP_LIMIT_S 1.

struct pusher {
	struct ev_loop *loop;
	struct conf *conf;
	struct secret_key *key;
	struct hub *hub;
	struct identity *identity;
	struct log_reader *reader;
	struct replay *replay;
	struct snapshot *snapshot;
	struct runs *runs;
	struct reports *reports;
	struct ws *ws;
	struct gate *gate;
	struct lane *log, *work, *ingest;
	int lock, wake, live;
	ev_io wake_io;
	ev_timer tick, stop_timer;
	ev_signal term, interrupt;
};

static void replay_call(gpointer data, struct client *client)
{
	replay_add(((struct pusher *)data)->replay, client);
}

static void replay_end_call(gpointer data, struct client *client)
{
	replay_remove(((struct pusher *)data)->replay, client);
}

static void snapshot_call(gpointer data, struct client *client, gboolean is_full)
{
	snapshot_add(((struct pusher *)data)->snapshot, client, is_full);
}

static void run_status_call(gpointer data, struct client *client)
{
	run_ask_status(((struct pusher *)data)->runs, client);
}

static void run_log_call(gpointer data, struct client *client)
{
	run_ask_log(((struct pusher *)data)->runs, client);
}

static void forget_call(gpointer data, struct client *client)
{
	run_forget(client);
	replay_remove(((struct pusher *)data)->replay, client);
	snapshot_remove(client);
}

/* The parts that want something again when it could not be had. */
static void retry(struct pusher *pusher)
{
	replay_run(pusher->replay);
	snapshot_run(pusher->snapshot);
	runs_run(pusher->runs);
}

static void work_state(gpointer data, gboolean is_up)
{
	struct pusher *pusher = data;
	hub_set_lane(pusher->hub, HUB_LANE_WORK, is_up);
	if (is_up) {
		log_reader_wake(pusher->reader);
		retry(pusher);
	}
}

static void ingest_state(gpointer data, gboolean is_up)
{
	struct pusher *pusher = data;
	hub_set_lane(pusher->hub, HUB_LANE_INGEST, is_up);
	if (is_up)
		reports_run(pusher->reports);
}

static void wake_ready(struct ev_loop *loop, ev_io *io, int events)
{
	struct pusher *pusher = io->data;
	wake_drain(io->fd);
	log_reader_wake(pusher->reader);
}

static void live_tell(const struct pusher *pusher)
{
	const struct hub *hub = pusher->hub;
	struct live live = {.started_us = (gint64)(hub->started_at * 1e6),
		.websocket = hub->count[CLIENT_KIND_WEBSOCKET],
		.stream = hub->count[CLIENT_KIND_STREAM],
		.poll = hub->count[CLIENT_KIND_POLL],
		.admitted = hub->numbers,
		.refused = hub->refused,
		.delivered = hub->delivered,
		.head = hub->head,
		.is_degraded = hub->is_degraded};

	live_write(pusher->live, &live);
}

static void tick_ready(struct ev_loop *loop, ev_timer *timer, int events)
{
	retry(timer->data);
	live_tell(timer->data);
}

static void stop_check(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct pusher *pusher = timer->data;
	static guint rounds;

	/* Ten looks in a second. */
	if (pusher->hub->clients->len == 0 || ++rounds >= 10)
		ev_break(loop, EVBREAK_ALL);
}

static void stop_ready(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct pusher *pusher = signal->data;

	if (pusher->hub->is_stopping)
		return;
	log_info("stopping", NULL);
	g_clear_pointer(&pusher->gate, gate_free);
	hub_stop(pusher->hub);
	ev_timer_init(&pusher->stop_timer, stop_check, 0.001, STOP_LIMIT_S / 10);
	pusher->stop_timer.data = pusher;
	ev_timer_start(loop, &pusher->stop_timer);
}

static struct lane *lane_make(struct pusher *pusher, const char *name, gboolean is_direct,
	const struct lane_calls *calls, gpointer data, GError **error)
{
	struct db *db = is_direct ? db_open_direct(pusher->conf, "muster_push", error)
				  : db_open(pusher->conf, "muster_push", error);
	if (db == NULL)
		return NULL;
	return lane_new(pusher->loop, db, name, conf_get_int(pusher->conf, "database.timeout_ms"),
		calls, data);
}

/* One pusher a run folder. */
static gboolean run_folder_take(struct pusher *pusher, GError **error)
{
	g_autofree char *lock = conf_get_run_path(pusher->conf, "pusher.lock");
	g_autofree char *wake = conf_get_run_path(pusher->conf, WAKE_PUSHER);

	if (!file_make_folder(conf_get(pusher->conf, "paths.run"), error))
		return FALSE;
	pusher->lock = file_lock(lock, error);
	if (pusher->lock < 0) {
		g_prefix_error(error, "another muster-pusher is running: ");
		return FALSE;
	}
	pusher->wake = wake_open(wake, error);
	pusher->live = pusher->wake >= 0 ? live_open(pusher->conf, error) : -1;
	return pusher->live >= 0;
}

static void descriptors_raise(struct pusher *pusher)
{
	rlim_t need = (rlim_t)conf_get_int(pusher->conf, "pusher.clients_max") + DESCRIPTORS_MORE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max != RLIM_INFINITY && need > limit.rlim_max) {
		g_autofree char *most =
			g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)limit.rlim_max);
		log_warning("the limit of open files is lower than pusher.clients_max needs",
			"limit", most, NULL);
		need = limit.rlim_max;
	}
	/* Not more than needed either: libwebsockets has a table of as many entries. */
	limit.rlim_cur = need;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static gboolean pusher_start(struct pusher *pusher, GError **error)
{
	static const struct lane_calls work_calls = {.state = work_state};
	static const struct lane_calls ingest_calls = {.state = ingest_state};

	descriptors_raise(pusher);
	pusher->key = secret_key_load(conf_get(pusher->conf, "secret.key_file"), FALSE, error);
	if (pusher->key == NULL || !run_folder_take(pusher, error))
		return FALSE;
	pusher->hub = hub_new(pusher->loop, pusher->conf);
	pusher->hub->calls = (struct hub_calls){replay_call, replay_end_call, snapshot_call,
		run_status_call, run_log_call, forget_call, pusher};
	pusher->work = lane_make(pusher, "work", FALSE, &work_calls, pusher, error);
	if (pusher->work == NULL)
		return FALSE;
	pusher->identity = identity_new(pusher->hub, pusher->work, pusher->key);
	pusher->reader = log_reader_new(pusher->hub, pusher->identity, pusher->work, pusher->conf);
	pusher->log = lane_make(pusher, "log", TRUE, &log_reader_calls, pusher->reader, error);
	pusher->ingest = lane_make(pusher, "ingest", FALSE, &ingest_calls, pusher, error);
	if (pusher->log == NULL || pusher->ingest == NULL)
		return FALSE;
	pusher->replay = replay_new(pusher->hub, pusher->work);
	pusher->snapshot = snapshot_new(pusher->hub, pusher->work);
	pusher->runs = runs_new(pusher->hub, pusher->work);
	pusher->reports = reports_new(pusher->loop, pusher->conf, pusher->reader, error);
	if (pusher->reports == NULL)
		return FALSE;
	pusher->ws = ws_new(pusher->hub, error);
	if (pusher->ws == NULL)
		return FALSE;
	pusher->gate = gate_new(pusher->hub, pusher->identity, pusher->ws, pusher->conf, error);
	if (pusher->gate == NULL)
		return FALSE;
	/* reports.c hands its events to the reader itself, before it could hear of them. */
	lane_ignore(pusher->log, pusher->ingest);
	log_reader_start(pusher->reader, pusher->log);
	reports_start(pusher->reports, pusher->ingest);
	ev_io_init(&pusher->wake_io, wake_ready, pusher->wake, EV_READ);
	ev_timer_init(&pusher->tick, tick_ready, 1., 1.);
	ev_signal_init(&pusher->term, stop_ready, SIGTERM);
	ev_signal_init(&pusher->interrupt, stop_ready, SIGINT);
	pusher->wake_io.data = pusher->tick.data = pusher;
	pusher->term.data = pusher->interrupt.data = pusher;
	ev_io_start(pusher->loop, &pusher->wake_io);
	ev_timer_start(pusher->loop, &pusher->tick);
	live_tell(pusher);
	ev_signal_start(pusher->loop, &pusher->term);
	ev_signal_start(pusher->loop, &pusher->interrupt);
	return TRUE;
}

static void pusher_stop(struct pusher *pusher)
{
	gate_free(pusher->gate);
	if (pusher->hub != NULL)
		hub_clear(pusher->hub);
	ws_free(pusher->ws);
	lane_free(pusher->log);
	lane_free(pusher->work);
	lane_free(pusher->ingest);
	reports_free(pusher->reports);
	replay_free(pusher->replay);
	snapshot_free(pusher->snapshot);
	runs_free(pusher->runs);
	log_reader_free(pusher->reader);
	identity_free(pusher->identity);
	hub_free(pusher->hub);
	secret_key_free(pusher->key);
	if (pusher->wake >= 0) {
		g_autofree char *path = conf_get_run_path(pusher->conf, WAKE_PUSHER);
		close(pusher->wake);
		unlink(path);
	}
	live_close(pusher->live);
	if (pusher->lock >= 0)
		close(pusher->lock);
	conf_free(pusher->conf);
}

static const char usage[] = "usage: muster-pusher [--conf FILE]\n"
			    "       muster-pusher --version\n"
			    "\n"
			    "Brings live updates to browsers. See muster-pusher(8).\n";

int main(int argc, char **argv)
{
	g_autofree char *file = NULL;
	gboolean is_version = FALSE;
	const GOptionEntry options[] = {
		{"conf", 0, 0, G_OPTION_ARG_FILENAME, &file, NULL, NULL},
		{"version", 0, 0, G_OPTION_ARG_NONE, &is_version, NULL, NULL},
		{NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	struct pusher pusher = {.lock = -1, .wake = -1, .live = -1};

	g_option_context_add_main_entries(context, options, NULL);
	g_option_context_set_help_enabled(context, FALSE);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
		fputs(usage, argc == 2 && !strcmp(argv[1], "--help") ? stdout : stderr);
		return argc == 2 && !strcmp(argv[1], "--help") ? EXIT_FINE : EXIT_USAGE;
	}
	if (is_version) {
		printf("muster-pusher %s\n", PACKAGE_VERSION);
		return EXIT_FINE;
	}
	/* A report of 20 MB passes through: what it took goes back to the system. */
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	signal(SIGPIPE, SIG_IGN);
	umask(0027);
	pusher.conf = conf_load(file, &error);
	if (pusher.conf == NULL) {
		log_init("muster-pusher", NULL);
		log_failure(LOG_LEVEL_ERROR, "the configuration is not usable", error);
		return EXIT_USAGE;
	}
	log_init("muster-pusher", pusher.conf);
	pusher.loop = ev_default_loop(EVBACKEND_EPOLL);
	if (pusher.loop == NULL || !pusher_start(&pusher, &error)) {
		if (error != NULL)
			log_failure(LOG_LEVEL_ERROR, "muster-pusher cannot start", error);
		pusher_stop(&pusher);
		return error != NULL && error->code == MUSTER_ERROR_INPUT ? EXIT_USAGE : EXIT_OTHER;
	}
	log_info("started", NULL);
	ev_run(pusher.loop, 0);
	pusher_stop(&pusher);
	return EXIT_FINE;
}
