/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/identity.h"

#include <string.h>

#include "lib/error.h"
#include "lib/json.h"
#include "lib/log.h"

#define API_TOKEN_PREFIX "mst_"
/* Sessions are read again for unknown tokens at most this often. */
#define RELOAD_LEAST_S 1.0
#define TICK_S 0.5

struct session {
	struct identity *identity;
	char *sid, *hash; /* hash: 64 hex digits, NULL while unconfirmed */
	char *account, *organization, *role;
	double expires_at;
	guint round; /* of the load that has seen it last */
	gboolean is_confirmed, is_listed;
	GPtrArray *clients;
};

struct identity {
	struct hub *hub;
	struct lane *lane;
	const struct secret_key *key;
	GHashTable *by_sid;  /* owns */
	GHashTable *by_hash; /* borrows */
	GHashTable *removed; /* sids that ended while a load is under way */
	guint round;
	gboolean is_loading, is_load_due;
	double loaded_at;
	ev_timer tick;
};

static void session_free(struct session *session)
{
	g_ptr_array_free(session->clients, TRUE);
	g_free(session->sid);
	g_free(session->hash);
	g_free(session->account);
	g_free(session->organization);
	g_free(session->role);
	g_free(session);
}

/* Freed when it is neither in the mirror nor used by a client. */
static void session_release(struct session *session)
{
	if (!session->is_listed && session->clients->len == 0)
		session_free(session);
}

static void session_end(struct session *session, enum client_close code, const char *reason)
{
	struct identity *identity = session->identity;

	session->is_listed = FALSE;
	if (session->hash != NULL &&
		g_hash_table_lookup(identity->by_hash, session->hash) == session)
		g_hash_table_remove(identity->by_hash, session->hash);
	g_hash_table_remove(identity->by_sid, session->sid);
	for (guint i = 0; i < session->clients->len; i++)
		client_end(session->clients->pdata[i], code, reason);
	session_release(session);
}

static struct session *session_new(
	struct identity *identity, const char *sid, const char *account, const char *organization)
{
	struct session *session = g_new0(struct session, 1);

	session->identity = identity;
	session->sid = g_strdup(sid);
	session->account = g_strdup(account);
	session->organization = g_strdup(organization);
	session->clients = g_ptr_array_new();
	session->is_listed = TRUE;
	g_hash_table_insert(identity->by_sid, session->sid, session);
	return session;
}

struct session_row {
	const char *sid, *hash, *account, *organization, *role, *expires_at;
};

static void session_confirm(struct session *session)
{
	if (session->is_confirmed)
		return;
	session->is_confirmed = TRUE;
	for (guint i = 0; i < session->clients->len; i++)
		client_confirm(session->clients->pdata[i]);
}

static void session_set(struct identity *identity, const struct session_row *row)
{
	struct session *session = g_hash_table_lookup(identity->by_sid, row->sid);
	g_autoptr(GDateTime) expires_at = g_date_time_new_from_iso8601(row->expires_at, NULL);

	if (expires_at == NULL || strlen(row->hash) != 2 * SECRET_HASH_BYTES)
		return;
	if (session != NULL && (strcmp(session->organization, row->organization) != 0 ||
				       strcmp(session->account, row->account) != 0)) {
		session_end(session, CLIENT_CLOSE_AGAIN, "the session changed");
		session = NULL;
	}
	if (session == NULL)
		session = session_new(identity, row->sid, row->account, row->organization);
	if (g_strcmp0(session->hash, row->hash) != 0) {
		if (session->hash != NULL)
			g_hash_table_remove(identity->by_hash, session->hash);
		g_free(session->hash);
		session->hash = g_strdup(row->hash);
		g_hash_table_insert(identity->by_hash, session->hash, session);
	}
	g_free(session->role);
	session->role = g_strdup(row->role);
	session->expires_at = (double)g_date_time_to_unix(expires_at);
	session->round = identity->round;
	session_confirm(session);
}

void identity_change(struct identity *identity, const char *data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(json_object) object =
		json_parse(data, strlen(data), &json_limits_request, &error);
	if (object == NULL) {
		log_failure(LOG_LEVEL_ERROR, "an event session-change is not readable", error);
		return;
	}
	const char *operation = json_get_text(object, "operation", NULL);
	struct session_row row = {
		.sid = json_get_text(object, "sid", NULL),
		.hash = json_get_text(object, "session_hash", NULL),
		.account = json_get_text(object, "account_id", NULL),
		.organization = json_get_text(object, "organization_id", NULL),
		.role = json_get_text(object, "role", NULL),
		.expires_at = json_get_text(object, "expires_at", NULL),
	};
	if (row.sid == NULL || operation == NULL)
		return;
	if (!strcmp(operation, "set") && row.hash != NULL && row.account != NULL &&
		row.organization != NULL && row.role != NULL && row.expires_at != NULL) {
		session_set(identity, &row);
		return;
	}
	if (identity->is_loading)
		g_hash_table_add(identity->removed, g_strdup(row.sid));
	struct session *session = g_hash_table_lookup(identity->by_sid, row.sid);
	if (session != NULL)
		session_end(session, CLIENT_CLOSE_UNAUTHORIZED, "the session has ended");
}

static void sweep(struct identity *identity)
{
	g_autoptr(GPtrArray) old = g_ptr_array_new();
	GHashTableIter iter;
	gpointer session;

	g_hash_table_iter_init(&iter, identity->by_sid);
	while (g_hash_table_iter_next(&iter, NULL, &session))
		if (((struct session *)session)->round != identity->round)
			g_ptr_array_add(old, session);
	for (guint i = 0; i < old->len; i++)
		session_end(old->pdata[i], CLIENT_CLOSE_UNAUTHORIZED, "the session has ended");
}

static void load_done(gpointer data, const struct db_result *result, const GError *error)
{
	struct identity *identity = data;

	identity->is_loading = FALSE;
	if (error != NULL) {
		log_failure(LOG_LEVEL_WARNING, "the sessions cannot be read", error);
		identity->is_load_due = TRUE;
		return;
	}
	for (guint i = 0; i < db_result_rows(result); i++) {
		struct session_row row = {
			.sid = db_result_get(result, i, 0),
			.hash = db_result_get(result, i, 1),
			.account = db_result_get(result, i, 2),
			.organization = db_result_get(result, i, 3),
			.role = db_result_get(result, i, 4),
			.expires_at = db_result_get(result, i, 5),
		};
		if (!g_hash_table_contains(identity->removed, row.sid))
			session_set(identity, &row);
	}
	sweep(identity);
	identity->hub->has_sessions = TRUE;
	identity->loaded_at = ev_time();
}

void identity_load(struct identity *identity)
{
	if (identity->is_loading) {
		identity->is_load_due = TRUE;
		return;
	}
	identity->is_loading = TRUE;
	identity->is_load_due = FALSE;
	/* Sessions that are set from here on, by rows or by events, are the ones that stay. */
	identity->round++;
	g_hash_table_remove_all(identity->removed);
	lane_send(identity->lane,
		"select sid, encode(session_hash, 'hex'), account_id, organization_id, role,"
		" to_char(expires_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
		" from muster.push_sessions()",
		NULL, load_done, identity);
}

static void tick_ready(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct identity *identity = timer->data;
	double now = ev_time();
	g_autoptr(GPtrArray) old = g_ptr_array_new();
	GHashTableIter iter;
	gpointer session;

	if (identity->is_load_due && !identity->is_loading &&
		now - identity->loaded_at > RELOAD_LEAST_S && lane_is_up(identity->lane))
		identity_load(identity);
	g_hash_table_iter_init(&iter, identity->by_sid);
	while (g_hash_table_iter_next(&iter, NULL, &session))
		if (((struct session *)session)->expires_at <= now)
			g_ptr_array_add(old, session);
	for (guint i = 0; i < old->len; i++)
		session_end(old->pdata[i], CLIENT_CLOSE_UNAUTHORIZED, "the session has expired");
}

static gboolean auth_refuse(GError **error)
{
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_AUTH, "Sign in first.");
	return FALSE;
}

static struct session *session_of_token(
	struct identity *identity, const char *token, GError **error)
{
	double now = ev_time();
	g_autofree char *claims = secret_jwt_verify(identity->key, token, (gint64)now, NULL);
	g_autoptr(json_object) object =
		claims != NULL ? json_parse(claims, strlen(claims), &json_limits_request, NULL)
			       : NULL;
	const char *sid = object != NULL ? json_get_text(object, "sid", NULL) : NULL;
	const char *account = object != NULL ? json_get_text(object, "sub", NULL) : NULL;
	const char *organization = object != NULL ? json_get_text(object, "org", NULL) : NULL;
	const char *scope = object != NULL ? json_get_text(object, "scope", NULL) : NULL;

	if (sid == NULL || account == NULL || organization == NULL ||
		(scope != NULL && strcmp(scope, "stream") != 0)) {
		auth_refuse(error);
		return NULL;
	}
	struct session *session = g_hash_table_lookup(identity->by_sid, sid);
	if (session == NULL) {
		session = session_new(identity, sid, account, organization);
		session->expires_at = now + 60;
		/* A load under way may be older than it is; the next one decides. */
		session->round = identity->round;
		identity->is_load_due = TRUE;
		if (!identity->is_loading && now - identity->loaded_at > RELOAD_LEAST_S &&
			lane_is_up(identity->lane))
			identity_load(identity);
		return session;
	}
	if (strcmp(session->organization, organization) != 0 ||
		strcmp(session->account, account) != 0) {
		auth_refuse(error);
		return NULL;
	}
	return session;
}

/* What the mirror has under the hash of it: a session's cookie, or an API token. */
static struct session *bytes_look(const struct identity *identity, const char *bytes)
{
	guchar hash[SECRET_HASH_BYTES];
	char hex[2 * SECRET_HASH_BYTES + 1];

	secret_token_hash(bytes, hash);
	for (guint i = 0; i < SECRET_HASH_BYTES; i++)
		g_snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	return g_hash_table_lookup(identity->by_hash, hex);
}

static struct session *session_of_bytes(
	struct identity *identity, const char *bytes, GError **error)
{
	struct session *session = bytes_look(identity, bytes);

	if (session == NULL || session->expires_at <= ev_time()) {
		auth_refuse(error);
		return NULL;
	}
	return session;
}

/* What of a head says who it is. */
static const char *head_token(const struct head *head)
{
	return head->bearer != NULL  ? head->bearer
	       : head->token != NULL ? head->token
				     : head->api_key;
}

gboolean identity_may_come(const struct identity *identity, const struct head *head)
{
	const char *token = head_token(head);

	if (token != NULL && !g_str_has_prefix(token, API_TOKEN_PREFIX))
		return FALSE;
	if (token == NULL)
		token = head->cookie;
	return token != NULL && bytes_look(identity, token) == NULL;
}

struct session *identity_find(struct identity *identity, const struct head *head, GError **error)
{
	if (!identity->hub->has_sessions) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_BUSY,
			"Live updates are starting. Try again in a moment.");
		return NULL;
	}
	const char *token = head_token(head);

	if (token != NULL && g_str_has_prefix(token, API_TOKEN_PREFIX))
		return session_of_bytes(identity, token, error);
	if (token != NULL)
		return session_of_token(identity, token, error);
	if (head->cookie != NULL)
		return session_of_bytes(identity, head->cookie, error);
	auth_refuse(error);
	return NULL;
}

struct identity *identity_new(struct hub *hub, struct lane *lane, const struct secret_key *key)
{
	struct identity *identity = g_new0(struct identity, 1);

	identity->hub = hub;
	identity->lane = lane;
	identity->key = key;
	identity->by_sid = g_hash_table_new(g_str_hash, g_str_equal);
	identity->by_hash = g_hash_table_new(g_str_hash, g_str_equal);
	identity->removed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	ev_timer_init(&identity->tick, tick_ready, TICK_S, TICK_S);
	identity->tick.data = identity;
	ev_timer_start(hub->loop, &identity->tick);
	return identity;
}

void identity_free(struct identity *identity)
{
	if (identity == NULL)
		return;
	GHashTableIter iter;
	gpointer session;
	g_hash_table_iter_init(&iter, identity->by_sid);
	while (g_hash_table_iter_next(&iter, NULL, &session))
		session_free(session);
	ev_timer_stop(identity->hub->loop, &identity->tick);
	g_hash_table_destroy(identity->by_sid);
	g_hash_table_destroy(identity->by_hash);
	g_hash_table_destroy(identity->removed);
	g_free(identity);
}

const char *session_account(const struct session *session)
{
	return session->account;
}

const char *session_organization(const struct session *session)
{
	return session->organization;
}

const char *session_role(const struct session *session)
{
	return session->role != NULL ? session->role : "nobody";
}

gboolean session_is_confirmed(const struct session *session)
{
	return session->is_confirmed;
}

void session_add_client(struct session *session, struct client *client)
{
	client->session_at = session->clients->len;
	g_ptr_array_add(session->clients, client);
}

void session_remove_client(struct session *session, struct client *client)
{
	g_ptr_array_remove_index_fast(session->clients, client->session_at);
	if (client->session_at < session->clients->len) {
		struct client *moved = session->clients->pdata[client->session_at];
		moved->session_at = client->session_at;
	}
	session_release(session);
}
