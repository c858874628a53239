/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/replay.h"

#include "lib/error.h"
#include "lib/log.h"
#include "pusher/event_row.h"

#define REPLAY_ROWS 500

struct replay {
	struct hub *hub;
	struct lane *lane;
	GQueue waiting; /* of client, by replay_link */
	gboolean is_reading;
	gint64 after; /* of the read under way */
};

void replay_remove(struct replay *replay, struct client *client)
{
	if (!client->is_replaying)
		return;
	client->is_replaying = FALSE;
	g_queue_unlink(&replay->waiting, &client->replay_link);
}

/* One page for one client. next_id is the first event after the page that may exist. */
static void page_give(struct client *client, GPtrArray *frames)
{
	for (guint i = 0; i < frames->len && !client->is_ended; i++) {
		struct frame *frame = frames->pdata[i];
		if (frame->id <= client->cursor)
			continue;
		if (client_wants(client, frame)) {
			if (client->transport->is_choked(client))
				return;
			client_give(client, frame);
			if (client->is_waiting)
				return;
		}
		client->cursor = frame->id;
	}
}

struct page {
	gint64 after, floor, head, last;
	gboolean is_full;
	GPtrArray *frames;
};

static void page_take(struct replay *replay, struct client *client, const struct page *page)
{
	struct hub *hub = replay->hub;
	gint64 most = conf_get_int(hub->conf, "pusher.replay_max");
	const char *trouble = client->cursor < page->floor         ? "events were missed"
			      : client->cursor > page->head        ? "the cursor is not known"
			      : page->head - client->cursor > most ? "too many events were missed"
								   : NULL;

	if (trouble != NULL) {
		replay_remove(replay, client);
		client->dialect->reset(client, trouble, page->head);
		return;
	}
	if (client->cursor < page->after)
		return; /* came while the page was read */
	page_give(client, page->frames);
	if (client->is_waiting) {
		client_drain(client);
		return;
	}
	if (client->is_ended || client->transport->is_choked(client)) {
		client->transport->want_write(client);
		return;
	}
	client->cursor = MAX(client->cursor, page->last);
	if (client->cursor >= hub->floor) {
		replay_remove(replay, client);
		client->stage = CLIENT_STAGE_LIVE;
		/* The reader may be behind what this page held: client->cursor skips the doubles.
		 */
		client->at =
			client->cursor >= hub->head ? hub->next : hub_place(hub, client->cursor);
		client_drain(client);
	}
}

static void read_done(gpointer data, const struct db_result *result, const GError *error)
{
	struct replay *replay = data;

	replay->is_reading = FALSE;
	if (error != NULL) {
		if (!g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY))
			log_failure(LOG_LEVEL_ERROR, "the event log cannot be read", error);
		return;
	}
	guint count = event_row_count(result);
	g_autoptr(GPtrArray) frames = g_ptr_array_new_with_free_func((GDestroyNotify)frame_unref);
	for (guint i = 0; i < count; i++)
		if (!event_row_is_internal(result, i))
			g_ptr_array_add(frames, event_row_frame(replay->hub, result, i));
	struct page page = {
		.after = replay->after,
		.floor = db_result_get_int(result, 0, EVENT_ROW_FLOOR),
		.head = db_result_get_int(result, 0, EVENT_ROW_HEAD),
		.is_full = count == REPLAY_ROWS,
		.frames = frames,
	};
	/* A page that is not full ends at the head that was read with it. */
	page.last = page.is_full ? db_result_get_int(result, count - 1, EVENT_ROW_ID) : page.head;
	g_autoptr(GPtrArray) clients = g_ptr_array_new();
	for (GList *link = replay->waiting.head; link != NULL; link = link->next)
		g_ptr_array_add(clients, link->data);
	for (guint i = 0; i < clients->len; i++)
		page_take(replay, clients->pdata[i], &page);
	replay_run(replay);
}

void replay_run(struct replay *replay)
{
	gint64 after = -1;

	if (replay->is_reading || !lane_is_up(replay->lane))
		return;
	for (GList *link = replay->waiting.head; link != NULL; link = link->next) {
		struct client *client = link->data;
		if (!client->is_ended && !client->is_waiting &&
			!client->transport->is_choked(client))
			after = after < 0 ? client->cursor : MIN(after, client->cursor);
	}
	if (after < 0)
		return;
	replay->is_reading = TRUE;
	replay->after = after;
	lane_send(replay->lane, EVENT_ROW_SQL, event_row_params(after, REPLAY_ROWS), read_done,
		replay);
}

void replay_add(struct replay *replay, struct client *client)
{
	if (!client->is_replaying) {
		client->is_replaying = TRUE;
		g_queue_push_tail_link(&replay->waiting, &client->replay_link);
	}
	replay_run(replay);
}

struct replay *replay_new(struct hub *hub, struct lane *lane)
{
	struct replay *replay = g_new0(struct replay, 1);

	replay->hub = hub;
	replay->lane = lane;
	g_queue_init(&replay->waiting);
	return replay;
}

void replay_free(struct replay *replay)
{
	g_free(replay);
}
