/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/frame.h"

#include <string.h>

#include <libwebsockets.h>

static char *room_set(struct frame *frame, enum form form, gsize len)
{
	frame->forms[form].room = g_malloc(LWS_PRE + len + 1);
	frame->forms[form].len = len;
	return frame->forms[form].room + LWS_PRE;
}

struct frame *frame_new(const char *json, gsize len)
{
	struct frame *frame = g_new0(struct frame, 1);

	frame->references = 1;
	char *bytes = room_set(frame, FORM_TEXT, len);
	memcpy(bytes, json, len);
	bytes[len] = '\0';
	return frame;
}

struct frame *frame_ref(struct frame *frame)
{
	frame->references++;
	return frame;
}

void frame_unref(struct frame *frame)
{
	if (frame == NULL || --frame->references > 0)
		return;
	for (guint i = 0; i < FORM_COUNT; i++)
		g_free(frame->forms[i].room);
	g_free(frame->project);
	g_free(frame);
}

static void form_make(struct frame *frame, enum form form)
{
	g_autoptr(GString) text = g_string_new(NULL);
	gboolean is_sse = form % FORM_REPLAY != FORM_TEXT;
	const char *json = frame->forms[FORM_TEXT].room + LWS_PRE;

	if (is_sse) {
		if (frame->id > 0)
			g_string_append_printf(text, "id: %" G_GINT64_FORMAT "\n", frame->id);
		if (form % FORM_REPLAY == FORM_SSE_NAMED && frame->type != NULL)
			g_string_append_printf(text, "event: %s\n", frame->type);
		g_string_append(text, "data: ");
	}
	if (form >= FORM_REPLAY) {
		g_string_append(text, "{\"is_replay\": true, ");
		json++;
	}
	g_string_append(text, json);
	if (is_sse)
		g_string_append(text, "\n\n");
	memcpy(room_set(frame, form, text->len), text->str, text->len + 1);
}

gsize frame_cost(const struct frame *frame)
{
	return sizeof(*frame) + 3 * (LWS_PRE + frame->forms[FORM_TEXT].len);
}

char *frame_get(struct frame *frame, enum form form, gsize *len)
{
	if (frame->forms[form].room == NULL)
		form_make(frame, form);
	*len = frame->forms[form].len;
	return frame->forms[form].room + LWS_PRE;
}
