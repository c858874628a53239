/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run_sandbox.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <seccomp.h>

#include "jobs/landlock.h"
#include "lib/error.h"
#include "lib/file.h"

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

const char *sandbox_missing(void)
{
	int abi = landlock_abi();
	return abi < 1 ? "this kernel has no Landlock: a job's process can read every file of its user"
	       : abi < 3
		       ? "this kernel's Landlock is older than 6.2: a job's process could empty files"
		       : NULL;
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
		      landlock_confine(sandbox->reads, sandbox->writes, may_connect || may_execute,
			      may_execute);
	int code = ok ? calls_confine(may_connect, may_execute) : -errno;

	if (code == 0)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "the sandbox cannot be entered: %s",
		g_strerror(-code));
	return FALSE;
}
