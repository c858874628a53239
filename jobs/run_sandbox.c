/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <seccomp.h>

#include "jobs/landlock.h"
#include "lib/error.h"
#include "lib/file.h"

struct sandbox {
	GPtrArray *reads, *writes, *trees;
	gboolean has_owners;
};

/* What may be said of a file that was opened: nothing, what a working tree wants, its owner too. */
enum sandbox_trees {
	SANDBOX_TREES_NONE,
	SANDBOX_TREES_MODES,
	SANDBOX_TREES_OWNERS,
	SANDBOX_TREES_COUNT
};

struct sandbox *sandbox_new(void)
{
	struct sandbox *sandbox = g_new0(struct sandbox, 1);
	sandbox->reads = g_ptr_array_new_with_free_func(g_free);
	sandbox->writes = g_ptr_array_new_with_free_func(g_free);
	sandbox->trees = g_ptr_array_new_with_free_func(g_free);
	return sandbox;
}

void sandbox_free(struct sandbox *sandbox)
{
	if (sandbox == NULL)
		return;
	g_ptr_array_unref(sandbox->reads);
	g_ptr_array_unref(sandbox->writes);
	g_ptr_array_unref(sandbox->trees);
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

void sandbox_add_tree(struct sandbox *sandbox, const char *folder)
{
	if (folder != NULL)
		g_ptr_array_add(sandbox->trees, g_strdup(folder));
}

void sandbox_allow_owners(struct sandbox *sandbox)
{
	sandbox->has_owners = TRUE;
}

static enum sandbox_trees trees_get(const struct sandbox *sandbox)
{
	return sandbox->trees->len == 0 ? SANDBOX_TREES_NONE
	       : sandbox->has_owners    ? SANDBOX_TREES_OWNERS
					: SANDBOX_TREES_MODES;
}

const char *sandbox_missing(void)
{
	int abi = landlock_abi();
	return abi < 1 ? "this kernel has no Landlock: a job's process can read every file of its user"
	       : abi < 3
		       ? "this kernel's Landlock is older than 6.2: a job's process could empty files"
		       : NULL;
}

/* Ways into other processes, into the kernel, around this filter, or to leave memory behind. */
static const int refused_calls[] = {SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp), SCMP_SYS(io_uring_setup), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount), SCMP_SYS(open_tree),
	SCMP_SYS(fsopen), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(pivot_root),
	SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(open_by_handle_at),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(swapon), SCMP_SYS(swapoff),
	SCMP_SYS(reboot), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(syslog), SCMP_SYS(shmget),
	SCMP_SYS(msgget), SCMP_SYS(semget), SCMP_SYS(mq_open), SCMP_SYS(memfd_create),
	SCMP_SYS(memfd_secret)};
static const int signal_calls[] = {SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(pidfd_send_signal)};
/* Landlock has no word about what a file is, only about what is in it. */
static const int attribute_calls[] = {SCMP_SYS(chmod), SCMP_SYS(fchmodat), SCMP_SYS(chown),
	SCMP_SYS(lchown), SCMP_SYS(fchownat), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr),
	SCMP_SYS(fsetxattr), SCMP_SYS(removexattr), SCMP_SYS(lremovexattr), SCMP_SYS(fremovexattr),
	SCMP_SYS(utime), SCMP_SYS(utimes), SCMP_SYS(futimesat)};
static const int fork_calls[] = {SCMP_SYS(fork), SCMP_SYS(vfork)};

/*
 * What Linux has had since 6.6 (fchmodat2) is as if it did not exist: programs then do as on an
 * older kernel, and what comes later is not a way around this. The numbers are the same on every
 * architecture. 453 to 456 are what threads may need. This goes before what libseccomp makes, where
 * each number is a step that the kernel compiles for each child.
 */
static const struct sock_filter new_calls[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 512, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 457, 1, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 452, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
};

/* Address families of sockets: more than there are. */
#define FAMILIES 64

/* Stands for the process that will enter; a number that no process has. */
#define SELF 0x7e57b10dU

/* The argument that says what clone() shares. */
#ifdef __s390__
#define CLONE_FLAGS_ARGUMENT 1
#else
#define CLONE_FLAGS_ARGUMENT 0
#endif

static int calls_refuse(scmp_filter_ctx filter, const int *calls, gsize n)
{
	int code = 0;

	for (gsize i = 0; code == 0 && i < n; i++)
		code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
	return code;
}

/*
 * The call with all the bits of mask, or none of them (value 0), in that argument. Of most the
 * kernel looks at the lower half alone, and so must what is compared.
 */
static int bits_refuse(
	scmp_filter_ctx filter, int call, guint argument, scmp_datum_t mask, scmp_datum_t value)
{
	const struct scmp_arg_cmp has = {argument, SCMP_CMP_MASKED_EQ, mask, value};
	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), call, 1, &has);
}

static int value_refuse(
	scmp_filter_ctx filter, int call, guint argument, enum scmp_compare how, scmp_datum_t value)
{
	const struct scmp_arg_cmp is = {argument, how, value, 0};
	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), call, 1, &is);
}

/* Limits of others, signals that a file sends, what is typed at a terminal. */
static int others_refuse(scmp_filter_ctx filter)
{
	static const scmp_datum_t owners[] = {F_SETOWN, F_SETOWN_EX, F_SETSIG};
	static const scmp_datum_t typed[] = {TIOCSTI, TIOCLINUX};
	static const scmp_datum_t namespaces[] = {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS,
		CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET};
	int code = value_refuse(filter, SCMP_SYS(prlimit64), 0, SCMP_CMP_NE, 0);

	for (gsize i = 0; code == 0 && i < G_N_ELEMENTS(owners); i++)
		code = bits_refuse(filter, SCMP_SYS(fcntl), 1, G_MAXUINT32, owners[i]);
	for (gsize i = 0; code == 0 && i < G_N_ELEMENTS(typed); i++)
		code = bits_refuse(filter, SCMP_SYS(ioctl), 1, G_MAXUINT32, typed[i]);
	for (gsize i = 0; code == 0 && i < G_N_ELEMENTS(namespaces); i++)
		code = bits_refuse(filter, SCMP_SYS(clone), CLONE_FLAGS_ARGUMENT, namespaces[i],
			namespaces[i]);
	return code;
}

/* Who writes a working tree says of what it opened whether it can be run, and from when it is. */
static int attributes_refuse(scmp_filter_ctx filter, enum sandbox_trees trees)
{
	const struct scmp_arg_cmp by_name[] = {{1, SCMP_CMP_NE, 0, 0}, {2, SCMP_CMP_NE, 0, 0}};
	int code = calls_refuse(filter, attribute_calls, G_N_ELEMENTS(attribute_calls));

	if (code == 0 && trees == SANDBOX_TREES_NONE)
		code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fchmod), 0);
	if (code == 0 && trees != SANDBOX_TREES_OWNERS)
		code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fchown), 0);
	if (code == 0 && trees != SANDBOX_TREES_NONE)
		code = seccomp_rule_add_array(
			filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(utimensat), 2, by_name);
	/* That a file was used now may be said. */
	if (code == 0 && trees == SANDBOX_TREES_NONE)
		code = value_refuse(filter, SCMP_SYS(utimensat), 2, SCMP_CMP_NE, 0);
	return code;
}

/* A job that starts no program is one process, with threads; its memory is its own. */
static int programs_refuse(scmp_filter_ctx filter, enum sandbox_trees trees)
{
	scmp_datum_t shared = MAP_SHARED | MAP_ANONYMOUS;
	int code = calls_refuse(filter, signal_calls, G_N_ELEMENTS(signal_calls));

	/* abort() and raise() are tgkill() to itself. */
	if (code == 0)
		code = value_refuse(filter, SCMP_SYS(kill), 0, SCMP_CMP_NE, SELF);
	if (code == 0)
		code = value_refuse(filter, SCMP_SYS(tgkill), 0, SCMP_CMP_NE, SELF);
	if (code == 0)
		code = attributes_refuse(filter, trees);
	if (code == 0)
		code = calls_refuse(filter, fork_calls, G_N_ELEMENTS(fork_calls));
	if (code == 0)
		code = bits_refuse(filter, SCMP_SYS(clone), CLONE_FLAGS_ARGUMENT, CLONE_THREAD, 0);
	/* The limit of memory counts only what is private. */
	if (code == 0)
		code = bits_refuse(filter, SCMP_SYS(mmap), 3, shared, shared);
	if (code == 0)
		code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(execve), 0);
	if (code == 0)
		code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(execveat), 0);
	return code;
}

/*
 * Sockets of all but the internet, and of netlink, by which the C library learns which addresses
 * there are. This host's services, PostgreSQL above all, know the runner's user.
 */
static int families_refuse(scmp_filter_ctx filter)
{
	int code = 0;

	for (scmp_datum_t family = 0; code == 0 && family < FAMILIES; family++)
		if (family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
			code = bits_refuse(filter, SCMP_SYS(socket), 0, G_MAXUINT32, family);
	return code;
}

static int calls_gather(scmp_filter_ctx filter, gboolean may_connect, gboolean may_execute,
	enum sandbox_trees trees)
{
	int code = calls_refuse(filter, refused_calls, G_N_ELEMENTS(refused_calls));

	/* Its flags lie in memory, where no filter sees them; the C library then calls clone(). */
	if (code == 0)
		code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (code == 0)
		code = others_refuse(filter);
	if (code == 0 && !may_connect)
		code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), 0);
	if (code == 0 && may_connect)
		code = families_refuse(filter);
	if (code == 0 && !may_execute)
		code = programs_refuse(filter, trees);
	/* A tree instead of a list: the kernel tries each call once when it takes the filter. */
	if (code == 0)
		code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return code;
}

/* The filter as the kernel takes it; what makes it is much slower than what loads it. */
struct program {
	struct sock_filter *steps; /* NULL: not made yet */
	gsize bytes;
};

static gboolean program_read(scmp_filter_ctx filter, struct program *program)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat st;
	gboolean ok =
		fd >= 0 && seccomp_export_bpf(filter, fd) == 0 && fstat(fd, &st) == 0 &&
		st.st_size > 0 && st.st_size % sizeof(struct sock_filter) == 0 &&
		st.st_size / sizeof(struct sock_filter) + G_N_ELEMENTS(new_calls) <= BPF_MAXINSNS;

	if (ok) {
		program->bytes = sizeof(new_calls) + (gsize)st.st_size;
		program->steps = g_malloc(program->bytes);
		memcpy(program->steps, new_calls, sizeof(new_calls));
		ok = pread(fd, program->steps + G_N_ELEMENTS(new_calls), (gsize)st.st_size, 0) ==
		     (ssize_t)st.st_size;
		if (!ok)
			g_clear_pointer(&program->steps, g_free);
	}
	if (fd >= 0)
		close(fd);
	return ok;
}

/* One for each of what it depends on. */
static struct program programs[4 * SANDBOX_TREES_COUNT];

static struct program *program_get(
	gboolean may_connect, gboolean may_execute, enum sandbox_trees trees)
{
	struct program *program =
		&programs[((may_connect ? 2 : 0) + (may_execute ? 1 : 0)) * SANDBOX_TREES_COUNT +
			  trees];

	if (program->steps != NULL)
		return program;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	gboolean ok = filter != NULL &&
		      calls_gather(filter, may_connect, may_execute, trees) == 0 &&
		      program_read(filter, program);
	if (filter != NULL)
		seccomp_release(filter);
	/* What is in pieces now would be put together by each child, in pages of its own. */
	malloc_trim(0);
	return ok ? program : NULL;
}

/* Puts this process in the place of SELF. FALSE: a filter that names it does not. */
static gboolean self_fill(struct sock_filter *steps, gsize n, gboolean is_named)
{
	guint found = 0;

	for (gsize i = 0; i < n; i++)
		if (steps[i].code == (BPF_JMP | BPF_JEQ | BPF_K) && steps[i].k == SELF) {
			steps[i].k = (guint32)getpid();
			found++;
		}
	return is_named == (found > 0);
}

/* A negative error number, or 0. */
static int calls_confine(gboolean may_connect, gboolean may_execute, enum sandbox_trees trees)
{
	const struct program *made = program_get(may_connect, may_execute, trees);

	if (made == NULL)
		return -EINVAL;
	g_autofree struct sock_filter *steps = g_memdup2(made->steps, made->bytes);
	struct sock_fprog program = {
		.len = (unsigned short)(made->bytes / sizeof(*steps)), .filter = steps};
	if (!self_fill(steps, program.len, !may_execute))
		return -EINVAL;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : -errno;
}

void sandbox_prepare(gboolean may_connect, gboolean may_execute)
{
	/* What cannot be made now says so when it is needed. */
	program_get(may_connect, may_execute, SANDBOX_TREES_NONE);
	program_get(may_connect, may_execute, SANDBOX_TREES_MODES);
}

/* Landlock holds for the thread that asks for it. Where there is no /proc nobody can tell. */
static gboolean is_one_task(void)
{
	struct stat st;
	return stat("/proc/self/task", &st) < 0 || st.st_nlink == 2 + 1;
}

gboolean sandbox_enter(
	const struct sandbox *sandbox, gboolean may_connect, gboolean may_execute, GError **error)
{
	if (!is_one_task()) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"the sandbox cannot be entered: there are threads already");
		return FALSE;
	}
	gboolean ok = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		      landlock_confine(sandbox->reads, sandbox->writes, sandbox->trees,
			      may_connect || may_execute, may_execute);
	int code = ok ? calls_confine(may_connect, may_execute, trees_get(sandbox)) : -errno;

	if (code == 0)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "the sandbox cannot be entered: %s",
		g_strerror(-code));
	return FALSE;
}
