/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/decode.h"

#include <string.h>

#include "jobs/scan/char_run.h"

/* Lines of wrapped base64 have 60 to 76 characters; shorter ones are words, longer ones whole. */
#define WRAP_MIN 40
#define WRAP_MAX 200
#define INDENT_MAX 32
/* Percent signs that make a run; one alone stands in many a URL. */
#define ESCAPES_MIN 3

/* 1: base64 of either alphabet; 2: hex digit; 4: may stand in percent-encoded text. */
#define B 1
#define H 2
#define P 4
static const guint8 class_of[256] = {
	['0' ... '9'] = B | H | P,
	['A' ... 'F'] = B | H | P,
	['a' ... 'f'] = B | H | P,
	['G' ... 'Z'] = B | P,
	['g' ... 'z'] = B | P,
	['+'] = B | P,
	['/'] = B | P,
	['-'] = B | P,
	['_'] = B | P,
	['%'] = P,
	['.'] = P,
	['~'] = P,
	[':'] = P,
	['?'] = P,
	['&'] = P,
	['='] = P,
	[';'] = P,
	[','] = P,
	['@'] = P,
	['!'] = P,
	['$'] = P,
	['*'] = P,
};

static inline gboolean is_base64(guint8 c)
{
	return class_of[c] & B;
}

static inline gboolean is_blank(guint8 c)
{
	return c == ' ' || c == '\t';
}

struct line {
	gsize from, to;   /* the characters, padding included */
	gboolean is_bare; /* nothing but indentation before them on their line */
	gboolean is_last; /* a line's end behind them */
};

/* The characters around `at`, which is one of them, looked for no further than the longest run. */
static gboolean line_at(const guint8 *data, gsize len, gsize at, struct line *line)
{
	gsize least = at > DECODE_RUN_MAX ? at - DECODE_RUN_MAX : 0;
	gsize most = len - at > DECODE_RUN_MAX ? at + DECODE_RUN_MAX : len;
	gsize p;

	line->from = at;
	while (line->from > least && is_base64(data[line->from - 1]))
		line->from--;
	if (line->from == least && least > 0)
		return FALSE;
	line->to = at;
	while (line->to < most && is_base64(data[line->to]))
		line->to++;
	for (guint pad = 0; pad < 2 && line->to < len && data[line->to] == '='; pad++)
		line->to++;
	for (p = line->from; p > 0 && line->from - p < INDENT_MAX && is_blank(data[p - 1]);)
		p--;
	line->is_bare = p == 0 || data[p - 1] == '\n';
	line->is_last = line->to == len || data[line->to] == '\n' || data[line->to] == '\r';
	return TRUE;
}

/* Whether another line may hold on to this one; and this one to another. */
static gboolean may_lead(const struct line *line)
{
	gsize len = line->to - line->from;

	return line->is_last && len >= WRAP_MIN && len <= WRAP_MAX;
}

static gboolean may_follow(const struct line *line)
{
	return line->is_bare && line->is_last && line->to - line->from <= WRAP_MAX;
}

static gboolean holds_on(const struct line *first, const struct line *second)
{
	return may_lead(first) && may_follow(second) &&
	       second->to - second->from <= first->to - first->from;
}

static gboolean line_before(
	const guint8 *data, gsize len, const struct line *line, struct line *before)
{
	gsize p = line->from;

	if (!may_follow(line))
		return FALSE;
	while (p > 0 && is_blank(data[p - 1]))
		p--;
	if (p == 0)
		return FALSE;
	p--;
	if (p > 0 && data[p - 1] == '\r')
		p--;
	/* Padding ends a text: nothing holds on behind it. */
	return p > 0 && is_base64(data[p - 1]) && line_at(data, len, p - 1, before) &&
	       before->to == p && holds_on(before, line);
}

static gboolean line_behind(
	const guint8 *data, gsize len, const struct line *line, struct line *behind)
{
	gsize p = line->to;

	if (!may_lead(line) || data[line->to - 1] == '=')
		return FALSE;
	if (p < len && data[p] == '\r')
		p++;
	if (p >= len || data[p] != '\n')
		return FALSE;
	for (p++; p < len && p - line->to < INDENT_MAX && is_blank(data[p]);)
		p++;
	return p < len && is_base64(data[p]) && line_at(data, len, p, behind) &&
	       behind->from == p && holds_on(line, behind);
}

/* When it is too far in, the run is empty. */
static gboolean base64_at(const guint8 *data, gsize len, gsize at, struct decode_run *run)
{
	struct line first, line, other;

	while (at > 0 && data[at] == '=' && data[at - 1] == '=')
		at--;
	if (data[at] == '=' && at > 0)
		at--;
	*run = (struct decode_run){at, at, DECODE_BASE64};
	if (!is_base64(data[at]) || !line_at(data, len, at, &first))
		return FALSE;
	line = first;
	while (line_before(data, len, &line, &other)) {
		line = other;
		if (at - line.from > DECODE_RUN_MAX)
			return FALSE;
	}
	run->from = line.from;
	run->to = first.to;
	for (line = first;
		run->to - run->from < DECODE_RUN_MAX && line_behind(data, len, &line, &other);) {
		line = other;
		run->to = line.to;
	}
	run->to = MIN(run->to, run->from + DECODE_RUN_MAX);
	return run->to - run->from >= DECODE_RUN_MIN && at < run->to;
}

static inline gboolean is_escape(const guint8 *data, gsize len, gsize at)
{
	return data[at] == '%' && len - at > 2 && class_of[data[at + 1]] & H &&
	       class_of[data[at + 2]] & H;
}

/* Likewise. */
static gboolean percent_at(const guint8 *data, gsize len, gsize at, struct decode_run *run)
{
	gsize least = at > DECODE_RUN_MAX ? at - DECODE_RUN_MAX : 0, from = at;
	guint n = 0;

	*run = (struct decode_run){at, at, DECODE_PERCENT};
	if (!(class_of[data[at]] & P))
		return FALSE;
	while (from > least && class_of[data[from - 1]] & P)
		from--;
	if (from == least && least > 0)
		return FALSE;
	gsize most = len - from > DECODE_RUN_MAX ? from + DECODE_RUN_MAX : len;
	run->from = from;
	for (run->to = from; run->to < most && class_of[data[run->to]] & P; run->to++)
		n += is_escape(data, len, run->to);
	return n >= ESCAPES_MIN && at < run->to;
}

gboolean decode_run_at(
	const guint8 *data, gsize len, gsize at, enum decode_kind kind, struct decode_run *run)
{
	if (at >= len)
		return FALSE;
	return kind == DECODE_BASE64 ? base64_at(data, len, at, run)
				     : percent_at(data, len, at, run);
}

static gsize find_escape(const guint8 *data, gsize len, gsize at, gsize to)
{
	gsize end = MIN(len, to + 1);

	while (at < end) {
		const guint8 *p = memchr(data + at, '%', end - at);
		if (p == NULL)
			break;
		at = (gsize)(p - data);
		if (is_escape(data, len, at))
			return at;
		at++;
	}
	return G_MAXSIZE;
}

void decode_cursor_init(struct decode_cursor *cursor, const guint8 *data, gsize len, gsize from,
	gsize to, const GArray *runs)
{
	*cursor = (struct decode_cursor){.data = data,
		.len = len,
		.from = from,
		.to = to,
		.runs = runs,
		.base64 = from,
		.percent = from};
	memset(cursor->edges, 0xff, sizeof(cursor->edges));
}

/* Whether the run was given out already, because it touches an edge. */
static gboolean is_known(const struct decode_cursor *cursor, const struct decode_run *run)
{
	const gsize *edges = cursor->edges[run->kind == DECODE_PERCENT];

	return run->from == edges[0] || run->from == edges[1] || run->from == edges[2] ||
	       run->from == edges[3];
}

/*
 * A run may reach into the range from either side, or end in a short line that only just touches
 * it: then it is found from the range's edges.
 */
static gboolean next_at_edge(struct decode_cursor *cursor, struct decode_run *run)
{
	while (cursor->n_edges < 8) {
		guint edge = cursor->n_edges++;
		gsize at = edge / 2 % 2 + (edge < 4 ? cursor->from : cursor->to - (cursor->to > 0));
		enum decode_kind kind = edge % 2 == 0 ? DECODE_BASE64 : DECODE_PERCENT;
		struct decode_run *last = &cursor->last[edge % 2];
		/* What is tried in vain from one of its bytes need not be tried from the next. */
		if (at >= cursor->len || (at >= last->from && at < last->to))
			continue;
		gboolean is_run = decode_run_at(cursor->data, cursor->len, at, kind, run);
		*last = *run;
		if (!is_run || is_known(cursor, run))
			continue;
		cursor->edges[edge % 2][edge / 2] = run->from;
		return TRUE;
	}
	return FALSE;
}

/*
 * Behind what is no run: where the next may begin. All lines of a run that are too far in are
 * passed at once, else each would be traced back anew.
 */
static gsize base64_skip(const struct decode_cursor *cursor, gsize at, const struct decode_run *run)
{
	const guint8 *data = cursor->data;
	/* A file that is one line is asked for in parts: none goes through all of the rest. */
	gsize len = cursor->len, most = MIN(len, cursor->to + 2);
	struct line line, other;

	if (run->from == run->to && line_at(data, len, at, &line)) {
		while (line.from <= cursor->to && line_behind(data, len, &line, &other))
			line = other;
		return MAX(line.to, at + 1);
	}
	while (at < most && is_base64(data[at]))
		at++;
	return at;
}

static gboolean next_base64(struct decode_cursor *cursor, struct decode_run *run)
{
	while (cursor->next < cursor->runs->len) {
		const struct char_run *word =
			&g_array_index(cursor->runs, struct char_run, cursor->next);
		gsize at = MAX(cursor->base64, word->from);
		gsize end = word->to;
		/* Padding is in the word too, and what stands on both sides of a '='. */
		while (at < end && !is_base64(cursor->data[at]))
			at++;
		if (word->kind != CHAR_RUN_KIND_BASE64 || end - MIN(at, end) < DECODE_RUN_MIN ||
			at > cursor->to) {
			cursor->next++;
			continue;
		}
		if (base64_at(cursor->data, cursor->len, at, run)) {
			cursor->base64 = MAX(run->to, at + 1);
			if (!is_known(cursor, run))
				return TRUE;
			continue;
		}
		cursor->base64 = base64_skip(cursor, at, run);
	}
	return FALSE;
}

static gboolean next_percent(struct decode_cursor *cursor, struct decode_run *run)
{
	gsize at;

	while ((at = find_escape(cursor->data, cursor->len, cursor->percent, cursor->to)) !=
		G_MAXSIZE) {
		gboolean is_run = percent_at(cursor->data, cursor->len, at, run);
		cursor->percent = MAX(at + 1, run->to);
		/* Too far in, and so is all that follows. */
		while (run->from == run->to && cursor->percent < MIN(cursor->len, cursor->to + 2) &&
			class_of[cursor->data[cursor->percent]] & P)
			cursor->percent++;
		if (is_run && !is_known(cursor, run))
			return TRUE;
	}
	cursor->percent = cursor->len;
	return FALSE;
}

gboolean decode_next(struct decode_cursor *cursor, struct decode_run *run)
{
	return next_at_edge(cursor, run) || next_base64(cursor, run) || next_percent(cursor, run);
}
