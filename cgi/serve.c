/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgi/fastcgi.h"
#include "cgi/meter.h"
#include "cgi/rate.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/log.h"

#define SOCKET_NAME "api.sock"
#define LOCK_NAME "api.lock"
#define BACKLOG 1024
/* A worker that crashed younger than this counts as one that cannot start. */
#define YOUNG_US (5 * G_USEC_PER_SEC)
#define PAUSE_MAX_MS 5000
#define STOP_LIMIT_US (30 * G_USEC_PER_SEC)

struct slot {
	pid_t pid; /* 0: nobody */
	gint64 started_us, start_at_us;
	guint crashes; /* in a row, each young */
};

struct serve {
	serve_load load;
	serve_unload unload;
	void *data;
	struct api *api;
	struct rate_table *rates;
	struct meter *meter;
	int listen_fd, lock_fd;
	char *path; /* of our socket; NULL when it was handed over */
	GArray *slots;
	sigset_t signals, before;
};

gboolean serve_is_listening(int fd)
{
	int value = 0;
	socklen_t len = sizeof(value);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value != 0;
}

static gboolean socket_open(struct serve *serve, GError **error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct conf *conf = serve->api->conf;
	g_autofree char *lock = conf_get_run_path(conf, LOCK_NAME);

	serve->path = conf_get_run_path(conf, SOCKET_NAME);
	if (g_strlcpy(address.sun_path, serve->path, sizeof(address.sun_path)) >=
		sizeof(address.sun_path)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"%s is too long for a socket (107 bytes): set paths.run to a shorter "
			"folder",
			serve->path);
		return FALSE;
	}
	if (!file_make_folder(conf_get(conf, "paths.run"), error))
		return FALSE;
	/* The lock says whether a socket file that lies there is anybody's. */
	serve->lock_fd = file_lock(lock, error);
	if (serve->lock_fd < 0) {
		g_prefix_error(error, "another api.fcgi serves %s: ", serve->path);
		return FALSE;
	}
	serve->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(serve->path);
	if (serve->listen_fd < 0 ||
		bind(serve->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		chmod(serve->path, 0660) < 0 || listen(serve->listen_fd, BACKLOG) < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "cannot listen on %s: %s",
			serve->path, g_strerror(errno));
		return FALSE;
	}
	return TRUE;
}

static gboolean socket_take(struct serve *serve, GError **error)
{
	if (!serve_is_listening(STDIN_FILENO))
		return socket_open(serve, error);
	serve->listen_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (serve->listen_fd < 0 || fcntl(serve->listen_fd, F_SETFL, O_NONBLOCK) < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "standard input: %s",
			g_strerror(errno));
		return FALSE;
	}
	return TRUE;
}

static _Noreturn void worker_run(struct serve *serve, pid_t parent, guint place)
{
	/* A parent that was killed cannot tell us to stop. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_OTHER);
	g_autoptr(GError) error = NULL;
	serve->api->db = db_open(serve->api->conf, "muster_api", &error);
	if (serve->api->db == NULL) {
		log_failure(LOG_LEVEL_ERROR, "a worker cannot start", error);
		_exit(EXIT_OTHER);
	}
	serve->api->listen_fd = serve->listen_fd;
	serve->api->place = &serve->meter->workers[place];
	*serve->api->place = (struct meter_worker){.pid = getpid()};
	db_watch(serve->api->db, &serve->api->place->use);
	fastcgi_serve(serve->api, serve->listen_fd, &serve->before);
	db_free(serve->api->db);
	_exit(EXIT_FINE);
}

static void slot_start(struct serve *serve, guint place)
{
	struct slot *slot = &g_array_index(serve->slots, struct slot, place);
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0)
		worker_run(serve, parent, place);
	slot->started_us = g_get_monotonic_time();
	if (pid < 0) {
		log_error("cannot start a worker", "error", g_strerror(errno), NULL);
		slot->start_at_us = slot->started_us + G_USEC_PER_SEC;
		return;
	}
	slot->pid = pid;
	meter_add(&serve->meter->worker_starts, 1);
}

/* Starts whoever is due; returns the time until the next one is, -1 for never. */
static gint64 slots_start(struct serve *serve)
{
	gint64 wait_us = -1;

	for (guint i = 0; i < serve->slots->len; i++) {
		struct slot *slot = &g_array_index(serve->slots, struct slot, i);
		gint64 left_us = slot->start_at_us - g_get_monotonic_time();
		gboolean is_wanted = i < (guint)conf_get_int(serve->api->conf, "api.workers");
		if (slot->pid == 0 && is_wanted && left_us <= 0) {
			slot_start(serve, i);
			left_us = slot->start_at_us - g_get_monotonic_time();
		}
		if (slot->pid == 0 && is_wanted)
			wait_us = wait_us < 0 ? MAX(left_us, 0) : MIN(wait_us, MAX(left_us, 0));
	}
	return wait_us;
}

static void slot_end(struct serve *serve, guint place, int status)
{
	struct slot *slot = &g_array_index(serve->slots, struct slot, place);
	gint64 now_us = g_get_monotonic_time();
	gboolean is_crash = !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_FINE;
	gboolean is_young = now_us - slot->started_us < YOUNG_US;

	slot->crashes = is_crash && is_young ? slot->crashes + 1 : 0;
	guint pause_ms = slot->crashes < 2 ? 0 : MIN(50u << MIN(slot->crashes, 10u), PAUSE_MAX_MS);
	slot->start_at_us = now_us + pause_ms * 1000;
	if (is_crash) {
		g_autofree char *pid = g_strdup_printf("%d", (int)slot->pid);
		g_autofree char *how = WIFSIGNALED(status)
					       ? g_strdup_printf("signal %d", WTERMSIG(status))
					       : g_strdup_printf("exit %d", WEXITSTATUS(status));
		log_error("a worker crashed", "pid", pid, "how", how, NULL);
		meter_add(&serve->meter->worker_crashes, 1);
	}
	serve->meter->workers[place] = (struct meter_worker){0};
	slot->pid = 0;
}

static guint slots_reap(struct serve *serve)
{
	guint alive = 0;
	int status;

	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		for (guint i = 0; i < serve->slots->len; i++) {
			struct slot *slot = &g_array_index(serve->slots, struct slot, i);
			if (slot->pid == pid)
				slot_end(serve, i, status);
		}
	for (guint i = 0; i < serve->slots->len; i++)
		alive += g_array_index(serve->slots, struct slot, i).pid != 0;
	return alive;
}

static void slots_signal(struct serve *serve, int signal_number)
{
	for (guint i = 0; i < serve->slots->len; i++) {
		const struct slot *slot = &g_array_index(serve->slots, struct slot, i);
		if (slot->pid != 0)
			kill(slot->pid, signal_number);
	}
}

static int signal_wait(const struct serve *serve, gint64 wait_us)
{
	struct timespec limit = {wait_us / G_USEC_PER_SEC, wait_us % G_USEC_PER_SEC * 1000};
	return wait_us < 0 ? sigwaitinfo(&serve->signals, NULL)
			   : sigtimedwait(&serve->signals, NULL, &limit);
}

static void slots_make_room(struct serve *serve)
{
	guint wanted = (guint)conf_get_int(serve->api->conf, "api.workers");
	/* Never fewer: one that is still at its last request keeps its slot. */
	if (wanted > serve->slots->len)
		g_array_set_size(serve->slots, wanted);
}

/*
 * One table for the program's whole life, so that reloading forgives nobody. Without a file we
 * serve all the same.
 */
static struct rate_table *rates_wanted(struct serve *serve, const struct conf *conf)
{
	g_autoptr(GError) error = NULL;

	if (!conf_get_bool(conf, "api.rate_limit"))
		return NULL;
	if (serve->rates == NULL)
		serve->rates = rate_table_open(conf, &error);
	if (error != NULL)
		log_failure(LOG_LEVEL_WARNING, "nobody is limited on this host", error);
	return serve->rates;
}

/* Of the program's whole life, too; another process' place would be wrong in it. */
static void meter_start(struct serve *serve)
{
	g_autoptr(GError) error = NULL;

	serve->meter = meter_open(serve->api->conf, &error);
	if (error != NULL)
		log_failure(LOG_LEVEL_WARNING, "plain CGI is not counted on this host", error);
	meter_begin(serve->meter);
	serve->api->meter = serve->meter;
}

static void reload(struct serve *serve)
{
	g_autoptr(GError) error = NULL;
	struct api *fresh = serve->load(serve->data, &error);

	if (fresh == NULL) {
		log_failure(LOG_LEVEL_ERROR, "not reloaded, the old configuration stays", error);
		return;
	}
	fresh->rates = rates_wanted(serve, fresh->conf);
	fresh->meter = serve->meter;
	meter_add(&serve->meter->reloads, 1);
	serve->unload(serve->api);
	serve->api = fresh;
	slots_make_room(serve);
	slots_signal(serve, SIGTERM);
	log_info("reloaded", NULL);
}

static void stop(struct serve *serve)
{
	gint64 limit_us = g_get_monotonic_time() + STOP_LIMIT_US;

	slots_signal(serve, SIGTERM);
	while (slots_reap(serve) > 0) {
		if (g_get_monotonic_time() >= limit_us)
			slots_signal(serve, SIGKILL);
		signal_wait(serve, G_USEC_PER_SEC / 10);
	}
	if (serve->path != NULL)
		unlink(serve->path);
	log_info("stopped", NULL);
}

static void watch(struct serve *serve)
{
	for (;;) {
		switch (signal_wait(serve, slots_start(serve))) {
		case SIGTERM:
		case SIGINT:
			return;
		case SIGHUP:
			reload(serve);
			break;
		default: /* SIGCHLD, or somebody's pause is over */
			slots_reap(serve);
		}
	}
}

int serve_run(serve_load load, serve_unload unload, void *data)
{
	g_autoptr(GError) error = NULL;
	struct serve serve = {
		.load = load, .unload = unload, .data = data, .listen_fd = -1, .lock_fd = -1};

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&serve.signals);
	const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
	for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++)
		sigaddset(&serve.signals, wanted[i]);
	sigprocmask(SIG_BLOCK, &serve.signals, &serve.before);

	serve.api = load(data, &error);
	gboolean is_open = serve.api != NULL && socket_take(&serve, &error);
	if (is_open) {
		serve.api->rates = rates_wanted(&serve, serve.api->conf);
		meter_start(&serve);
		serve.slots = g_array_new(FALSE, TRUE, sizeof(struct slot));
		slots_make_room(&serve);
		log_info("serving", "socket", serve.path != NULL ? serve.path : "standard input",
			NULL);
		watch(&serve);
		stop(&serve);
		g_array_unref(serve.slots);
	} else {
		log_failure(LOG_LEVEL_ERROR, "cannot start", error);
	}
	if (serve.listen_fd >= 0)
		close(serve.listen_fd);
	if (serve.lock_fd >= 0)
		close(serve.lock_fd);
	g_free(serve.path);
	unload(serve.api);
	return is_open                                                    ? EXIT_FINE
	       : g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_INPUT) ? EXIT_USAGE
									  : EXIT_OTHER;
}
