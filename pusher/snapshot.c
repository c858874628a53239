/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/snapshot.h"

#include <string.h>

#include "lib/error.h"
#include "lib/log.h"

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)

struct snapshot {
	struct hub *hub;
	struct lane *lane;
};

/* One question that is under way. */
struct question {
	struct snapshot *snapshot;
	struct audience *audience;
	gboolean is_full;
};

/* $2: whether the whole report is wanted, however long. */
/* clang-format off */
static const char snapshot_sql[] =
	"select r.r ->> 'position', json_build_object('type', 'audit-update', 'event_id',"
	" r.r ->> 'position', 'timestamp', to_char(now() at time zone 'utc',"
	" 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), 'channel', 'audit', 'data',"
	" case when $2::boolean or (r.r ->> 'bytes')::bigint <= " STRING(SNAPSHOT_MAX_BYTES)
	" then r.r -> 'report' else jsonb_build_object('summary', r.r #> '{report,summary}',"
	" 'health_status', r.r #> '{report,health_status}',"
	" 'timestamp', r.r #> '{report,timestamp}', 'report_id', r.r -> 'report_id',"
	" 'position', r.r ->> 'position', 'url', '/audit') end)::text"
	" from muster.push_report($1::uuid,"
	" case when not $2::boolean then " STRING(SNAPSHOT_MAX_BYTES) " end) r(r)";
/* clang-format on */

static void client_take(struct client *client, struct frame *frame, gint64 position)
{
	gboolean was_held = client->stage == CLIENT_STAGE_HELD;

	client_answer_frame(client, frame);
	if (was_held && !client->is_ended)
		client_follow(client, position);
}

static void ask(struct snapshot *snapshot, struct audience *audience, gboolean is_full);

/* snapshot_link.next is used by one queue only: a client waits for one thing at a time. */
static GQueue *queue_of(struct audience *audience, gboolean is_full)
{
	return is_full ? &audience->full_waiting : &audience->snapshot_waiting;
}

static void answer_done(gpointer data, const struct db_result *result, const GError *error)
{
	g_autofree struct question *question = data;
	struct audience *audience = question->audience;
	struct snapshot *snapshot = question->snapshot;
	GQueue *waiting = queue_of(audience, question->is_full);
	struct client *client;

	*(question->is_full ? &audience->is_full_asked : &audience->is_snapshot_asked) = FALSE;
	if (error != NULL && g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY))
		return; /* asked again when the lane is back */
	if (error != NULL) {
		log_failure(LOG_LEVEL_ERROR, "a report cannot be read", error);
		while ((client = g_queue_peek_head(waiting)) != NULL) {
			snapshot_remove(client);
			client_answer(client,
				"{\"type\":\"error\",\"message\":\"Failed to load audit data\"}");
			if (client->stage == CLIENT_STAGE_HELD)
				client_follow(client, client->hub->head);
		}
		return;
	}
	gint64 position = db_result_get_int(result, 0, 0);
	g_autoptr(frame) frame =
		frame_new(db_result_get(result, 0, 1), db_result_get_len(result, 0, 1));
	frame->type = "audit-update";
	if (!question->is_full) {
		frame_unref(audience->snapshot);
		audience->snapshot = frame_ref(frame);
		audience->snapshot_at = position;
	}
	while ((client = g_queue_peek_head(waiting)) != NULL) {
		snapshot_remove(client);
		client_take(client, frame, position);
	}
	if (audience->is_snapshot_stale && waiting->length > 0)
		ask(snapshot, audience, question->is_full);
}

static void ask(struct snapshot *snapshot, struct audience *audience, gboolean is_full)
{
	gboolean *is_asked = is_full ? &audience->is_full_asked : &audience->is_snapshot_asked;

	if (*is_asked || !lane_is_up(snapshot->lane))
		return;
	struct question *question = g_new(struct question, 1);
	*question = (struct question){snapshot, audience, is_full};
	char **params = g_new0(char *, 3);
	params[0] = g_strdup(audience->organization);
	params[1] = g_strdup(is_full ? "true" : "false");
	*is_asked = TRUE;
	/* What comes from now on makes it stale again: the position is taken later than this. */
	if (!is_full)
		audience->is_snapshot_stale = FALSE;
	lane_send(snapshot->lane, snapshot_sql, params, answer_done, question);
}

void snapshot_add(struct snapshot *snapshot, struct client *client, gboolean is_full)
{
	struct audience *audience = client->audience;

	if (client->snapshot_queue != NULL)
		return;
	/* One whose place in the log is gone would lead nowhere. */
	gboolean is_kept = audience->snapshot != NULL && !audience->is_snapshot_stale &&
			   !audience->is_snapshot_asked &&
			   hub_holds(client->hub, audience->snapshot_at);
	if (!is_full && is_kept) {
		client_take(client, audience->snapshot, audience->snapshot_at);
		return;
	}
	client->snapshot_queue = queue_of(audience, is_full);
	g_queue_push_tail_link(client->snapshot_queue, &client->snapshot_link);
	ask(snapshot, audience, is_full);
}

void snapshot_remove(struct client *client)
{
	if (client->snapshot_queue == NULL)
		return;
	g_queue_unlink(client->snapshot_queue, &client->snapshot_link);
	client->snapshot_queue = NULL;
}

void snapshot_run(struct snapshot *snapshot)
{
	GHashTableIter iter;
	gpointer data;

	g_hash_table_iter_init(&iter, snapshot->hub->audiences);
	while (g_hash_table_iter_next(&iter, NULL, &data)) {
		struct audience *audience = data;
		if (audience->snapshot_waiting.length > 0)
			ask(snapshot, audience, FALSE);
		if (audience->full_waiting.length > 0)
			ask(snapshot, audience, TRUE);
	}
}

struct snapshot *snapshot_new(struct hub *hub, struct lane *lane)
{
	struct snapshot *snapshot = g_new0(struct snapshot, 1);

	snapshot->hub = hub;
	snapshot->lane = lane;
	return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
	g_free(snapshot);
}
