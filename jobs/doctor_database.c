/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/doctor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"

/* What is the database's: reaching it, who signs in, what is in it, and whether work goes on. */

#define VERSION_MIN 150000
#define CLOCK_MAX_S 2.0
#define QUEUE_MAX_S 300
#define OUTBOX_MAX_S 60
/* Pusher (two), runner (three) and an administrator, beside the workers of api.fcgi. */
#define CONNECTIONS_BESIDE 8

static const char *const roles[] = {"muster_api", "muster_hook", "muster_jobs", "muster_push"};

/* The first row of a query; NULL: said, or there is no database. */
static struct db_result *row_get(struct doctor *doctor, const char *sql)
{
	g_autoptr(GError) error = NULL;

	if (doctor->db == NULL)
		return NULL;
	struct db_result *result = db_query(doctor->db, sql, 0, NULL, &error);
	if (result != NULL && db_result_rows(result) > 0)
		return result;
	if (result == NULL) {
		const char *detail = db_error_detail(doctor->db);
		doctor_say(doctor, DOCTOR_UNKNOWN, NULL, "%s: %s", error->message,
			detail != NULL ? detail : "");
	}
	db_result_free(result);
	return NULL;
}

/* libpq ignores a password file that others may read, and says so only on standard error. */
static void password_file_check(struct doctor *doctor)
{
	const char *named = g_getenv("PGPASSFILE");
	g_autofree char *path = named != NULL ? g_strdup(named)
					      : g_build_filename(g_get_home_dir(), ".pgpass", NULL);
	struct stat st;

	if (stat(path, &st) < 0 || (st.st_mode & 0077) == 0)
		return;
	g_autofree char *mend = g_strdup_printf("chmod 600 %s", path);
	doctor_say(doctor, DOCTOR_PROBLEM, mend,
		"others may read the password file %s, so libpq does not use it", path);
}

/* A server that refuses us may be right: often it knows the service's system user alone. */
static void connection_tell(struct doctor *doctor, const struct db *db)
{
	const char *detail = db_error_detail(db), *remedy = db_error_remedy(db);
	const char *said = detail != NULL ? detail : "";
	g_autofree char *owner = NULL;
	struct stat st;

	if (remedy == NULL) {
		gboolean is_there = strstr(said, "FATAL:") != NULL;
		doctor_say(doctor, DOCTOR_PROBLEM,
			is_there ? "wait, and ask again" : "systemctl start postgresql",
			is_there ? "PostgreSQL is not ready: %s"
				 : "PostgreSQL cannot be reached: %s",
			said);
		return;
	}
	if (stat(conf_get(doctor->conf, "secret.key_file"), &st) == 0 && st.st_uid != geteuid())
		owner = doctor_owner(st.st_uid);
	g_autofree char *mend = owner != NULL
					? g_strdup_printf("runuser -u %s -- muster doctor", owner)
					: g_strdup(remedy);
	doctor_say(doctor, owner != NULL ? DOCTOR_UNKNOWN : DOCTOR_PROBLEM, mend,
		"PostgreSQL lets nobody in: %s", said);
}

static void connection_check(struct doctor *doctor)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_open(doctor->conf, NULL, &error);

	password_file_check(doctor);
	if (db == NULL) {
		doctor_say(doctor, DOCTOR_PROBLEM, "set url in [database] of muster.conf", "%s",
			error->message);
		return;
	}
	if (!db_connect(db, &error)) {
		connection_tell(doctor, db);
		return;
	}
	doctor->db = g_steal_pointer(&db);
	g_autoptr(db_result) row = row_get(doctor,
		"select current_setting('server_version'), "
		"       current_setting('server_version_num')::integer, "
		"       current_setting('server_encoding'), current_user, current_database()");
	if (row == NULL)
		return;
	if (db_result_get_int(row, 0, 1) < VERSION_MIN)
		doctor_say(doctor, DOCTOR_PROBLEM,
			"apt install postgresql-15, then pg_upgradecluster",
			"PostgreSQL %s is too old", db_result_get(row, 0, 0));
	else if (strcmp(db_result_get(row, 0, 2), "UTF8") != 0)
		doctor_say(doctor, DOCTOR_PROBLEM, "createdb -E UTF8 -T template0 muster",
			"the database has the encoding %s", db_result_get(row, 0, 2));
	else
		doctor_say(doctor, DOCTOR_FINE, NULL, "PostgreSQL %s, database %s, as %s",
			db_result_get(row, 0, 0), db_result_get(row, 0, 4),
			db_result_get(row, 0, 3));
}

static void transport_check(struct doctor *doctor)
{
	const char *url = conf_get(doctor->conf, "database.url");
	g_autoptr(db_result) row = row_get(doctor,
		"select inet_server_addr() is null, coalesce(inet_server_addr() <<= '127.0.0.0/8' "
		"   or inet_server_addr() = '::1', false), "
		"   coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)");

	if (row == NULL)
		return;
	const char *mend = "add sslmode=verify-full (and sslrootcert) to url in [database]";
	if (db_result_get_bool(row, 0, 0) || db_result_get_bool(row, 0, 1))
		doctor_say(doctor, DOCTOR_FINE, NULL, "the connection stays on this host");
	else if (!db_result_get_bool(row, 0, 2))
		doctor_say(doctor, DOCTOR_PROBLEM, mend,
			"the connection crosses the network without encryption");
	else if (strstr(url, "verify-full") == NULL)
		doctor_say(doctor, DOCTOR_PROBLEM, mend,
			"the connection is encrypted, but nobody checks who the server is");
	else
		doctor_say(doctor, DOCTOR_FINE, NULL, "the connection is encrypted and checked");
}

/* Names of migrations that one side has and the other has not, with commas between them. */
static void migrations_compare(struct doctor *doctor, const struct db_result *applied)
{
	g_autofree char *folder =
		g_build_filename(conf_get(doctor->conf, "paths.sql"), "migration", NULL);
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	g_auto(GStrv) names = g_strsplit(db_result_get(applied, 0, 0), ",", -1);
	guint n_files = 0, n_new = 0;

	if (dir == NULL) {
		doctor_say(
			doctor, DOCTOR_PROBLEM, "set sql in [paths]", "%s cannot be read", folder);
		return;
	}
	for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
		if (*name == '.' || !g_str_has_suffix(name, ".sql"))
			continue;
		g_autofree char *stem = g_strndup(name, strlen(name) - strlen(".sql"));
		n_files++;
		n_new += !g_strv_contains((const char *const *)names, stem);
	}
	guint n_names = g_strv_length(names);
	if (n_new > 0)
		doctor_say(doctor, DOCTOR_PROBLEM, "muster migrate",
			"the database is older than this program: %u migration%s to come", n_new,
			n_new == 1 ? " is" : "s are");
	else if (n_names > n_files)
		doctor_say(doctor, DOCTOR_PROBLEM, "install the newer version of Muster again",
			"the database is newer than this program");
	else
		doctor_say(doctor, DOCTOR_FINE, NULL,
			"the tables are this version's (%u migrations)", n_names);
}

static void schema_check(struct doctor *doctor)
{
	g_autoptr(db_result) there = row_get(doctor,
		"select to_regclass('muster.migration') is not null, "
		"       coalesce((select pg_has_role(current_user, nspowner, 'member') "
		"                   from pg_namespace where nspname = 'muster'), false), "
		"       (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'muster')");

	if (there == NULL)
		return;
	if (!db_result_get_bool(there, 0, 0)) {
		doctor_say(
			doctor, DOCTOR_PROBLEM, "muster migrate", "the database has no tables yet");
		return;
	}
	if (!db_result_get_bool(there, 0, 1)) {
		doctor_say(doctor, DOCTOR_UNKNOWN, "run this as the one who runs 'muster migrate'",
			"this database account may not act as %s, so that little can be seen",
			db_result_get(there, 0, 2));
		return;
	}
	const char *params[] = {db_result_get(there, 0, 2)};
	g_autoptr(db_result) set =
		db_query(doctor->db, "select set_config('role', $1, false)", 1, params, NULL);
	doctor->has_schema = set != NULL;
	g_autoptr(db_result) applied = row_get(doctor,
		"select coalesce(string_agg(name, ',' order by name), '') from muster.migration");
	if (applied != NULL)
		migrations_compare(doctor, applied);
}

/* Signing in as a program does. Whoever looks may be another system user than who runs them. */
static void role_check(struct doctor *doctor, const char *role)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db) db = db_open(doctor->conf, role, &error);
	struct stat st;

	if (db == NULL || db_connect(db, &error))
		return;
	const char *detail = db_error_detail(db);
	gboolean is_other =
		stat(conf_get(doctor->conf, "paths.state"), &st) == 0 && st.st_uid != geteuid();
	g_autofree char *mend =
		detail != NULL && strstr(detail, "password") != NULL
			? g_strdup(db_error_remedy(db))
			: g_strdup_printf("a line for %s in pg_hba.conf (and pg_ident.conf) "
					  "that lets the service's user in",
				  role);
	doctor_say(doctor, is_other ? DOCTOR_UNKNOWN : DOCTOR_PROBLEM, mend,
		"cannot sign in as %s from here: %s", role, detail != NULL ? detail : "");
}

static void roles_check(struct doctor *doctor)
{
	guint before = doctor->said->len;

	if (doctor->db == NULL || !doctor->has_schema)
		return;
	if (!strcmp(conf_get(doctor->conf, "database.roles"), "single")) {
		doctor_say(doctor, DOCTOR_WARNING, "set roles = separate where the host allows it",
			"one database role does everything: row-level security is not in force");
		return;
	}
	g_autoptr(db_result) row =
		row_get(doctor, "select count(*), count(*) filter (where rolcanlogin), "
				"       count(*) filter (where rolsuper or rolbypassrls "
				"           or pg_has_role(oid, 'muster_owner', 'member')) "
				"  from pg_roles where rolname in "
				"  ('muster_api', 'muster_hook', 'muster_jobs', 'muster_push')");
	if (row == NULL)
		return;
	if (db_result_get_int(row, 0, 1) < (gint64)G_N_ELEMENTS(roles)) {
		doctor_say(doctor, DOCTOR_PROBLEM,
			"muster migrate, as a role that may create roles",
			"of the four roles of the programs %s can sign in",
			db_result_get(row, 0, 1));
		return;
	}
	if (db_result_get_int(row, 0, 2) > 0)
		doctor_say(doctor, DOCTOR_PROBLEM,
			"alter role ... nosuperuser nobypassrls; revoke muster_owner from ...",
			"%s of the programs' roles may pass row-level security by",
			db_result_get(row, 0, 2));
	for (gsize i = 0; i < G_N_ELEMENTS(roles); i++)
		role_check(doctor, roles[i]);
	if (doctor->said->len == before)
		doctor_say(doctor, DOCTOR_FINE, NULL, "each program signs in as its own role");
}

static void server_check(struct doctor *doctor)
{
	gint64 need = conf_get_int(doctor->conf, "api.workers") + CONNECTIONS_BESIDE;
	g_autoptr(db_result) row = row_get(doctor,
		"select current_setting('max_connections')::integer "
		"         - current_setting('superuser_reserved_connections')::integer, "
		"       (select count(*) from pg_stat_activity where backend_type = 'client backend'), "
		"       current_setting('fsync')::boolean, current_setting('synchronous_commit') <> 'off', "
		"       exists (select from pg_extension where extname = 'pg_trgm')");

	if (row == NULL)
		return;
	gint64 room = db_result_get_int(row, 0, 0);
	if (room < need)
		doctor_say(doctor, DOCTOR_PROBLEM,
			"raise max_connections in postgresql.conf, or lower workers in [api]",
			"PostgreSQL takes %" G_GINT64_FORMAT " connections, and %" G_GINT64_FORMAT
			" are needed",
			room, need);
	else
		doctor_say(doctor, DOCTOR_FINE, NULL,
			"of %" G_GINT64_FORMAT " connections %s are in use", room,
			db_result_get(row, 0, 1));
	if (!db_result_get_bool(row, 0, 2) || !db_result_get_bool(row, 0, 3))
		doctor_say(doctor, DOCTOR_WARNING,
			"set fsync and synchronous_commit in postgresql.conf",
			"PostgreSQL does not wait for the disk: a power failure loses what was answered");
	if (!db_result_get_bool(row, 0, 4))
		doctor_say(doctor, DOCTOR_WARNING, "create extension pg_trgm; (as a superuser)",
			"without pg_trgm searches among very many findings are slow");
}

static void time_check(struct doctor *doctor)
{
	gint64 before = g_get_real_time();
	g_autoptr(db_result) row =
		row_get(doctor, "select extract(epoch from clock_timestamp())::text");

	if (row == NULL)
		return;
	double middle = (double)(before + g_get_real_time()) / 2 / G_USEC_PER_SEC;
	double apart = g_ascii_strtod(db_result_get(row, 0, 0), NULL) - middle;
	if (apart > CLOCK_MAX_S || apart < -CLOCK_MAX_S)
		doctor_say(doctor, DOCTOR_PROBLEM, "timedatectl set-ntp true, on both hosts",
			"the clock of PostgreSQL's host is %.1f s apart from this one's", apart);
	else
		doctor_say(doctor, DOCTOR_FINE, NULL, "PostgreSQL's clock and this one agree");
}

static void people_check(struct doctor *doctor)
{
	if (!doctor->has_schema)
		return;
	g_autoptr(db_result) row = row_get(doctor,
		"select (select count(*) from muster.account where platform_admin and state = 'active'), "
		"       (select count(*) from muster.organization)");
	if (row == NULL)
		return;
	if (db_result_get_int(row, 0, 1) == 0)
		doctor_say(doctor, DOCTOR_PROBLEM, "muster organization add default",
			"there is no organization");
	if (db_result_get_int(row, 0, 0) == 0)
		doctor_say(doctor, DOCTOR_WARNING, "muster account add --role platform_admin EMAIL",
			"nobody is the administrator of this server");
	else
		doctor_say(doctor, DOCTOR_FINE, NULL, "%s administrator%s of the server",
			db_result_get(row, 0, 0), db_result_get_int(row, 0, 0) == 1 ? "" : "s");
}

static void work_check(struct doctor *doctor)
{
	if (!doctor->has_schema)
		return;
	g_autoptr(db_result) row = row_get(doctor,
		"select coalesce(extract(epoch from now() - (select min(at) from muster.outbox)), 0)::bigint, "
		"       coalesce(extract(epoch from now() - (select min(run_at) from muster.job "
		"           where state = 'queued')), 0)::bigint, "
		"       (select count(*) from muster.job where state = 'dead')");
	if (row == NULL)
		return;
	gint64 outbox_s = db_result_get_int(row, 0, 0), queue_s = db_result_get_int(row, 0, 1);
	if (outbox_s > OUTBOX_MAX_S)
		doctor_say(doctor, DOCTOR_PROBLEM, "systemctl restart muster-pusher",
			"events wait for %" G_GINT64_FORMAT " s: nobody numbers them", outbox_s);
	if (queue_s > QUEUE_MAX_S)
		doctor_say(doctor, DOCTOR_PROBLEM, "muster run --status",
			"a job is due for %" G_GINT64_FORMAT " s: no runner takes it", queue_s);
	if (db_result_get_int(row, 0, 2) > 0)
		doctor_say(doctor, DOCTOR_WARNING, "muster run --status",
			"%s jobs were given up after several attempts", db_result_get(row, 0, 2));
	if (outbox_s <= OUTBOX_MAX_S && queue_s <= QUEUE_MAX_S)
		doctor_say(doctor, DOCTOR_FINE, NULL, "no event and no job waits for long");
}

static void roots_check(struct doctor *doctor)
{
	const char *params[] = {conf_get(doctor->conf, "server.host")};
	guint n_bad = 0;

	if (!doctor->has_schema)
		return;
	g_autoptr(db_result) rows = db_query(doctor->db,
		"select path, slug, organization from muster.root_list(null) "
		" where watched and host = $1",
		1, params, NULL);
	for (guint i = 0; rows != NULL && i < db_result_rows(rows); i++) {
		const char *path = db_result_get(rows, i, 0);
		if (access(path, R_OK | X_OK) == 0)
			continue;
		g_autofree char *mend = g_strdup_printf("muster repo remove --organization %s %s",
			db_result_get(rows, i, 2), db_result_get(rows, i, 1));
		doctor_say(
			doctor, DOCTOR_PROBLEM, mend, "the watched folder %s cannot be read", path);
		n_bad++;
	}
	if (rows != NULL && n_bad == 0)
		doctor_say(doctor, DOCTOR_FINE, NULL, "%u watched folder%s of this host",
			db_result_rows(rows), db_result_rows(rows) == 1 ? "" : "s");
}

/* clang-format off */
const struct doctor_check doctor_database_checks[] = {
	{ "database", connection_check },
	{ "transport", transport_check },
	{ "tables", schema_check },
	{ "roles", roles_check },
	{ "server", server_check },
	{ "time", time_check },
	{ "people", people_check },
	{ "work", work_check },
	{ "folders", roots_check },
};
/* clang-format on */
const gsize doctor_database_checks_len = G_N_ELEMENTS(doctor_database_checks);
