/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/gate.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/json.h"
#include "lib/log.h"
#include "pusher/dialect.h"
#include "pusher/status.h"
#include "pusher/stream.h"

#define BACKLOG 4096
#define ACCEPTS_A_ROUND 64
#define HEAD_LIMIT_S 10
#define VISITORS_MAX 1024
/* A browser that has just signed in is here before the event that tells of its session. */
#define STRANGER_LIMIT_S 1.
#define STRANGER_AGAIN_S 0.02

/* Somebody whose request head has not come in full yet, or whom nobody knows yet (a stranger). */
struct visitor {
	struct gate *gate;
	int fd;
	ev_io io;
	GString *head;
	double deadline;
	GList link;
};

struct gate {
	struct hub *hub;
	struct identity *identity;
	struct ws *ws;
	const struct conf *conf;
	struct {
		char *path;
		ev_io io;
	} listeners[2];
	GQueue visitors, strangers;
	ev_timer tick, again;
};

/* clang-format off */
static const struct {
	guint status;
	const char *title;
} titles[] = {
	{ 200, "OK" }, { 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" },
	{ 404, "Not Found" }, { 405, "Method Not Allowed" }, { 413, "Too Large" },
	{ 426, "Upgrade Required" }, { 429, "Too Many Requests" }, { 503, "Service Unavailable" },
};

/* What a path is. role: the least that an answer at once needs; NULL: anybody. */
static const struct route {
	const char *path;
	const struct dialect *dialect; /* a WebSocket */
	gboolean is_run; /* the path goes on with its number */
	gboolean is_stream;
	status_function *status;
	const char *role;
} routes[] = {
	{ "/ws", .dialect = &dialect_audit },
	{ "/ws/run/", .is_run = TRUE, .dialect = &dialect_run },
	{ "/api/v1/dashboard/ws", .dialect = &dialect_dashboard },
	{ "/api/v1/sse/events", .is_stream = TRUE },
	{ "/api/v1/events/stream", .is_stream = TRUE },
	{ "/api/v1/events/wait", .is_stream = TRUE },
	{ "/api/ws/status", .status = status_health },
	{ "/api/v1/dashboard/ws/stats", .status = status_websocket, .role = "viewer" },
	{ "/api/v1/sse/stats", .status = status_stream, .role = "viewer" },
	{ "/api/ws/clients", .status = status_clients, .role = "org_admin" },
};
/* clang-format on */

static const char *title_of(guint status)
{
	for (gsize i = 0; i < G_N_ELEMENTS(titles); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

static void answer_write(int fd, guint status, const char *type, const char *more, const char *body)
{
	g_autofree char *text = g_strdup_printf(
		"HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n%s"
		"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
		"Connection: close\r\n\r\n%s",
		status, title_of(status), type, strlen(body), more, body);
	gsize len = strlen(text), at = 0;

	/* What a fresh socket does not take at once (over 200 KiB) is cut off, and seen as that. */
	while (at < len) {
		gssize sent = send(fd, text + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent <= 0)
			return;
		at += (gsize)sent;
	}
}

void gate_answer_json(int fd, guint status, const char *more, const char *json)
{
	answer_write(fd, status, "application/json", more, json);
}

void gate_answer(int fd, guint status, const char *detail)
{
	g_autoptr(json_object) problem = json_object_new_object();
	const char *more = status == 503   ? "Retry-After: 2\r\n"
			   : status == 429 ? "Retry-After: 30\r\n"
			   : status == 426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
			   : status == 405 ? "Allow: GET\r\n"
					   : "";

	dialect_add_text(problem, "type", "about:blank");
	dialect_add_text(problem, "title", title_of(status));
	json_object_object_add(problem, "status", json_object_new_int((int)status));
	dialect_add_text(problem, "detail", detail);
	answer_write(fd, status, "application/problem+json", more,
		json_object_to_json_string_ext(problem, JSON_C_TO_STRING_PLAIN));
}

static void refuse(int fd, const GError *error)
{
	guint status = error_http_status(error);

	if (error->code == MUSTER_ERROR_LIMIT)
		status = 429;
	log_debug("a connection was refused", "why", error->message, NULL);
	gate_answer(fd, status, error->message);
	close(fd);
}

static void status_give(
	struct gate *gate, const struct route *route, int fd, const struct head *head)
{
	g_autoptr(GError) error = NULL;
	struct session *session = NULL;

	if (route->role != NULL) {
		session = identity_find(gate->identity, head, &error);
		if (session != NULL && !status_may(session, route->role))
			g_set_error(&error, MUSTER_ERROR, MUSTER_ERROR_DENIED,
				"You may not do this here.");
	}
	if (error != NULL) {
		refuse(fd, error);
		return;
	}
	g_autoptr(json_object) answer = route->status(gate->hub, session);
	g_autofree char *cors = head_cors(head, gate->conf);
	gate_answer_json(fd, 200, cors,
		json_object_to_json_string_ext(
			answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	close(fd);
}

/* 0 where the path is not this route's; of one that ends with a number, that; else 1. */
static gint64 route_match(const struct route *route, const char *path)
{
	gint64 number = 0;

	if (!route->is_run)
		return !strcmp(route->path, path);
	return g_str_has_prefix(path, route->path) &&
			       g_ascii_string_to_signed(
				       path + strlen(route->path), 10, 1, G_MAXINT64, &number, NULL)
		       ? number
		       : 0;
}

/* FALSE: who it is may be known in a moment, and fd is not taken over; never with is_last. */
static gboolean live_give(struct gate *gate, const struct route *route, int fd,
	const struct head *head, gboolean is_last)
{
	g_autoptr(GError) error = NULL;
	gint64 after = -1;
	struct session *session = NULL;

	if (!conf_get_bool(gate->conf, "pusher.live"))
		g_set_error(&error, MUSTER_ERROR, MUSTER_ERROR_BUSY,
			"Live updates are switched off on this server.");
	else if (gate->hub->is_stopping || !gate->hub->is_ready)
		g_set_error(&error, MUSTER_ERROR, MUSTER_ERROR_BUSY,
			"Live updates are starting. Try again in a moment.");
	else if (head_check_origin(head, gate->conf, &error) &&
		 (route->dialect == NULL || head_check_upgrade(head, &error)) &&
		 head_cursor(head, &after, &error) &&
		 (session = identity_find(gate->identity, head, &error)) != NULL)
		hub_admit(gate->hub, session_account(session), head->address, &error);
	if (!is_last && g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_AUTH) &&
		identity_may_come(gate->identity, head))
		return FALSE;
	if (error != NULL)
		refuse(fd, error);
	else if (route->dialect != NULL)
		ws_open_client(gate->ws, fd, head, route->dialect, session, after,
			route->is_run ? route_match(route, head->path) : 0);
	else
		stream_open_client(gate->hub, fd, head, gate->conf, session, after);
	return TRUE;
}

/* A whole head; fd is taken over unless it is FALSE, as of live_give(). */
static gboolean request_give(
	struct gate *gate, int fd, const char *bytes, gsize len, gboolean is_last)
{
	g_autoptr(GError) error = NULL;
	struct head head;
	const struct route *route = NULL;
	gboolean is_taken = TRUE;

	if (!head_parse(&head, bytes, len, &error)) {
		refuse(fd, error);
		head_clear(&head);
		return TRUE;
	}
	for (gsize i = 0; i < G_N_ELEMENTS(routes) && route == NULL; i++)
		if (route_match(&routes[i], head.path) > 0)
			route = &routes[i];
	guint status = route == NULL                                       ? 404
		       : strcmp(head.method, "GET") != 0                   ? 405
		       : route->dialect != NULL && !head_is_upgrade(&head) ? 426
		       : route->dialect == NULL && head_is_upgrade(&head)  ? 400
									   : 0;
	if (status != 0) {
		gate_answer(fd, status,
			status == 404   ? "There is nothing at this address."
			: status == 405 ? "This address takes GET."
			: status == 426 ? "This address speaks WebSocket."
					: "This address has no other protocol to change to.");
		close(fd);
	} else if (route->status != NULL) {
		status_give(gate, route, fd, &head);
	} else {
		is_taken = live_give(gate, route, fd, &head, is_last);
	}
	head_clear(&head);
	return is_taken;
}

static struct visitor *visitor_new(struct gate *gate, int fd, const char *bytes, gsize len)
{
	struct visitor *visitor = g_new0(struct visitor, 1);

	visitor->gate = gate;
	visitor->fd = fd;
	visitor->head = g_string_new_len(bytes, (gssize)len);
	visitor->link.data = visitor;
	return visitor;
}

static void stranger_free(struct visitor *stranger)
{
	g_queue_unlink(&stranger->gate->strangers, &stranger->link);
	g_string_free(stranger->head, TRUE);
	g_free(stranger);
}

static void stranger_add(struct gate *gate, int fd, const char *bytes, gsize len)
{
	struct visitor *stranger = visitor_new(gate, fd, bytes, len);

	stranger->deadline = ev_now(gate->hub->loop) + STRANGER_LIMIT_S;
	g_queue_push_tail_link(&gate->strangers, &stranger->link);
	ev_timer_again(gate->hub->loop, &gate->again);
}

static void again_ready(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct gate *gate = timer->data;
	GList *next;

	for (GList *link = gate->strangers.head; link != NULL; link = next) {
		struct visitor *stranger = link->data;
		next = link->next;
		if (request_give(gate, stranger->fd, stranger->head->str, stranger->head->len,
			    stranger->deadline < ev_now(loop)))
			stranger_free(stranger);
	}
	if (gate->strangers.length == 0)
		ev_timer_stop(loop, timer);
}

static void visitor_free(struct visitor *visitor)
{
	ev_io_stop(visitor->gate->hub->loop, &visitor->io);
	g_queue_unlink(&visitor->gate->visitors, &visitor->link);
	g_string_free(visitor->head, TRUE);
	g_free(visitor);
}

/* Looks at what has come: FALSE while more is needed; else fd has been taken over. */
static gboolean head_take(struct gate *gate, int fd, const char *bytes, gsize len)
{
	gsize head = head_len(bytes, len);

	if (head == 0 && len < HEAD_MAX_BYTES)
		return FALSE;
	if (head == 0 || head < len) {
		gate_answer(fd, head == 0 ? 413 : 400,
			head == 0 ? "The request's head is too long."
				  : "Something follows the request's head.");
		close(fd);
		return TRUE;
	}
	if (!request_give(gate, fd, bytes, len, gate->strangers.length >= VISITORS_MAX))
		stranger_add(gate, fd, bytes, len);
	return TRUE;
}

static void visitor_ready(struct ev_loop *loop, ev_io *io, int events)
{
	struct visitor *visitor = io->data;
	struct gate *gate = visitor->gate;
	char bytes[HEAD_MAX_BYTES];
	int fd = visitor->fd;
	gssize got = recv(fd, bytes, sizeof(bytes) - visitor->head->len, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		visitor_free(visitor);
		close(fd);
		return;
	}
	g_string_append_len(visitor->head, bytes, got);
	g_autoptr(GString) head = g_string_new_len(visitor->head->str, (gssize)visitor->head->len);
	ev_io_stop(loop, io);
	if (head_take(gate, fd, head->str, head->len))
		visitor_free(visitor);
	else
		ev_io_start(loop, io);
}

static void visitor_add(struct gate *gate, int fd, const char *bytes, gsize len)
{
	if (gate->visitors.length >= VISITORS_MAX) {
		close(fd);
		return;
	}
	struct visitor *visitor = visitor_new(gate, fd, bytes, len);
	visitor->deadline = ev_now(gate->hub->loop) + HEAD_LIMIT_S;
	g_queue_push_tail_link(&gate->visitors, &visitor->link);
	ev_io_init(&visitor->io, visitor_ready, fd, EV_READ);
	visitor->io.data = visitor;
	ev_io_start(gate->hub->loop, &visitor->io);
}

static void listener_ready(struct ev_loop *loop, ev_io *io, int events)
{
	struct gate *gate = io->data;
	char bytes[HEAD_MAX_BYTES];

	for (guint i = 0; i < ACCEPTS_A_ROUND; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			/* Out of descriptors: the tick tries again, the loop does not spin. */
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
				errno == ENOMEM)
				ev_io_stop(loop, io);
			return;
		}
		/* A front sends the head at once: mostly it is there. */
		gssize got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			close(fd);
		else if (got < 0 || !head_take(gate, fd, bytes, (gsize)got))
			visitor_add(gate, fd, bytes, got > 0 ? (gsize)got : 0);
	}
}

static void tick_ready(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct gate *gate = timer->data;
	struct visitor *visitor;

	for (gsize i = 0; i < G_N_ELEMENTS(gate->listeners); i++)
		ev_io_start(loop, &gate->listeners[i].io);
	while ((visitor = g_queue_peek_head(&gate->visitors)) != NULL &&
		visitor->deadline < ev_now(loop)) {
		int fd = visitor->fd;
		visitor_free(visitor);
		close(fd);
	}
}

static int listener_open(const char *path, GError **error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >=
		sizeof(address.sun_path)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"%s is too long for a socket (107 bytes): set paths.run to a shorter "
			"folder",
			path);
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		chmod(path, 0660) < 0 || listen(fd, BACKLOG) < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "cannot listen on %s: %s", path,
			g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

struct gate *gate_new(struct hub *hub, struct identity *identity, struct ws *ws,
	const struct conf *conf, GError **error)
{
	static const char *const names[] = {"pusher.sock", "stream.sock"};
	struct gate *gate = g_new0(struct gate, 1);

	gate->hub = hub;
	gate->identity = identity;
	gate->ws = ws;
	gate->conf = conf;
	g_queue_init(&gate->visitors);
	g_queue_init(&gate->strangers);
	ev_timer_init(&gate->again, again_ready, 0., STRANGER_AGAIN_S);
	gate->again.data = gate;
	ev_timer_init(&gate->tick, tick_ready, 1., 1.);
	gate->tick.data = gate;
	ev_timer_start(hub->loop, &gate->tick);
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		gate->listeners[i].path = conf_get_run_path(conf, names[i]);
		int fd = listener_open(gate->listeners[i].path, error);
		ev_io_init(&gate->listeners[i].io, listener_ready, fd, EV_READ);
		gate->listeners[i].io.data = gate;
		if (fd < 0) {
			gate_free(gate);
			return NULL;
		}
		ev_io_start(hub->loop, &gate->listeners[i].io);
	}
	return gate;
}

void gate_free(struct gate *gate)
{
	struct visitor *visitor;

	if (gate == NULL)
		return;
	ev_timer_stop(gate->hub->loop, &gate->tick);
	ev_timer_stop(gate->hub->loop, &gate->again);
	for (gsize i = 0; i < G_N_ELEMENTS(gate->listeners); i++) {
		if (gate->listeners[i].path == NULL)
			continue;
		ev_io_stop(gate->hub->loop, &gate->listeners[i].io);
		if (gate->listeners[i].io.fd >= 0) {
			close(gate->listeners[i].io.fd);
			unlink(gate->listeners[i].path);
		}
		g_free(gate->listeners[i].path);
	}
	while ((visitor = g_queue_peek_head(&gate->visitors)) != NULL) {
		int fd = visitor->fd;
		visitor_free(visitor);
		close(fd);
	}
	while ((visitor = g_queue_peek_head(&gate->strangers)) != NULL) {
		int fd = visitor->fd;
		stranger_free(visitor);
		close(fd);
	}
	g_free(gate);
}
