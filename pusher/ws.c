/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/ws.h"

#include <string.h>

#include <libwebsockets.h>

#include "lib/error.h"
#include "lib/log.h"

/* A client's frames come in pieces of this size; it is memory of each client. */
#define RX_BYTES 1024
/* libwebsockets sends no more at once, and would keep the rest. */
#define TX_BYTES (WS_PIECE_BYTES * 2)
#define BEATS_MUTE 3

struct ws_client {
	struct client client;
	struct ws *ws;
	struct lws *wsi; /* NULL: gone */
	gboolean is_started, is_closing;
	enum client_close close_code;
	const char *close_reason;
	GString *message;    /* what has come of one, or NULL */
	struct frame *large; /* on its way in pieces; from large_at on */
	enum form large_form;
	gsize large_at;
};

struct ws {
	struct hub *hub;
	struct lws_context *context;
	struct lws_vhost *vhost;
	struct ws_client *adopting;
	void *loops[1];
	unsigned char piece[LWS_PRE + WS_PIECE_BYTES];
};

static struct ws_client *ws_client_of(struct client *client)
{
	return (struct ws_client *)client;
}

/* The next pieces of a long message, until the socket is full. */
static void large_continue(struct ws_client *self)
{
	struct ws *ws = self->ws;

	while (self->large != NULL && !lws_partial_buffered(self->wsi)) {
		gsize len;
		const char *bytes = frame_get(self->large, self->large_form, &len);
		gsize piece = MIN(len - self->large_at, WS_PIECE_BYTES);
		gboolean is_first = self->large_at == 0, is_last = self->large_at + piece == len;
		/* The room before a piece is the end of the one before: it goes by way of a copy.
		 */
		memcpy(ws->piece + LWS_PRE, bytes + self->large_at, piece);
		if (lws_write(self->wsi, ws->piece + LWS_PRE, piece,
			    (enum lws_write_protocol)lws_write_ws_flags(
				    LWS_WRITE_TEXT, is_first, is_last)) < (int)piece) {
			client_gone(&self->client);
			return;
		}
		self->large_at += piece;
		if (is_last)
			g_clear_pointer(&self->large, frame_unref);
	}
	if (self->large != NULL)
		lws_callback_on_writable(self->wsi);
}

static void ws_write(struct client *client, struct frame *frame, enum form form)
{
	struct ws_client *self = ws_client_of(client);
	gsize len;

	if (self->wsi == NULL)
		return;
	char *bytes = frame_get(frame, form, &len);
	if (len > WS_PIECE_BYTES) {
		self->large = frame_ref(frame);
		self->large_form = form;
		self->large_at = 0;
		large_continue(self);
	} else if (lws_write(self->wsi, (unsigned char *)bytes, len, LWS_WRITE_TEXT) < (int)len) {
		client_gone(client);
	}
}

static gboolean ws_is_choked(struct client *client)
{
	struct ws_client *self = ws_client_of(client);
	return self->wsi == NULL || self->large != NULL || lws_partial_buffered(self->wsi);
}

static void ws_want_write(struct client *client)
{
	struct ws_client *self = ws_client_of(client);
	if (self->wsi != NULL)
		lws_callback_on_writable(self->wsi);
}

static gboolean ws_beat(struct client *client)
{
	struct ws_client *self = ws_client_of(client);
	unsigned char room[LWS_PRE + 24];
	double mute_s = ev_now(client->hub->loop) - client->seen_at;

	if (self->wsi == NULL || mute_s > BEATS_MUTE * client->hub->heartbeat_s)
		return FALSE;
	if (ws_is_choked(client))
		return TRUE;
	gsize len = (gsize)g_snprintf(
		(char *)room + LWS_PRE, 24, "%" G_GINT64_FORMAT, client->hub->head);
	return lws_write(self->wsi, room + LWS_PRE, len, LWS_WRITE_PING) >= 0;
}

static void ws_close(struct client *client, enum client_close code, const char *reason)
{
	struct ws_client *self = ws_client_of(client);

	/* One that does not read would not see the goodbye either. */
	if (ws_is_choked(client)) {
		client_gone(client);
		return;
	}
	self->is_closing = TRUE;
	self->close_code = code;
	self->close_reason = reason;
	lws_callback_on_writable(self->wsi);
}

static void memory_free(struct ws_client *self)
{
	if (self->message != NULL)
		g_string_free(self->message, TRUE);
	frame_unref(self->large);
	g_free(self);
}

static void ws_free_client(struct client *client)
{
	struct ws_client *self = ws_client_of(client);

	client_clear(client);
	if (self->wsi != NULL) {
		lws_set_wsi_user(self->wsi, NULL);
		lws_set_timeout(self->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_SYNC);
	}
	memory_free(self);
}

static const struct transport transport_ws = {
	.kind = CLIENT_KIND_WEBSOCKET,
	.name = "websocket",
	.write = ws_write,
	.is_choked = ws_is_choked,
	.want_write = ws_want_write,
	.beat = ws_beat,
	.close = ws_close,
	.free = ws_free_client,
};

/* A piece of a message; the whole goes on. Returns FALSE when the client goes too far. */
static void message_take(struct ws_client *self, const char *bytes, gsize len)
{
	struct client *client = &self->client;
	gsize most = (gsize)conf_get_int(client->hub->conf, "pusher.message_max_bytes");

	client->seen_at = ev_now(client->hub->loop);
	if (lws_is_first_fragment(self->wsi) && self->message == NULL)
		self->message = g_string_sized_new(len);
	if (self->message == NULL || client->is_ended)
		return;
	if (self->message->len + len > most) {
		client_end(client, CLIENT_CLOSE_TOO_BIG, "the message is too long");
		return;
	}
	g_string_append_len(self->message, bytes, (gssize)len);
	if (!lws_is_final_fragment(self->wsi))
		return;
	g_autoptr(GString) message = g_steal_pointer(&self->message);
	if (lws_frame_is_binary(self->wsi))
		client_end(client, CLIENT_CLOSE_POLICY, "messages are text");
	else
		client_receive(client, message->str, message->len);
}

static int goodbye(struct ws_client *self)
{
	lws_close_reason(self->wsi, (enum lws_close_status)self->close_code,
		(unsigned char *)self->close_reason, strlen(self->close_reason));
	return -1;
}

static int callback(
	struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct ws_client *self = user;
	char upgrade[16];

	switch (reason) {
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		/* The pointer that comes along may be stale (lws 4.1): a copy of our own. */
		return lws_hdr_copy(wsi, upgrade, sizeof(upgrade), WSI_TOKEN_UPGRADE) > 0 &&
				       !g_ascii_strcasecmp(upgrade, "websocket")
			       ? 0
			       : -1;
	case LWS_CALLBACK_FILTER_HTTP_CONNECTION:
	case LWS_CALLBACK_HTTP:
		return -1;
	case LWS_CALLBACK_ESTABLISHED: {
		struct ws *ws = lws_context_user(lws_get_context(wsi));
		self = g_steal_pointer(&ws->adopting);
		if (self == NULL)
			return -1;
		self->wsi = wsi;
		lws_set_wsi_user(wsi, self);
		return 0;
	}
	case LWS_CALLBACK_RECEIVE:
		if (self != NULL)
			message_take(self, in, len);
		return 0;
	case LWS_CALLBACK_RECEIVE_PONG:
		if (self != NULL)
			self->client.seen_at = ev_now(self->ws->hub->loop);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		if (self == NULL)
			return -1;
		if (self->is_closing)
			return goodbye(self);
		self->client.seen_at = ev_now(self->ws->hub->loop);
		large_continue(self);
		client_drain(&self->client);
		return self->is_closing && !ws_is_choked(&self->client) ? goodbye(self) : 0;
	case LWS_CALLBACK_CLOSED:
		if (self == NULL)
			return 0;
		self->wsi = NULL;
		if (self->is_started)
			client_gone(&self->client);
		return 0;
	default:
		return 0;
	}
}

static const struct lws_protocols protocols[] = {
	{.name = "muster",
		.callback = callback,
		.rx_buffer_size = RX_BYTES,
		.tx_packet_size = TX_BYTES},
	{.name = NULL},
};

void ws_open_client(struct ws *ws, int fd, const struct head *head, const struct dialect *dialect,
	struct session *session, gint64 after, gint64 run)
{
	struct ws_client *self = g_new0(struct ws_client, 1);
	struct client *client = &self->client;

	self->ws = ws;
	client->hub = ws->hub;
	client->session = session;
	client->transport = &transport_ws;
	client->dialect = dialect;
	g_autofree char *handshake = g_strdup_printf(
		"GET / HTTP/1.1\r\nHost: muster\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
		head->key);
	ws->adopting = self;
	struct lws *wsi =
		lws_adopt_socket_vhost_readbuf(ws->vhost, fd, handshake, strlen(handshake));
	if (ws->adopting != NULL || self->wsi == NULL) {
		log_warning("a WebSocket could not be opened", NULL);
		if (wsi != NULL && ws->adopting != NULL)
			lws_set_timeout(wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_SYNC);
		ws->adopting = NULL;
		memory_free(self);
		return;
	}
	client->address = g_strdup(head->address);
	client->run = run;
	const char *log_after = head_argument(head, "log_after");
	if (log_after == NULL ||
		!g_ascii_string_to_signed(log_after, 10, 0, G_MAXINT32, &client->log_at, NULL))
		client->log_at = 0;
	self->is_started = TRUE;
	client_start(client, after);
}

static void lws_log(int level, const char *line)
{
	g_autofree char *text = g_strchomp(g_strdup(line));
	log_debug("libwebsockets", "line", text, NULL);
}

struct ws *ws_new(struct hub *hub, GError **error)
{
	static const lws_retry_bo_t no_validity_timers = {.secs_since_valid_hangup = 0};
	struct ws *ws = g_new0(struct ws, 1);
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS | LWS_SERVER_OPTION_VALIDATE_UTF8,
		.foreign_loops = ws->loops,
		.user = ws,
		.retry_and_idle_policy = &no_validity_timers,
		.vhost_name = "muster",
	};

	ws->hub = hub;
	ws->loops[0] = hub->loop;
	lws_set_log_level(log_is_enabled(LOG_LEVEL_DEBUG) ? LLL_ERR | LLL_WARN : 0, lws_log);
	ws->context = lws_create_context(&info);
	if (ws->context != NULL)
		ws->vhost = lws_create_vhost(ws->context, &info);
	if (ws->vhost == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"libwebsockets does not start: is libwebsockets-evlib-ev installed?");
		ws_free(ws);
		return NULL;
	}
	return ws;
}

void ws_free(struct ws *ws)
{
	if (ws == NULL)
		return;
	if (ws->context != NULL)
		lws_context_destroy(ws->context);
	g_free(ws);
}
