/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run_slot.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/file.h"

#define LEASE_BYTES 36 /* a uuid */

static char *slot_path(const struct conf *conf, const char *name)
{
	return g_build_filename(conf_get(conf, "paths.state"), "slot", name, NULL);
}

gboolean slot_init(const struct conf *conf, GError **error)
{
	g_autofree char *folder = conf_get_state_path(conf, "slot");
	return file_make_folder(folder, error);
}

int slot_claim(const struct conf *conf, GError **error)
{
	g_autofree char *path = slot_path(conf, "claim");
	return file_lock(path, error);
}

guint slot_count(const struct conf *conf)
{
	gint64 count = conf_get_int(conf, "job.concurrency");
	return count > 0 ? (guint)count : g_get_num_processors();
}

int slot_take(const struct conf *conf)
{
	guint count = slot_count(conf);
	int fd = -1;

	for (guint i = 0; i < count && fd < 0; i++) {
		g_autofree char *name = g_strdup_printf("%u", i);
		g_autofree char *path = slot_path(conf, name);
		fd = file_lock(path, NULL);
	}
	return fd;
}

static char *job_path(const struct conf *conf, gint64 id)
{
	g_autofree char *name = g_strdup_printf("job-%" G_GINT64_FORMAT, id);
	return slot_path(conf, name);
}

int slot_job_open(const struct conf *conf, gint64 id, const char *lease, GError **error)
{
	g_autofree char *path = job_path(conf, id);
	int fd = file_lock(path, error);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, 0) < 0 || write(fd, lease, strlen(lease)) != (ssize_t)strlen(lease)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "cannot write %s: %s", path,
			g_strerror(errno));
		slot_job_close(conf, id, fd);
		return -1;
	}
	return fd;
}

void slot_job_close(const struct conf *conf, gint64 id, int fd)
{
	g_autofree char *path = job_path(conf, id);
	/* Removed before it is unlocked: nobody finds it free and believes its job lost. */
	unlink(path);
	close(fd);
}

void slot_job_list_lost(const struct conf *conf,
	gboolean (*f)(gint64 id, const char *lease, gpointer data), gpointer data)
{
	g_autofree char *folder = conf_get_state_path(conf, "slot");
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		gint64 id;
		char lease[LEASE_BYTES + 1] = "";
		if (!g_str_has_prefix(name, "job-") ||
			!g_ascii_string_to_signed(name + 4, 10, 1, G_MAXINT64, &id, NULL))
			continue;
		g_autofree char *path = slot_path(conf, name);
		int fd = file_lock(path, NULL);
		if (fd < 0)
			continue;
		gboolean is_whole = pread(fd, lease, LEASE_BYTES, 0) == LEASE_BYTES &&
				    g_uuid_string_is_valid(lease);
		/* A runner that died before it wrote the lease: the queue's own clock finds that
		 * job. */
		if (!is_whole || f(id, lease, data))
			unlink(path);
		close(fd);
	}
}
