/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/repo_clone.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "t/unit/check.h"

/*
 * What git and the real ssh's own reading make of an address, with an ssh that says what it was
 * told and has a folder in the place of the other side.
 */
static char *asked; /* the options of each try, as ssh -G prints them */

static void put(const char *folder, const char *name, const char *text, mode_t mode)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	g_assert_cmpint(chmod(path, mode), ==, 0);
}

static void far_make(const char *folder)
{
	g_autofree char *bin = g_build_filename(folder, "bin", NULL);
	g_autofree char *far = g_build_filename(folder, "far.git", NULL);
	g_autofree char *ssh = g_find_program_in_path("ssh");
	const char *init[] = {"git", "init", "-q", "--bare", far, NULL};
	g_autofree char *script = g_strdup_printf(
		"#!/bin/sh\n"
		"case \" $* \" in *' -G '*) exit 0 ;; esac\n"
		"'%s' -G \"$@\" >>'%s/asked'\n"
		"case \" $* \" in *HostName=192.0.2.*)\n"
		"	echo 'ssh: connect to host x port 22: No' >&2; exit 255 ;; esac\n"
		"exec git-upload-pack '%s'\n",
		ssh, folder, far);
	g_autofree char *path = g_strconcat(bin, ":", g_getenv("PATH"), NULL);

	g_assert_cmpint(mkdir(bin, 0700), ==, 0);
	put(bin, "ssh", script, 0700);
	g_assert_true(g_spawn_sync(NULL, (char **)init, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
		NULL, NULL, NULL));
	g_setenv("PATH", path, TRUE);
	asked = g_build_filename(folder, "asked", NULL);
}

/* The values that a word has, over all tries, joined by a space. Freed by the caller. */
static char *said(const char *word)
{
	g_autofree char *text = NULL;
	g_autoptr(GString) values = g_string_new(NULL);

	g_assert_true(g_file_get_contents(asked, &text, NULL, NULL));
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (guint i = 0; lines[i] != NULL; i++)
		if (g_str_has_prefix(lines[i], word) && lines[i][strlen(word)] == ' ')
			g_string_append_printf(values, "%s%s", values->len > 0 ? " " : "",
				lines[i] + strlen(word) + 1);
	return g_strdup(values->str);
}

static gboolean clone_to(const char *url, const char *host, const char *port,
	const char *const *addresses, GError **error)
{
	const struct repo_peer peer = {(char *)host, (char *)port, (char **)addresses};
	g_autofree char *folder = check_folder_new();
	g_autofree char *target = g_build_filename(folder, "clone", NULL);

	return repo_clone_foreign(url, target, &peer, 60, error);
}

static void test_told(void)
{
	/* clang-format off */
	static const struct { const char *url, *host, *port, *address, *alias, *hostname; } cases[] = {
		{ "git@forge.example:us/a.git", "forge.example", "22", "198.51.100.7",
		  "forge.example", "198.51.100.7" },
		{ "ssh://git@forge.example:2222/us/a.git", "forge.example", "2222", "2001:db8::7",
		  "[forge.example]:2222", "2001:db8::7" },
		{ "ssh://git@[2001:db8::8]/us/a.git", "2001:db8::8", "22", "2001:db8::8",
		  "2001:db8::8", "2001:db8::8" },
		{ "git@near:a.git", "near", "22", "fe80::1%lo", "near", "fe80::1%lo" },
	};
	/* clang-format on */
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		const char *const addresses[] = {cases[i].address, NULL};
		g_autoptr(GError) error = NULL;
		g_assert_true(g_file_set_contents(asked, "", -1, NULL));
		clone_to(cases[i].url, cases[i].host, cases[i].port, addresses, &error);
		g_assert_no_error(error);
		g_autofree char *hostname = said("hostname"), *alias = said("hostkeyalias");
		g_autofree char *port = said("port"), *user = said("user");
		g_autofree char *check = said("checkhostip"), *batch = said("batchmode");
		g_assert_cmpstr(hostname, ==, cases[i].hostname);
		g_assert_cmpstr(alias, ==, cases[i].alias);
		g_assert_cmpstr(port, ==, cases[i].port);
		g_assert_cmpstr(user, ==, "git");
		g_assert_cmpstr(check, ==, "no");
		g_assert_cmpstr(batch, ==, "yes");
	}
}

static void test_next(void)
{
	static const char *const addresses[] = {"192.0.2.1", "192.0.2.2", "198.51.100.7", NULL};
	static const char *const dead[] = {"192.0.2.1", "192.0.2.2", NULL};
	g_autoptr(GError) error = NULL;

	g_assert_true(g_file_set_contents(asked, "", -1, NULL));
	g_assert_true(
		clone_to("git@forge.example:a.git", "forge.example", "22", addresses, &error));
	g_autofree char *hostname = said("hostname");
	g_assert_cmpstr(hostname, ==, "192.0.2.1 192.0.2.2 198.51.100.7");
	g_assert_false(clone_to("git@forge.example:a.git", "forge.example", "22", dead, &error));
	check_refused(error, MUSTER_ERROR_REMOTE, "connect to host");
}

static void test_plain(void)
{
	static const char *const addresses[] = {"198.51.100.7", NULL};
	static const char *const bad[] = {"198.51.100.7'", NULL};
	GError *error = NULL;

	g_assert_true(g_file_set_contents(asked, "", -1, NULL));
	g_assert_false(clone_to("git@a$(id)b:a.git", "a$(id)b", "22", addresses, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "the name of the host");
	g_assert_false(clone_to("git@a'b:a.git", "a'b", "22", addresses, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "the name of the host");
	g_assert_false(clone_to("https://a%2eb/a.git", "a%2eb", "443", addresses, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "the name of the host");
	g_assert_false(clone_to("https://a.b./a.git", "a.b.", "443", addresses, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "the name of the host");
	g_assert_false(clone_to("git@ab:a.git", "ab", "22", bad, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "an address that is none");
	g_autofree char *hostname = said("hostname");
	g_assert_cmpstr(hostname, ==, "");
}

/* A server that takes every connection and says nothing, on a port of this machine. */
static int silent_listen(char **port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, len), ==, 0);
	g_assert_cmpint(listen(fd, 8), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &len), ==, 0);
	*port = g_strdup_printf("%u", ntohs(address.sin_port));
	return fd;
}

/* Whoever came is gone: nothing that git started waits on. */
static void check_left(int listener)
{
	struct pollfd poll_fd = {listener, POLLIN, 0};
	const struct timeval patience = {60, 0};
	char bytes[4096];
	ssize_t n;

	if (poll(&poll_fd, 1, 0) == 0)
		return; /* It had not come so far. */
	int fd = accept(listener, NULL, NULL);
	g_assert_cmpint(fd, >=, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		;
	g_assert_true(n == 0 || errno == ECONNRESET);
	close(fd);
}

static void check_holds(const char *folder, const char *names)
{
	g_autofree char *list = check_folder_list(folder);
	g_assert_cmpstr(list, ==, names);
}

static void test_silent(void)
{
	static const char *const addresses[] = {"127.0.0.1", NULL};
	g_autofree char *port = NULL, *folder = check_folder_new();
	g_autofree char *target = g_build_filename(folder, "clone", NULL);
	g_autofree char *mirror = g_build_filename(folder, "mirror.git", NULL);
	const char *init[] = {"git", "init", "-q", "--bare", mirror, NULL};
	int listener = silent_listen(&port);
	const struct repo_peer peer = {(char *)"localhost", port, (char **)addresses};
	g_autofree char *url = g_strdup_printf("https://localhost:%s/a.git", port);
	GError *error = NULL;

	g_assert_false(repo_clone_foreign(url, target, &peer, 1, &error));
	check_refused(error, MUSTER_ERROR_REMOTE, "cloning took longer than 1 second");
	check_left(listener);
	g_assert_false(repo_mirror_foreign(url, target, &peer, 1, &error));
	check_refused(error, MUSTER_ERROR_REMOTE, "took longer than 1 second");
	check_left(listener);
	check_holds(folder, "");
	g_assert_true(g_spawn_sync(NULL, (char **)init, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
		NULL, NULL, NULL));
	g_assert_false(repo_mirror_foreign(url, mirror, &peer, 1, &error));
	check_refused(error, MUSTER_ERROR_REMOTE, "fetching took longer than 1 second");
	check_left(listener);
	g_assert_false(repo_fetch_foreign(url, mirror, &peer, 1, &error));
	check_refused(error, MUSTER_ERROR_REMOTE, "fetching took longer than 1 second");
	check_left(listener);
	check_holds(folder, "mirror.git");
	close(listener);
}

static gpointer end_send(gpointer data)
{
	g_autofree char *began = g_build_filename(data, "began", NULL);

	while (!g_file_test(began, G_FILE_TEST_EXISTS))
		g_usleep(1000);
	kill(getpid(), SIGTERM);
	return NULL;
}

/* The last one, for the process was told to end. */
static void test_end(void)
{
	static const char *const addresses[] = {"198.51.100.7", NULL};
	g_autofree char *folder = check_folder_new();
	/* It starts nothing: dash forgets a signal that comes while it does. */
	g_autofree char *git = g_strdup_printf("#!/bin/sh\n"
					       "trap 'echo >%s/ended; exit 1' TERM\n"
					       "echo >%s/began\n"
					       "while :; do :; done\n",
		folder, folder);
	g_autofree char *path = g_strconcat(folder, ":", g_getenv("PATH"), NULL);
	g_autofree char *ended = g_build_filename(folder, "ended", NULL);
	GError *error = NULL;

	put(folder, "git", git, 0700);
	g_setenv("PATH", path, TRUE);
	repo_clone_heed_end();
	GThread *thread = g_thread_new("end", end_send, folder);
	g_assert_false(clone_to("git@near:a.git", "near", "22", addresses, &error));
	g_thread_join(thread);
	check_refused(error, MUSTER_ERROR_BUSY, "told to end");
	g_assert_true(g_file_test(ended, G_FILE_TEST_EXISTS));
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_autofree char *ssh = g_find_program_in_path("ssh");
	if (ssh == NULL) {
		g_print("1..0 # SKIP ssh is not here\n");
		return 0;
	}
	g_autofree char *folder = check_folder_new();
	far_make(folder);
	g_test_add_func(
		"/repo_clone/ssh goes where it is told and knows the key by name", test_told);
	g_test_add_func("/repo_clone/the next address is asked when nobody is at one", test_next);
	g_test_add_func("/repo_clone/a name that a shell would read is none", test_plain);
	g_test_add_func("/repo_clone/who says nothing is left after its time", test_silent);
	g_test_add_func("/repo_clone/git is told to end and may tidy up", test_end);
	int code = check_run();
	g_free(asked);
	return code;
}
