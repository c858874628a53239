/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run_watch.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX_BYTES 65536

static char *proc_read(pid_t pid, const char *name)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, name);
	char *text = NULL;
	gsize len;

	return g_file_get_contents(path, &text, &len, NULL) && len < TEXT_MAX_BYTES
		       ? text
		       : (g_free(text), NULL);
}

/* The number of a line "name: number"; 0 when there is none. */
static gint64 number_find(const char *text, const char *name)
{
	const char *at = text != NULL ? strstr(text, name) : NULL;
	return at != NULL ? g_ascii_strtoll(at + strlen(name), NULL, 10) : 0;
}

static void children_take(pid_t pid, struct watch *watch);

static gboolean process_take(pid_t pid, gboolean with_children, struct watch *watch)
{
	g_autofree char *status = proc_read(pid, "status");
	g_autofree char *io = proc_read(pid, "io");

	if (status == NULL)
		return FALSE;
	watch->tasks += (guint)MAX(number_find(status, "\nThreads:"), 1);
	watch->memory_bytes +=
		(number_find(status, "\nRssAnon:") + number_find(status, "\nRssShmem:")) * 1024;
	/* A file system in memory writes nothing to a disk, and what is mapped is not a write. */
	watch->written_bytes += MAX(number_find(io, "\nwchar:"), number_find(io, "\nwrite_bytes:"));
	if (with_children)
		children_take(pid, watch);
	return TRUE;
}

/* Each thread has its own. */
static void children_take(pid_t pid, struct watch *watch)
{
	g_autofree char *folder = g_strdup_printf("/proc/%d/task", (int)pid);
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *task;

	while (dir != NULL && (task = g_dir_read_name(dir)) != NULL) {
		g_autofree char *name = g_strdup_printf("task/%s/children", task);
		g_autofree char *list = proc_read(pid, name);
		char *end;
		for (const char *at = list; at != NULL && watch->tasks <= WATCH_TASKS_MAX;
			at = end) {
			pid_t child = (pid_t)g_ascii_strtoll(at, &end, 10);
			if (end == at)
				break;
			process_take(child, TRUE, watch);
		}
	}
}

gboolean watch_take(pid_t pid, gboolean with_children, struct watch *watch)
{
	*watch = (struct watch){0};
	return process_take(pid, with_children, watch);
}
