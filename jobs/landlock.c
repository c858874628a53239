/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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
	FS_MAKE_SYM = 1 << 12,
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
/* Working trees hold symbolic links, which others may follow. */
#define TREE_ACCESS (WRITE_ACCESS | FS_MAKE_SYM)
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

int landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
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

gboolean landlock_confine(const GPtrArray *reads, const GPtrArray *writes, const GPtrArray *trees,
	gboolean is_wide, gboolean may_execute)
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
	for (guint i = 0; ok && i < reads->len; i++)
		ok = path_allow(ruleset, reads->pdata[i], READ_ACCESS);
	for (guint i = 0; ok && writes != NULL && i < writes->len; i++)
		ok = path_allow(ruleset, writes->pdata[i], WRITE_ACCESS & handled);
	for (guint i = 0; ok && trees != NULL && i < trees->len; i++)
		ok = path_allow(ruleset, trees->pdata[i], TREE_ACCESS & handled);
	ok = ok && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	int saved = errno;
	close(ruleset);
	errno = saved;
	return ok;
}
