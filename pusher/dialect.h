/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_DIALECT_H
#define PUSHER_DIALECT_H

#include "lib/json.h"
#include "pusher/client.h"

/*
 * What the messages around the events look like, one file each; the events themselves are the same
 * everywhere ({"type", "event_id", "timestamp", "project_id", "channel", "data"}).
 *
 * dialect_audit: /ws, the auditor's (requirements 2.7). Without a cursor an audit-update comes
 * first. Takes ping, request-update, get-status.
 * dialect_dashboard: /api/v1/dashboard/ws (requirements 2.2). Nothing comes before subscribe.
 * dialect_run: /ws/run/{id} (requirements 2.4): how the run stands and what it printed, then what
 * happens to it, each event with the members of its data beside its type. Answers all with pong.
 * dialect_stream: server-sent events. Says where it stands, then events.
 * dialect_poll: one answer, then the end.
 */
extern const struct dialect dialect_audit;
extern const struct dialect dialect_dashboard;
extern const struct dialect dialect_run;
extern const struct dialect dialect_stream;
extern const struct dialect dialect_poll;

/* {"type":"heartbeat","timestamp",…,"last_event_id"}: the head says whether a client is current. */
void dialect_heartbeat(struct client *client);

/* {"type":"reset","reason","event_id","last_event_id","gap":true,…}, then it follows from head. */
void dialect_reset(struct client *client, const char *reason, gint64 head);
void dialect_reset_tell(struct client *client, const char *reason, gint64 head);

/* {"type":"error","message"}; message is a constant, or quoted with json_quote(). */
void dialect_error(struct client *client, const char *message);

/* An object with "type" and "timestamp", for more members; the caller owns it. */
json_object *dialect_message(const char *type);
void dialect_send(struct client *client, json_object *message);
void dialect_add_text(json_object *object, const char *name, const char *text);
void dialect_add_id(json_object *object, const char *name, gint64 id);

/* The message as an object with a "type", or NULL after an answer of type error. */
json_object *dialect_parse(struct client *client, const char *text, gsize len);

/* "conn_7", as on the wire. */
char *dialect_connection_id(const struct client *client);

/*
 * Sets the filter from names (commas between them, or an array of strings); NULL is all. Names that
 * are in no table are put into rejected, and into accepted the others.
 */
void dialect_filter_text(struct client *client, const char *names);
gboolean dialect_filter_array(
	struct client *client, json_object *names, json_object *accepted, json_object *rejected);
/* The names of all kinds of event that a client may get. */
json_object *dialect_types(void);
/* The names that the client's filter lets through. */
json_object *dialect_filter_names(const struct client *client);

#endif
