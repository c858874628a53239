/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/db.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "lib/error.h"

/* Waiting for a server that does not answer; libpq takes 2 as its least. */
#define CONNECT_TIMEOUT_S "2"
/* How much longer than the server's own limit an answer may take: then the server is gone. */
#define GRACE_US (5 * G_USEC_PER_SEC)

struct db {
	char *url;
	char *role;          /* NULL: as the url says */
	char *password_file; /* NULL: libpq's own */
	gint64 timeout_ms, lock_wait_ms;
	gboolean can_prepare;
	PGconn *conn;
	pid_t owner;          /* who opened conn: a child must not talk on its parent's */
	int ignored;          /* the server process whose notifications do not count */
	GHashTable *prepared; /* SQL text -> name, of this connection */
	guint names;
	char *detail, *fields, *sqlstate;
	const char *remedy;
	gint32 *use;                 /* what others see of this connection; NULL: nobody looks */
	PGresult *pending;           /* between db_send and its last db_receive */
	struct db_statement sending; /* what db_send was given */
	gboolean is_deferred;        /* it is being prepared, and executed when that is done */
};

struct db_result {
	PGresult *result;
};

/* libpq itself passes such a file over, and says so on standard error only. */
static gboolean password_file_check(const char *path, GError **error)
{
	struct stat st;
	const char *fault = stat(path, &st) < 0 || access(path, R_OK) < 0 ? g_strerror(errno)
			    : !S_ISREG(st.st_mode)                        ? "is no file"
			    : (st.st_mode & (S_IRWXG | S_IRWXO)) != 0
				    ? "others may read it: chmod 600"
				    : NULL;
	if (fault != NULL)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"database.password_file %s: %s", path, fault);
	return fault == NULL;
}

static struct db *db_new(const struct conf *conf, const char *url, const char *role, GError **error)
{
	if (*url == '\0') {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"no database is configured: set url in [database] of muster.conf");
		return NULL;
	}
	const char *password_file = conf_get(conf, "database.password_file");
	if (*password_file != '\0' && !password_file_check(password_file, error))
		return NULL;
	struct db *db = g_new0(struct db, 1);
	db->password_file = *password_file != '\0' ? g_strdup(password_file) : NULL;
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

static void use_set(const struct db *db, enum db_use use)
{
	if (db->use != NULL)
		__atomic_store_n(db->use, (gint32)use, __ATOMIC_RELAXED);
}

/* After a call: whatever came of the connection. */
static void use_end(const struct db *db)
{
	use_set(db, db->conn != NULL ? DB_USE_IDLE : DB_USE_CLOSED);
}

void db_watch(struct db *db, gint32 *use)
{
	db->use = use;
	use_end(db);
}

/*
 * Ends the connection without a word to the server: for one that does not answer, where the last
 * word would wait too, and for a parent's, which that word would end.
 */
static void connection_drop(struct db *db)
{
	int fd = db->conn != NULL ? PQsocket(db->conn) : -1;
	int nowhere = fd >= 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;

	if (nowhere >= 0) {
		dup3(nowhere, fd, O_CLOEXEC);
		close(nowhere);
	}
	g_clear_pointer(&db->pending, PQclear);
	g_clear_pointer(&db->conn, PQfinish);
	g_hash_table_remove_all(db->prepared);
	db->is_deferred = FALSE;
	use_end(db);
}

void db_disconnect(struct db *db)
{
	if (db->conn != NULL && db->owner != getpid())
		connection_drop(db);
	g_clear_pointer(&db->pending, PQclear);
	g_clear_pointer(&db->conn, PQfinish);
	g_hash_table_remove_all(db->prepared);
	db->is_deferred = FALSE;
	use_end(db);
}

void db_free(struct db *db)
{
	if (db == NULL)
		return;
	db_disconnect(db);
	g_hash_table_destroy(db->prepared);
	g_free(db->url);
	g_free(db->role);
	g_free(db->password_file);
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
	db->remedy = NULL;
}

/*
 * What a server that is there says, or libpq of it, when no waiting helps: libpq tells of a
 * connection that fails no code, and words only, a line for each host that was tried. Both parts
 * have to be in one. What is not here, such as a server that starts or is full, passes.
 */
/* clang-format off */
static const struct { const char *said, *too, *remedy; } refusals[] = {
	{ "password authentication failed for", "",
	  "correct the password: in the file that database.password_file names, or in ~/.pgpass" },
	{ "no password supplied", "",
	  "give it the password: in a file that database.password_file names, or in ~/.pgpass" },
	{ "no pg_hba.conf entry for", "",
	  "add a line for this role, database and address to pg_hba.conf, and reload PostgreSQL" },
	{ "pg_hba.conf rejects", "", "let pg_hba.conf and url in [database] agree" },
	{ "Peer authentication failed", "",
	  "run this as the system's user of that name, or map yours to it in pg_ident.conf and pg_hba.conf" },
	{ "authentication failed for", "", "let pg_hba.conf and url in [database] agree" },
	{ "role \"", "\" does not exist",
	  "let url in [database], or PGUSER, name a role that is there and that pg_hba.conf lets in; "
	  "'muster migrate' makes those of Muster" },
	{ "role \"", "is not permitted to log in", "'alter role NAME login' lets it in" },
	{ "database \"", "\" does not exist", "'createdb' makes it, 'muster migrate' fills it" },
	{ "permission denied for database", "", "'grant connect on database NAME to ROLE' lets it in" },
	{ "does not support SSL", "",
	  "turn ssl on there, or say in url that it is not wanted: sslmode=disable" },
	{ "certificate verify failed", "",
	  "let sslrootcert in url name the file of the authority that vouches for the server" },
	{ "root certificate file", "",
	  "let sslrootcert in url name the file of the authority that vouches for the server" },
	{ "does not match host name", "", "let host in url be the name in the server's certificate" },
};
/* clang-format on */

static const char *refusal_find(const char *detail)
{
	g_auto(GStrv) lines = g_strsplit(detail, "\n", -1);

	for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++)
		for (char **line = lines; *line != NULL; line++) {
			const char *said = strstr(*line, refusals[i].said);
			if (said != NULL && strstr(said, refusals[i].too) != NULL)
				return refusals[i].remedy;
		}
	return NULL;
}

static gboolean connection_lost(struct db *db, GError **error)
{
	detail_clear(db);
	db->detail = g_strdup(db->conn != NULL ? PQerrorMessage(db->conn) : "not connected");
	db->remedy = refusal_find(db->detail);
	connection_drop(db);
	/* Of more than that clients must not hear. */
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_BUSY,
		db->remedy != NULL ? "the database does not let this program in"
				   : "the database cannot be reached just now");
	return FALSE;
}

/* Notices are for a person at a terminal; errors come as results. */
static void notice_ignore(void *data, const PGresult *result)
{
}

static void connection_begin(struct db *db, gboolean is_waiting)
{
	g_autofree char *options = g_strdup_printf("-c statement_timeout=%" G_GINT64_FORMAT
						   " -c lock_timeout=%" G_GINT64_FORMAT
						   " -c client_min_messages=warning",
		db->timeout_ms, db->lock_wait_ms);
	/* clang-format off */
	const struct { const char *keyword, *value; } settings[] = {
		/* What the url may change: a peer that is gone is noticed within half a minute. */
		{ "keepalives_idle", "10" },
		{ "keepalives_interval", "5" },
		{ "keepalives_count", "3" },
		{ "tcp_user_timeout", "25000" },
		{ "application_name", "muster" },
		/* Of no effect on a Unix socket. */
		{ "sslmode", "verify-full" },
		{ "passfile", db->password_file },
		{ "dbname", db->url },
		/* And what it may not. */
		{ "connect_timeout", CONNECT_TIMEOUT_S },
		{ "client_encoding", "UTF8" },
		{ "options", options },
		{ db->role != NULL ? "user" : NULL, db->role },
		{ NULL, NULL },
	};
	/* clang-format on */
	const char *keywords[G_N_ELEMENTS(settings)], *values[G_N_ELEMENTS(settings)];
	for (gsize i = 0; i < G_N_ELEMENTS(settings); i++) {
		keywords[i] = settings[i].keyword;
		values[i] = settings[i].value;
	}
	db->owner = getpid();
	db->conn = is_waiting ? PQconnectdbParams(keywords, values, 1)
			      : PQconnectStartParams(keywords, values, 1);
	if (db->conn != NULL)
		PQsetNoticeReceiver(db->conn, notice_ignore, NULL);
}

gboolean db_connect(struct db *db, GError **error)
{
	if (db->conn != NULL && PQstatus(db->conn) == CONNECTION_OK && db->owner == getpid())
		return TRUE;
	db_disconnect(db);
	use_set(db, DB_USE_WAITING);
	connection_begin(db, TRUE);
	if (db->conn == NULL || PQstatus(db->conn) != CONNECTION_OK)
		return connection_lost(db, error);
	use_end(db);
	return TRUE;
}

gboolean db_connect_start(struct db *db, GError **error)
{
	db_disconnect(db);
	connection_begin(db, FALSE);
	if (db->conn == NULL || PQstatus(db->conn) == CONNECTION_BAD)
		return connection_lost(db, error);
	return TRUE;
}

gboolean db_connect_poll(struct db *db, gboolean *is_done, gboolean *is_writing, GError **error)
{
	if (db->conn == NULL)
		return connection_lost(db, error);
	PostgresPollingStatusType status = PQconnectPoll(db->conn);
	if (status == PGRES_POLLING_FAILED)
		return connection_lost(db, error);
	*is_done = status == PGRES_POLLING_OK;
	*is_writing = status == PGRES_POLLING_WRITING;
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

/* A server that ends says so first: libpq reads that, and sees the end only at its next read. */
static gboolean peer_has_gone(const struct db *db)
{
	struct pollfd look = {.fd = PQsocket(db->conn), .events = POLLRDHUP};
	return poll(&look, 1, 0) > 0;
}

/*
 * Whether an idle connection was closed meanwhile (a server that restarted): seen by reading what
 * lies on the socket, before anything is sent.
 */
static gboolean connection_check(struct db *db, GError **error)
{
	if (db->conn != NULL && db->owner == getpid() &&
		(PQconsumeInput(db->conn) == 0 || PQstatus(db->conn) != CONNECTION_OK ||
			peer_has_gone(db)))
		connection_drop(db);
	return db_connect(db, error);
}

/* A pipeline while it is under way. */
struct pipeline {
	const struct db_statement *statements;
	guint n;
	guint *prepare_at; /* the place of each prepare among the results, or NONE */
	guint *execute_at;
	guint expected;     /* results */
	gboolean was_known; /* a statement was prepared before */
	GPtrArray *results; /* PGresult: those that came before a failure */
	PGresult *failed;
};

#define NONE G_MAXUINT

/* In pipeline mode: queues one statement, preparing it in the same round trip when it is new. */
static gboolean statement_send(struct db *db, struct pipeline *p, guint i)
{
	const struct db_statement *s = &p->statements[i];

	p->prepare_at[i] = NONE;
	if (!db->can_prepare) {
		p->execute_at[i] = p->expected++;
		return PQsendQueryParams(
			       db->conn, s->sql, s->n_params, NULL, s->params, NULL, NULL, 0) == 1;
	}
	char *name = g_hash_table_lookup(db->prepared, s->sql);
	p->was_known = p->was_known || name != NULL;
	if (name == NULL) {
		name = g_strdup_printf("muster_%u", ++db->names);
		g_hash_table_insert(db->prepared, (gpointer)s->sql, name);
		p->prepare_at[i] = p->expected++;
		if (PQsendPrepare(db->conn, name, s->sql, 0, NULL) != 1)
			return FALSE;
	}
	p->execute_at[i] = p->expected++;
	return PQsendQueryPrepared(db->conn, name, s->n_params, s->params, NULL, NULL, 0) == 1;
}

/* Until the next result can be taken without waiting. FALSE: lost, or nothing came in time. */
static gboolean result_wait(struct db *db, gint64 deadline_us)
{
	for (;;) {
		int unsent = PQflush(db->conn);
		if (unsent < 0)
			return FALSE;
		if (!PQisBusy(db->conn))
			return TRUE;
		gint64 left_us = deadline_us - g_get_monotonic_time();
		struct pollfd look = {
			.fd = PQsocket(db->conn), .events = POLLIN | (unsent ? POLLOUT : 0)};
		int n = left_us > 0 ? poll(&look, 1, (int)MIN(left_us / 1000 + 1, G_MAXINT)) : 0;
		if (n == 0 || (n < 0 && errno != EINTR) || PQconsumeInput(db->conn) == 0)
			return FALSE;
	}
}

/* Reads all results of a pipeline up to its sync; what fails first is kept in p->failed. */
static gboolean pipeline_read(struct db *db, struct pipeline *p)
{
	gint64 deadline_us = g_get_monotonic_time() + p->n * db->timeout_ms * 1000 + GRACE_US;

	while (result_wait(db, deadline_us)) {
		PGresult *result = PQgetResult(db->conn);
		if (result == NULL) {
			if (PQstatus(db->conn) == CONNECTION_BAD)
				return FALSE;
			continue; /* the end of one statement's results */
		}
		ExecStatusType status = PQresultStatus(result);
		if (status == PGRES_PIPELINE_SYNC) {
			PQclear(result);
			return TRUE;
		}
		if (p->failed == NULL && result_is_fine(result))
			g_ptr_array_add(p->results, result);
		else if (p->failed == NULL)
			p->failed = result;
		else
			PQclear(result);
	}
	return FALSE;
}

/* Sends, reads and leaves pipeline mode again. FALSE: the connection is of no use any more. */
static gboolean pipeline_run(struct db *db, struct pipeline *p)
{
	if (PQsetnonblocking(db->conn, 1) != 0 || PQenterPipelineMode(db->conn) != 1)
		return FALSE;
	for (guint i = 0; i < p->n; i++)
		if (!statement_send(db, p, i))
			return FALSE;
	return PQpipelineSync(db->conn) == 1 && pipeline_read(db, p) &&
	       PQexitPipelineMode(db->conn) == 1 && PQsetnonblocking(db->conn, 0) == 0;
}

/* What was to be prepared at the failure or after it was not; what was before it stays. */
static void prepared_forget(struct db *db, const struct pipeline *p)
{
	for (guint i = 0; i < p->n; i++)
		if (p->prepare_at[i] != NONE && p->prepare_at[i] >= p->results->len)
			g_hash_table_remove(db->prepared, p->statements[i].sql);
}

/*
 * A statement that was prepared is gone (a pooler gave us another server connection) or returns
 * other columns now (a migration). Nothing was done, so a new connection may do it all again.
 */
static gboolean is_outdated(const struct pipeline *p)
{
	const char *sqlstate =
		p->failed != NULL ? PQresultErrorField(p->failed, PG_DIAG_SQLSTATE) : NULL;
	return p->was_known && sqlstate != NULL &&
	       (!strcmp(sqlstate, "26000") || !strcmp(sqlstate, "0A000"));
}

/*
 * The server takes no writes: it was demoted, or is about to go. The next connection may reach the
 * one that does (target_session_attrs), or this one when it is itself again.
 */
static gboolean is_read_only(const PGresult *failed)
{
	return !g_strcmp0(PQresultErrorField(failed, PG_DIAG_SQLSTATE), "25006");
}

static void result_clear(gpointer result)
{
	PQclear(result);
}

static gboolean pipeline_try(
	struct db *db, struct pipeline *p, struct db_result **results, GError **error)
{
	detail_clear(db);
	if (!connection_check(db, error))
		return FALSE;
	use_set(db, DB_USE_BUSY);
	gboolean is_run = pipeline_run(db, p);
	use_end(db);
	if (!is_run)
		return connection_lost(db, error);
	if (p->failed != NULL) {
		prepared_forget(db, p);
		result_refuse(db, p->failed, error);
		if (is_read_only(p->failed))
			connection_drop(db);
		return FALSE;
	}
	if (p->results->len != p->expected)
		return connection_lost(db, error);
	for (guint i = 0; i < p->n; i++) {
		results[i] = g_new(struct db_result, 1);
		results[i]->result = g_steal_pointer(&p->results->pdata[p->execute_at[i]]);
	}
	return TRUE;
}

gboolean db_pipeline(struct db *db, const struct db_statement *statements, guint n,
	struct db_result **results, GError **error)
{
	g_autofree guint *places = g_new0(guint, 2 * (gsize)n);

	for (gboolean is_first = TRUE;; is_first = FALSE) {
		g_autoptr(GError) failure = NULL;
		g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(result_clear);
		struct pipeline p = {.statements = statements,
			.n = n,
			.results = all,
			.prepare_at = places,
			.execute_at = places + n};
		gboolean ok = pipeline_try(db, &p, results, &failure);
		gboolean again = is_first && is_outdated(&p);
		PQclear(p.failed);
		if (ok)
			return TRUE;
		if (!again) {
			g_propagate_error(error, g_steal_pointer(&failure));
			return FALSE;
		}
		db_disconnect(db);
	}
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

gboolean db_set_timeout(struct db *db, gint64 timeout_ms, GError **error)
{
	g_autofree char *sql =
		g_strdup_printf("set statement_timeout = %" G_GINT64_FORMAT, timeout_ms);

	db->timeout_ms = timeout_ms;
	return db_script(db, sql, error);
}

void db_set_lock_wait(struct db *db, gint64 wait_ms)
{
	db->lock_wait_ms = wait_ms;
}

const char *db_error_detail(const struct db *db)
{
	return db->detail;
}

const char *db_error_remedy(const struct db *db)
{
	return db->remedy;
}

const char *db_error_fields(const struct db *db)
{
	return db->fields;
}

const char *db_error_sqlstate(const struct db *db)
{
	return db->sqlstate;
}

void db_error_clear(struct db *db)
{
	detail_clear(db);
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

gboolean db_result_is_number(const struct db_result *result, guint column)
{
	/* pg_type.dat: int8, int2, int4, numeric; whose oids never change. */
	static const Oid numbers[] = {20, 21, 23, 1700};
	Oid type = PQftype(result->result, (int)column);

	for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
		if (type == numbers[i])
			return TRUE;
	return FALSE;
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

guint db_notifications(struct db *db)
{
	guint count = 0;
	for (PGnotify *notify; db->conn != NULL && (notify = PQnotifies(db->conn)) != NULL;) {
		count += notify->be_pid != db->ignored;
		PQfreemem(notify);
	}
	return count;
}

void db_ignore(struct db *db, const struct db *other)
{
	db->ignored = other->conn != NULL ? PQbackendPID(other->conn) : 0;
}

gboolean db_consume(struct db *db, guint *notifications, GError **error)
{
	*notifications = 0;
	if (db->conn == NULL || PQconsumeInput(db->conn) == 0)
		return connection_lost(db, error);
	*notifications = db_notifications(db);
	return TRUE;
}

gboolean db_send(
	struct db *db, const char *sql, int n_params, const char *const *params, GError **error)
{
	detail_clear(db);
	if (db->conn == NULL || PQconsumeInput(db->conn) == 0 ||
		PQstatus(db->conn) != CONNECTION_OK)
		return connection_lost(db, error);
	char *name = g_hash_table_lookup(db->prepared, sql);
	gboolean ok = PQsetnonblocking(db->conn, 1) == 0;
	db->sending = (struct db_statement){sql, n_params, params};
	db->is_deferred = db->can_prepare && name == NULL;
	if (db->is_deferred) {
		name = g_strdup_printf("muster_%u", ++db->names);
		g_hash_table_insert(db->prepared, (gpointer)sql, name);
		ok = ok && PQsendPrepare(db->conn, name, sql, 0, NULL) == 1;
	} else if (name != NULL) {
		ok = ok &&
		     PQsendQueryPrepared(db->conn, name, n_params, params, NULL, NULL, 0) == 1;
	} else {
		ok = ok &&
		     PQsendQueryParams(db->conn, sql, n_params, NULL, params, NULL, NULL, 0) == 1;
	}
	return ok ? db_flush(db, error) : connection_lost(db, error);
}

/* What was to be prepared is: now it is executed. */
static gboolean deferred_send(struct db *db, GError **error)
{
	const struct db_statement *s = &db->sending;
	const char *name = g_hash_table_lookup(db->prepared, s->sql);

	db->is_deferred = FALSE;
	g_clear_pointer(&db->pending, PQclear);
	if (PQsendQueryPrepared(db->conn, name, s->n_params, s->params, NULL, NULL, 0) != 1)
		return connection_lost(db, error);
	return db_flush(db, error);
}

/*
 * Whether the statement must be prepared again: it never was, a pooler gave us another server
 * connection (26000), or a migration changed what it returns (0A000).
 */
static gboolean is_stale(const struct db *db, const PGresult *failed)
{
	const char *sqlstate = PQresultErrorField(failed, PG_DIAG_SQLSTATE);
	return db->is_deferred || !g_strcmp0(sqlstate, "26000") || !g_strcmp0(sqlstate, "0A000");
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
		if (db->is_deferred && db->pending != NULL && result_is_fine(db->pending)) {
			if (!deferred_send(db, error))
				return FALSE;
			continue;
		}
		*is_done = TRUE;
		PQsetnonblocking(db->conn, 0);
		PGresult *last = g_steal_pointer(&db->pending);
		if (last == NULL)
			return connection_lost(db, error);
		if (!result_is_fine(last)) {
			if (is_stale(db, last))
				g_hash_table_remove(db->prepared, db->sending.sql);
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
