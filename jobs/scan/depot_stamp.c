/* SPDX-License-Identifier: MIT */
/* Whether objects have come or gone: a look at the folders they would lie in, and at no file. */
#include "config.h"
#include "jobs/scan/depot.h"
#include "lib/file.h"
#include "lib/hash.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALTERNATES_MAX_BYTES (1u << 16)
#define DEPTH_MAX 5u /* git's own bound */
#define FAN_OUT 256u
/* Clocks of file systems go by ticks; what changed so shortly before may change unseen. */
#define SETTLED_US (G_USEC_PER_SEC / 20)
#define SETTLED_SECONDS_US (2 * G_USEC_PER_SEC) /* where they have no parts of a second */

struct seen {
	guint64 device, inode;
	gint64 s, ns; /* of its last change; 0: it is not there */
};

/* FALSE: it changed too late for anybody to be sure. */
static gboolean folder_see(GByteArray *all, int at, const char *name, gint64 since_us)
{
	struct seen seen = {0};
	struct stat st;

	if (fstatat(at, name, &st, 0) == 0)
		seen = (struct seen){st.st_dev, st.st_ino, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
	g_byte_array_append(all, (const guint8 *)&seen, sizeof(seen));
	gint64 settled = seen.ns != 0 ? SETTLED_US : SETTLED_SECONDS_US;
	return seen.s <= since_us / G_USEC_PER_SEC &&
	       MAX(seen.s, 0) * G_USEC_PER_SEC + seen.ns / 1000 + settled < since_us;
}

static guint64 folder_stamp(const char *objects_folder, gint64 since_us, guint depth)
{
	g_autoptr(GByteArray) all = g_byte_array_new();
	g_autofree char *path = g_build_filename(objects_folder, "info", "alternates", NULL);
	g_autofree char *alternates = NULL;
	int folder = open(objects_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	guint8 digest[HASH_DIGEST_BYTES];
	guint64 stamp = 0, inner = 0;
	char name[3];
	gsize len;

	if (folder < 0)
		return 0;
	gboolean is_sure = depth < DEPTH_MAX && folder_see(all, folder, "pack", since_us);
	for (guint i = 0; i < FAN_OUT && is_sure; i++) {
		g_snprintf(name, sizeof(name), "%02x", i);
		is_sure = folder_see(all, folder, name, since_us);
	}
	close(folder);
	/* One folder of another repository is common; more are not worth to be understood here. */
	if (is_sure && file_read(path, ALTERNATES_MAX_BYTES, &alternates, &len, NULL)) {
		g_strchomp(alternates);
		is_sure = *alternates == '/' && strchr(alternates, '\n') == NULL;
		inner = is_sure ? folder_stamp(alternates, since_us, depth + 1) : 0;
		is_sure = inner != 0;
		g_byte_array_append(all, (const guint8 *)&inner, sizeof(inner));
	} else if (g_file_test(path, G_FILE_TEST_EXISTS)) {
		is_sure = FALSE;
	}
	if (!is_sure)
		return 0;
	hash_digest(all->data, all->len, digest);
	memcpy(&stamp, digest, sizeof(stamp));
	return stamp;
}

guint64 depot_stamp(const char *objects_folder, gint64 since_us)
{
	return folder_stamp(objects_folder, since_us, 0);
}
