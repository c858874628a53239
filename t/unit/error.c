/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/error.h"

#include "t/unit/check.h"

/* clang-format off */
static const struct {
	const char *sqlstate;
	enum muster_error code;
} sqlstates[] = {
	{ "MU400", MUSTER_ERROR_INPUT }, { "MU401", MUSTER_ERROR_AUTH },
	{ "MU403", MUSTER_ERROR_DENIED }, { "MU404", MUSTER_ERROR_MISSING },
	{ "MU409", MUSTER_ERROR_CONFLICT }, { "MU412", MUSTER_ERROR_CONFLICT }, { "MU422", MUSTER_ERROR_CONFLICT },
	{ "MU429", MUSTER_ERROR_LIMIT }, { "MU503", MUSTER_ERROR_BUSY },
	{ "MU999", MUSTER_ERROR_DB },
	{ "23505", MUSTER_ERROR_CONFLICT }, /* unique_violation */
	{ "23503", MUSTER_ERROR_INPUT }, /* foreign_key_violation */
	{ "22P02", MUSTER_ERROR_INPUT }, /* invalid_text_representation */
	{ "22003", MUSTER_ERROR_INPUT }, /* numeric_value_out_of_range */
	{ "42501", MUSTER_ERROR_DENIED }, /* insufficient_privilege */
	{ "42P01", MUSTER_ERROR_DB }, /* undefined_table */
	{ "25006", MUSTER_ERROR_BUSY }, /* read_only_sql_transaction */
	{ "55P03", MUSTER_ERROR_BUSY }, /* lock_not_available */
	{ "40001", MUSTER_ERROR_BUSY }, /* serialization_failure */
	{ "53300", MUSTER_ERROR_BUSY }, /* too_many_connections */
	{ "57014", MUSTER_ERROR_BUSY }, /* query_canceled */
	{ "57P01", MUSTER_ERROR_BUSY }, /* admin_shutdown */
	{ "08006", MUSTER_ERROR_BUSY }, /* connection_failure */
	{ "P0001", MUSTER_ERROR_DB }, /* raise_exception without a code of ours */
	{ "", MUSTER_ERROR_DB }, { NULL, MUSTER_ERROR_DB },
};

static const struct {
	enum muster_error code;
	unsigned status;
} statuses[] = {
	{ MUSTER_ERROR_INPUT, 400 }, { MUSTER_ERROR_AUTH, 401 }, { MUSTER_ERROR_DENIED, 403 },
	{ MUSTER_ERROR_MISSING, 404 }, { MUSTER_ERROR_CONFLICT, 409 }, { MUSTER_ERROR_LIMIT, 413 },
	{ MUSTER_ERROR_BUSY, 503 }, { MUSTER_ERROR_DB, 500 }, { MUSTER_ERROR_IO, 500 },
	{ MUSTER_ERROR_REMOTE, 502 },
};
/* clang-format on */

static void test_sqlstate(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(sqlstates); i++)
		g_assert_cmpint(error_from_sqlstate(sqlstates[i].sqlstate), ==, sqlstates[i].code);
}

static void test_status(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++) {
		g_autoptr(GError) error =
			g_error_new_literal(MUSTER_ERROR, (gint)statuses[i].code, "x");
		g_assert_cmpuint(error_http_status(error), ==, statuses[i].status);
	}
	g_autoptr(GError) foreign = g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_NOENT, "x");
	g_autoptr(GError) unknown = g_error_new_literal(MUSTER_ERROR, 9999, "x");
	g_assert_cmpuint(error_http_status(foreign), ==, 500);
	g_assert_cmpuint(error_http_status(unknown), ==, 500);
	g_assert_cmpuint(error_http_status(NULL), ==, 500);
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/error/each SQLSTATE has one code, an unknown one is the database's",
		test_sqlstate);
	g_test_add_func(
		"/error/each code has one HTTP status, foreign errors are 500", test_status);
	return check_run();
}
