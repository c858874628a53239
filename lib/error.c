/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/error.h"

#include <string.h>

/* clang-format off */
G_DEFINE_QUARK(muster-error-quark, muster_error)
/* clang-format on */

unsigned error_http_status(const GError *error)
{
	if (error == NULL || error->domain != MUSTER_ERROR)
		return 500;
	switch ((enum muster_error)error->code) {
	case MUSTER_ERROR_INPUT:
		return 400;
	case MUSTER_ERROR_AUTH:
		return 401;
	case MUSTER_ERROR_DENIED:
		return 403;
	case MUSTER_ERROR_MISSING:
		return 404;
	case MUSTER_ERROR_CONFLICT:
		return 409;
	case MUSTER_ERROR_LIMIT:
		return 413;
	case MUSTER_ERROR_BUSY:
		return 503;
	case MUSTER_ERROR_REMOTE:
		return 502;
	case MUSTER_ERROR_DB:
	case MUSTER_ERROR_IO:
		return 500;
	}
	return 500;
}

/* clang-format off */
static const struct {
	const char *prefix;
	enum muster_error code;
} sqlstates[] = {
	{ "MU400", MUSTER_ERROR_INPUT },
	{ "MU401", MUSTER_ERROR_AUTH },
	{ "MU403", MUSTER_ERROR_DENIED },
	{ "MU404", MUSTER_ERROR_MISSING },
	{ "MU409", MUSTER_ERROR_CONFLICT },
	{ "MU412", MUSTER_ERROR_CONFLICT },
	{ "MU422", MUSTER_ERROR_CONFLICT },
	{ "MU429", MUSTER_ERROR_LIMIT },
	{ "MU503", MUSTER_ERROR_BUSY },
	{ "23505", MUSTER_ERROR_CONFLICT },
	{ "42501", MUSTER_ERROR_DENIED },
	{ "22", MUSTER_ERROR_INPUT },
	{ "23", MUSTER_ERROR_INPUT },
	{ "08", MUSTER_ERROR_BUSY },
	{ "25006", MUSTER_ERROR_BUSY }, /* a standby, or a server that is being moved */
	{ "40", MUSTER_ERROR_BUSY },
	{ "53", MUSTER_ERROR_BUSY },
	{ "55P03", MUSTER_ERROR_BUSY },
	{ "57", MUSTER_ERROR_BUSY },
};
/* clang-format on */

enum muster_error error_from_sqlstate(const char *sqlstate)
{
	for (gsize i = 0; sqlstate != NULL && i < G_N_ELEMENTS(sqlstates); i++)
		if (g_str_has_prefix(sqlstate, sqlstates[i].prefix))
			return sqlstates[i].code;
	return MUSTER_ERROR_DB;
}
