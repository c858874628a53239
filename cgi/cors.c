/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/cors.h"

#define METHODS "GET, HEAD, POST, PUT, PATCH, DELETE"
#define ASKED_HEADERS                                                                              \
	"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "                  \
	"Muster-Organization, X-API-Key, X-CSRF-Token"
#define TOLD_HEADERS                                                                               \
	"Content-Disposition, ETag, Idempotency-Replayed, Link, RateLimit, RateLimit-Policy, "     \
	"Retry-After, Stream-Position, X-Request-Id"
#define PREFLIGHT_S "600"

gboolean cors_allows(const struct conf *conf, const char *origin)
{
	return origin != NULL && conf_has_word(conf, "server.cors_origins", origin);
}

gboolean cors_apply(
	const struct conf *conf, const struct request *request, struct response *response)
{
	const char *origin = request_header(request, "Origin");

	/* The answer differs by Origin even where the one that asks is not allowed. */
	if (*conf_get(conf, "server.cors_origins") != '\0')
		response_header(response, "Vary", "Origin");
	if (!cors_allows(conf, origin))
		return FALSE;
	response_header(response, "Access-Control-Allow-Origin", origin);
	response_header(response, "Access-Control-Allow-Credentials", "true");
	if (g_strcmp0(request->method, "OPTIONS") ||
		request_header(request, "Access-Control-Request-Method") == NULL) {
		response_header(response, "Access-Control-Expose-Headers", TOLD_HEADERS);
		return FALSE;
	}
	response_header(response, "Access-Control-Allow-Methods", METHODS);
	response_header(response, "Access-Control-Allow-Headers", ASKED_HEADERS);
	response_header(response, "Access-Control-Max-Age", PREFLIGHT_S);
	response->status = 204;
	return TRUE;
}
