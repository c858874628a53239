/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_IDENTITY_H
#define PUSHER_IDENTITY_H

#include <glib.h>

#include "lib/secret.h"
#include "pusher/client.h"
#include "pusher/hub.h"
#include "pusher/lane.h"
#include "pusher/head.h"

/*
 * Who is at the other end, answered from memory: a mirror of the live sessions, loaded with
 * push_sessions() and kept by the events "session-change". It refuses to guess: without the mirror
 * nobody is known, and identity_find() says so with MUSTER_ERROR_BUSY.
 *
 * Credentials, first found wins: "Authorization: Bearer", "?token=" (a JWT of the API or an API token,
 * which begins with mst_), "X-API-Key" (an API token), the cookie muster_session. A JWT that is valid but names a session that the mirror does not have (it
 * is milliseconds old) is taken, held, and given nothing until the sessions were read again.
 *
 * When a session or a token ends, loses its role or changes its organisation, its clients are
 * closed at once.
 */

struct identity;

struct identity *identity_new(struct hub *hub, struct lane *lane, const struct secret_key *key);
void identity_free(struct identity *identity);

/* Reads all sessions again; those that are gone end. */
void identity_load(struct identity *identity);

/* An event session-change. */
void identity_change(struct identity *identity, const char *data);

/* MUSTER_ERROR_AUTH, _BUSY. Borrowed; session_add_client() keeps it. */
struct session *identity_find(struct identity *identity, const struct head *head, GError **error);

/*
 * Whether one that identity_find() refused may be known soon: what came is a cookie or an API token
 * that the mirror does not have.
 */
gboolean identity_may_come(const struct identity *identity, const struct head *head);

const char *session_account(const struct session *session);
const char *session_organization(const struct session *session);
const char *session_role(const struct session *session);
gboolean session_is_confirmed(const struct session *session);
void session_add_client(struct session *session, struct client *client);
void session_remove_client(struct session *session, struct client *client);

#endif
