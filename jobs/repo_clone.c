/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/repo_clone.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/login.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/quote.h"

#define URL_MAX_BYTES 2000
#define NAME_MAX_BYTES 100
/* Of what git says only the end is kept. */
#define TAIL_BYTES 4096
/* To ask which branch is the first. */
#define HEAD_TIMEOUT_S 60
/* A git that was told to end removes its locks and what it has half of; less than a job's grace. */
#define END_GRACE_US (3 * (gint64)G_USEC_PER_SEC)
#define END_POLL_US 20000
/* Where git finds, as a file of configuration, what the peer asks for. */
#define LOGIN_FD (STDERR_FILENO + 1)
#define LOGIN_SETTING "include.path=/proc/self/fd/" G_STRINGIFY(3)
G_STATIC_ASSERT(LOGIN_FD == 3);

struct manner {
	gboolean is_mirror;
	const char *const *more;      /* what git is to do instead of cloning, in the folder */
	gboolean is_foreign;          /* somebody else named the address */
	const struct repo_peer *peer; /* whom git is to ask; NULL: it looks the name up itself */
	GString *said;                /* what git prints comes here; NULL: it is dropped */
	guint address;                /* which of the peer's, for ssh, which takes one */
};

static gboolean has_scheme(const char *text)
{
	const char *colon = strstr(text, "://");
	return colon != NULL && colon > text && strcspn(text, "/") > (gsize)(colon - text);
}

/* [user@]host:path, as ssh and git take it; a colon behind a slash belongs to a folder's name. */
static gboolean is_scp_form(const char *text)
{
	gsize colon = strcspn(text, ":/");
	return colon > 0 && text[colon] == ':' && text[colon + 1] != '\0' &&
	       !g_str_has_prefix(text + colon, "::");
}

gboolean repo_url_is(const char *text)
{
	return has_scheme(text) || strstr(text, "::") != NULL ||
	       (is_scp_form(text) && !g_file_test(text, G_FILE_TEST_EXISTS));
}

static gboolean url_refuse(GError **error, const char *why)
{
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, why);
	return FALSE;
}

gboolean repo_url_check(const char *url, GError **error)
{
	if (strlen(url) > URL_MAX_BYTES)
		return url_refuse(error, "the address is too long");
	for (const char *p = url; *p != '\0'; p++)
		if (!g_ascii_isgraph(*p))
			return url_refuse(error,
				"the address holds a space or a character that is not ASCII");
	/* git would take it for an option; ssh did, once, for a host. */
	if (*url == '-')
		return url_refuse(error, "an address does not begin with '-'");
	if (g_str_has_prefix(url, "file:///"))
		return TRUE;
	if (has_scheme(url)) {
		if (!g_str_has_prefix(url, "https://") && !g_str_has_prefix(url, "ssh://"))
			return url_refuse(error, "only https and ssh addresses are cloned");
		g_autofree char *host =
			g_strndup(strstr(url, "://") + 3, strcspn(strstr(url, "://") + 3, "/"));
		const char *at = strrchr(host, '@');
		if (at != NULL && memchr(host, ':', (gsize)(at - host)) != NULL)
			return url_refuse(error,
				"the address holds a password, which would be stored and shown");
		const char *name = at != NULL ? at + 1 : host;
		if (*name == '\0' || *name == '-' || *name == ':')
			return url_refuse(error, "the address names no host");
		return TRUE;
	}
	if (is_scp_form(url)) {
		const char *at = memchr(url, '@', strcspn(url, ":"));
		return at == NULL || at[1] != '-' ||
		       url_refuse(error, "a host's name does not begin with '-'");
	}
	return url_refuse(error, "this is no address that can be cloned");
}

char *repo_url_name(const char *url, GError **error)
{
	g_autofree char *text = g_strdup(url);
	gsize len = strlen(text);

	while (len > 0 && text[len - 1] == '/')
		text[--len] = '\0';
	if (g_str_has_suffix(text, ".git"))
		text[len -= 4] = '\0';
	gsize start = len;
	while (start > 0 && text[start - 1] != '/' && text[start - 1] != ':')
		start--;
	g_autofree char *name = g_strndup(text + start, NAME_MAX_BYTES);
	g_strcanon(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", '-');
	gsize skip = strspn(name, ".-");
	if (name[skip] == '\0') {
		url_refuse(error, "the address names no repository");
		return NULL;
	}
	return g_strdup(name + skip);
}

char *repo_clone_origin(const char *folder)
{
	g_autofree char *path = g_build_filename(folder, ".git", "config", NULL);
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;
	gboolean is_origin = FALSE;

	/* git wrote this file for us: its plain form, one key a line, is all there can be. */
	if (!g_file_get_contents(path, &text, NULL, &error))
		return NULL;
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (guint i = 0; lines[i] != NULL; i++) {
		char *line = g_strstrip(lines[i]);
		if (*line == '[')
			is_origin = !strcmp(line, "[remote \"origin\"]");
		else if (is_origin && g_str_has_prefix(line, "url = "))
			return g_strdup(line + strlen("url = "));
	}
	return NULL;
}

void repo_peer_clear(struct repo_peer *peer)
{
	g_free(peer->host);
	g_free(peer->port);
	g_strfreev(peer->addresses);
}

/* For http.curloptResolve: host:port:address,[address]. */
static char *peer_pin(const struct repo_peer *peer)
{
	g_autoptr(GString) pin = g_string_new(NULL);

	if (peer == NULL)
		return g_strdup("");
	g_string_printf(pin, "%s:%s:", peer->host, peer->port);
	for (guint i = 0; peer->addresses[i] != NULL; i++)
		g_string_append_printf(pin,
			strchr(peer->addresses[i], ':') != NULL ? "%s[%s]" : "%s%s",
			i == 0 ? "" : ",", peer->addresses[i]);
	return g_strdup(pin->str);
}

/*
 * git gives this to a shell, there is no other way to hand options to ssh: names and addresses are
 * letters, digits, and . : _ - % [ ] only (host_is_plain()), and quoted. known_hosts has a port
 * that is not ssh's own beside the name. A connection that is shared was not made to this address.
 */
static char *peer_ssh(const struct repo_peer *peer, guint address)
{
	g_auto(GStrv) parts = g_strsplit(peer->addresses[address], "%", 2);
	g_autofree char *zoned = g_strjoinv("%%", parts);
	g_autofree char *alias = strcmp(peer->port, "22") != 0
					 ? g_strdup_printf("[%s]:%s", peer->host, peer->port)
					 : g_strdup(peer->host);

	return g_strdup_printf("GIT_SSH_COMMAND=ssh -o HostName='%s' -o HostKeyAlias='%s'"
			       " -o CheckHostIP=no -o VerifyHostKeyDNS=no"
			       " -o CanonicalizeHostname=no -o ControlPath=none -o BatchMode=yes",
		zoned, alias);
}

static gboolean has_only(const char *name, const char *others)
{
	for (; *name != '\0'; name++)
		if (!g_ascii_isalnum(*name) && strchr(others, *name) == NULL)
			return FALSE;
	return TRUE;
}

/* Whether ssh gets a key from us, and has no other. */
static gboolean has_key(const struct repo_peer *peer)
{
	return peer != NULL && peer->login != NULL && peer->login->key_fd > 0 &&
	       peer->login->hosts_fd > 0;
}

/*
 * The same with a key. ssh closes all that it inherits, so it opens what this process holds. An
 * address may say who one is, and an option would win over that.
 */
static char *peer_ssh_key(const char *url, const struct repo_peer *peer, guint address)
{
	g_auto(GStrv) parts = g_strsplit(peer->addresses[address], "%", 2);
	g_autofree char *zoned = g_strjoinv("%%", parts);
	const struct login *login = peer->login;
	g_autofree char *user =
		strchr(url, '@') == NULL && has_only(login->user, "._-") && *login->user != '\0'
			? g_strdup_printf(" -o User='%s'", login->user)
			: g_strdup("");
	int pid = (int)getpid();

	return g_strdup_printf("GIT_SSH_COMMAND=ssh -F none -o HostName='%s'"
			       " -o HostKeyAlias=" LOGIN_HOST
			       " -o UserKnownHostsFile=/proc/%d/fd/%d"
			       " -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes"
			       " -o UpdateHostKeys=no -o CheckHostIP=no -o VerifyHostKeyDNS=no"
			       " -o CanonicalizeHostname=no -o ControlPath=none -o BatchMode=yes"
			       " -o IdentityFile=/proc/%d/fd/%d -o IdentitiesOnly=yes"
			       " -o IdentityAgent=none -o AddKeysToAgent=no"
			       " -o PreferredAuthentications=publickey"
			       " -o ClearAllForwardings=yes%s",
		zoned, pid, login->hosts_fd, pid, login->key_fd, user);
}

static char **environment_new(const char *url, const struct manner *manner)
{
	static const char *const kept[] = {"HOME", "LANG", "PATH", "SSH_AUTH_SOCK", "TMPDIR",
		"USER", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"};
	/* clang-format off */
	static const char *const set[] = {
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_ATTR_NOSYSTEM=1", "GIT_ADVICE=0", "LC_ALL=C.UTF-8",
	};
	/* clang-format on */
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

	for (gsize i = 0; i < G_N_ELEMENTS(set); i++)
		g_strv_builder_add(builder, set[i]);
	for (gsize i = 0; i < G_N_ELEMENTS(kept); i++) {
		if (has_key(manner->peer) && !strcmp(kept[i], "SSH_AUTH_SOCK"))
			continue;
		const char *value = g_getenv(kept[i]);
		g_autofree char *pair =
			value != NULL ? g_strconcat(kept[i], "=", value, NULL) : NULL;
		if (pair != NULL)
			g_strv_builder_add(builder, pair);
	}
	g_autofree char *ssh = manner->peer == NULL ? NULL
			       : has_key(manner->peer)
				       ? peer_ssh_key(url, manner->peer, manner->address)
				       : peer_ssh(manner->peer, manner->address);
	if (ssh != NULL)
		g_strv_builder_add(builder, ssh);
	/* git has a name of its own for what other programs know by this one. */
	const char *authorities = g_getenv("SSL_CERT_FILE");
	g_autofree char *pair =
		authorities != NULL ? g_strconcat("GIT_SSL_CAINFO=", authorities, NULL) : NULL;
	if (pair != NULL)
		g_strv_builder_add(builder, pair);
	return g_strv_builder_end(builder);
}

/* A session of its own: no terminal to ask for a password, and one group to end. */
static int git_spawn(
	const char *url, const char *folder, const struct manner *manner, int error_fd, pid_t *pid)
{
	gboolean is_local =
		!manner->is_foreign && (*url == '/' || g_str_has_prefix(url, "file://"));
	/* By ssh a key is shown, and nothing that git knows. */
	gboolean has_login = manner->peer != NULL && manner->peer->login != NULL &&
			     manner->peer->login->git_fd > 0 && g_str_has_prefix(url, "https://");
	g_autofree char *resolved = peer_pin(manner->peer);
	g_autofree char *pin = g_strconcat("http.curloptResolve=", resolved, NULL);
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	/* clang-format off */
	const char *const settings[] = {"git",
		"-c", "protocol.allow=never",
		"-c", "protocol.https.allow=always",
		"-c", "protocol.ssh.allow=always",
		"-c", is_local ? "protocol.file.allow=always" : "protocol.file.allow=never",
		"-c", "core.hooksPath=/dev/null",
		"-c", "core.fsmonitor=false",
		"-c", "core.askPass=",
		"-c", "credential.helper=",
		"-c", "fetch.fsckObjects=true",
		"-c", "transfer.fsckObjects=true",
		"-c", manner->is_foreign ? "http.followRedirects=false" : "http.followRedirects=initial",
		"-c", pin,
		"-c", "http.sslVerify=true",
		"-c", "http.lowSpeedLimit=1000",
		"-c", "http.lowSpeedTime=60",
		"-c", "submodule.recurse=false",
		"-c", "gc.auto=0",
		"-c", "maintenance.auto=false"};
	const char *const clone[] = {
		"clone", "--quiet", "--template=", "--no-recurse-submodules", "--no-hardlinks",
		manner->is_mirror ? "--mirror" : "--no-mirror", "--", url, folder};
	/* clang-format on */

	for (gsize i = 0; i < G_N_ELEMENTS(settings); i++)
		g_ptr_array_add(argv, (char *)settings[i]);
	if (has_login) {
		g_ptr_array_add(argv, (char *)"-c");
		g_ptr_array_add(argv, (char *)LOGIN_SETTING);
	}
	for (gsize i = 0; manner->more == NULL && i < G_N_ELEMENTS(clone); i++)
		g_ptr_array_add(argv, (char *)clone[i]);
	for (gsize i = 0; manner->more != NULL && manner->more[i] != NULL; i++)
		g_ptr_array_add(argv, (char *)manner->more[i]);
	g_ptr_array_add(argv, NULL);
	g_auto(GStrv) environment = environment_new(url, manner);
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(
		&actions, manner->said != NULL ? error_fd : STDIN_FILENO, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, error_fd, STDERR_FILENO);
	if (has_login)
		posix_spawn_file_actions_adddup2(&actions, manner->peer->login->git_fd, LOGIN_FD);
	posix_spawn_file_actions_addclosefrom_np(&actions, has_login ? LOGIN_FD + 1 : LOGIN_FD);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	int code =
		posix_spawnp(pid, "git", &actions, &attributes, (char **)argv->pdata, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return code;
}

/* Reads until the other side closes; FALSE when the time was over first, or a signal said stop. */
static gboolean tail_read(int fd, GString *tail, gint64 until_us, const gint *stop)
{
	for (;;) {
		struct pollfd poll_fd = {fd, POLLIN, 0};
		gint64 left_ms = (until_us - g_get_monotonic_time()) / 1000;
		char bytes[1024];

		if (left_ms <= 0 || (stop != NULL && g_atomic_int_get(stop) != 0))
			return FALSE;
		/* A signal just before poll() does not wake it. */
		int ready = poll(&poll_fd, 1, (int)MIN(left_ms, stop != NULL ? 200 : 60 * 1000));
		if (ready == 0 || (ready < 0 && errno == EINTR))
			continue;
		ssize_t n = read(fd, bytes, sizeof(bytes));
		if (n <= 0)
			return TRUE;
		g_string_append_len(tail, bytes, n);
		if (tail->len > TAIL_BYTES)
			g_string_erase(tail, 0, (gssize)(tail->len - TAIL_BYTES));
	}
}

/* Its whole group, whose number is not another's as long as the leader is not waited for. */
static void git_end(pid_t pid)
{
	gint64 until_us = g_get_monotonic_time() + END_GRACE_US;
	siginfo_t info = {0};

	kill(-pid, SIGTERM);
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		info.si_pid == 0 && g_get_monotonic_time() < until_us)
		g_usleep(END_POLL_US);
	kill(-pid, SIGKILL);
}

/* The first line that says why, without what would act on a terminal. */
static char *tail_reason(const GString *tail)
{
	g_auto(GStrv) lines = g_strsplit(tail->str, "\n", -1);
	const char *reason = NULL;

	for (guint i = 0; lines[i] != NULL; i++) {
		const char *line = g_strstrip(lines[i]);
		if (reason == NULL && g_str_has_prefix(line, "fatal: "))
			reason = line + strlen("fatal: ");
		else if (g_str_has_prefix(line, "ssh: ") ||
			 strstr(line, "ermission denied") != NULL ||
			 strstr(line, "erification failed") != NULL)
			return quote_format(line);
	}
	return quote_format(reason != NULL ? reason : "git gave no reason");
}

/* Whether git did it; folder is what it is about. */
static gboolean git_run(const char *url, const char *folder, const struct manner *manner,
	guint timeout_s, const gint *stop, GError **error)
{
	g_autoptr(GString) tail = g_string_new(NULL);
	int pipe_fds[2], code, status = 0;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "cannot make a pipe: %s",
			g_strerror(errno));
		return FALSE;
	}
	code = git_spawn(url, folder, manner, pipe_fds[1], &pid);
	close(pipe_fds[1]);
	if (code != 0) {
		close(pipe_fds[0]);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "git cannot be run: %s",
			g_strerror(code));
		return FALSE;
	}
	gboolean in_time = tail_read(pipe_fds[0], tail,
		g_get_monotonic_time() + (gint64)timeout_s * G_USEC_PER_SEC, stop);
	close(pipe_fds[0]);
	if (!in_time)
		git_end(pid);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		if (manner->said != NULL)
			g_string_append_len(manner->said, tail->str, (gssize)tail->len);
		return TRUE;
	}
	if (!in_time && stop != NULL && g_atomic_int_get(stop) != 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_BUSY, "it was told to end");
	} else if (!in_time) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_REMOTE,
			"%s took longer than %u second%s",
			manner->more != NULL ? "fetching" : "cloning", timeout_s,
			timeout_s == 1 ? "" : "s");
	} else {
		g_autofree char *reason = tail_reason(tail);
		/* Which of both ended it git does not see. */
		gboolean is_pack = strstr(reason, "index-pack") != NULL;
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_REMOTE, "%s%s", reason,
			is_pack ? ": what was sent is damaged, or larger than may be written here"
				: "");
	}
	return FALSE;
}

/*
 * The empty folder that a clone is made in, beside its place, as a locked descriptor. What one that
 * was killed left there goes.
 */
static int part_begin(const char *part, GError **error)
{
	int fd = -1;

	if (mkdir(part, 0777) == 0 || errno == EEXIST)
		fd = open(part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (fd >= 0 && errno == EWOULDBLOCK)
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_BUSY,
				"somebody else is cloning it");
		else
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
				"cannot make the clone's folder: %s", g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	file_empty_folder(part);
	return fd;
}

static gboolean clone_run(const char *url, const char *folder, const struct manner *manner,
	guint timeout_s, const gint *stop, GError **error)
{
	if (manner->more != NULL)
		return git_run(url, folder, manner, timeout_s, stop, error);
	g_autofree char *part = file_unready_format(folder);
	int lock_fd = part_begin(part, error);
	if (lock_fd < 0)
		return FALSE;
	gboolean ok = git_run(url, part, manner, timeout_s, stop, error);
	if (ok && rename(part, folder) < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"cannot put the clone in its place: %s", g_strerror(errno));
		ok = FALSE;
	}
	if (!ok)
		file_remove_folder(part);
	close(lock_fd);
	return ok;
}

gboolean repo_clone(const char *url, const char *folder, guint timeout_s, GError **error)
{
	const struct manner manner = {0};

	return clone_run(url, folder, &manner, timeout_s, NULL, error);
}

gboolean repo_clone_mirror(
	const char *url, const char *folder, guint timeout_s, const gint *stop, GError **error)
{
	const struct manner manner = {.is_mirror = TRUE};

	return clone_run(url, folder, &manner, timeout_s, stop, error);
}

/*
 * Who fetches may read a name otherwise than who looked at its addresses: curl makes "%2e" a dot,
 * and may leave a dot at the end out. So neither is in one; of an address '%' names an interface.
 */
static gboolean host_is_plain(const char *host)
{
	return has_only(host, ".:_-") && !g_str_has_suffix(host, ".");
}

static gint is_told_to_end;

static void end_note(int number)
{
	g_atomic_int_set(&is_told_to_end, 1);
}

void repo_clone_heed_end(void)
{
	const struct sigaction action = {.sa_handler = end_note};

	sigaction(SIGTERM, &action, NULL);
}

/* git asks for a name, and there is nobody to ask. */
static void login_explain(const struct repo_peer *peer, GError **failure)
{
	const char *message = (*failure)->message, *why = NULL;

	if (has_key(peer))
		why = strstr(message, "erification failed") != NULL
			      ? "shows none of the host keys that are kept with its credential"
		      : strstr(message, "ermission denied") != NULL
			      ? "does not take the key that is kept for it"
			      : NULL;
	if (why != NULL) {
		g_clear_error(failure);
		g_set_error(failure, MUSTER_ERROR, MUSTER_ERROR_REMOTE, "%s %s", peer->host, why);
		return;
	}
	if (strstr(message, "could not read Username") == NULL &&
		strstr(message, "could not read Password") == NULL &&
		strstr(message, "Authentication failed") == NULL)
		return;
	g_clear_error(failure);
	g_set_error(failure, MUSTER_ERROR, MUSTER_ERROR_REMOTE,
		peer->login != NULL && peer->login->git_fd > 0
			? "%s does not take the credential that is kept for it"
			: "%s wants a name and a password, and no credential is kept for it",
		peer->host);
}

static gboolean foreign_run(
	const char *url, const char *folder, struct manner manner, guint timeout_s, GError **error)
{
	const struct repo_peer *peer = manner.peer;

	manner.is_foreign = TRUE;
	if (!repo_url_check(url, error))
		return FALSE;
	if (g_str_has_prefix(url, "file:"))
		return url_refuse(error, "only https and ssh addresses are cloned");
	if (!host_is_plain(peer->host) || !has_only(peer->port, ""))
		return url_refuse(error, "the name of the host has characters that none has");
	for (;; manner.address++) {
		g_autoptr(GError) failure = NULL;
		if (!has_only(peer->addresses[manner.address], ".:_-%"))
			return url_refuse(error, "the host has an address that is none");
		if (clone_run(url, folder, &manner, timeout_s, &is_told_to_end, &failure))
			return TRUE;
		/* As ssh does with the addresses of a name: the next, when nobody is there. */
		if (strstr(failure->message, "ssh: connect to host ") == NULL ||
			peer->addresses[manner.address + 1] == NULL) {
			login_explain(peer, &failure);
			g_propagate_error(error, g_steal_pointer(&failure));
			return FALSE;
		}
	}
}

gboolean repo_clone_foreign(const char *url, const char *folder, const struct repo_peer *peer,
	guint timeout_s, GError **error)
{
	const struct manner manner = {.peer = peer};

	return foreign_run(url, folder, manner, timeout_s, error);
}

gboolean repo_fetch_foreign(const char *url, const char *folder, const struct repo_peer *peer,
	guint timeout_s, GError **error)
{
	/* The address is given and not the remote's name: what the folder's settings say of that is
	 * not asked. */
	const char *const more[] = {"-C", folder, "fetch", "--quiet", "--prune",
		"--no-recurse-submodules", "--no-write-fetch-head", "--", url,
		"+refs/heads/*:refs/remotes/origin/*", NULL};

	const struct manner manner = {.peer = peer, .more = more};

	return foreign_run(url, folder, manner, timeout_s, error);
}

/* The branch that "ref: <branch>\tHEAD" tells of; NULL: none. Freed by the caller. */
static char *head_parse(const char *said)
{
	g_auto(GStrv) lines = g_strsplit(said, "\n", -1);

	for (guint i = 0; lines[i] != NULL; i++)
		if (g_str_has_prefix(lines[i], "ref: refs/heads/") &&
			g_str_has_suffix(lines[i], "\tHEAD"))
			return g_strndup(lines[i] + strlen("ref: "),
				strlen(lines[i]) - strlen("ref: ") - strlen("\tHEAD"));
	return NULL;
}

/* A fetch is of branches, and does not say which is the first; without an answer it stays. */
static void head_follow(const char *url, const char *folder, const struct repo_peer *peer)
{
	const char *const ask[] = {
		"-C", folder, "ls-remote", "--quiet", "--symref", "--", url, "HEAD", NULL};
	g_autoptr(GString) said = g_string_new(NULL);
	const struct manner manner = {.peer = peer, .more = ask, .said = said};

	if (!foreign_run(url, folder, manner, HEAD_TIMEOUT_S, NULL))
		return;
	g_autofree char *branch = head_parse(said->str);
	const char *const look[] = {
		"-C", folder, "show-ref", "--verify", "--quiet", "--", branch, NULL};
	const char *const set[] = {"-C", folder, "symbolic-ref", "--", "HEAD", branch, NULL};
	const struct manner looking = {.is_foreign = TRUE, .more = look};
	const struct manner setting = {.is_foreign = TRUE, .more = set};
	if (branch != NULL && git_run("", folder, &looking, HEAD_TIMEOUT_S, &is_told_to_end, NULL))
		git_run("", folder, &setting, HEAD_TIMEOUT_S, &is_told_to_end, NULL);
}

gboolean repo_mirror_foreign(const char *url, const char *folder, const struct repo_peer *peer,
	guint timeout_s, GError **error)
{
	const char *const more[] = {"-C", folder, "fetch", "--quiet", "--prune",
		"--no-recurse-submodules", "--no-write-fetch-head", "--", url, "+refs/*:refs/*",
		NULL};
	gboolean is_there = g_file_test(folder, G_FILE_TEST_IS_DIR);
	const struct manner manner = {
		.is_mirror = TRUE, .peer = peer, .more = is_there ? more : NULL};

	if (!foreign_run(url, folder, manner, timeout_s, error))
		return FALSE;
	if (is_there)
		head_follow(url, folder, peer);
	return TRUE;
}

gboolean repo_forward(const char *folder, guint timeout_s, GError **error)
{
	const char *const more[] = {
		"-C", folder, "merge", "--quiet", "--ff-only", "@{upstream}", NULL};
	const struct manner manner = {.is_foreign = TRUE, .more = more};

	return git_run("", folder, &manner, timeout_s, &is_told_to_end, error);
}

gboolean repo_repack(const char *folder, guint timeout_s, GError **error)
{
	/* Each thread takes the memory of one. */
	const char *const more[] = {"-C", folder, "-c", "pack.threads=1", "-c",
		"pack.windowMemory=128m", "gc", "--quiet", "--prune=now", NULL};
	const struct manner manner = {.is_foreign = TRUE, .more = more};

	return git_run("", folder, &manner, timeout_s, &is_told_to_end, error);
}

char *repo_clone_place(const char *clones, const char *url, gboolean *is_there, GError **error)
{
	g_autofree char *name = repo_url_name(url, error);

	for (guint n = 1; name != NULL; n++) {
		g_autofree char *leaf = n == 1 ? g_strdup(name) : g_strdup_printf("%s-%u", name, n);
		g_autofree char *folder = g_build_filename(clones, leaf, NULL);
		g_autofree char *origin = repo_clone_origin(folder);
		*is_there = !g_strcmp0(origin, url);
		if (*is_there || !g_file_test(folder, G_FILE_TEST_EXISTS | G_FILE_TEST_IS_SYMLINK))
			return g_steal_pointer(&folder);
	}
	return NULL;
}
