/* SPDX-License-Identifier: MIT */
#ifndef LIB_DB_H
#define LIB_DB_H

#include <glib.h>

#include "lib/conf.h"

/*
 * PostgreSQL, the little that our programs need of it: statements with bound text parameters, a
 * pipeline of several in one round trip, notifications, and a connection that comes back by
 * itself. There is no other way to send SQL, and SQL text is never put together from values.
 *
 *	g_autoptr(db) db = db_open(conf, "muster_api", error);
 *	const char *params[] = { "default", NULL };
 *	g_autoptr(db_result) result = db_query(db, "select muster.f($1, $2)", 2, params, error);
 *	const char *text = db_result_get(result, 0, 0);	(borrowed, NULL is SQL's null)
 *
 * Other than on a Unix socket the server has to prove its name (sslmode=verify-full) unless the url
 * says otherwise. Passwords are in database.password_file or libpq's own, never in an error.
 *
 * A statement's text must be a constant of the program (prepared statements are kept by it).
 *
 * Connection: opened at the first use. When it is found lost before anything was sent, it is
 * opened again once; when it is lost after sending, the call fails with MUSTER_ERROR_BUSY, because
 * nobody can know what was done: the caller decides. The next call connects anew. The same holds
 * for a server that gives no answer for database.timeout_ms (times the number of statements) and
 * five seconds. A statement whose plan is outdated, as after a migration, is done again on a new
 * connection. A child of fork() that uses or frees its parent's db leaves the parent's connection
 * alone and opens its own.
 *
 * Errors: by error_from_sqlstate(); connection trouble is MUSTER_ERROR_BUSY. The message of an
 * error that our own functions raised (class MU) is safe for people and passed on; for all others
 * the message is a general one and the server's own text is kept for the log, see
 * db_error_detail().
 */

struct db;
typedef struct db db;
struct db_result;
typedef struct db_result db_result;

/* One statement of a pipeline. params lives until db_pipeline() returns. */
struct db_statement {
	const char *sql;
	int n_params;
	const char *const *params;
};

/*
 * role: who to sign in as when database.roles is separate, e.g. "muster_api". Nothing is sent yet.
 * Errors: MUSTER_ERROR_INPUT when database.url is empty, or others may read the password file.
 */
struct db *db_open(const struct conf *conf, const char *role, GError **error);
/* The same, to database.direct: for LISTEN. */
struct db *db_open_direct(const struct conf *conf, const char *role, GError **error);
void db_free(struct db *db);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(db, db_free)

/* Connects now if it is not connected. */
gboolean db_connect(struct db *db, GError **error);
/*
 * The same without waiting, for event loops: db_connect_start(), then db_connect_poll() now and
 * each time db_fd() is readable or, when *is_writing, writable, until *is_done. db_fd() may be
 * another descriptor after each call. The loop sets the time limit.
 */
gboolean db_connect_start(struct db *db, GError **error);
gboolean db_connect_poll(struct db *db, gboolean *is_done, gboolean *is_writing, GError **error);
/* Closes the connection; the next use opens it again. */
void db_disconnect(struct db *db);

struct db_result *db_query(
	struct db *db, const char *sql, int n_params, const char *const *params, GError **error);

/* How long an answer may take from now on; at first it is database.timeout_ms. Connects. */
gboolean db_set_timeout(struct db *db, gint64 timeout_ms, GError **error);
/*
 * How long of that may be spent waiting for somebody's lock; 0, at first: all. Then it is
 * MUSTER_ERROR_BUSY. Of connections that are opened from now on.
 */
void db_set_lock_wait(struct db *db, gint64 wait_ms);

/* Several statements without parameters, as in a migration file. Not prepared. */
gboolean db_script(struct db *db, const char *sql, GError **error);

/*
 * All statements in one transaction and one round trip: the first that fails undoes all and is
 * the error. results receives n results (each freed by the caller) only on success.
 */
gboolean db_pipeline(struct db *db, const struct db_statement *statements, guint n,
	struct db_result **results, GError **error);

/*
 * What the server said about the last failure (SQLSTATE, message, detail), for the log only;
 * NULL when there is none. db_error_fields() is the DETAIL of an error of class MU, a JSON array
 * for a person. Borrowed until the next call.
 */
const char *db_error_detail(const struct db *db);
/* What an administrator does when a server refuses a sign-in; NULL when waiting may help. */
const char *db_error_remedy(const struct db *db);
const char *db_error_fields(const struct db *db);
const char *db_error_sqlstate(const struct db *db);
/* Forgets it: at the start of another request. */
void db_error_clear(struct db *db);

void db_result_free(struct db_result *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(db_result, db_result_free)
guint db_result_rows(const struct db_result *result);
guint db_result_columns(const struct db_result *result);
const char *db_result_get(const struct db_result *result, guint row, guint column);
gsize db_result_get_len(const struct db_result *result, guint row, guint column);
/* Whether the column holds numbers, whose text JSON has as it is, but for NaN. */
gboolean db_result_is_number(const struct db_result *result, guint column);
/* The value as a number; 0 for null. */
gint64 db_result_get_int(const struct db_result *result, guint row, guint column);
gboolean db_result_get_bool(const struct db_result *result, guint row, guint column);

/*
 * Notifications. db_fd() is for a poll loop (-1 when not connected); when it is readable,
 * db_consume() reads what came and says how many notifications there were, or fails with
 * MUSTER_ERROR_BUSY when the connection is gone. A query may read them off the socket together
 * with its answer: call db_consume() after each query on a listening connection.
 */
gboolean db_listen(struct db *db, const char *channel, GError **error);
int db_fd(const struct db *db);
gboolean db_consume(struct db *db, guint *notifications, GError **error);
/* Those that came while something else was read, e.g. by db_receive(). */
guint db_notifications(struct db *db);
/*
 * Notifications of that connection are not counted: its own answers say what it did. A pooler in
 * between names connections that mean nothing to the server, then all are counted.
 */
void db_ignore(struct db *db, const struct db *other);

/*
 * Writes into *use what the connection is at whenever that changes, as a gauge for others; use
 * lives as long as db. Calls for event loops (db_send() and the like) are not told.
 */
enum db_use {
	DB_USE_UNSET,
	DB_USE_CLOSED,
	DB_USE_WAITING, /* for the server to let it in */
	DB_USE_IDLE,
	DB_USE_BUSY, /* with a statement */
};
void db_watch(struct db *db, gint32 *use);

/*
 * Without waiting, for event loops: db_send() hands one statement over and returns; call
 * db_receive() whenever db_fd() is readable until *is_done. One statement at a time. Both fail as
 * db_query() does; a lost connection needs db_connect() (which waits at most two seconds) again.
 * db_flush() is called while db_is_flushing() and db_fd() is writable. params live until *is_done.
 */
gboolean db_send(
	struct db *db, const char *sql, int n_params, const char *const *params, GError **error);
gboolean db_is_flushing(const struct db *db);
gboolean db_flush(struct db *db, GError **error);
gboolean db_receive(struct db *db, gboolean *is_done, struct db_result **result, GError **error);

#endif
