/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/doctor.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "jobs/landlock.h"
#include "lib/error.h"
#include "lib/secret.h"

/* What is this host's: files and who may read them, the clock, the kernel, programs. */

/* A report of 10 000 repositories is 46 MB, and a database needs room to go on. */
#define DISK_MIN_BYTES (512ULL * 1024 * 1024)
#define SOCKET_PATH_MAX 107
#define SOCKET_LONGEST "pusher.sock"

char *doctor_owner(uid_t uid)
{
	struct passwd who, *found = NULL;
	char room[4096];

	if (getpwuid_r(uid, &who, room, sizeof(room), &found) == 0 && found != NULL)
		return g_strdup(found->pw_name);
	return g_strdup_printf("%u", (unsigned)uid);
}

/* Whether value, a connection string, holds a password. */
static gboolean has_password(const char *value)
{
	return g_regex_match_simple("password\\s*=|://[^/@]*:[^/@]*@", value, G_REGEX_CASELESS, 0);
}

static void configuration_check(struct doctor *doctor)
{
	const char *file = conf_get_source(doctor->conf, "database.url");
	gboolean is_secret = has_password(conf_get(doctor->conf, "database.url")) ||
			     has_password(conf_get(doctor->conf, "database.direct"));
	const char *former = conf_find_former(doctor->conf);
	struct stat st;

	if (former != NULL)
		doctor_say(doctor, DOCTOR_WARNING,
			"take it out; 'muster schedule list' says when what is done",
			"%s has no effect any more", former);
	if (is_secret && *file == '/' && stat(file, &st) == 0 && (st.st_mode & 0007) != 0) {
		g_autofree char *mend = g_strdup_printf("chmod o= %s", file);
		doctor_say(doctor, DOCTOR_PROBLEM, mend,
			"%s holds a password and everybody may read it", file);
	} else if (is_secret) {
		doctor_say(doctor, DOCTOR_WARNING,
			"write it to ~/.pgpass (mode 0600) of each user that needs it",
			"database.url holds a password");
	} else if (former == NULL) {
		doctor_say(doctor, DOCTOR_FINE, NULL, "every setting is one that there is");
	}
}

/* A folder that has to be there, writable for its owner and not for the world. */
static gboolean folder_check(struct doctor *doctor, const char *path, const char *what)
{
	struct stat st;
	int failed = stat(path, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;

	if (failed != 0) {
		g_autofree char *mend = g_strdup_printf("install -d -m 0750 %s", path);
		doctor_say(doctor, failed == EACCES ? DOCTOR_UNKNOWN : DOCTOR_PROBLEM,
			failed == EACCES ? NULL : mend, "%s %s: %s", what, path,
			g_strerror(failed));
		return FALSE;
	}
	if ((st.st_mode & 0002) != 0 && (st.st_mode & 01000) == 0) {
		g_autofree char *mend = g_strdup_printf("chmod o-w %s", path);
		doctor_say(doctor, DOCTOR_PROBLEM, mend, "%s %s is writable for everybody", what,
			path);
		return FALSE;
	}
	if (access(path, R_OK | W_OK | X_OK) < 0) {
		g_autofree char *owner = doctor_owner(st.st_uid), *me = doctor_owner(geteuid());
		g_autofree char *mend = g_strdup_printf("runuser -u %s -- muster doctor", owner);
		doctor_say(doctor, DOCTOR_UNKNOWN, mend, "%s %s is %s's, and this is %s", what,
			path, owner, me);
		return FALSE;
	}
	return TRUE;
}

static void state_check(struct doctor *doctor)
{
	const char *path = conf_get(doctor->conf, "paths.state");

	if (folder_check(doctor, path, "the state folder"))
		doctor_say(doctor, DOCTOR_FINE, NULL, "the state folder is %s", path);
}

static void run_check(struct doctor *doctor)
{
	const char *path = conf_get(doctor->conf, "paths.run");

	if (!folder_check(doctor, path, "the run folder"))
		return;
	if (strlen(path) + 1 + strlen(SOCKET_LONGEST) > SOCKET_PATH_MAX)
		doctor_say(doctor, DOCTOR_PROBLEM, "set run in [paths] to a shorter path",
			"sockets in %s would have names that the kernel refuses", path);
	else
		doctor_say(doctor, DOCTOR_FINE, NULL, "sockets lie in %s", path);
}

static void key_check(struct doctor *doctor)
{
	const char *path = conf_get(doctor->conf, "secret.key_file");
	g_autofree char *folder = g_path_get_dirname(path);
	g_autoptr(GError) error = NULL;
	struct stat st, above;

	if (stat(path, &st) < 0 && errno != EACCES) {
		doctor_say(doctor, DOCTOR_PROBLEM, "muster migrate", "there is no master key %s",
			path);
		return;
	}
	if (access(path, R_OK) < 0) {
		doctor_say(doctor, DOCTOR_UNKNOWN, NULL, "the master key %s: %s", path,
			g_strerror(errno));
		return;
	}
	if ((st.st_mode & SECRET_KEY_FORBIDDEN) != 0) {
		g_autofree char *mend = g_strdup_printf("chmod 600 %s", path);
		doctor_say(doctor, DOCTOR_PROBLEM, mend,
			"others than its owner and group may read the master key %s", path);
		return;
	}
	if (stat(folder, &above) == 0 && above.st_uid != st.st_uid && above.st_uid != 0) {
		g_autofree char *owner = doctor_owner(above.st_uid);
		g_autofree char *mend = g_strdup_printf("chown %s: %s", owner, path);
		doctor_say(doctor, DOCTOR_PROBLEM, mend,
			"the master key %s is not of the user whose folder it lies in", path);
		return;
	}
	g_autoptr(secret_key) key = secret_key_load(path, FALSE, &error);
	if (key == NULL)
		doctor_say(doctor, DOCTOR_PROBLEM, "bring it back from a backup: muster restore",
			"%s", error->message);
	else
		doctor_say(doctor, DOCTOR_FINE, NULL, "the master key is %s", path);
}

static void issuers_check(struct doctor *doctor)
{
	const char *path = conf_get(doctor->conf, "auth.openid_file");
	struct stat st;

	if (*path == '\0')
		return;
	g_autofree char *mend = g_strdup_printf("chmod o= %s", path);
	if (stat(path, &st) < 0)
		doctor_say(doctor, DOCTOR_PROBLEM,
			"write it (see api.fcgi(8)), or take openid_file out of [auth]",
			"the issuers' file %s: %s", path, g_strerror(errno));
	else if ((st.st_mode & 0007) != 0)
		doctor_say(doctor, DOCTOR_PROBLEM, mend,
			"others may read the secrets in the issuers' file %s", path);
	else
		doctor_say(doctor, DOCTOR_FINE, NULL, "the issuers' file is %s", path);
}

static void disk_check(struct doctor *doctor)
{
	const char *path = conf_get(doctor->conf, "paths.state");
	struct statvfs fs;

	if (statvfs(path, &fs) < 0)
		return; /* said already */
	guint64 left = (guint64)fs.f_bavail * fs.f_frsize;
	g_autofree char *size = g_format_size(left);
	if (left < DISK_MIN_BYTES || (fs.f_files > 0 && fs.f_favail == 0))
		doctor_say(doctor, DOCTOR_PROBLEM, "lower history_keep in [audit], or make room",
			"the disk of %s is full: %s are left", path, size);
	else
		doctor_say(doctor, DOCTOR_FINE, NULL, "the disk of %s has %s left", path, size);
}

static void clock_check(struct doctor *doctor)
{
	struct timex clock = {0};
	int state = adjtimex(&clock);

	if (state < 0)
		doctor_say(doctor, DOCTOR_UNKNOWN, NULL, "the clock: %s", g_strerror(errno));
	else if (state == TIME_ERROR || (clock.status & STA_UNSYNC) != 0)
		doctor_say(doctor, DOCTOR_WARNING, "timedatectl set-ntp true",
			"nothing keeps the clock right: sessions, codes and reports go by it");
	else
		doctor_say(doctor, DOCTOR_FINE, NULL, "the clock is kept right");
}

static void kernel_check(struct doctor *doctor)
{
	int abi = landlock_abi();

	if (abi < 1)
		doctor_say(doctor, DOCTOR_WARNING,
			"boot with lsm=landlock,... (see the kernel's log)",
			"the kernel has no Landlock: jobs run without the fence around files");
	else
		doctor_say(doctor, DOCTOR_FINE, NULL, "Landlock %d fences jobs in", abi);
}

static gboolean is_privileged(const char *program)
{
	struct stat st;
	return stat(program, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)) != 0;
}

static void programs_check(struct doctor *doctor)
{
	g_autofree char *git = g_find_program_in_path("git");
	const char *mail = conf_get(doctor->conf, "server.sendmail");
	const char *muster = conf_get(doctor->conf, "paths.muster");

	if (git == NULL)
		doctor_say(doctor, DOCTOR_PROBLEM, "apt install git",
			"there is no git: nothing can be cloned or fetched");
	if (access(mail, X_OK) < 0)
		doctor_say(doctor, DOCTOR_WARNING,
			"apt install msmtp-mta, or set sendmail in [server]",
			"there is no %s: invitations and new passwords cannot be sent", mail);
	else if (is_privileged(mail) || is_privileged("/usr/sbin/postdrop"))
		doctor_say(doctor, DOCTOR_WARNING,
			"apt install msmtp-mta, or name a mail program in sendmail of [server]",
			"%s needs rights of its own, which the units of systemd do not let it have",
			mail);
	if (access(muster, X_OK) < 0)
		doctor_say(doctor, DOCTOR_PROBLEM, "set muster in [paths]",
			"%s is no program: the page shows no differences", muster);
	if (git != NULL && access(mail, X_OK) == 0 && access(muster, X_OK) == 0)
		doctor_say(doctor, DOCTOR_FINE, NULL, "git, the mail program and muster are there");
}

static void page_check(struct doctor *doctor)
{
	const char *folder = conf_get(doctor->conf, "paths.htdocs");
	g_autofree char *index = g_build_filename(folder, "index.html", NULL);
	struct stat st;

	if (access(index, R_OK) < 0 || stat(index, &st) < 0)
		doctor_say(doctor, DOCTOR_PROBLEM, "set htdocs in [paths]", "the page %s: %s",
			index, g_strerror(errno));
	else if ((st.st_mode & 0004) == 0) {
		g_autofree char *mend = g_strdup_printf("chmod -R a+rX %s", folder);
		doctor_say(doctor, DOCTOR_WARNING, mend,
			"a web server that is another user cannot read %s", index);
	} else
		doctor_say(doctor, DOCTOR_FINE, NULL, "the page is in %s", folder);
}

/* clang-format off */
const struct doctor_check doctor_host_checks[] = {
	{ "configuration", configuration_check },
	{ "state", state_check },
	{ "run", run_check },
	{ "key", key_check },
	{ "issuers", issuers_check },
	{ "disk", disk_check },
	{ "clock", clock_check },
	{ "kernel", kernel_check },
	{ "programs", programs_check },
	{ "page", page_check },
};
/* clang-format on */
const gsize doctor_host_checks_len = G_N_ELEMENTS(doctor_host_checks);
