/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "t/jobs/runner_escape.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define MIB ((gsize)1024 * 1024)
#define MANY 2000
/* Above what the kernel looks at in a number of 32 bits. */
#define HIGH_BIT ((gulong)1 << 32)
#define RESULT_FD 4 /* where jobs/run_child.c puts it */
#define STACK_BYTES 65536

static void code_add(json_object *object, const char *name, gboolean ok)
{
	json_object_object_add(
		object, name, json_object_new_string(ok ? "ok" : strerrorname_np(errno)));
}

static gint64 number_get(json_object *params, const char *name)
{
	json_object *number = json_get(params, name, json_type_int, NULL);
	return number != NULL ? json_object_get_int64(number) : 0;
}

static void wait_for_ever(void)
{
	while (pause() != 0)
		;
}

static void files_try(
	json_object *tried, const char *file, const char *elsewhere, const char *settings)
{
	g_autofree char *link_name = g_strconcat(file, ".link", NULL);
	g_autofree char *around = g_strconcat("/proc/self/root", elsewhere, NULL);
	const struct timeval times[2] = {{1, 0}, {1, 0}};

	code_add(tried, "write", g_file_set_contents(file, "x", 1, NULL));
	code_add(tried, "write elsewhere", open(elsewhere, O_WRONLY) >= 0);
	code_add(tried, "read elsewhere", open(elsewhere, O_RDONLY) >= 0);
	code_add(tried, "read around", open(around, O_RDONLY) >= 0);
	code_add(tried, "make elsewhere", symlink("/", link_name) == 0);
	code_add(tried, "remove elsewhere", unlink(elsewhere) == 0);
	code_add(tried, "empty elsewhere", truncate(elsewhere, 0) == 0);
	code_add(tried, "link elsewhere", link(elsewhere, link_name) == 0);
	code_add(tried, "settings", open(settings, O_RDONLY) >= 0);
	code_add(tried, "processes", open("/proc/1/environ", O_RDONLY) >= 0);
	code_add(tried, "mode", chmod(elsewhere, 0) == 0);
	code_add(tried, "owner", chown(elsewhere, getuid(), getgid()) == 0);
	code_add(tried, "time", utimes(elsewhere, times) == 0);
}

static void calls_try(json_object *tried, pid_t other)
{
	const struct rlimit limit = {1, 1};
	int fds[2];

	code_add(tried, "inet", socket(AF_INET, SOCK_STREAM, 0) >= 0);
	code_add(tried, "unix", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	code_add(tried, "signal", kill(other, 0) == 0);
	code_add(tried, "trace", ptrace(PTRACE_SEIZE, other, 0, 0) == 0);
	code_add(tried, "limit", prlimit(other, RLIMIT_CORE, &limit, NULL) == 0);
	code_add(tried, "signal by file", pipe(fds) == 0 && fcntl(fds[0], F_SETSIG, SIGKILL) == 0);
	code_add(tried, "owner of file", fcntl(fds[0], F_SETOWN, other) == 0);
	code_add(tried, "owner of file, oddly",
		syscall(SYS_fcntl, fds[0], HIGH_BIT | F_SETOWN, other) == 0);
	code_add(tried, "namespace",
		syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD, 0, 0, 0, 0) >= 0);
	code_add(tried, "process", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0);
	code_add(tried, "shared memory",
		mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	code_add(tried, "address space",
		mmap(NULL, (gsize)1 << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0) != MAP_FAILED);
	code_add(tried, "segment", shmget(IPC_PRIVATE, 4096, 0600) >= 0);
	code_add(tried, "file in memory", memfd_create("x", 0) >= 0);
	code_add(tried, "ring", syscall(SYS_io_uring_setup, 1, NULL) >= 0);
	code_add(tried, "new call", syscall(452, AT_FDCWD, "/", 0, 0) == 0);
}

char *escape_reach_run(struct job_child *child, json_object *params, GError **error)
{
	g_autoptr(json_object) tried = json_object_new_object();

	files_try(tried, json_get_text(params, "file", NULL),
		json_get_text(params, "elsewhere", NULL), json_get_text(params, "settings", NULL));
	calls_try(tried, (pid_t)number_get(params, "other"));
	code_add(tried, "execute", execl("/bin/true", "true", NULL) == 0);
	return g_strdup(json_object_to_json_string(tried));
}

char *escape_connect_run(struct job_child *child, json_object *params, GError **error)
{
	g_autoptr(json_object) tried = json_object_new_object();

	files_try(tried, json_get_text(params, "file", NULL),
		json_get_text(params, "elsewhere", NULL), json_get_text(params, "settings", NULL));
	code_add(tried, "inet", socket(AF_INET, SOCK_STREAM, 0) >= 0);
	code_add(tried, "unix", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	code_add(
		tried, "unix, oddly", syscall(SYS_socket, HIGH_BIT | AF_UNIX, SOCK_STREAM, 0) >= 0);
	code_add(tried, "kernel", socket(AF_ALG, SOCK_SEQPACKET, 0) >= 0);
	return g_strdup(json_object_to_json_string(tried));
}

char *escape_flood_run(struct job_child *child, json_object *params, GError **error)
{
	static const char frame[] = "\0\0\0\x0dg{\"percent\":1}";
	char frames[64 * (sizeof(frame) - 1)];

	for (gsize i = 0; i < sizeof(frames); i++)
		frames[i] = frame[i % (sizeof(frame) - 1)];
	while (write(RESULT_FD, frames, sizeof(frames)) == (ssize_t)sizeof(frames))
		;
	wait_for_ever();
	return NULL;
}

char *escape_bomb_run(struct job_child *child, json_object *params, GError **error)
{
	json_object *leave = json_get(params, "leave", json_type_boolean, NULL);
	gboolean is_leaving = leave != NULL && json_object_get_boolean(leave);
	gint *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	/* For the machine that the test runs on. */
	while (count != MAP_FAILED && g_atomic_int_add(count, 1) < MANY)
		if (fork() == 0 && is_leaving)
			setsid();
	wait_for_ever();
	return NULL;
}

static void *thread_run(void *data)
{
	wait_for_ever();
	return NULL;
}

char *escape_threads_run(struct job_child *child, json_object *params, GError **error)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	for (guint i = 0; i < MANY; i++)
		if (pthread_create(&thread, &attributes, thread_run, NULL) != 0)
			break;
	wait_for_ever();
	return NULL;
}

char *escape_memory_run(struct job_child *child, json_object *params, GError **error)
{
	gint64 taken = 0;

	for (char *p; taken < 1024; taken++) {
		p = malloc(MIB);
		if (p == NULL)
			return g_strdup_printf("{\"mib\":%" G_GINT64_FORMAT "}", taken);
		memset(p, 1, MIB);
	}
	wait_for_ever();
	return NULL;
}

char *escape_allocate_run(struct job_child *child, json_object *params, GError **error)
{
	char *p = g_malloc(1024 * MIB);
	memset(p, 1, 1024 * MIB);
	wait_for_ever();
	return p;
}

char *escape_share_run(struct job_child *child, json_object *params, GError **error)
{
	/* More than three times the limit together, as much as sanitized programs may take. */
	for (int i = 0; i < 5; i++) {
		if (fork() != 0)
			continue;
		memset(mmap(NULL, 200 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0),
			1, 200 * MIB);
		wait_for_ever();
	}
	wait_for_ever();
	return NULL;
}

char *escape_disk_run(struct job_child *child, json_object *params, GError **error)
{
	gint64 bytes = number_get(params, "bytes"), files = number_get(params, "files");
	g_autofree char *block = g_malloc0(MIB);

	for (gint64 i = 0; i < files; i++) {
		g_autofree char *path =
			g_strdup_printf("%s.%d", json_get_text(params, "file", NULL), (int)i);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		for (gint64 done = 0; done < bytes; done += MIB)
			if (write(fd, block, MIB) < 0)
				break;
		close(fd);
	}
	wait_for_ever();
	return NULL;
}
