/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/db.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/unit/check.h"

/* Run by t/unit/db.t, which has started a server and set MUSTER_DATABASE_URL. */

static struct conf *settings;

static struct db *db_new(void)
{
	g_autoptr(GError) error = NULL;
	struct db *db = db_open(settings, "muster_api", &error);
	g_assert_no_error(error);
	return db;
}

/* The one value of a query, "(null)" for null, "(error)" when it fails. */
static char *value_get(struct db *db, const char *sql)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db_result) result = db_query(db, sql, 0, NULL, &error);
	if (result == NULL) {
		g_test_message("%s: %s: %s", sql, error->message, db_error_detail(db));
		return g_strdup("(error)");
	}
	const char *value = db_result_get(result, 0, 0);
	return g_strdup(value != NULL ? value : "(null)");
}

#define check_value(db, sql, wanted)                                                               \
	do {                                                                                       \
		g_autofree char *found = value_get((db), (sql));                                   \
		g_assert_cmpstr(found, ==, (wanted));                                              \
	} while (0)

static void test_query(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_new();
	const char *params[] = {"caf\xc3\xa9 '", NULL, "41"};
	g_autoptr(db_result) result = db_query(
		db, "select $1::text, $2::text, $3::int + 1, true, false, ''", 3, params, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(db_result_rows(result), ==, 1);
	g_assert_cmpuint(db_result_columns(result), ==, 6);
	g_assert_cmpstr(db_result_get(result, 0, 0), ==, "caf\xc3\xa9 '");
	g_assert_cmpuint(db_result_get_len(result, 0, 0), ==, 7);
	g_assert_null(db_result_get(result, 0, 1));
	g_assert_cmpint(db_result_get_int(result, 0, 1), ==, 0);
	g_assert_cmpint(db_result_get_int(result, 0, 2), ==, 42);
	g_assert_true(db_result_get_bool(result, 0, 3));
	g_assert_false(db_result_get_bool(result, 0, 4));
	g_assert_cmpstr(db_result_get(result, 0, 5), ==, "");
	/* As who, and with what limit. */
	check_value(db, "select current_user", "muster_api");
	check_value(db, "show statement_timeout", "2s");
	check_value(db, "show client_encoding", "UTF8");
}

static void test_prepared(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_new();
	static const char sql[] =
		"select count(*) from pg_prepared_statements where name like 'muster%'";
	check_value(db, sql, "1");
	check_value(db, sql, "1");
	check_value(db, "select 1", "1");
	check_value(db, sql, "2");

	g_setenv("MUSTER_DATABASE_PREPARE", "false", TRUE);
	g_autoptr(conf) plain_conf = conf_load("/dev/null", &error);
	g_unsetenv("MUSTER_DATABASE_PREPARE");
	g_autoptr(db) plain = db_open(plain_conf, "muster_api", &error);
	g_assert_no_error(error);
	check_value(plain, sql, "0");
	check_value(plain, sql, "0");
}

static void test_pipeline(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_new();
	const char *name[] = {"muster.test"}, *pair[] = {"muster.test", "inside"};
	const struct db_statement statements[] = {
		{"select set_config($1, $2, true)", 2, pair},
		{"select current_setting($1)", 1, name},
		{"select generate_series(1, 3)", 0, NULL},
		{"select current_setting($1)", 1, name},
	};
	struct db_result *results[4] = {NULL};
	/* One transaction: what the first set holds for the second, and no longer. */
	g_assert_true(db_pipeline(db, statements, 4, results, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(db_result_get(results[1], 0, 0), ==, "inside");
	g_assert_cmpuint(db_result_rows(results[2]), ==, 3);
	g_assert_cmpstr(db_result_get(results[3], 0, 0), ==, "inside");
	for (int i = 0; i < 4; i++)
		db_result_free(results[i]);
	check_value(db, "select coalesce(nullif(current_setting('muster.test', true), ''), 'gone')",
		"gone");
	g_assert_true(db_pipeline(db, NULL, 0, NULL, &error));
}

static void test_pipeline_failure(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_new();
	const char *zero[] = {"0"}, *one[] = {"1"};
	const struct db_statement statements[] = {
		{"insert into public.note (text) values ($1) returning id", 1, one},
		{"select 1 / $1::int", 1, zero},
		{"insert into public.note (text) values ('after ' || $1) returning id", 1, one},
		{"select pg_sleep(60)", 0, NULL},
	};
	struct db_result *results[4] = {NULL};
	check_value(db, "select pg_backend_pid() > 0", "t");
	g_autofree char *before = value_get(db, "select pg_backend_pid()");

	for (int round = 0; round < 3; round++) {
		g_assert_false(db_pipeline(db, statements, 4, results, &error));
		g_assert_cmpstr(db_error_sqlstate(db), ==, "22012");
		g_assert_nonnull(strstr(db_error_detail(db), "division by zero"));
		g_assert_null(db_error_fields(db));
		check_refused(error, MUSTER_ERROR_INPUT, "a value is not acceptable");
		for (int i = 0; i < 4; i++)
			g_assert_null(results[i]);
	}
	check_value(db, "select count(*) from public.note", "0");
	/* The connection stayed, and each statement still works, prepared before or not. */
	check_value(db, "select pg_backend_pid()", before);
	const struct db_statement fine[] = {{statements[0].sql, 1, one},
		{statements[1].sql, 1, one}, {statements[2].sql, 1, one}};
	g_assert_true(db_pipeline(db, fine, 3, results, &error));
	g_assert_no_error(error);
	for (int i = 0; i < 3; i++)
		db_result_free(results[i]);
	check_value(db, "select count(*) from public.note", "2");
	/* A statement that cannot even be prepared fails each time, for the same reason. */
	for (int round = 0; round < 2; round++) {
		g_assert_null(db_query(db, "select nothing from nowhere", 0, NULL, &error));
		g_assert_cmpstr(db_error_sqlstate(db), ==, "42P01");
		check_refused(error, MUSTER_ERROR_DB, "the database refused the statement");
	}
	check_value(db, "select pg_backend_pid()", before);
}

/* More than the buffers of a Unix socket hold, and little enough for a machine that is busy. */
#define LARGE_BYTES (1024 * 1024)

static void test_large(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_new();
	/* Both directions at once, more than any buffer between us and the server. */
	g_autofree char *large = g_strnfill(LARGE_BYTES, 'x');
	const char *params[] = {large};
	struct db_statement statements[8];
	struct db_result *results[8];
	for (int i = 0; i < 8; i++)
		statements[i] = (struct db_statement){"select $1::text || 'y'", 1, params};
	g_assert_true(db_pipeline(db, statements, 8, results, &error));
	g_assert_no_error(error);
	for (int i = 0; i < 8; i++) {
		g_assert_cmpuint(db_result_get_len(results[i], 0, 0), ==, LARGE_BYTES + 1);
		db_result_free(results[i]);
	}
}

/* clang-format off */
static const struct {
	const char *sql, *sqlstate;
	enum muster_error code;
	const char *message;
} refusals[] = {
	{ "select public.refuse('MU404')", "MU404", MUSTER_ERROR_MISSING, "for people" },
	{ "select public.refuse('MU401')", "MU401", MUSTER_ERROR_AUTH, "for people" },
	{ "select public.refuse('MU429')", "MU429", MUSTER_ERROR_LIMIT, "for people" },
	{ "select public.refuse('P0001')", "P0001", MUSTER_ERROR_DB, "the database refused the statement" },
	{ "insert into public.note (id, text) values (1000, 'a'), (1000, 'b')", "23505", MUSTER_ERROR_CONFLICT, "it exists already" },
	{ "insert into public.note (text) values (null)", "23502", MUSTER_ERROR_INPUT, "a value is not acceptable" },
	{ "select 'x'::int", "22P02", MUSTER_ERROR_INPUT, "a value is not acceptable" },
	{ "select * from pg_authid", "42501", MUSTER_ERROR_DENIED, "the database role may not do this" },
	{ "select pg_sleep(30)", "57014", MUSTER_ERROR_BUSY, "the database cannot do this just now" },
};
/* clang-format on */

static void test_refusals(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_new();
	for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
		g_assert_null(db_query(db, refusals[i].sql, 0, NULL, &error));
		g_assert_cmpstr(db_error_sqlstate(db), ==, refusals[i].sqlstate);
		g_assert_cmpstr(db_error_fields(db), ==,
			g_str_has_prefix(refusals[i].sqlstate, "MU") ? "[\"fields\"]" : NULL);
		/* What the server says is for the log: it may hold values. */
		if (!g_str_has_prefix(refusals[i].sqlstate, "MU"))
			g_assert_null(error != NULL ? strstr(error->message, "pg_") : NULL);
		check_refused(error, refusals[i].code, refusals[i].message);
	}
	check_value(db, "select 1", "1");
	g_assert_null(db_error_sqlstate(db));
	g_assert_null(db_error_detail(db));
}

/* Ends the backend of db from another connection and waits until it is gone. */
static void backend_end(struct db *db)
{
	g_autofree char *pid = value_get(db, "select pg_backend_pid()");
	g_autoptr(db) other = db_new();
	const char *params[] = {pid};
	g_autoptr(db_result) result =
		db_query(other, "select pg_terminate_backend($1::int, 10000)", 1, params, NULL);
	g_assert_nonnull(result);
	g_assert_true(result != NULL && db_result_get_bool(result, 0, 0));
}

static void test_reconnect(void)
{
	g_autoptr(db) db = db_new();
	for (int round = 0; round < 3; round++) {
		check_value(db, "select 7", "7");
		backend_end(db);
		/* Found before anything is sent, so the caller does not hear of it. */
		check_value(db, "select 7", "7");
	}
}

static void test_lost(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_new();
	static const char sql[] = "select pg_terminate_backend(pg_backend_pid())";
	g_assert_null(db_query(db, sql, 0, NULL, &error));
	g_assert_error(error, MUSTER_ERROR, MUSTER_ERROR_BUSY);
	g_clear_error(&error);
	check_value(db, "select 1", "1");
	g_assert_false(db_script(db, sql, &error));
	g_assert_error(error, MUSTER_ERROR, MUSTER_ERROR_BUSY);
	g_clear_error(&error);
	check_value(db, "select 1", "1");
}

/* A server that took the statement and says nothing more: stopped, or cut off by a network. */
static void test_half_lost(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_new();
	g_autofree char *pid_text = value_get(db, "select pg_backend_pid()");
	pid_t pid = (pid_t)atoi(pid_text);
	if (kill(pid, SIGSTOP) != 0) {
		g_test_skip("the server runs as another user");
		return;
	}
	gint64 start = g_get_monotonic_time();
	g_assert_null(db_query(db, "select 1", 0, NULL, &error));
	gint64 took = g_get_monotonic_time() - start;
	kill(pid, SIGCONT);
	check_refused(error, MUSTER_ERROR_BUSY, "cannot be reached");
	g_assert_cmpint(took, >=, 6 * G_USEC_PER_SEC);
	check_value(db, "select 1", "1");
}

static void test_outdated(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_new();
	static const char sql[] = "select * from public.shape";
	g_assert_true(db_script(db, "create table public.shape as select 1 as a", &error));
	check_value(db, sql, "1");
	g_assert_true(db_script(
		db, "alter table public.shape add column b text; deallocate all", &error));
	check_value(db, sql, "1");
	g_assert_true(db_script(db, "alter table public.shape alter column a type text", &error));
	check_value(db, sql, "1");
	g_assert_true(db_script(db, "drop table public.shape", &error));
	g_assert_no_error(error);
	g_assert_null(db_query(db, sql, 0, NULL, &error));
	check_refused(error, MUSTER_ERROR_DB, "refused the statement");
}

static void test_fork(void)
{
	g_autoptr(db) db = db_new();
	g_autofree char *parent = value_get(db, "select pg_backend_pid()");
	for (int way = 0; way < 3; way++) {
		pid_t child = fork();
		if (child == 0) {
			if (way == 0)
				db_free(db);
			if (way == 1)
				db_disconnect(db);
			if (way == 2) {
				g_autofree char *mine = value_get(db, "select pg_backend_pid()");
				_exit(strcmp(mine, parent) != 0 && *mine != '(' ? 0 : 1);
			}
			_exit(0);
		}
		int status = -1;
		g_assert_cmpint(waitpid(child, &status, 0), ==, child);
		g_assert_cmpint(status, ==, 0);
		check_value(db, "select pg_backend_pid()", parent);
	}
}

static void readable_wait(struct db *db)
{
	GPollFD look = {.fd = db_fd(db), .events = G_IO_IN};
	g_assert_cmpint(g_poll(&look, 1, 10000), ==, 1);
}

static void test_listen(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_new();
	g_autoptr(db) other = db_new();
	guint count = 0;
	g_assert_cmpint(db_fd(db), ==, -1);
	g_assert_true(db_listen(db, "odd \"channel", &error));
	g_assert_no_error(error);
	g_assert_true(db_script(other, "notify \"odd \"\"channel\"", &error));
	while (count == 0 && error == NULL) {
		readable_wait(db);
		db_consume(db, &count, &error);
	}
	g_assert_cmpuint(count, ==, 1);
	/* The end of the server is an error, not silence. */
	backend_end(db);
	while (error == NULL) {
		readable_wait(db);
		db_consume(db, &count, &error);
	}
	check_refused(error, MUSTER_ERROR_BUSY, "cannot be reached");
	g_assert_cmpint(db_fd(db), ==, -1);
}

/* As an event loop does it: nothing here waits but g_poll(). */
static struct db_result *loop_query(struct db *db, const char *sql, GError **error)
{
	gboolean is_done = FALSE;
	struct db_result *result = NULL;
	if (!db_send(db, sql, 0, NULL, error))
		return NULL;
	while (!is_done) {
		GPollFD look = {.fd = db_fd(db), .events = G_IO_IN};
		if (db_is_flushing(db))
			look.events |= G_IO_OUT;
		g_assert_cmpint(g_poll(&look, 1, 10000), ==, 1);
		if ((look.revents & G_IO_OUT) && !db_flush(db, error))
			return NULL;
		if ((look.revents & G_IO_IN) && !db_receive(db, &is_done, &result, error))
			return NULL;
	}
	return result;
}

static void test_loop(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_new();
	gboolean is_done = FALSE, is_writing = FALSE;

	g_assert_null(loop_query(db, "select 1", &error));
	check_refused(error, MUSTER_ERROR_BUSY, "cannot be reached");
	g_assert_true(db_connect_start(db, &error));
	while (error == NULL && db_connect_poll(db, &is_done, &is_writing, &error) && !is_done) {
		GPollFD look = {.fd = db_fd(db), .events = is_writing ? G_IO_OUT : G_IO_IN};
		g_assert_cmpint(g_poll(&look, 1, 10000), ==, 1);
	}
	g_assert_no_error(error);
	g_autoptr(db_result) result = loop_query(db, "select generate_series(1, 100000)", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(db_result_rows(result), ==, 100000);
	g_assert_null(loop_query(db, "select 1 / 0", &error));
	check_refused(error, MUSTER_ERROR_INPUT, "not acceptable");
	g_autoptr(db_result) again = loop_query(db, "select 2", &error);
	g_assert_cmpint(db_result_get_int(again, 0, 0), ==, 2);
	g_assert_null(loop_query(db, "select pg_terminate_backend(pg_backend_pid())", &error));
	g_assert_error(error, MUSTER_ERROR, MUSTER_ERROR_BUSY);
	g_clear_error(&error);
	/* The waiting calls work on, too. */
	check_value(db, "select 3", "3");
}

static void test_no_server(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(conf) other = conf_load("/dev/null", &error);
	g_assert_true(conf_set(other, "database.url", "host=/nowhere password=hidden", &error));
	g_autoptr(db) db = db_open(other, "muster_api", &error);
	g_assert_no_error(error);
	g_assert_false(db_connect(db, &error));
	check_refused(error, MUSTER_ERROR_BUSY, "cannot be reached");
	g_assert_nonnull(db_error_detail(db));
	g_assert_null(strstr(db_error_detail(db), "hidden"));
	g_assert_true(conf_set(other, "database.url", "host='unended", &error));
	g_autoptr(db) broken = db_open(other, "muster_api", &error);
	g_assert_false(db_connect(broken, &error));
	check_refused(error, MUSTER_ERROR_BUSY, "cannot be reached");
	g_assert_true(conf_set(other, "database.url", "", &error));
	g_assert_null(db_open(other, "muster_api", &error));
	check_refused(error, MUSTER_ERROR_INPUT, "no database is configured");
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	check_init(&argc, &argv);
	settings = conf_load("/dev/null", &error);
	g_assert_no_error(error);
	g_test_add_func("/db/values go in and come out as text, null apart", test_query);
	g_test_add_func("/db/a statement is prepared once, or never", test_prepared);
	g_test_add_func("/db/a pipeline is one transaction", test_pipeline);
	g_test_add_func(
		"/db/an error aborts the rest and undoes what was before", test_pipeline_failure);
	g_test_add_func("/db/large statements and answers do not wait for each other", test_large);
	g_test_add_func(
		"/db/each refusal has its code, and words for people only from us", test_refusals);
	g_test_add_func(
		"/db/a connection that ended while idle is opened again unnoticed", test_reconnect);
	g_test_add_func(
		"/db/one that ends under a statement is an error, the next call works", test_lost);
	g_test_add_func("/db/a server that answers nothing is given up in time", test_half_lost);
	g_test_add_func("/db/a statement whose plan is outdated is done again", test_outdated);
	g_test_add_func("/db/a child leaves its parent's connection alone", test_fork);
	g_test_add_func("/db/a notification is heard, and so is the end", test_listen);
	g_test_add_func("/db/an event loop never waits for the server", test_loop);
	g_test_add_func("/db/without a server the error says so and no more", test_no_server);
	int result = check_run();
	conf_free(settings);
	return result;
}
