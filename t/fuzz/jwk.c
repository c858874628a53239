/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/jwk.h"

#include <string.h>

#include "lib/error.h"
#include "t/fuzz/target.h"

/*
 * A line with a JWK set, then a token: what an issuer answers. None of the keys is anybody's, so
 * nothing is ever signed, whatever is said.
 */
int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
	g_autofree char *text = g_strndup(size > 0 ? (const char *)data : "", size);
	char *token = strchr(text, '\n');
	g_autoptr(GError) error = NULL;

	if (token == NULL)
		return 0;
	*token++ = '\0';
	g_autoptr(json_object) set = json_parse(text, strlen(text), &json_limits_request, NULL);
	if (set == NULL)
		return 0;
	g_autofree char *claims = jwk_verify(set, token, &error);
	fuzz_require(claims == NULL);
	fuzz_require(g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_AUTH));
	return 0;
}
