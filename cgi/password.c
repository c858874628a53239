/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/password.h"

#include <unistd.h>

#include "cgi/place.h"

#define PLACES 2

/*
 * Verified when there is no such account, so that the answer takes as long as for one that is
 * there: argon2id of 32 random bytes that nobody kept, with the parameters of
 * secret_password_hash().
 */
#define DECOY_HASH                                                                                 \
	"$argon2id$v=19$m=19456,t=2,p=1$GsAC5J6Lq8dpQgJvc0MmEw$8Dec/"                              \
	"tRdo1aYxbMOE5pM7JT24MIpyrICV1OVc/"                                                        \
	"kGvnE"

/* argon2 takes 19 MiB and a core for 30 ms. */
static int login_place(const struct api *api, GError **error)
{
	return place_take(api, "login", PLACES, "many people are signing in just now", error);
}

gboolean password_verify(const struct api *api, const char *hash, const char *password,
	gboolean *is_valid, GError **error)
{
	int place = login_place(api, error);

	if (place < 0)
		return FALSE;
	gboolean is_right = secret_password_is_valid(hash != NULL ? hash : DECOY_HASH, password);
	close(place);
	*is_valid = is_right && hash != NULL;
	return TRUE;
}

char *password_hash(const struct api *api, const char *password, GError **error)
{
	int place = login_place(api, error);

	if (place < 0)
		return NULL;
	char *hash = secret_password_hash(password, error);
	close(place);
	return hash;
}
