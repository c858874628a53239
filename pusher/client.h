/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_CLIENT_H
#define PUSHER_CLIENT_H

#include <glib.h>

#include "pusher/frame.h"

/*
 * A client: a filter and a cursor into what all clients share. Nothing is queued for it but a few
 * answers to its own messages, so one that never reads costs what one costs that does.
 *
 * transport says how bytes get to it (ws.c, stream.c, both with a structure of their own that
 * begins with this one), dialect what the messages around the events look like (dialect_*.c).
 * The hub owns clients from client_start() on; whoever ends one calls client_end() and must not
 * touch it after the loop's current round.
 */
struct client;
struct hub;
struct session;

enum client_stage {
	CLIENT_STAGE_UNSET,
	CLIENT_STAGE_HELD, /* nothing but answers: it waits for identity, snapshot, subscription */
	CLIENT_STAGE_REPLAY, /* it is given what it missed from the log */
	CLIENT_STAGE_LIVE,   /* it is given what is in the ring, and what comes */
};

/* Close codes (RFC 6455, 7.4), and the one of requirements C-18. */
enum client_close {
	CLIENT_CLOSE_RESTART = 1001,
	CLIENT_CLOSE_POLICY = 1008,
	CLIENT_CLOSE_TOO_BIG = 1009,
	CLIENT_CLOSE_AGAIN = 1012,
	CLIENT_CLOSE_UNAUTHORIZED = 4401,
};

enum client_kind {
	CLIENT_KIND_UNSET,
	CLIENT_KIND_WEBSOCKET,
	CLIENT_KIND_STREAM,
	CLIENT_KIND_POLL
};

struct transport {
	enum client_kind kind;
	const char *name;
	/* Hands over the whole frame; what the socket does not take at once stays with the
	 * transport. */
	void (*write)(struct client *client, struct frame *frame, enum form form);
	/* Whether an earlier frame is still on its way: then nothing may be written. */
	gboolean (*is_choked)(struct client *client);
	/* Asks for client_drain() when the socket takes more. */
	void (*want_write)(struct client *client);
	/* Everything there was has been written; NULL: does not matter. */
	void (*flush)(struct client *client);
	/* Keeps the connection alive, and notices when it is not. FALSE: it is dead. */
	gboolean (*beat)(struct client *client);
	/* Says goodbye if the transport can; the client is freed when that is done. */
	void (*close)(struct client *client, enum client_close code, const char *reason);
	/* Frees it at once. */
	void (*free)(struct client *client);
};

struct dialect {
	const char *name;
	/* It is connected and known. Sets the stage, or waits. after: its cursor, -1 for none. */
	void (*open)(struct client *client, gint64 after);
	/* A message of the client; text is len bytes with a NUL behind them. NULL: none is
	 * expected. */
	void (*receive)(struct client *client, const char *text, gsize len);
	/* Each heartbeat of a client that is current; NULL: none. */
	void (*heartbeat)(struct client *client);
	/* Events were missed for good: it starts again after `head`. */
	void (*reset)(struct client *client, const char *reason, gint64 head);
	/* What it missed has been given. NULL: does not matter. */
	void (*current)(struct client *client);
	/* An event that it wants. NULL: is written as it is. */
	void (*take)(struct client *client, struct frame *frame, gboolean is_replay);
	/* It is waiting, and all that was answered has been written. */
	void (*resume)(struct client *client);
	/* How its run stands, as a message; NULL: there is none. See run.h. */
	void (*run_status)(struct client *client, gint64 position, const char *json);
	gboolean wants_status; /* is told when the pusher is degraded */
};

struct client {
	struct hub *hub;
	const struct transport *transport;
	const struct dialect *dialect;
	guint64 number; /* of this pusher's connections: its name in the log and on the wire */
	char *address;  /* as the web server says; NULL: unknown */

	struct session *session;
	struct audience *audience;
	guint audience_at, session_at, all_at;

	guint64 types;      /* a bit for each row of event_kinds, and EVENT_BIT_OTHER */
	char *project;      /* NULL: all */
	gint64 run;         /* this one's events alone; 0: all */
	char *confirmation; /* of a subscription, until what was missed has been given */

	enum client_stage stage;
	gboolean is_current;  /* has all there is: its place is the head of the ring */
	gboolean is_starting; /* dialect->current() is due */
	gboolean is_replaying, is_ended, is_told_gone;
	gboolean is_waiting;      /* no event is its turn: dialect->resume() says what is */
	gint64 log_at, log_until; /* pieces of its run's log: that it has, that there are */
	struct run_question *question;
	enum form form;
	guint64 at;          /* the next place of the ring */
	gint64 cursor;       /* the last event it was given or that it said it knows */
	gint64 replay_until; /* events up to here are marked as replay */
	gint64 open_after;   /* what open() gets when the session is confirmed */
	GQueue answers;      /* of struct frame, before any event */
	GQueue held;         /* of GBytes: messages that came before the session was confirmed */
	guint status_seen;
	GList replay_link, beat_link, snapshot_link;
	GQueue *snapshot_queue; /* the one that snapshot_link is in */
	double connected_at, beat_at, seen_at, message_at;
	double message_credit;
};

/* Registers it with the hub, checks caps, and lets the dialect open. Only after this may it end. */
void client_start(struct client *client, gint64 after);

/* Whether the event is one that it is to be given, and was not. */
gboolean client_wants(const struct client *client, const struct frame *frame);
/* Gives it one that it wants. */
void client_give(struct client *client, struct frame *frame);

/* Writes what there is for it, as far as the socket takes it. */
void client_drain(struct client *client);

/* One message to it alone, before any further event. json is an object on one line. */
void client_answer(struct client *client, const char *json);
void client_answer_frame(struct client *client, struct frame *frame);

/* From now on it is given what comes after `after`, first what was missed. */
void client_follow(struct client *client, gint64 after);

/* Counts and rates a message that came in, then hands it to the dialect. */
void client_receive(struct client *client, const char *text, gsize len);

/* Its session is known: it opens, and what it has said meanwhile is heard. */
void client_confirm(struct client *client);

/* It says goodbye with code; nothing more is given to it. reason is a constant. */
void client_end(struct client *client, enum client_close code, const char *reason);

/* Its socket is gone: freed at the end of this round of the loop. */
void client_gone(struct client *client);

/* For transports' free(): takes it out of every list and frees what it owns, but not itself. */
void client_clear(struct client *client);

#endif
