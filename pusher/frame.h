/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_FRAME_H
#define PUSHER_FRAME_H

#include <glib.h>

/*
 * A message as it goes out, made once and shared by everybody who gets it: an event of the log, an
 * answer, a snapshot. Immutable but for its forms, which are made when the first client of a
 * transport needs them, and counted.
 *
 *	struct frame *frame = frame_new(json, strlen(json));
 *	gsize len;
 *	char *bytes = frame_get(frame, FORM_TEXT, &len);	borrowed, LWS_PRE bytes of room
 *before frame_unref(frame);
 *
 * Forms: the JSON itself (WebSocket, long-poll); the same as one event of a text/event-stream
 * ("id:" and "data:" lines; a client that asked for names gets an "event:" line too); each of the
 * three marked "is_replay":true for clients that catch up.
 */
enum form {
	FORM_TEXT,
	FORM_SSE,
	FORM_SSE_NAMED,
	FORM_REPLAY, /* added to one of the others */
	FORM_COUNT = 2 * FORM_REPLAY,
};

struct audience;
struct frame;
typedef struct frame frame;

struct frame {
	gint64 id;                       /* the event's; 0: no event */
	const struct audience *audience; /* whose it is; NULL: no event */
	const char *type;                /* for "event:"; NULL is "message" */
	guint64 type_bit;
	char *project; /* NULL: none */
	gint64 run;    /* its subject, where that is a number */
	guint references;
	struct {
		char *room;
		gsize len;
	} forms[FORM_COUNT];
};

/* json is one object on one line. */
struct frame *frame_new(const char *json, gsize len);
struct frame *frame_ref(struct frame *frame);
void frame_unref(struct frame *frame);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(frame, frame_unref)

/* The memory it may come to take, with the forms that are made later. */
gsize frame_cost(const struct frame *frame);

char *frame_get(struct frame *frame, enum form form, gsize *len);

#endif
