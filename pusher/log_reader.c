/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/log_reader.h"

#include "lib/error.h"
#include "lib/log.h"
#include "pusher/event_row.h"

/* Events of one answer; and how far a full outbox is moved in one call. */
#define READ_ROWS 1000
#define SEQUENCE_ROWS "1000"
/* With notifications the log itself is polled this much more seldom than the outbox. */
#define POLLS_A_READ 5

struct log_reader {
	struct hub *hub;
	struct identity *identity;
	struct lane *log, *work;
	gboolean is_polled;  /* event.bus = poll */
	gint64 cursor;       /* -1: not known yet */
	gint64 asked;        /* the cursor of the read that is under way */
	guint64 report_bits; /* of the types that make a snapshot old */
	gboolean is_reading, is_read_due, is_failing;
	gboolean is_sequencing, is_sequence_due;
	guint polls;
	ev_timer poll;
};

static void read_more(struct log_reader *reader);

/* At the start the ring is filled with the newest; a log that was reset has nothing for anybody. */
static void cursor_jump(struct log_reader *reader, gint64 floor, gint64 head)
{
	gint64 keep = (gint64)reader->hub->ring_size;

	reader->cursor = reader->cursor < 0 ? MAX(floor, head - keep) : head;
	hub_restart(reader->hub, reader->cursor);
	identity_load(reader->identity);
}

/*
 * session-change is applied in its place among the events, then everybody else gets theirs. Two
 * answers may overlap, for reports bring their events along: what is known already is skipped.
 */
static void rows_take(struct log_reader *reader, const struct db_result *result, guint count)
{
	g_autoptr(GPtrArray) frames = g_ptr_array_new();
	gint64 last = db_result_get_int(result, count - 1, EVENT_ROW_ID);

	if (last <= reader->cursor)
		return;
	for (guint i = 0; i < count; i++) {
		if (db_result_get_int(result, i, EVENT_ROW_ID) <= reader->cursor)
			continue;
		if (!event_row_is_internal(result, i)) {
			struct frame *frame = event_row_frame(reader->hub, result, i);
			if (frame->type_bit & reader->report_bits)
				((struct audience *)frame->audience)->is_snapshot_stale = TRUE;
			g_ptr_array_add(frames, frame);
		} else if (hub_type_bit(db_result_get(result, i, EVENT_ROW_TYPE)) ==
			   hub_type_bit("session-change")) {
			identity_change(reader->identity, db_result_get(result, i, EVENT_ROW_JSON));
		}
	}
	reader->cursor = last;
	hub_publish(reader->hub, frames, reader->cursor);
}

static void read_done(gpointer data, const struct db_result *result, const GError *error)
{
	struct log_reader *reader = data;

	reader->is_reading = FALSE;
	if (error != NULL) {
		/* A lost connection is read again when it is back; anything else at the next poll.
		 */
		if (!g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY) && !reader->is_failing)
			log_failure(LOG_LEVEL_ERROR, "the event log cannot be read", error);
		reader->is_failing = TRUE;
		return;
	}
	reader->is_failing = FALSE;
	guint count = event_row_count(result);
	gint64 floor = db_result_get_int(result, 0, EVENT_ROW_FLOOR);
	gint64 head = db_result_get_int(result, 0, EVENT_ROW_HEAD);
	/* By what was asked for: the answer may be older than what came with a report. */
	if (reader->asked < floor || reader->asked > head) {
		if (reader->asked >= 0)
			log_warning("the event log was reset: all clients start again", NULL);
		cursor_jump(reader, floor, head);
		reader->is_read_due = TRUE;
	} else if (count > 0) {
		rows_take(reader, result, count);
	}
	reader->hub->is_ready |= count < READ_ROWS && !reader->is_read_due;
	if (reader->is_read_due || count == READ_ROWS)
		read_more(reader);
}

static void read_more(struct log_reader *reader)
{
	reader->is_read_due = reader->is_reading;
	if (reader->is_reading || !lane_is_up(reader->log))
		return;
	reader->is_reading = TRUE;
	reader->asked = reader->cursor;
	lane_send(reader->log, EVENT_ROW_SQL, event_row_params(reader->cursor, READ_ROWS),
		read_done, reader);
}

static void sequence(struct log_reader *reader);

static void sequence_done(gpointer data, const struct db_result *result, const GError *error)
{
	struct log_reader *reader = data;

	reader->is_sequencing = FALSE;
	if (error != NULL)
		return;
	if (db_result_get_int(result, 0, 0) > 0) {
		read_more(reader);
		reader->is_sequence_due = TRUE;
	}
	if (reader->is_sequence_due)
		sequence(reader);
}

static void sequence(struct log_reader *reader)
{
	reader->is_sequence_due = reader->is_sequencing;
	if (reader->is_sequencing || !lane_is_up(reader->work))
		return;
	reader->is_sequencing = TRUE;
	lane_send(reader->work, "select muster.sequence_events(" SEQUENCE_ROWS ")", NULL,
		sequence_done, reader);
}

void log_reader_wake(struct log_reader *reader)
{
	read_more(reader);
	sequence(reader);
}

gint64 log_reader_cursor(const struct log_reader *reader)
{
	return reader->cursor;
}

void log_reader_take(
	struct log_reader *reader, gint64 asked, guint limit, const struct db_result *result)
{
	guint count = event_row_count(result);
	gint64 floor = db_result_get_int(result, 0, EVENT_ROW_FLOOR);
	gint64 head = db_result_get_int(result, 0, EVENT_ROW_HEAD);

	if (asked < 0 || asked > reader->cursor || asked < floor || asked > head) {
		log_reader_wake(reader);
		return;
	}
	if (count > 0)
		rows_take(reader, result, count);
	if (count == limit)
		read_more(reader);
	if (db_result_get_bool(result, 0, EVENT_ROW_IS_LEFT))
		sequence(reader);
}

static void poll_ready(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct log_reader *reader = timer->data;

	sequence(reader);
	if (reader->is_polled || ++reader->polls % POLLS_A_READ == 0)
		read_more(reader);
}

/* What was notified was numbered already. */
static void notify_ready(gpointer data)
{
	read_more(data);
}

static void state_changed(gpointer data, gboolean is_up)
{
	struct log_reader *reader = data;

	hub_set_lane(reader->hub, HUB_LANE_LOG, is_up);
	if (!is_up)
		return;
	identity_load(reader->identity);
	log_reader_wake(reader);
}

const struct lane_calls log_reader_calls = {.state = state_changed, .notify = notify_ready};

struct log_reader *log_reader_new(
	struct hub *hub, struct identity *identity, struct lane *work, const struct conf *conf)
{
	struct log_reader *reader = g_new0(struct log_reader, 1);

	reader->hub = hub;
	reader->identity = identity;
	reader->work = work;
	reader->cursor = -1;
	reader->report_bits = hub_type_bit("audit-update") | hub_type_bit("repo-status-change");
	reader->is_polled = g_str_equal(conf_get(conf, "event.bus"), "poll");
	double poll_s = (double)conf_get_int(conf, "event.poll_ms") / 1000.;
	ev_timer_init(&reader->poll, poll_ready, poll_s, poll_s);
	reader->poll.data = reader;
	return reader;
}

void log_reader_start(struct log_reader *reader, struct lane *log)
{
	reader->log = log;
	if (!reader->is_polled)
		lane_set_greeting(log, "listen muster_wake");
	ev_timer_start(reader->hub->loop, &reader->poll);
}

void log_reader_free(struct log_reader *reader)
{
	if (reader == NULL)
		return;
	ev_timer_stop(reader->hub->loop, &reader->poll);
	g_free(reader);
}
