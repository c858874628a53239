/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/lane.h"

#include "lib/error.h"
#include "lib/log.h"

#define RETRY_LEAST_S 0.05
#define RETRY_MOST_S 2.0
#define CONNECT_LIMIT_S 10
/* Over the statement's own limit: the server's cancellation comes first. */
#define ANSWER_MARGIN_S 5

struct statement {
	const char *sql;
	char **params;
	lane_done done;
	gpointer data;
};

enum lane_state {
	LANE_UNSET,
	LANE_WAITING,
	LANE_CONNECTING,
	LANE_GREETING,
	LANE_UP
};

struct lane {
	struct ev_loop *loop;
	struct db *db;
	char *name;
	struct lane_calls calls;
	gpointer data;
	const char *greeting;
	const struct lane *ignored;
	enum lane_state state;
	gboolean is_told_up, is_failing;
	ev_io io;
	ev_timer timer; /* the pause before connecting again, or the limit of what is under way */
	double retry_s, answer_s;
	GQueue line; /* of struct statement */
	struct statement *current;
	guint results; /* so far */
};

static void lane_next(struct lane *lane);

static void statement_free(struct statement *statement)
{
	g_strfreev(statement->params);
	g_free(statement);
}

static void timer_set(struct lane *lane, double after_s)
{
	ev_timer_stop(lane->loop, &lane->timer);
	if (after_s <= 0)
		return;
	/* The loop's clock may be old when a callback took long. */
	ev_timer_set(&lane->timer, after_s + ev_time() - ev_now(lane->loop), 0.);
	ev_timer_start(lane->loop, &lane->timer);
}

static void io_set(struct lane *lane, int events)
{
	int fd = db_fd(lane->db);

	if (ev_is_active(&lane->io) && lane->io.fd == fd && (lane->io.events & 3) == events)
		return;
	ev_io_stop(lane->loop, &lane->io);
	if (fd < 0)
		return;
	ev_io_set(&lane->io, fd, events);
	ev_io_start(lane->loop, &lane->io);
}

static void state_tell(struct lane *lane, gboolean is_up)
{
	if (lane->is_told_up == is_up)
		return;
	lane->is_told_up = is_up;
	if (lane->calls.state != NULL)
		lane->calls.state(lane->data, is_up);
}

static void current_finish(struct lane *lane, const struct db_result *result, const GError *error)
{
	struct statement *statement = g_steal_pointer(&lane->current);

	if (statement == NULL)
		return;
	if (statement->done != NULL)
		statement->done(statement->data, result, error);
	statement_free(statement);
}

static void lane_lost(struct lane *lane, const GError *error)
{
	if (!lane->is_failing) {
		const char *detail = db_error_detail(lane->db);
		g_autofree char *text =
			g_strchomp(g_strdup(detail != NULL ? detail : error->message));
		log_warning(db_error_remedy(lane->db) != NULL
				    ? "the database does not let the pusher in"
				    : "the database cannot be reached",
			"lane", lane->name, "error", text,
			db_error_remedy(lane->db) != NULL ? "remedy" : NULL,
			db_error_remedy(lane->db), NULL);
	}
	lane->is_failing = TRUE;
	ev_io_stop(lane->loop, &lane->io);
	db_disconnect(lane->db);
	lane->state = LANE_WAITING;
	timer_set(lane, lane->retry_s);
	lane->retry_s = MIN(lane->retry_s * 2, RETRY_MOST_S);
	state_tell(lane, FALSE);
	current_finish(lane, NULL, error);
}

static void lane_up(struct lane *lane)
{
	lane->state = LANE_UP;
	lane->retry_s = RETRY_LEAST_S;
	timer_set(lane, 0);
	io_set(lane, EV_READ);
	if (lane->is_failing)
		log_info("the database is back", "lane", lane->name, NULL);
	lane->is_failing = FALSE;
	state_tell(lane, TRUE);
	lane_next(lane);
}

static void lane_connected(struct lane *lane)
{
	g_autoptr(GError) error = NULL;

	if (lane->greeting == NULL) {
		lane_up(lane);
		return;
	}
	lane->state = LANE_GREETING;
	if (!db_send(lane->db, lane->greeting, 0, NULL, &error)) {
		lane_lost(lane, error);
		return;
	}
	timer_set(lane, CONNECT_LIMIT_S);
	io_set(lane, EV_READ | (db_is_flushing(lane->db) ? EV_WRITE : 0));
}

static void connect_continue(struct lane *lane)
{
	gboolean is_done = FALSE, is_writing = FALSE;
	g_autoptr(GError) error = NULL;

	/* The descriptor may become another one of the same number: the watcher starts afresh. */
	ev_io_stop(lane->loop, &lane->io);
	if (!db_connect_poll(lane->db, &is_done, &is_writing, &error)) {
		lane_lost(lane, error);
		return;
	}
	if (is_done)
		lane_connected(lane);
	else
		io_set(lane, is_writing ? EV_WRITE : EV_READ);
}

static void connect_begin(struct lane *lane)
{
	g_autoptr(GError) error = NULL;

	if (!db_connect_start(lane->db, &error)) {
		lane_lost(lane, error);
		return;
	}
	lane->state = LANE_CONNECTING;
	timer_set(lane, CONNECT_LIMIT_S);
	io_set(lane, EV_WRITE);
}

static void timer_ready(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct lane *lane = timer->data;

	if (lane->state == LANE_WAITING) {
		connect_begin(lane);
		return;
	}
	g_autoptr(GError) error = g_error_new_literal(
		MUSTER_ERROR, MUSTER_ERROR_BUSY, "the database does not answer");
	lane_lost(lane, error);
}

/* The greeting's or the current statement's result. */
static gboolean result_take(struct lane *lane)
{
	g_autoptr(db_result) result = NULL;
	g_autoptr(GError) error = NULL;
	gboolean is_done = FALSE;
	gboolean ok = db_receive(lane->db, &is_done, &result, &error);

	if (!ok && db_fd(lane->db) < 0) {
		lane_lost(lane, error);
		return FALSE;
	}
	if (ok && !is_done)
		return TRUE;
	lane->results++;
	timer_set(lane, 0);
	if (lane->state == LANE_GREETING) {
		if (!ok)
			log_failure(LOG_LEVEL_WARNING, "the database cannot notify", error);
		lane_up(lane);
		return lane->state == LANE_UP;
	}
	if (!ok)
		log_debug("a statement failed", "lane", lane->name, "detail",
			db_error_detail(lane->db), NULL);
	current_finish(lane, result, error);
	if (lane->state != LANE_UP)
		return FALSE;
	lane_next(lane);
	return lane->state == LANE_UP;
}

static void io_ready(struct ev_loop *loop, ev_io *io, int events)
{
	struct lane *lane = io->data;
	g_autoptr(GError) error = NULL;
	guint notifications = 0;

	if (lane->state == LANE_CONNECTING) {
		connect_continue(lane);
		return;
	}
	if ((events & EV_WRITE) && !db_flush(lane->db, &error)) {
		lane_lost(lane, error);
		return;
	}
	io_set(lane, EV_READ | (db_is_flushing(lane->db) ? EV_WRITE : 0));
	if (lane->ignored != NULL)
		db_ignore(lane->db, lane->ignored->db);
	if (lane->state != LANE_GREETING && lane->current == NULL) {
		if (!db_consume(lane->db, &notifications, &error)) {
			lane_lost(lane, error);
			return;
		}
	} else {
		/* Again as long as results come: whatever is read must be looked at. */
		guint before;
		do {
			before = lane->results;
			if (!result_take(lane))
				return;
		} while (lane->results != before && lane->current != NULL);
		notifications = db_notifications(lane->db);
	}
	if (notifications > 0 && lane->calls.notify != NULL)
		lane->calls.notify(lane->data);
}

static void lane_next(struct lane *lane)
{
	g_autoptr(GError) error = NULL;

	if (lane->state != LANE_UP || lane->current != NULL || g_queue_is_empty(&lane->line))
		return;
	struct statement *s = lane->current = g_queue_pop_head(&lane->line);
	int n = s->params != NULL ? (int)g_strv_length(s->params) : 0;
	if (!db_send(lane->db, s->sql, n, (const char *const *)s->params, &error)) {
		lane_lost(lane, error);
		return;
	}
	timer_set(lane, lane->answer_s);
	io_set(lane, EV_READ | (db_is_flushing(lane->db) ? EV_WRITE : 0));
}

struct lane *lane_new(struct ev_loop *loop, struct db *db, const char *name, gint64 timeout_ms,
	const struct lane_calls *calls, gpointer data)
{
	struct lane *lane = g_new0(struct lane, 1);

	lane->loop = loop;
	lane->db = db;
	lane->name = g_strdup(name);
	lane->calls = *calls;
	lane->data = data;
	lane->retry_s = RETRY_LEAST_S;
	lane->answer_s = (double)timeout_ms / 1000. + ANSWER_MARGIN_S;
	lane->state = LANE_WAITING;
	g_queue_init(&lane->line);
	ev_init(&lane->io, io_ready);
	ev_init(&lane->timer, timer_ready);
	lane->io.data = lane->timer.data = lane;
	timer_set(lane, 0.0001);
	return lane;
}

void lane_free(struct lane *lane)
{
	if (lane == NULL)
		return;
	ev_io_stop(lane->loop, &lane->io);
	ev_timer_stop(lane->loop, &lane->timer);
	if (lane->current != NULL)
		statement_free(lane->current);
	g_queue_clear_full(&lane->line, (GDestroyNotify)statement_free);
	db_free(lane->db);
	g_free(lane->name);
	g_free(lane);
}

gboolean lane_is_up(const struct lane *lane)
{
	return lane->state == LANE_UP;
}

void lane_send(struct lane *lane, const char *sql, char **params, lane_done done, gpointer data)
{
	struct statement *statement = g_new(struct statement, 1);

	*statement = (struct statement){sql, params, done, data};
	g_queue_push_tail(&lane->line, statement);
	lane_next(lane);
}

void lane_ignore(struct lane *lane, const struct lane *other)
{
	lane->ignored = other;
}

void lane_set_greeting(struct lane *lane, const char *sql)
{
	lane->greeting = sql;
}

void lane_renew(struct lane *lane)
{
	if (lane->state != LANE_UP || lane->current != NULL)
		return;
	ev_io_stop(lane->loop, &lane->io);
	connect_begin(lane);
}
