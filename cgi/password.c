/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/password.h"

#include <unistd.h>

#include "lib/error.h"
#include "lib/file.h"

#define SLOTS 2
#define WAIT_MS 3000
#define POLL_MS 10

/*
 * Verified when there is no such account, so that the answer takes as long as for one that is
 * there: argon2id of 32 random bytes that nobody kept, with the parameters of
 * secret_password_hash().
 */
#define DECOY_HASH                                                                                 \
	"$argon2id$v=19$m=19456,t=2,p=1$GsAC5J6Lq8dpQgJvc0MmEw$8Dec/"                              \
	"tRdo1aYxbMOE5pM7JT24MIpyrICV1OVc/"                                                        \
	"kGvnE"

/*
 * One of the host's two places for argon2 (19 MiB and a core for 30 ms each), as the descriptor of
 * a lock file; -1 and MUSTER_ERROR_BUSY when none gets free in time. The kernel frees it with the
 * process.
 */
static int slot_take(const struct api *api, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + WAIT_MS * 1000;

	for (;;) {
		for (int i = 0; i < SLOTS; i++) {
			g_autoptr(GError) failure = NULL;
			g_autofree char *name = g_strdup_printf("login.%d.lock", i);
			g_autofree char *path = conf_get_run_path(api->conf, name);
			int fd = file_lock(path, &failure);
			if (fd >= 0)
				return fd;
			if (!g_error_matches(failure, MUSTER_ERROR, MUSTER_ERROR_BUSY)) {
				g_propagate_error(error, g_steal_pointer(&failure));
				return -1;
			}
		}
		if (g_get_monotonic_time() >= deadline) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_BUSY,
				"many people are signing in just now");
			return -1;
		}
		g_usleep(POLL_MS * 1000);
	}
}

gboolean password_verify(const struct api *api, const char *hash, const char *password,
	gboolean *is_valid, GError **error)
{
	int slot = slot_take(api, error);

	if (slot < 0)
		return FALSE;
	gboolean is_right = secret_password_is_valid(hash != NULL ? hash : DECOY_HASH, password);
	close(slot);
	*is_valid = is_right && hash != NULL;
	return TRUE;
}

char *password_hash(const struct api *api, const char *password, GError **error)
{
	int slot = slot_take(api, error);

	if (slot < 0)
		return NULL;
	char *hash = secret_password_hash(password, error);
	close(slot);
	return hash;
}
