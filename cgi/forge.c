/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <string.h>
#include <unistd.h>

#include "cgi/call.h"
#include "cgi/child.h"
#include "cgi/place.h"
#include "lib/error.h"
#include "lib/exit.h"

/*
 * What a forge has, for a person who chooses what to import. The program muster asks it, see
 * muster-forge(1); addresses of private networks are for the server's administrator alone, or an
 * address would be a way into the network of the host. The token goes to the program by its
 * environment, to the forge and nowhere else.
 */
#define TIME_LIMIT_S 25
/* So many workers wait for forges, and no more. */
#define PLACES 2
#define PROGRAM "muster forge: "

static const struct json_limits output_limits = {CHILD_OUTPUT_MAX_BYTES, 8, 100000};

static gboolean child_failed(const struct child *child, GError **error)
{
	g_autofree char *said = child_complaint(child);
	gboolean is_ours = g_str_has_prefix(said, PROGRAM);

	g_set_error_literal(error, MUSTER_ERROR,
		child->code == EXIT_USAGE ? MUSTER_ERROR_INPUT : MUSTER_ERROR_REMOTE,
		is_ours ? said + strlen(PROGRAM) : "The forge could not be asked.");
	return FALSE;
}

/* The list, each with whether it is here already. */
static gboolean list_answer(struct route_call *call, const struct child *child, GError **error)
{
	g_autoptr(GError) failure = NULL;
	g_autoptr(json_object) list = json_parse(
		(const char *)child->output->data, child->output->len, &output_limits, &failure);
	g_autoptr(db_result) result = NULL;

	if (list == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_REMOTE,
			"The forge's list cannot be read: %s", failure->message);
		return FALSE;
	}
	const char *params[] = {json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN)};
	if (!call_run(call, "select muster.forge_known(p_list => $1)", 1, params, &result, error))
		return FALSE;
	response_take_result(call->response, RESPONSE_JSON, g_steal_pointer(&result));
	return TRUE;
}

gboolean forge_get(struct route_call *call, GError **error)
{
	const char *forge = route_value(call, "forge"), *url = route_value(call, "url");
	const char *token = route_value(call, "token");
	const char *params[] = {forge, url};
	g_autofree char *variable = g_strconcat("MUSTER_FORGE_TOKEN=", token, NULL);
	const char *environment[] = {token != NULL ? variable : NULL, NULL};
	g_autoptr(db_result) result = NULL;
	g_autoptr(GPtrArray) argv = g_ptr_array_new();

	if (!call_run(call, "select muster.forge_check(p_forge => $1, p_url => $2)", 2, params,
		    &result, error))
		return FALSE;
	g_ptr_array_add(argv, (gpointer)conf_get(call->api->conf, "paths.muster"));
	g_ptr_array_add(argv, (gpointer) "forge");
	g_ptr_array_add(argv, (gpointer) "--conf=/dev/null");
	if (!db_result_get_bool(result, 0, 0))
		g_ptr_array_add(argv, (gpointer) "--public");
	if (!g_strcmp0(route_value(call, "archived"), "true"))
		g_ptr_array_add(argv, (gpointer) "--archived");
	if (!g_strcmp0(route_value(call, "forks"), "true"))
		g_ptr_array_add(argv, (gpointer) "--forks");
	g_autofree char *base = url != NULL ? g_strconcat("--forge-url=", url, NULL) : NULL;
	if (base != NULL)
		g_ptr_array_add(argv, base);
	g_ptr_array_add(argv, (gpointer) "--");
	g_ptr_array_add(argv, (gpointer)forge);
	g_ptr_array_add(argv, NULL);
	g_auto(child) child = {.argv = (const char *const *)argv->pdata,
		.environment = environment,
		.time_limit_s = TIME_LIMIT_S,
		.slow = "The forge takes too long to answer.",
		.large = "The forge's list is too long."};
	int place = place_take(
		call->api, "forge", PLACES, "many people are asking forges just now", error);
	if (place < 0)
		return FALSE;
	gboolean is_run = child_run(&child, error);
	close(place);
	if (!is_run)
		return FALSE;
	return child.code == EXIT_FINE ? list_answer(call, &child, error)
				       : child_failed(&child, error);
}
