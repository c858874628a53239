/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <string.h>

#include "cgi/call.h"
#include "lib/log.h"

/*
 * Findings as a file, however many: the database makes it in pieces (sql/api/finding_export.sql),
 * and each is sent before the next is asked for, with permission looked at anew. A piece that
 * cannot be had ends the file: then JSON is not whole, and a table's last line says so.
 */
#define FILTERS 8
#define INCOMPLETE "incomplete\r\n"

static const char sql[] =
	"select body, next from muster.finding_export(p_format => $1, p_repo => $2, p_state => $3,"
	" p_severity => $4, p_kind => $5, p_rule => $6, p_q => $7, p_assignee => $8,"
	" p_in_head => $9::boolean, p_cursor => $10)";

static gboolean piece_get(struct route_call *call, const char *format, const char *cursor,
	db_result **piece, GError **error)
{
	const char *params[FILTERS + 2] = {format};

	memcpy(params + 1, call->values, FILTERS * sizeof(*params));
	params[FILTERS + 1] = cursor;
	return call_run(call, sql, G_N_ELEMENTS(params), params, piece, error);
}

static void head_send(struct route_call *call, const char *format, const char *type)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *date = g_date_time_format(now, "%Y-%m-%d");
	g_autofree char *value =
		g_strdup_printf("attachment; filename=\"findings-%s.%s\"", date, format);

	response_header(call->response, "Content-Disposition", value);
	response_begin(call->response, call->request, type);
}

gboolean finding_export(struct route_call *call, GError **error)
{
	const char *format = strrchr(call->route->path, '/') + 1;
	const char *type = call->route->answer == ANSWER_CSV     ? RESPONSE_CSV
			   : call->route->answer == ANSWER_SARIF ? RESPONSE_SARIF
								 : RESPONSE_JSON;
	g_autoptr(db_result) piece = NULL;
	g_autoptr(GError) failure = NULL;

	g_assert(route_inputs_len(call->route) == FILTERS);
	if (!piece_get(call, format, NULL, &piece, error))
		return FALSE;
	head_send(call, format, type);
	for (;;) {
		g_autofree char *cursor = g_strdup(db_result_get(piece, 0, 1));
		gsize len = db_result_get_len(piece, 0, 0);
		/* A piece may be nothing, where much was looked at. */
		if (len > 0 && !response_write(call->response, call->request,
				       db_result_get(piece, 0, 0), len))
			return TRUE;
		if (cursor == NULL)
			return TRUE;
		g_clear_pointer(&piece, db_result_free);
		if (!piece_get(call, format, cursor, &piece, &failure))
			break;
	}
	log_failure(LOG_LEVEL_WARNING, "an export was left incomplete", failure);
	if (call->route->answer == ANSWER_CSV)
		response_write(call->response, call->request, INCOMPLETE, strlen(INCOMPLETE));
	return TRUE;
}
