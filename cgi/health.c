/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <string.h>

#include "cgi/problem.h"
#include "lib/live.h"
#include "lib/log.h"

/* A runner that lives takes a job within its minute; cron may be one late. */
#define JOB_WAIT_MAX_S 300

static const char *live_check(const struct conf *conf)
{
	struct live live;
	return !conf_get_bool(conf, "pusher.live") ? "off"
	       : live_read(conf, &live)            ? "pass"
						   : "warn";
}

/* A database whose functions are of another version cannot serve anybody. */
static gboolean is_unmigrated(const struct db *db)
{
	static const char *const sqlstates[] = {"42883", "3F000", "42P01", "42501"};

	for (gsize i = 0; i < G_N_ELEMENTS(sqlstates); i++)
		if (!g_strcmp0(db_error_sqlstate(db), sqlstates[i]))
			return TRUE;
	return FALSE;
}

/*
 * What makes this host unable to answer is 503, so that a load balancer leaves it alone; what makes
 * news late is a warning, for another host would not be better. Anybody may ask, so words are all
 * there is; numbers are in /metrics.
 */
gboolean health_get(struct route_call *call, GError **error)
{
	g_autoptr(GError) failure = NULL;
	g_autoptr(db_result) result = db_query(call->api->db,
		"select (muster.health_get() ->> 'job_wait_s')::bigint", 0, NULL, &failure);

	(void)error;
	if (result == NULL) {
		gboolean is_old = is_unmigrated(call->api->db);
		log_failure(LOG_LEVEL_WARNING, "not healthy", failure);
		log_warning("the database said", "detail", db_error_detail(call->api->db), NULL);
		problem_set(call->response, call->request, 503,
			is_old ? "The database has to be migrated to this version."
			       : failure->message,
			NULL);
		return TRUE;
	}
	gboolean is_waiting = db_result_get_int(result, 0, 0) > JOB_WAIT_MAX_S;
	const char *live = live_check(call->api->conf);
	const char *status = is_waiting || !strcmp(live, "warn") ? "warn" : "pass";
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup_printf("{\"status\":\"%s\",\"checks\":{\"database\":\"pass\","
				"\"migrations\":\"pass\",\"jobs\":\"%s\",\"live\":\"%s\"}}",
			status, is_waiting ? "warn" : "pass", live));
	return TRUE;
}
