/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run_slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/file.h"

#define LEASE_BYTES 36 /* a uuid; behind it whether the job is begun */
#define BEGUN "\n"
#define JOB_PREFIX "job-"
#define SPARE_PREFIX "was-"
#define SPARES_MAX 64

static char *slot_path(const struct conf *conf, const char *name)
{
	return g_build_filename(conf_get(conf, "paths.state"), "slot", name, NULL);
}

static char *set_path(const struct conf *conf, const char *set, const char *name)
{
	g_autofree char *own = set != NULL ? g_strconcat(set, ".", name, NULL) : NULL;
	return slot_path(conf, own != NULL ? own : name);
}

gboolean slot_init(const struct conf *conf, GError **error)
{
	g_autofree char *folder = conf_get_state_path(conf, "slot");
	return file_make_folder(folder, error);
}

int slot_claim(const struct conf *conf, const char *set, GError **error)
{
	g_autofree char *path = set_path(conf, set, "claim");
	return file_lock(path, error);
}

gboolean slot_is_claimed(const struct conf *conf, gboolean *is_claimed, GError **error)
{
	g_autofree char *folder = conf_get_state_path(conf, "slot");
	g_autoptr(GError) failure = NULL;
	g_autoptr(GDir) dir = g_dir_open(folder, 0, &failure);
	gboolean is_known = FALSE, is_held = FALSE;
	const char *name;

	if (dir == NULL && !g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s", failure->message);
		return FALSE;
	}
	g_clear_error(&failure);
	/* Looking must not make a file: it would be ours. */
	while (!is_held && dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = slot_path(conf, name);
		if (strcmp(name, "claim") != 0 && !g_str_has_suffix(name, ".claim"))
			continue;
		int fd = file_lock(path, &failure);
		is_known = TRUE;
		if (fd >= 0) {
			close(fd);
		} else if (g_error_matches(failure, MUSTER_ERROR, MUSTER_ERROR_BUSY)) {
			is_held = TRUE;
		} else {
			g_propagate_error(error, g_steal_pointer(&failure));
			return FALSE;
		}
	}
	if (!is_known) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
			"no runner has ever run on this host");
		return FALSE;
	}
	*is_claimed = is_held;
	return TRUE;
}

guint slot_count(const struct conf *conf)
{
	gint64 count = conf_get_int(conf, "job.concurrency");
	return count > 0 ? (guint)count : g_get_num_processors();
}

int slot_take(const struct conf *conf, const char *set, guint slot)
{
	g_autofree char *name = g_strdup_printf("%u", slot);
	g_autofree char *path = set_path(conf, set, name);

	return file_lock(path, NULL);
}

struct spare {
	gint64 id; /* whose it was */
	int fd;
};

struct slot_spares {
	const struct conf *conf;
	GArray *files; /* struct spare */
};

static char *job_path(const struct conf *conf, const char *prefix, gint64 id)
{
	g_autofree char *name = g_strdup_printf("%s%" G_GINT64_FORMAT, prefix, id);
	return slot_path(conf, name);
}

struct slot_spares *slot_spares_new(const struct conf *conf)
{
	struct slot_spares *spares = g_new0(struct slot_spares, 1);
	spares->conf = conf;
	spares->files = g_array_new(FALSE, FALSE, sizeof(struct spare));
	return spares;
}

static void spare_remove(struct slot_spares *spares, const struct spare *spare)
{
	g_autofree char *path = job_path(spares->conf, SPARE_PREFIX, spare->id);
	unlink(path);
	close(spare->fd);
}

void slot_spares_free(struct slot_spares *spares)
{
	if (spares == NULL)
		return;
	for (guint i = 0; i < spares->files->len; i++)
		spare_remove(spares, &g_array_index(spares->files, struct spare, i));
	g_array_free(spares->files, TRUE);
	g_free(spares);
}

/* A spare file under the job's name, or -1: there is none, or the name is taken. */
static int spare_use(struct slot_spares *spares, const char *path)
{
	if (spares->files->len == 0)
		return -1;
	struct spare spare = g_array_index(spares->files, struct spare, spares->files->len - 1);
	g_autofree char *from = job_path(spares->conf, SPARE_PREFIX, spare.id);

	g_array_set_size(spares->files, spares->files->len - 1);
	if (renameat2(AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return spare.fd;
	spare_remove(spares, &spare);
	return -1;
}

int slot_job_open(struct slot_spares *spares, gint64 id, const char *lease, GError **error)
{
	g_autofree char *path = job_path(spares->conf, JOB_PREFIX, id);
	g_autofree char *text = g_strdup_printf("%-*.*s ", LEASE_BYTES, LEASE_BYTES, lease);
	int fd = spare_use(spares, path);

	if (fd < 0)
		fd = file_lock(path, error);
	if (fd < 0)
		return -1;
	if (pwrite(fd, text, LEASE_BYTES + 1, 0) != LEASE_BYTES + 1) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "cannot write %s: %s", path,
			g_strerror(errno));
		slot_job_close(spares, id, fd);
		return -1;
	}
	return fd;
}

gboolean slot_job_begin(int fd, GError **error)
{
	if (pwrite(fd, BEGUN, 1, LEASE_BYTES) == 1)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "cannot write a job's file: %s",
		g_strerror(errno));
	return FALSE;
}

void slot_job_close(struct slot_spares *spares, gint64 id, int fd)
{
	g_autofree char *path = job_path(spares->conf, JOB_PREFIX, id);
	g_autofree char *to = job_path(spares->conf, SPARE_PREFIX, id);
	const struct spare spare = {id, fd};

	/* Its name goes before its lock: nobody finds it free and believes its job lost. */
	if (spares->files->len < SPARES_MAX && rename(path, to) == 0) {
		g_array_append_val(spares->files, spare);
		return;
	}
	unlink(path);
	close(fd);
}

void slot_job_list_lost(const struct conf *conf,
	gboolean (*f)(gint64 id, const char *lease, gboolean is_begun, gpointer data),
	gpointer data)
{
	g_autofree char *folder = conf_get_state_path(conf, "slot");
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		gint64 id;
		char lease[LEASE_BYTES + 2] = "";
		gboolean is_spare = g_str_has_prefix(name, SPARE_PREFIX);
		if ((!is_spare && !g_str_has_prefix(name, JOB_PREFIX)) ||
			!g_ascii_string_to_signed(
				name + strlen(JOB_PREFIX), 10, 1, G_MAXINT64, &id, NULL))
			continue;
		g_autofree char *path = slot_path(conf, name);
		int fd = file_lock(path, NULL);
		if (fd < 0)
			continue;
		gboolean is_whole = pread(fd, lease, LEASE_BYTES + 1, 0) == LEASE_BYTES + 1,
			 is_begun = lease[LEASE_BYTES] == BEGUN[0];
		lease[LEASE_BYTES] = '\0';
		is_whole = is_whole && g_uuid_string_is_valid(lease);
		/* A runner that died before it wrote the lease: the queue's own clock finds that
		 * job. */
		if (is_spare || !is_whole || f(id, lease, is_begun, data))
			unlink(path);
		close(fd);
	}
}
