/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pusher/dialect.h"
#include "pusher/gate.h"
#include "pusher/identity.h"

/* Reconnects after a restart are spread over this time. */
#define RETRY_LEAST_MS 1000
#define RETRY_SPREAD_MS 4000
#define POLL_EVENTS_MAX 1000
/* An answer is written at once: it has to fit into a socket that is empty. */
#define POLL_BYTES_MAX (96 * 1024)
#define POLL_TIMEOUT_S 25
#define POLL_TIMEOUT_MAX_S 50

#define HEAD                                                                                       \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"                    \
	"Cache-Control: no-cache, no-store\r\nX-Accel-Buffering: no\r\n"                           \
	"X-Content-Type-Options: nosniff\r\nConnection: close\r\n"

struct stream {
	struct client client;
	int fd;
	ev_io in, out;
	struct frame *rest; /* on its way; from rest_at on */
	enum form rest_form;
	gsize rest_at;
	guint rubbish; /* bytes that the client sent after its request */
	/* Long-poll only. */
	ev_timer timer;
	char *cors; /* headers of the answer */
	GString *events;
	guint events_count, events_max;
};

static struct stream *stream_of(struct client *client)
{
	return (struct stream *)client;
}

/* How much of bytes the socket took; -1 when it is gone. */
static gssize bytes_send(struct stream *stream, const char *bytes, gsize len)
{
	gssize sent = send(stream->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return 0;
	return sent;
}

static void rest_set(struct stream *stream, struct frame *frame, enum form form, gsize at)
{
	stream->rest = frame_ref(frame);
	stream->rest_form = form;
	stream->rest_at = at;
	ev_io_start(stream->client.hub->loop, &stream->out);
}

static void stream_write(struct client *client, struct frame *frame, enum form form)
{
	struct stream *stream = stream_of(client);
	gsize len;

	const char *bytes = frame_get(frame, form, &len);
	gssize sent = bytes_send(stream, bytes, len);
	if (sent < 0)
		client_gone(client);
	else if ((gsize)sent < len)
		rest_set(stream, frame, form, (gsize)sent);
}

static gboolean stream_is_choked(struct client *client)
{
	return stream_of(client)->rest != NULL;
}

static void stream_want_write(struct client *client)
{
	ev_io_start(client->hub->loop, &stream_of(client)->out);
}

static void out_ready(struct ev_loop *loop, ev_io *io, int events)
{
	struct stream *stream = io->data;
	struct client *client = &stream->client;

	if (stream->rest != NULL) {
		gsize len;
		const char *bytes = frame_get(stream->rest, stream->rest_form, &len);
		gssize sent = bytes_send(stream, bytes + stream->rest_at, len - stream->rest_at);
		if (sent < 0) {
			client_gone(client);
			ev_io_stop(loop, io);
			return;
		}
		stream->rest_at += (gsize)sent;
		if (stream->rest_at < len)
			return;
		g_clear_pointer(&stream->rest, frame_unref);
	}
	ev_io_stop(loop, io);
	client_drain(client);
}

static void in_ready(struct ev_loop *loop, ev_io *io, int events)
{
	struct stream *stream = io->data;
	char rubbish[512];
	gssize got = recv(stream->fd, rubbish, sizeof(rubbish), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* After its request a client has nothing to say. */
	stream->rubbish += got > 0 ? (guint)got : 0;
	if (got <= 0 || stream->rubbish > HEAD_MAX_BYTES) {
		ev_io_stop(loop, io);
		client_gone(&stream->client);
	}
}

static gboolean stream_beat(struct client *client)
{
	struct stream *stream = stream_of(client);
	/* The front takes what its own client does not: a choked one for many beats is dead. */
	if (stream->rest == NULL)
		client->seen_at = ev_now(client->hub->loop);
	return ev_now(client->hub->loop) - client->seen_at < 10 * client->hub->heartbeat_s;
}

static void stream_close(struct client *client, enum client_close code, const char *reason)
{
	struct stream *stream = stream_of(client);

	if (client->transport->kind == CLIENT_KIND_POLL && stream->events != NULL) {
		gate_answer(stream->fd, code == CLIENT_CLOSE_UNAUTHORIZED ? 401 : 503, reason);
	} else if (stream->rest == NULL && code == CLIENT_CLOSE_RESTART) {
		g_autofree char *retry = g_strdup_printf("retry: %d\n: %s\n\n",
			RETRY_LEAST_MS + g_random_int_range(0, RETRY_SPREAD_MS), reason);
		bytes_send(stream, retry, strlen(retry));
	}
	client_gone(client);
}

static void stream_free(struct client *client)
{
	struct stream *stream = stream_of(client);
	struct ev_loop *loop = client->hub->loop;

	client_clear(client);
	ev_io_stop(loop, &stream->in);
	ev_io_stop(loop, &stream->out);
	ev_timer_stop(loop, &stream->timer);
	close(stream->fd);
	frame_unref(stream->rest);
	g_free(stream->cors);
	if (stream->events != NULL)
		g_string_free(stream->events, TRUE);
	g_free(stream);
}

static void poll_write(struct client *client, struct frame *frame, enum form form)
{
	struct stream *stream = stream_of(client);
	gsize len;

	if (frame->id == 0 || stream->events == NULL)
		return; /* there is no place for other messages in its answer */
	const char *json = frame_get(frame, FORM_TEXT, &len);
	g_string_append_len(g_string_append(stream->events, stream->events_count > 0 ? "," : ""),
		json, (gssize)len);
	if (++stream->events_count >= stream->events_max || stream->events->len >= POLL_BYTES_MAX)
		stream_poll_answer(client, FALSE, frame->id);
}

static gboolean poll_is_choked(struct client *client)
{
	return FALSE;
}

static void poll_flush(struct client *client)
{
	if (stream_of(client)->events_count > 0 && client->is_current)
		stream_poll_answer(client, FALSE, client->cursor);
}

void stream_poll_answer(struct client *client, gboolean is_reset, gint64 head)
{
	struct stream *stream = stream_of(client);
	g_autoptr(GString) body = g_string_new("{\"events\":[");

	if (stream->events == NULL)
		return;
	g_string_append_len(body, stream->events->str, (gssize)stream->events->len);
	g_string_append_printf(body,
		"],\"last_event_id\":\"%" G_GINT64_FORMAT "\",\"reset\":%s,\"poll_after_s\":0}",
		head, is_reset ? "true" : "false");
	gate_answer_json(stream->fd, 200, stream->cors, body->str);
	g_string_free(g_steal_pointer(&stream->events), TRUE);
	client_gone(client);
}

static void poll_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct stream *stream = timer->data;
	struct client *client = &stream->client;
	stream_poll_answer(client, FALSE, client->cursor >= 0 ? client->cursor : client->hub->head);
}

static const struct transport transport_stream = {
	.kind = CLIENT_KIND_STREAM,
	.name = "sse",
	.write = stream_write,
	.is_choked = stream_is_choked,
	.want_write = stream_want_write,
	.beat = stream_beat,
	.close = stream_close,
	.free = stream_free,
};

static const struct transport transport_poll = {
	.kind = CLIENT_KIND_POLL,
	.name = "poll",
	.write = poll_write,
	.is_choked = poll_is_choked,
	.want_write = stream_want_write,
	.flush = poll_flush,
	.beat = stream_beat,
	.close = stream_close,
	.free = stream_free,
};

static double timeout_of(const struct head *head)
{
	const char *text = head_argument(head, "timeout_s");
	guint64 seconds = POLL_TIMEOUT_S;

	if (text != NULL &&
		!g_ascii_string_to_unsigned(text, 10, 1, POLL_TIMEOUT_MAX_S, &seconds, NULL))
		seconds = POLL_TIMEOUT_S;
	return (double)seconds;
}

static guint limit_of(const struct head *head)
{
	const char *text = head_argument(head, "limit");
	guint64 limit = POLL_EVENTS_MAX;

	if (text != NULL && !g_ascii_string_to_unsigned(text, 10, 1, POLL_EVENTS_MAX, &limit, NULL))
		limit = POLL_EVENTS_MAX;
	return (guint)limit;
}

void stream_open_client(struct hub *hub, int fd, const struct head *head, const struct conf *conf,
	struct session *session, gint64 after)
{
	struct stream *stream = g_new0(struct stream, 1);
	struct client *client = &stream->client;
	gboolean is_poll = g_str_has_suffix(head->path, "/wait");

	client->hub = hub;
	client->session = session;
	client->address = g_strdup(head->address);
	client->project = g_strdup(head_argument(head, "project_id"));
	client->transport = is_poll ? &transport_poll : &transport_stream;
	client->dialect = is_poll ? &dialect_poll : &dialect_stream;
	client->form = !g_strcmp0(head_argument(head, "named"), "1") ? FORM_SSE_NAMED : FORM_SSE;
	dialect_filter_text(client, head_argument(head, "event_types"));
	stream->fd = fd;
	stream->cors = head_cors(head, conf);
	ev_io_init(&stream->in, in_ready, fd, EV_READ);
	ev_io_init(&stream->out, out_ready, fd, EV_WRITE);
	ev_timer_init(&stream->timer, poll_timeout, timeout_of(head), 0.);
	stream->in.data = stream->out.data = stream->timer.data = stream;
	ev_io_start(hub->loop, &stream->in);
	if (is_poll) {
		stream->events = g_string_new(NULL);
		stream->events_max = limit_of(head);
		ev_timer_start(hub->loop, &stream->timer);
	} else {
		g_autofree char *answer = g_strdup_printf(HEAD "%s\r\nretry: %d\n\n", stream->cors,
			RETRY_LEAST_MS + g_random_int_range(0, RETRY_SPREAD_MS));
		/* A fresh socket takes this much. */
		bytes_send(stream, answer, strlen(answer));
	}
	client_start(client, after);
}
