/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/file.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/unit/check.h"

static void content_check(const char *path, const char *wanted)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *bytes = NULL;
	gsize len = 0;
	g_assert_true(file_read(path, 1 << 20, &bytes, &len, &error));
	g_assert_no_error(error);
	g_assert_cmpmem(bytes, len, wanted, strlen(wanted));
	g_assert_cmpint(bytes[len], ==, '\0');
}

static void test_write(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(), *path = g_build_filename(folder, "a", NULL);
	struct stat first, second;

	umask(0022);
	g_assert_true(file_write(path, "one", 3, 0640, &error));
	content_check(path, "one");
	g_assert_cmpint(stat(path, &first), ==, 0);
	g_assert_cmpint(first.st_mode & 0777, ==, 0640);
	/* A reader that has the file open keeps the old one whole. */
	int fd = open(path, O_RDONLY);
	g_assert_true(file_write(path, "second", 6, 0600, &error));
	content_check(path, "second");
	char old[8];
	g_assert_cmpint(read(fd, old, sizeof(old)), ==, 3);
	close(fd);
	g_assert_cmpint(stat(path, &second), ==, 0);
	g_assert_cmpint(first.st_ino, !=, second.st_ino);
	g_assert_true(file_write(path, "", 0, 0600, &error));
	content_check(path, "");
	g_assert_no_error(error);
	g_autofree char *names = check_folder_list(folder);
	g_assert_cmpstr(names, ==, "a");
}

static void test_write_out(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new();
	g_autofree char *file = g_build_filename(folder, "file", NULL);
	g_autofree char *pipe_name = g_build_filename(folder, "pipe", NULL);
	g_autofree char *full = g_build_filename(folder, "full", NULL);
	g_autofree char *link_name = g_build_filename(folder, "link", NULL);
	struct stat st;
	char read_back[8];

	g_assert_true(file_write_out(file, "one", 3, 0600, &error));
	content_check(file, "one");
	/* A link to a file is replaced, and what it leads to stays. */
	g_assert_cmpint(symlink(file, link_name), ==, 0);
	g_assert_true(file_write_out(link_name, "two", 3, 0600, &error));
	content_check(link_name, "two");
	content_check(file, "one");
	/* A pipe stays one, and gets the bytes. */
	g_assert_cmpint(mkfifo(pipe_name, 0600), ==, 0);
	int fd = open(pipe_name, O_RDWR | O_NONBLOCK);
	g_assert_true(file_write_out(pipe_name, "three", 5, 0600, &error));
	g_assert_cmpint(read(fd, read_back, sizeof(read_back)), ==, 5);
	close(fd);
	g_assert_cmpint(lstat(pipe_name, &st), ==, 0);
	g_assert_true(S_ISFIFO(st.st_mode));
	/* So does a device, by whatever name. */
	g_assert_cmpint(symlink("/dev/full", full), ==, 0);
	g_assert_false(file_write_out(full, "x", 1, 0600, &error));
	check_refused(error, MUSTER_ERROR_IO, "full");
	g_clear_error(&error);
	g_assert_cmpint(lstat(full, &st), ==, 0);
	g_assert_true(S_ISLNK(st.st_mode));
	g_assert_false(file_write_out(folder, "x", 1, 0600, &error));
	check_refused(error, MUSTER_ERROR_IO, "cannot write");
}

static void test_write_refused(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(), *below = g_build_filename(folder, "d", NULL);
	g_autofree char *path = g_build_filename(below, "a", NULL);

	g_assert_false(file_write(path, "x", 1, 0600, &error));
	check_refused(error, MUSTER_ERROR_MISSING, "d/a");
	g_assert_cmpint(mkdir(below, 0700), ==, 0);
	g_assert_cmpint(mkdir(path, 0700), ==, 0);
	g_assert_false(file_write(path, "x", 1, 0600, &error));
	check_refused(error, MUSTER_ERROR_IO, "d/a");
	g_autofree char *names = check_folder_list(below);
	g_assert_cmpstr(names, ==, "a");
}

/* A limit on the size of files is the full disk that every user can have. */
static void test_full(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(), *path = g_build_filename(folder, "a", NULL);
	g_autofree char *large = g_strnfill(100000, 'x');
	struct rlimit before, tight;

	g_assert_true(file_write(path, "old", 3, 0600, &error));
	g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
	signal(SIGXFSZ, SIG_IGN);
	tight = before;
	tight.rlim_cur = 65536;
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &tight), ==, 0);
	gboolean ok = file_write(path, large, 100000, 0600, &error);
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
	g_assert_false(ok);
	check_refused(error, MUSTER_ERROR_IO, "File too large");
	content_check(path, "old");
	g_autofree char *names = check_folder_list(folder);
	g_assert_cmpstr(names, ==, "a");
}

/* Children of one parent start with the same random numbers. */
static void test_same_names(void)
{
	g_autofree char *folder = check_folder_new(), *path = g_build_filename(folder, "a", NULL);
	pid_t children[8];

	g_random_set_seed(7);
	for (gsize i = 0; i < G_N_ELEMENTS(children); i++) {
		children[i] = fork();
		if (children[i] == 0) {
			gboolean ok = TRUE;
			for (int n = 0; n < 200; n++)
				ok = file_write(path, "whole", 5, 0600, NULL) && ok;
			_exit(ok ? 0 : 1);
		}
	}
	for (gsize i = 0; i < G_N_ELEMENTS(children); i++) {
		int status;
		g_assert_cmpint(waitpid(children[i], &status, 0), ==, children[i]);
		g_assert_cmpint(status, ==, 0);
	}
	content_check(path, "whole");
	g_autofree char *names = check_folder_list(folder);
	g_assert_cmpstr(names, ==, "a");
}

static void test_link(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(),
			*from = g_build_filename(folder, "from", NULL),
			*to = g_build_filename(folder, "to", NULL),
			*none = g_build_filename(folder, "none", NULL);
	struct stat a, b;

	g_assert_true(file_write(from, "new", 3, 0600, &error));
	g_assert_true(file_write(to, "old", 3, 0600, &error));
	g_assert_true(file_link(from, to, &error));
	content_check(to, "new");
	/* Once more, when both are one file already. */
	g_assert_true(file_link(from, to, &error));
	g_assert_no_error(error);
	g_assert_cmpint(stat(from, &a), ==, 0);
	g_assert_cmpint(stat(to, &b), ==, 0);
	g_assert_cmpint(a.st_ino, ==, b.st_ino);
	g_assert_cmpint(a.st_nlink, ==, 2);
	g_assert_false(file_link(none, to, &error));
	check_refused(error, MUSTER_ERROR_MISSING, "to");
	content_check(to, "new");
	g_autofree char *names = check_folder_list(folder);
	g_assert_cmpstr(names, ==, "from to");
}

static void test_read_refused(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(), *path = g_build_filename(folder, "a", NULL),
			*link_path = g_build_filename(folder, "link", NULL),
			*fifo = g_build_filename(folder, "fifo", NULL),
			*odd = g_build_filename(folder, "odd\n\xff", NULL);
	char *bytes = (char *)"untouched";
	gsize len = 77;

	g_assert_true(file_write(path, "secret", 6, 0600, &error));
	g_assert_cmpint(symlink(path, link_path), ==, 0);
	g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
	g_assert_false(file_read(link_path, 100, &bytes, &len, &error));
	check_refused(error, MUSTER_ERROR_IO, "link");
	g_assert_false(file_read(fifo, 100, &bytes, &len, &error));
	check_refused(error, MUSTER_ERROR_IO, "fifo");
	g_assert_false(file_read(folder, 100, &bytes, &len, &error));
	check_refused(error, MUSTER_ERROR_IO, "cannot read");
	g_assert_false(file_read("/dev/zero", 100, &bytes, &len, &error));
	check_refused(error, MUSTER_ERROR_IO, "cannot read");
	g_assert_false(file_read(odd, 100, &bytes, &len, &error));
	check_refused(error, MUSTER_ERROR_MISSING, "odd%0A%FF");
	g_assert_false(file_read(path, 5, &bytes, &len, &error));
	check_refused(error, MUSTER_ERROR_LIMIT, "longer than 5 bytes");
	g_assert_cmpstr(bytes, ==, "untouched");
	g_assert_cmpuint(len, ==, 77);
	g_assert_true(file_read(path, 6, &bytes, &len, &error));
	g_assert_cmpmem(bytes, len, "secret", 6);
	g_free(bytes);
	g_assert_true(file_read(path, G_MAXSIZE, &bytes, &len, &error));
	g_assert_cmpmem(bytes, len, "secret", 6);
	g_free(bytes);
}

/* A file whose size is not what stat says: /proc files have 0 and hold more. */
static void test_read_growing(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *bytes = NULL;
	gsize len = 0;
	g_assert_true(file_read("/proc/self/maps", 1 << 20, &bytes, &len, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(len, >, 100);
	g_assert_cmpuint(len, ==, strlen(bytes));
	g_autofree char *more = NULL;
	g_assert_false(file_read("/proc/self/maps", 100, &more, &len, &error));
	check_refused(error, MUSTER_ERROR_LIMIT, "longer than 100 bytes");
}

static void test_folder(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(),
			*deep = g_build_filename(folder, "a/b/c", NULL),
			*path = g_build_filename(folder, "file", NULL),
			*below = g_build_filename(path, "d", NULL);
	struct stat st;

	umask(0022);
	g_assert_true(file_make_folder(deep, &error));
	g_assert_true(file_make_folder(deep, &error));
	g_assert_cmpint(stat(deep, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 0777, ==, 0750);
	g_assert_true(file_write(path, "x", 1, 0600, &error));
	g_assert_false(file_make_folder(below, &error));
	check_refused(error, MUSTER_ERROR_IO, "make the folder");
	g_assert_false(file_make_folder(path, &error));
	check_refused(error, MUSTER_ERROR_IO, "make the folder");
}

static void test_lock(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(),
			*path = g_build_filename(folder, "lock", NULL);

	int first = file_lock(path, &error);
	g_assert_cmpint(first, >=, 0);
	g_assert_cmpint(file_lock(path, &error), ==, -1);
	check_refused(error, MUSTER_ERROR_BUSY, "another process holds");
	close(first);
	int second = file_lock(path, &error);
	g_assert_cmpint(second, >=, 0);
	close(second);
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/file/a write replaces the whole file in one step", test_write);
	g_test_add_func("/file/what a person names is written to as what it is", test_write_out);
	g_test_add_func("/file/a write that cannot be leaves nothing behind", test_write_refused);
	g_test_add_func("/file/a full disk leaves the old file as it was", test_full);
	g_test_add_func("/file/children of one parent do not fall over each other's files",
		test_same_names);
	g_test_add_func("/file/a link replaces what is there, itself included", test_link);
	g_test_add_func("/file/only regular files up to the cap are read", test_read_refused);
	g_test_add_func(
		"/file/the cap counts bytes read, not the size promised", test_read_growing);
	g_test_add_func("/file/a folder is made with its parents", test_folder);
	g_test_add_func("/file/a lock has one holder", test_lock);
	return check_run();
}
