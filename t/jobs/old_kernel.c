/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * usage: old_kernel ABI LOG PROGRAM [ARGUMENT ...]
 *
 * Runs PROGRAM as if this kernel's Landlock were of that ABI (0: it has none; 99: its own), and
 * writes down what jobs' processes do about it:
 *
 *	restrict PID TASKS	it fences itself in, having so many threads
 *	holds PID PATH		which it had open at that moment
 *	open PID PATH		it opens a file
 *
 * It is done from outside, by seccomp's notifications: the programs under test know nothing of it
 * and have no switch for it. What an older kernel would refuse (Linux documentation,
 * userspace-api/landlock) is refused; all else the real one does.
 */

static int abi;
static FILE *log_file;

#define FS_ALL_1 ((1 << 13) - 1) /* ABI 1; each of 2, 3 and 5 has one more */

static guint64 known_access(void)
{
	guint64 access = FS_ALL_1;

	if (abi >= 2)
		access |= 1 << 13;
	if (abi >= 3)
		access |= 1 << 14;
	if (abi >= 5)
		access |= 1 << 15;
	return access;
}

static gboolean memory_read(guint32 pid, guint64 address, void *to, gsize len)
{
	g_autofree char *path = g_strdup_printf("/proc/%u/mem", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	gboolean ok = fd >= 0 && pread(fd, to, len, (off_t)address) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static gboolean is_job(guint32 pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%u/comm", pid);
	g_autofree char *name = NULL;

	return g_file_get_contents(path, &name, NULL, NULL) && g_str_has_prefix(name, "muster-job");
}

static void restrict_tell(guint32 pid)
{
	g_autofree char *tasks = g_strdup_printf("/proc/%u/task", pid);
	g_autofree char *files = g_strdup_printf("/proc/%u/fd", pid);
	g_autoptr(GDir) dir = g_dir_open(tasks, 0, NULL), fds = g_dir_open(files, 0, NULL);
	guint n = 0;

	while (dir != NULL && g_dir_read_name(dir) != NULL)
		n++;
	fprintf(log_file, "restrict %u %u\n", pid, n);
	for (const char *name; fds != NULL && (name = g_dir_read_name(fds)) != NULL;) {
		g_autofree char *path = g_build_filename(files, name, NULL);
		g_autofree char *target = g_file_read_link(path, NULL);
		fprintf(log_file, "holds %u %s\n", pid, target);
	}
}

static void open_tell(guint32 pid, guint64 address)
{
	char path[512] = "";

	if (memory_read(pid, address, path, sizeof(path) - 1))
		fprintf(log_file, "open %u %s\n", pid, path);
}

/* As create_ruleset of that ABI answers; TRUE when the real one shall. */
static gboolean ruleset_answer(const struct seccomp_notif *asked, struct seccomp_notif_resp *answer)
{
	guint64 attr[3] = {0};
	gsize size = MIN(asked->data.args[1], sizeof(attr));

	if (abi == 0) {
		answer->error = -ENOSYS;
	} else if (asked->data.args[2] != 0) {
		answer->val = abi;
	} else if (!memory_read(asked->pid, asked->data.args[0], attr, size)) {
		answer->error = -EFAULT;
	} else if ((abi < 4 && size > 8 && attr[1] != 0) ||
		   (abi < 6 && size > 16 && attr[2] != 0)) {
		answer->error = -E2BIG;
	} else if ((attr[0] & ~known_access()) != 0) {
		answer->error = -EINVAL;
	} else {
		return TRUE;
	}
	return FALSE;
}

static gboolean call_answer(const struct seccomp_notif *asked, struct seccomp_notif_resp *answer)
{
	if (asked->data.nr == SYS_openat) {
		if (is_job(asked->pid))
			open_tell(asked->pid, asked->data.args[1]);
		return TRUE;
	}
	if (asked->data.nr == SYS_landlock_restrict_self && is_job(asked->pid))
		restrict_tell(asked->pid);
	if (asked->data.nr == SYS_landlock_create_ruleset && abi != 99)
		return ruleset_answer(asked, answer);
	return TRUE;
}

/* Until nobody is left who could ask. */
static void answer_all(int listener)
{
	struct pollfd look = {.fd = listener, .events = POLLIN};

	while (poll(&look, 1, -1) > 0 || errno == EINTR) {
		struct seccomp_notif asked = {0};
		struct seccomp_notif_resp answer = {0};
		if ((look.revents & POLLIN) == 0)
			break;
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
			continue;
		answer.id = asked.id;
		if (call_answer(&asked, &answer))
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		fflush(log_file);
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

#define ASK(call)                                                                                  \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1),                                         \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)

static int listener_open(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ASK(SYS_landlock_create_ruleset),
		ASK(SYS_landlock_restrict_self),
		ASK(SYS_openat),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {G_N_ELEMENTS(filter), filter};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(
		SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static int listener_take(int from)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	int fd = -1;

	if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message) != NULL)
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static gboolean listener_give(int to, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte = 0;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &fd, sizeof(fd));
	return sendmsg(to, &message, 0) == 1;
}

int main(int argc, char **argv)
{
	int fds[2];

	if (argc < 4 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 2;
	abi = atoi(argv[1]);
	log_file = fopen(argv[2], "ae");
	if (log_file == NULL)
		return 4;
	if (fork() == 0) {
		close(fds[1]);
		int listener = listener_take(fds[0]);
		if (listener >= 0)
			answer_all(listener);
		_exit(0);
	}
	int listener = listener_open();
	if (listener < 0 || !listener_give(fds[1], listener)) {
		fprintf(stderr, "old_kernel: no notifications here: %s\n", strerror(errno));
		return 77;
	}
	close(listener);
	execv(argv[3], argv + 3);
	return 4;
}
