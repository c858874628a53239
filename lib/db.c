/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/db.h"

#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "lib/error.h"

/* Waiting for a server that does not answer; libpq takes 2 as its least. */
#define CONNECT_TIMEOUT_S "2"
#define STATEMENT_NAME_BYTES 24

struct db {
	char *url;
	char *role; /* NULL: as the url says */
	gint64 timeout_ms;
	gboolean can_prepare;
	PGconn *conn;
	GHashTable *prepared; /* SQL text -> name, of this connection */
	guint names;
	char *detail, *fields, *sqlstate;
	PGresult *pending; /* between db_send and its last db_receive */
};

struct db_result {
	PGresult *result;
};

static struct db *db_new(const struct conf *conf, const char *url, const char *role, GError **error)
{
	if (*url == '\0') {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"no database is configured: set url in [database] of muster.conf");
		return NULL;
	}
	struct db *db = g_new0(struct db, 1);
	db->url = g_strdup(url);
	db->role = strcmp(conf_get(conf, "database.roles"), "separate") ? NULL : g_strdup(role);
	db->can_prepare = conf_get_bool(conf, "database.prepare");
	db->timeout_ms = conf_get_int(conf, "database.timeout_ms");
	db->prepared = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	return db;
}

struct db *db_open(const struct conf *conf, const char *role, GError **error)
{
	return db_new(conf, conf_get(conf, "database.url"), role, error);
}

struct db *db_open_direct(const struct conf *conf, const char *role, GError **error)
{
	return db_new(conf, conf_get(conf, "database.direct"), role, error);
}

void db_disconnect(struct db *db)
{
	g_clear_pointer(&db->pending, PQclear);
	g_clear_pointer(&db->conn, PQfinish);
	g_hash_table_remove_all(db->prepared);
}

void db_free(struct db *db)
{
	if (db == NULL)
		return;
	db_disconnect(db);
	g_hash_table_destroy(db->prepared);
	g_free(db->url);
	g_free(db->role);
	g_free(db->detail);
	g_free(db->fields);
	g_free(db->sqlstate);
	g_free(db);
}

static void detail_clear(struct db *db)
{
	g_clear_pointer(&db->detail, g_free);
	g_clear_pointer(&db->fields, g_free);
	g_clear_pointer(&db->sqlstate, g_free);
}

static gboolean connection_lost(struct db *db, GError **error)
{
	detail_clear(db);
	db->detail = g_strdup(db->conn != NULL ? PQerrorMessage(db->conn) : "not connected");
	db_disconnect(db);
	g_set_error(
		error, MUSTER_ERROR, MUSTER_ERROR_BUSY, "the database cannot be reached just now");
	return FALSE;
}

gboolean db_connect(struct db *db, GError **error)
{
	if (db->conn != NULL && PQstatus(db->conn) == CONNECTION_OK)
		return TRUE;
	db_disconnect(db);
	/* The url comes first and is expanded, what follows overrides it. */
	g_autofree char *options = g_strdup_printf("-c statement_timeout=%" G_GINT64_FORMAT
						   " -c client_min_messages=warning",
		db->timeout_ms);
	const char *keywords[] = {"dbname", "connect_timeout", "application_name",
		"client_encoding", "options", db->role != NULL ? "user" : NULL, NULL};
	const char *values[] = {
		db->url, CONNECT_TIMEOUT_S, "muster", "UTF8", options, db->role, NULL};
	db->conn = PQconnectdbParams(keywords, values, 1);
	if (db->conn == NULL || PQstatus(db->conn) != CONNECTION_OK)
		return connection_lost(db, error);
	return TRUE;
}

/* The error of a result; a fatal one also says whether the connection is gone. */
static gboolean result_refuse(struct db *db, const PGresult *result, GError **error)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *fields = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);

	if (sqlstate == NULL || PQstatus(db->conn) == CONNECTION_BAD)
		return connection_lost(db, error);
	gboolean is_ours = g_str_has_prefix(sqlstate, "MU");
	enum muster_error code = error_from_sqlstate(sqlstate);
	detail_clear(db);
	db->sqlstate = g_strdup(sqlstate);
	db->detail = g_strdup(PQresultErrorMessage(result));
	db->fields = is_ours ? g_strdup(fields) : NULL;
	g_set_error(error, MUSTER_ERROR, code, "%s",
		is_ours && message != NULL      ? message
		: code == MUSTER_ERROR_INPUT    ? "a value is not acceptable"
		: code == MUSTER_ERROR_CONFLICT ? "it exists already"
		: code == MUSTER_ERROR_BUSY     ? "the database cannot do this just now"
		: code == MUSTER_ERROR_DENIED   ? "the database role may not do this"
						: "the database refused the statement");
	return FALSE;
}

static gboolean result_is_fine(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* The name under which sql is prepared, or NULL; *is_new when it must be prepared first. */
static const char *statement_name(struct db *db, const char *sql, gboolean *is_new)
{
	*is_new = FALSE;
	if (!db->can_prepare)
		return NULL;
	char *name = g_hash_table_lookup(db->prepared, sql);
	if (name == NULL) {
		name = g_strdup_printf("muster_%u", ++db->names);
		g_hash_table_insert(db->prepared, (gpointer)sql, name);
		*is_new = TRUE;
	}
	return name;
}

/* In pipeline mode: queues one statement, preparing it in the same round trip when it is new. */
static gboolean statement_send(struct db *db, const struct db_statement *s, guint *expected)
{
	gboolean is_new;
	const char *name = statement_name(db, s->sql, &is_new);

	if (name == NULL) {
		*expected += 1;
		return PQsendQueryParams(
			       db->conn, s->sql, s->n_params, NULL, s->params, NULL, NULL, 0) == 1;
	}
	*expected += is_new ? 2 : 1;
	return (!is_new || PQsendPrepare(db->conn, name, s->sql, 0, NULL) == 1) &&
	       PQsendQueryPrepared(db->conn, name, s->n_params, s->params, NULL, NULL, 0) == 1;
}

/*
 * Whether an idle connection was closed meanwhile (a server that restarted): seen by reading what
 * lies on the socket, before anything is sent.
 */
static gboolean connection_check(struct db *db, GError **error)
{
	if (db->conn != NULL &&
		(PQconsumeInput(db->conn) == 0 || PQstatus(db->conn) != CONNECTION_OK))
		db_disconnect(db);
	return db_connect(db, error);
}

/*
 * Reads all results of a pipeline up to its sync. A statement's result is the last of its two
 * (prepare, execute). Returns the first error's result, or NULL.
 */
static PGresult *pipeline_read(struct db *db, GPtrArray *results)
{
	PGresult *failed = NULL;

	for (;;) {
		PGresult *result = PQgetResult(db->conn);
		if (result == NULL) {
			if (PQstatus(db->conn) == CONNECTION_BAD)
				return failed;
			continue; /* the end of one statement's results */
		}
		ExecStatusType status = PQresultStatus(result);
		if (status == PGRES_PIPELINE_SYNC) {
			PQclear(result);
			return failed;
		}
		if (result_is_fine(result)) {
			g_ptr_array_add(results, result);
		} else if (failed == NULL && status != PGRES_PIPELINE_ABORTED) {
			failed = result;
		} else {
			PQclear(result);
		}
	}
}

static void result_clear(gpointer result)
{
	PQclear(result);
}

gboolean db_pipeline(struct db *db, const struct db_statement *statements, guint n,
	struct db_result **results, GError **error)
{
	guint expected = 0;
	g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(result_clear);
	g_autofree guint *last = g_new0(guint, n);

	detail_clear(db);
	if (!connection_check(db, error))
		return FALSE;
	if (PQenterPipelineMode(db->conn) != 1)
		return connection_lost(db, error);
	for (guint i = 0; i < n; i++) {
		if (!statement_send(db, &statements[i], &expected))
			return connection_lost(db, error);
		last[i] = expected - 1;
	}
	if (PQpipelineSync(db->conn) != 1)
		return connection_lost(db, error);
	PGresult *failed = pipeline_read(db, all);
	if (PQstatus(db->conn) == CONNECTION_BAD || PQexitPipelineMode(db->conn) != 1) {
		PQclear(failed);
		return connection_lost(db, error);
	}
	if (failed != NULL) {
		result_refuse(db, failed, error);
		PQclear(failed);
		/* What was to be prepared after the failure was not. */
		if (db->conn != NULL && db->can_prepare) {
			g_hash_table_remove_all(db->prepared);
			PQclear(PQexec(db->conn, "deallocate all"));
		}
		return FALSE;
	}
	if (all->len != expected)
		return connection_lost(db, error);
	for (guint i = 0; i < n; i++) {
		results[i] = g_new(struct db_result, 1);
		results[i]->result = g_steal_pointer(&all->pdata[last[i]]);
	}
	return TRUE;
}

struct db_result *db_query(
	struct db *db, const char *sql, int n_params, const char *const *params, GError **error)
{
	struct db_statement statement = {sql, n_params, params};
	struct db_result *result = NULL;
	return db_pipeline(db, &statement, 1, &result, error) ? result : NULL;
}

gboolean db_script(struct db *db, const char *sql, GError **error)
{
	detail_clear(db);
	if (!connection_check(db, error))
		return FALSE;
	PGresult *result = PQexec(db->conn, sql);
	gboolean ok = result_is_fine(result) || PQresultStatus(result) == PGRES_EMPTY_QUERY;
	if (!ok)
		result_refuse(db, result, error);
	PQclear(result);
	return ok;
}

const char *db_error_detail(const struct db *db)
{
	return db->detail;
}

const char *db_error_fields(const struct db *db)
{
	return db->fields;
}

const char *db_error_sqlstate(const struct db *db)
{
	return db->sqlstate;
}

void db_result_free(struct db_result *result)
{
	if (result == NULL)
		return;
	PQclear(result->result);
	g_free(result);
}

guint db_result_rows(const struct db_result *result)
{
	return (guint)PQntuples(result->result);
}

guint db_result_columns(const struct db_result *result)
{
	return (guint)PQnfields(result->result);
}

const char *db_result_get(const struct db_result *result, guint row, guint column)
{
	g_assert(row < db_result_rows(result) && column < db_result_columns(result));
	return PQgetisnull(result->result, (int)row, (int)column)
		       ? NULL
		       : PQgetvalue(result->result, (int)row, (int)column);
}

gsize db_result_get_len(const struct db_result *result, guint row, guint column)
{
	return (gsize)PQgetlength(result->result, (int)row, (int)column);
}

gint64 db_result_get_int(const struct db_result *result, guint row, guint column)
{
	const char *text = db_result_get(result, row, column);
	return text != NULL ? g_ascii_strtoll(text, NULL, 10) : 0;
}

gboolean db_result_get_bool(const struct db_result *result, guint row, guint column)
{
	const char *text = db_result_get(result, row, column);
	return text != NULL && *text == 't';
}

gboolean db_listen(struct db *db, const char *channel, GError **error)
{
	if (!db_connect(db, error))
		return FALSE;
	char *name = PQescapeIdentifier(db->conn, channel, strlen(channel));
	g_autofree char *sql = g_strdup_printf("listen %s", name);
	PQfreemem(name);
	return db_script(db, sql, error);
}

int db_fd(const struct db *db)
{
	return db->conn != NULL ? PQsocket(db->conn) : -1;
}

static guint notifications_drain(struct db *db)
{
	guint count = 0;
	for (PGnotify *notify; (notify = PQnotifies(db->conn)) != NULL; count++)
		PQfreemem(notify);
	return count;
}

gboolean db_consume(struct db *db, guint *notifications, GError **error)
{
	*notifications = 0;
	if (db->conn == NULL || PQconsumeInput(db->conn) == 0)
		return connection_lost(db, error);
	*notifications = notifications_drain(db);
	return TRUE;
}

gboolean db_send(
	struct db *db, const char *sql, int n_params, const char *const *params, GError **error)
{
	detail_clear(db);
	if (db->conn == NULL || PQconsumeInput(db->conn) == 0 ||
		PQstatus(db->conn) != CONNECTION_OK)
		return connection_lost(db, error);
	if (PQsetnonblocking(db->conn, 1) != 0 ||
		PQsendQueryParams(db->conn, sql, n_params, NULL, params, NULL, NULL, 0) != 1)
		return connection_lost(db, error);
	return db_flush(db, error);
}

gboolean db_is_flushing(const struct db *db)
{
	return db->conn != NULL && PQisnonblocking(db->conn) && PQflush(db->conn) == 1;
}

gboolean db_flush(struct db *db, GError **error)
{
	if (db->conn == NULL || PQflush(db->conn) < 0)
		return connection_lost(db, error);
	return TRUE;
}

gboolean db_receive(struct db *db, gboolean *is_done, struct db_result **result, GError **error)
{
	*is_done = FALSE;
	*result = NULL;
	if (db->conn == NULL || PQconsumeInput(db->conn) == 0)
		return connection_lost(db, error);
	while (!PQisBusy(db->conn)) {
		PGresult *next = PQgetResult(db->conn);
		if (next != NULL) {
			PQclear(db->pending);
			db->pending = next;
			continue;
		}
		*is_done = TRUE;
		PQsetnonblocking(db->conn, 0);
		PGresult *last = g_steal_pointer(&db->pending);
		if (last == NULL)
			return connection_lost(db, error);
		if (!result_is_fine(last)) {
			result_refuse(db, last, error);
			PQclear(last);
			return FALSE;
		}
		*result = g_new(struct db_result, 1);
		(*result)->result = last;
		return TRUE;
	}
	return TRUE;
}
