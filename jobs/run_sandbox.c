/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <seccomp.h>

#include "lib/error.h"
#include "lib/file.h"

/*
 * Landlock's interface (Linux documentation, userspace-api/landlock), by our own names: the headers
 * of the machine that compiles may know less than the kernel that runs.
 */
enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_ALL = 0x7f << 6, /* with devices, sockets, pipes and symbolic links */
	FS_REFER = 1 << 13,      /* ABI 2 */
	FS_TRUNCATE = 1 << 14,   /* ABI 3 */
	FS_IOCTL_DEV = 1 << 15,  /* ABI 5 */
	SCOPE_ALL = 3,           /* ABI 6: abstract sockets and signals of processes outside */
	CREATE_RULESET_VERSION = 1,
	RULE_PATH_BENEATH = 1,
};

struct ruleset_attr {
	guint64 handled_fs, handled_net, scoped;
};

struct path_attr {
	guint64 allowed;
	gint32 parent_fd;
} __attribute__((packed));

#define READ_ACCESS ((guint64)(FS_READ_FILE | FS_READ_DIR))
#define WRITE_ACCESS                                                                               \
	(READ_ACCESS | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR |              \
		FS_MAKE_REG | FS_REFER | FS_TRUNCATE)
/* What can be said of a file; the others are about folders, and refused for files. */
#define FILE_ACCESS ((guint64)(FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE))

/*
 * What any program needs: its libraries, locale, time zone and names of users. Not /etc as a whole,
 * where our own settings lie, nor /proc, where those of others lie.
 */
static const char *const system_paths[] = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache",
	"/etc/localtime", "/etc/timezone", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf",
	"/etc/gitconfig", "/proc/self", "/sys/devices/system/cpu", "/dev/null", "/dev/zero",
	"/dev/urandom"};
/* Beside them for kinds that run programs or connect. */
static const char *const program_paths[] = {"/bin", "/sbin", "/etc/ssl", "/etc/ca-certificates",
	"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
	"/etc/ssh", "/run/systemd/resolve"};

struct sandbox {
	GPtrArray *reads, *writes;
};

struct sandbox *sandbox_new(void)
{
	struct sandbox *sandbox = g_new0(struct sandbox, 1);
	sandbox->reads = g_ptr_array_new_with_free_func(g_free);
	sandbox->writes = g_ptr_array_new_with_free_func(g_free);
	return sandbox;
}

void sandbox_free(struct sandbox *sandbox)
{
	if (sandbox == NULL)
		return;
	g_ptr_array_unref(sandbox->reads);
	g_ptr_array_unref(sandbox->writes);
	g_free(sandbox);
}

void sandbox_add_read(struct sandbox *sandbox, const char *path)
{
	if (path != NULL)
		g_ptr_array_add(sandbox->reads, g_strdup(path));
}

void sandbox_add_write(struct sandbox *sandbox, const char *folder)
{
	if (folder == NULL)
		return;
	/* When it cannot be made, what wants to write there says so. */
	file_make_folder(folder, NULL);
	g_ptr_array_add(sandbox->writes, g_strdup(folder));
}

static int landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
}

const char *sandbox_missing(void)
{
	int abi = landlock_abi();
	return abi < 1 ? "this kernel has no Landlock: a job's process can read every file of its user"
	       : abi < 3
		       ? "this kernel's Landlock is older than 6.2: a job's process could empty files"
		       : NULL;
}

/* The rights that a kernel of this ABI knows; handing it others is an error. */
static guint64 handled_access(int abi)
{
	guint64 access = READ_ACCESS | WRITE_ACCESS | FS_EXECUTE | FS_MAKE_ALL | FS_IOCTL_DEV;

	if (abi < 2)
		access &= ~(guint64)FS_REFER;
	if (abi < 3)
		access &= ~(guint64)FS_TRUNCATE;
	if (abi < 5)
		access &= ~(guint64)FS_IOCTL_DEV;
	return access;
}

static gboolean path_allow(int ruleset, const char *path, guint64 access)
{
	struct path_attr attr = {.allowed = access, .parent_fd = open(path, O_PATH | O_CLOEXEC)};
	struct stat st;

	if (attr.parent_fd < 0)
		return TRUE; /* What is not there needs no rule. */
	gboolean ok = fstat(attr.parent_fd, &st) == 0;
	if (ok && !S_ISDIR(st.st_mode))
		attr.allowed &= FILE_ACCESS;
	ok = ok && syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0) == 0;
	int saved = errno;
	close(attr.parent_fd);
	errno = saved;
	return ok;
}

static gboolean files_confine(const struct sandbox *sandbox, gboolean is_wide, gboolean may_execute)
{
	int abi = landlock_abi();
	guint64 handled = handled_access(abi);
	struct ruleset_attr attr = {.handled_fs = handled, .scoped = abi >= 6 ? SCOPE_ALL : 0};
	gsize size = abi >= 6 ? sizeof(attr) : abi >= 4 ? 2 * sizeof(guint64) : sizeof(guint64);
	guint64 system_access = READ_ACCESS | (may_execute ? FS_EXECUTE : 0);
	gboolean ok = TRUE;

	if (abi < 1)
		return TRUE;
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return FALSE;
	for (gsize i = 0; ok && i < G_N_ELEMENTS(system_paths); i++)
		ok = path_allow(ruleset, system_paths[i], system_access);
	for (gsize i = 0; ok && is_wide && i < G_N_ELEMENTS(program_paths); i++)
		ok = path_allow(ruleset, program_paths[i], system_access);
	ok = ok && path_allow(ruleset, "/dev/null", READ_ACCESS | FS_WRITE_FILE);
	for (guint i = 0; ok && i < sandbox->reads->len; i++)
		ok = path_allow(ruleset, sandbox->reads->pdata[i], READ_ACCESS);
	for (guint i = 0; ok && i < sandbox->writes->len; i++)
		ok = path_allow(ruleset, sandbox->writes->pdata[i], WRITE_ACCESS & handled);
	ok = ok && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	int saved = errno;
	close(ruleset);
	errno = saved;
	return ok;
}

/* Ways into other processes, into the kernel, or around this filter. */
static const int refused_calls[] = {SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp), SCMP_SYS(io_uring_setup), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount), SCMP_SYS(open_tree),
	SCMP_SYS(fsopen), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(pivot_root),
	SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(open_by_handle_at),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(swapon), SCMP_SYS(swapoff),
	SCMP_SYS(reboot), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(syslog)};
static const int signal_calls[] = {SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(pidfd_send_signal)};

static int calls_refuse(scmp_filter_ctx filter, const int *calls, gsize n)
{
	int code = 0;

	for (gsize i = 0; code == 0 && i < n; i++)
		code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
	return code;
}

/* A negative error number, or 0. */
static int calls_confine(gboolean may_connect, gboolean may_execute)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	scmp_datum_t self = (scmp_datum_t)getpid();
	const struct scmp_arg_cmp is_other = {0, SCMP_CMP_NE, self, 0};

	if (filter == NULL)
		return -ENOMEM;
	int code = calls_refuse(filter, refused_calls, G_N_ELEMENTS(refused_calls));
	if (code == 0 && !may_connect)
		code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), 0);
	if (code == 0 && !may_execute) {
		/* abort() and raise() are tgkill() to itself. */
		code = calls_refuse(filter, signal_calls, G_N_ELEMENTS(signal_calls));
		if (code == 0)
			code = seccomp_rule_add_array(
				filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(kill), 1, &is_other);
		if (code == 0)
			code = seccomp_rule_add_array(
				filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1, &is_other);
		if (code == 0)
			code = seccomp_rule_add(
				filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(execve), 0);
		if (code == 0)
			code = seccomp_rule_add(
				filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(execveat), 0);
	}
	if (code == 0)
		code = seccomp_load(filter);
	seccomp_release(filter);
	return code;
}

gboolean sandbox_enter(
	const struct sandbox *sandbox, gboolean may_connect, gboolean may_execute, GError **error)
{
	gboolean ok = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		      files_confine(sandbox, may_connect || may_execute, may_execute);
	int code = ok ? calls_confine(may_connect, may_execute) : -errno;

	if (code == 0)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "the sandbox cannot be entered: %s",
		g_strerror(-code));
	return FALSE;
}
