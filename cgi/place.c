/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/place.h"

#include "lib/error.h"
#include "lib/file.h"

#define WAIT_MS 3000
#define POLL_MS 10

int place_take(const struct api *api, const char *name, guint n, const char *busy, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + WAIT_MS * 1000;

	for (;;) {
		for (guint i = 0; i < n; i++) {
			g_autoptr(GError) failure = NULL;
			g_autofree char *file = g_strdup_printf("%s.%u.lock", name, i);
			g_autofree char *path = conf_get_run_path(api->conf, file);
			int fd = file_lock(path, &failure);
			if (fd >= 0)
				return fd;
			if (!g_error_matches(failure, MUSTER_ERROR, MUSTER_ERROR_BUSY)) {
				g_propagate_error(error, g_steal_pointer(&failure));
				return -1;
			}
		}
		if (g_get_monotonic_time() >= deadline) {
			g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_BUSY, busy);
			return -1;
		}
		g_usleep(POLL_MS * 1000);
	}
}
