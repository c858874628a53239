/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/matcher.h"

#include <string.h>

#include <hs.h>

#include "jobs/scan/char_run.h"
#include "jobs/scan/decode.h"
#include "jobs/scan/judge.h"
#include "jobs/scan/rule.h"
#include "jobs/scan/sieve.h"

#define DEPTH_DEFAULT 2
#define DEPTH_MAX 5
/* Rules without a sieve look at this much of an object; more is undecided. */
#define WHOLE_MAX_BYTES (4 * 1024 * 1024)
/* A sieve that matches nearly everywhere is stopped there: its caller asks for less at a time. */
#define CANDIDATES_MAX (1 << 20)
/* Matches of one such rule in one object. */
#define WHOLE_MATCHES_MAX 1000
/* A pattern that gave up so often, and at every other place, takes time and decides nothing. */
#define GIVEN_UP_MAX 100

struct matcher {
	const struct rule_set *rules;
	struct sieve *sieve;
	struct judge *judge;
	guint16 *slow;
	guint n_slow;
	guint *given_up; /* atomic, by rule */
};

/* What came of a rule's places. */
struct effort {
	guint tried, given_up;
};

struct matcher_thread {
	struct matcher *matcher;
	struct secret_table *secrets;
	hs_scratch_t *scratch;
	struct judge_scratch *judge;
	struct decode_text texts[DEPTH_MAX]; /* bytes NULL until needed */
	GArray *words[DEPTH_MAX + 1];        /* struct char_run, by level */
	guint depth;
	guint64 *last; /* by rule: the end last reported in the call of that number, see report() */
	guint32 call;
	struct matcher_counts counts;
	guint64 *rule_matches;
	struct effort *efforts; /* by rule */
};

/* One call of vectorscan. */
struct sieving {
	struct matcher_thread *thread;
	const guint8 *data; /* the object */
	gsize len;
	gsize base; /* where the scanned bytes begin in it */
	gsize from, to;
	const struct decode_text *text; /* what is scanned when it is not the object */
	gsize run_from, run_to;
	GArray *candidates;
};

struct matcher *matcher_new(const struct rule_set *rules, const char *cache_folder, GError **error)
{
	struct matcher *matcher = g_new0(struct matcher, 1);

	matcher->rules = rules;
	matcher->sieve = sieve_new(rules, cache_folder, error);
	if (matcher->sieve != NULL)
		matcher->judge = judge_new(rules, error);
	if (matcher->judge == NULL) {
		matcher_free(matcher);
		return NULL;
	}
	matcher->slow = g_new(guint16, rules->n + 1);
	matcher->given_up = g_new0(guint, rules->n + 1);
	for (guint i = 0; i < rules->n; i++)
		if (rules->rules[i].regex != NULL && rules->rules[i].sieve[0] == NULL)
			matcher->slow[matcher->n_slow++] = (guint16)i;
	return matcher;
}

gboolean matcher_is_quick(const struct rule_set *rules, const char *cache_folder)
{
	return sieve_is_kept(rules, cache_folder);
}

void matcher_free(struct matcher *matcher)
{
	if (matcher == NULL)
		return;
	sieve_free(matcher->sieve);
	judge_free(matcher->judge);
	g_free(matcher->slow);
	g_free(matcher->given_up);
	g_free(matcher);
}

gboolean matcher_check(struct matcher *matcher, GError **error)
{
	return judge_compile_all(matcher->judge, error);
}

guint matcher_margin(const struct matcher *matcher)
{
	return matcher->sieve->margin;
}

guint matcher_gave_up(const struct matcher *matcher, guint rule)
{
	return (guint)g_atomic_int_get((gint *)&matcher->given_up[rule]);
}

gboolean matcher_was_cached(const struct matcher *matcher)
{
	return matcher->sieve->is_cached;
}

/* The scratch grows until it is enough for either database. */
static void alloc_scratch(struct matcher_thread *thread, const hs_database_t *database)
{
	if (database != NULL && hs_alloc_scratch(database, &thread->scratch) != HS_SUCCESS)
		g_error("no memory for sieving");
}

struct matcher_thread *matcher_thread_new(struct matcher *matcher, struct secret_table *secrets)
{
	struct matcher_thread *thread = g_new0(struct matcher_thread, 1);

	thread->matcher = matcher;
	thread->secrets = secrets;
	thread->depth = DEPTH_DEFAULT;
	thread->judge = judge_scratch_new();
	thread->last = g_new0(guint64, matcher->rules->n + 1);
	thread->rule_matches = g_new0(guint64, matcher->rules->n + 1);
	thread->counts.rule_matches = thread->rule_matches;
	thread->efforts = g_new0(struct effort, matcher->rules->n + 1);
	for (guint i = 0; i < SIEVE_PARTS; i++)
		alloc_scratch(thread, matcher->sieve->parts[i].database);
	for (guint i = 0; i <= DEPTH_MAX; i++)
		thread->words[i] = g_array_new(FALSE, FALSE, sizeof(struct char_run));
	return thread;
}

void matcher_thread_free(struct matcher_thread *thread)
{
	if (thread == NULL)
		return;
	hs_free_scratch(thread->scratch);
	judge_scratch_free(thread->judge);
	for (guint i = 0; i < DEPTH_MAX; i++)
		decode_text_clear(&thread->texts[i]);
	for (guint i = 0; i <= DEPTH_MAX; i++)
		g_array_unref(thread->words[i]);
	g_free(thread->last);
	g_free(thread->rule_matches);
	g_free(thread->efforts);
	g_free(thread);
}

void matcher_thread_set_depth(struct matcher_thread *thread, guint depth)
{
	thread->depth = MIN(depth, DEPTH_MAX);
}

struct matcher_counts matcher_thread_counts(const struct matcher_thread *thread)
{
	return thread->counts;
}

/* The newline before `at` at or behind `least`, or least - 1 when there is none. */
static gint64 newline_before(const guint8 *data, gint64 least, gint64 at)
{
	const guint8 *p = at > least ? memrchr(data + least, '\n', (gsize)(at - least)) : NULL;

	return p != NULL ? p - data : least - 1;
}

/*
 * Bytes decide: a window that ends at a newline holds that newline, so that whoever has the same
 * bytes makes the same window. See matcher.h for what it promises.
 */
static void make_window(
	const struct sieve_reach *reach, const guint8 *data, gsize len, struct candidate *candidate)
{
	gint64 at = candidate->at, end = (gint64)len;
	gint64 before = MAX((gint64)reach->before, MATCHER_LINE_BYTES);
	gint64 behind = MAX((gint64)reach->behind, MATCHER_LINE_BYTES);
	gint64 least = at - (reach->one_line ? before : MATCHER_LINE_BYTES);
	gint64 most = at + (reach->one_line ? behind : MATCHER_LINE_BYTES);
	gint64 from, to;

	/* The line, and the one before it. */
	from = newline_before(data, MAX(least, 0), at);
	if (from >= MAX(least, 0))
		from = newline_before(data, MAX(least, 0), from);
	if (from < MAX(least, 0))
		from = least;
	const guint8 *newline = memchr(data + at, '\n', (gsize)(MIN(most, end) - at));
	to = newline != NULL ? newline - data + 1 : most;
	if (!reach->one_line) {
		from = MIN(from, at - (gint64)reach->before);
		to = MAX(to, at + (gint64)reach->behind);
	}
	candidate->flags &= (guint8) ~(CANDIDATE_AT_START | CANDIDATE_AT_END);
	if (from < 0)
		candidate->flags |= CANDIDATE_AT_START;
	if (to > end)
		candidate->flags |= CANDIDATE_AT_END;
	candidate->from = (guint32)MAX(from, 0);
	candidate->to = (guint32)MIN(to, end);
}

/* An encoded run and what decides where it ends. */
static void make_run_window(const struct sieving *sieving, struct candidate *candidate)
{
	if (sieving->run_from < DECODE_AROUND)
		candidate->flags |= CANDIDATE_AT_START;
	if (sieving->len - sieving->run_to < DECODE_AROUND)
		candidate->flags |= CANDIDATE_AT_END;
	candidate->from = (guint32)(sieving->run_from - MIN(sieving->run_from, DECODE_AROUND));
	candidate->to = (guint32)MIN(sieving->len, sieving->run_to + DECODE_AROUND);
}

/* Called by vectorscan, in the order of ends, often more than once for one rule and end. */
static int report(
	unsigned id, unsigned long long start, unsigned long long stop, unsigned flags, void *data)
{
	struct sieving *sieving = data;
	struct matcher_thread *thread = sieving->thread;
	const struct sieve *sieve = thread->matcher->sieve;
	gsize end = sieving->base + (gsize)stop;
	struct candidate candidate = {0};

	if (sieving->text == NULL) {
		if ((end <= sieving->from && sieving->from > 0) || end > sieving->to)
			return 0;
		candidate.at = (guint32)end;
	} else {
		candidate.at = sieving->text->ends[end - 1];
		candidate.flags = CANDIDATE_DECODED;
	}
	for (guint32 i = sieve->first[id]; i < sieve->first[id + 1]; i++) {
		guint16 rule = sieve->rules[i];
		guint64 mark = (guint64)thread->call << 32 | candidate.at;
		if (thread->last[rule] == mark)
			continue;
		if (sieving->text != NULL &&
			!(thread->matcher->rules->rules[rule].flags & RULE_DECODE))
			continue;
		thread->last[rule] = mark;
		thread->rule_matches[rule]++;
		thread->counts.sieve_matches++;
		struct candidate one = candidate;
		one.rule = rule;
		if (sieving->text == NULL)
			make_window(&sieve->reach[rule], sieving->data, sieving->len, &one);
		else
			make_run_window(sieving, &one);
		g_array_append_val(sieving->candidates, one);
	}
	return sieving->candidates->len > CANDIDATES_MAX;
}

static gboolean run(struct sieving *sieving, const hs_database_t *database, const guint8 *bytes,
	gsize from, gsize to)
{
	gsize base = sieving->base;

	if (from >= to)
		return TRUE;
	sieving->base = base + from;
	hs_error_t result = hs_scan(database, (const char *)bytes + from, (unsigned)(to - from), 0,
		sieving->thread->scratch, report, sieving);
	sieving->base = base;
	return result == HS_SUCCESS;
}

/* They come in the order of their places but for neighbours of different kinds. */
static void sort_words(GArray *words)
{
	struct char_run *list = (struct char_run *)(void *)words->data;

	for (guint i = 1; i < words->len; i++) {
		struct char_run word = list[i];
		guint k = i;
		for (; k > 0 && list[k - 1].from > word.from; k--)
			list[k] = list[k - 1];
		list[k] = word;
	}
}

static gboolean is_word_of(const struct char_run *word, enum sieve_part_kind part)
{
	if (part == SIEVE_ALNUM)
		return word->kind != CHAR_RUN_KIND_BASE64;
	return word->kind == CHAR_RUN_KIND_BASE64 &&
	       (part == SIEVE_SHORT || word->to - word->from >= SIEVE_LONG_RUN);
}

/*
 * Around the part's words in [least, most), with a byte more for a sieve that asks what is beside
 * its match.
 */
static gboolean sieve_words(struct sieving *sieving, const GArray *words, enum sieve_part_kind kind,
	const guint8 *bytes, gsize least, gsize most)
{
	const struct sieve_part *part = &sieving->thread->matcher->sieve->parts[kind];
	gsize from = least, to = least;

	if (part->database == NULL)
		return TRUE;
	for (guint i = 0; i < words->len; i++) {
		const struct char_run *word = &g_array_index(words, struct char_run, i);
		if (!is_word_of(word, kind))
			continue;
		gsize start = MAX(least, word->from - MIN(word->from, part->before + 1));
		gsize stop = MIN(most, word->to + part->after + 1);
		if (start > to) {
			if (!run(sieving, part->database, bytes, from, to))
				return FALSE;
			from = start;
			to = stop;
		}
		to = MAX(to, stop);
	}
	return run(sieving, part->database, bytes, from, to);
}

/*
 * bytes[0, len), which begin at sieving->base of what they are of; level: how many encodings deep
 * that is. Only [from, to) of them is sieved, the words of all are noted.
 */
static gboolean sieve_bytes(
	struct sieving *sieving, const guint8 *bytes, gsize len, gsize from, gsize to, guint level)
{
	struct matcher_thread *thread = sieving->thread;
	const struct sieve_part *part = &thread->matcher->sieve->parts[SIEVE_EVERYWHERE];
	GArray *words = thread->words[level];

	thread->call++;
	thread->counts.sieved_bytes += to - from;
	if (part->database != NULL && !run(sieving, part->database, bytes, from, to))
		return FALSE;
	g_array_set_size(words, 0);
	char_run_find(bytes, 0, len, words);
	sort_words(words);
	return sieve_words(sieving, words, SIEVE_ALNUM, bytes, from, to) &&
	       sieve_words(sieving, words, SIEVE_LONG, bytes, from, to) &&
	       sieve_words(sieving, words, SIEVE_SHORT, bytes, from, to);
}

static struct decode_text *get_text(struct matcher_thread *thread, guint depth)
{
	if (thread->texts[depth].bytes == NULL)
		decode_text_init(&thread->texts[depth]);
	return &thread->texts[depth];
}

/*
 * Looks into the runs of [from, to] of data, which is the object's or, with outer, what one of its
 * runs says; into each as hex and as base64.
 */
static gboolean sieve_runs(struct sieving *sieving, const guint8 *data, gsize len, gsize from,
	gsize to, const struct decode_text *outer, guint depth)
{
	struct matcher_thread *thread = sieving->thread;
	struct decode_cursor cursor;
	struct decode_run run;

	if (depth >= thread->depth)
		return TRUE;
	decode_cursor_init(&cursor, data, len, from, to, thread->words[depth],
		outer == NULL ? sieving->base : 0);
	while (decode_next(&cursor, &run)) {
		if (outer == NULL) {
			sieving->run_from = run.from;
			sieving->run_to = run.to;
		}
		for (guint as_hex = 0; as_hex < 2; as_hex++) {
			struct decode_text *text = get_text(thread, depth);
			if (!decode_run(text, data, outer, &run, as_hex))
				continue;
			thread->counts.runs_decoded++;
			thread->counts.run_bytes += text->len;
			sieving->text = text;
			sieving->base = 0;
			if (!sieve_bytes(
				    sieving, text->bytes, text->len, 0, text->len, depth + 1) ||
				!sieve_runs(sieving, text->bytes, text->len, 0, text->len, text,
					depth + 1))
				return FALSE;
		}
	}
	return TRUE;
}

gboolean matcher_sieve(struct matcher_thread *thread, const guint8 *data, gsize len, gsize from,
	gsize to, GArray *candidates)
{
	const struct sieve *sieve = thread->matcher->sieve;
	struct sieving sieving = {thread, data, len, 0, from, MIN(to, len), NULL, 0, 0, candidates};

	if (sieve->n_patterns == 0 || len == 0)
		return TRUE;
	gsize start = from > sieve->margin ? from - sieve->margin : 0;
	/* One byte more, for a sieve that asks what is behind its match. */
	gsize stop = MIN(len, sieving.to + 1);
	/* A run beside the range may be a run, or end where it ends, because of what is in it. */
	gsize runs_from = from > DECODE_AROUND ? from - DECODE_AROUND : 0;
	gsize runs_to = MIN(len, sieving.to + DECODE_AROUND);
	gsize base = sieving.base = MIN(start, runs_from);
	thread->counts.sieved_ranges++;
	return sieve_bytes(&sieving, data + base, MAX(stop, runs_to) - base, start - base,
		       stop - base, 0) &&
	       sieve_runs(&sieving, data, len, runs_from, runs_to, NULL, 0);
}

void matcher_window(
	struct matcher_thread *thread, const guint8 *data, gsize len, struct candidate *candidate)
{
	make_window(&thread->matcher->sieve->reach[candidate->rule], data, len, candidate);
	candidate->verdict = CANDIDATE_UNSET;
}

static void give_up(struct matcher_thread *thread, guint rule)
{
	thread->counts.undecided++;
	thread->efforts[rule].given_up++;
	g_atomic_int_inc((gint *)&thread->matcher->given_up[rule]);
}

/* judge_look(), for as long as there is hope. */
static void look(struct matcher_thread *thread, guint rule, const guint8 *subject, gsize len,
	gsize from, gsize at, guint width, struct judgement *judgement)
{
	struct effort *effort = &thread->efforts[rule];

	if (effort->given_up >= GIVEN_UP_MAX && effort->given_up >= effort->tried / 2) {
		*judgement = (struct judgement){.verdict = CANDIDATE_UNDECIDED};
		return;
	}
	effort->tried++;
	judge_look(thread->matcher->judge, thread->judge, rule, subject, len, from, at, width,
		judgement);
}

/* Takes over what the judge found at shift in the object; the secret is bytes + at. */
static void settle(struct matcher_thread *thread, struct candidate *candidate,
	const struct judgement *judgement, const guint8 *bytes)
{
	const struct rule *rule = &thread->matcher->rules->rules[candidate->rule];

	candidate->verdict = (guint8)judgement->verdict;
	thread->counts.without_jit += judgement->without_jit;
	if (judgement->verdict == CANDIDATE_UNDECIDED)
		give_up(thread, candidate->rule);
	if (judgement->verdict != CANDIDATE_ACCEPTED)
		return;
	candidate->flags |= (guint8)judgement->flags;
	candidate->secret = secret_table_add(
		thread->secrets, rule->family, bytes + judgement->secret_at, judgement->secret_len);
	thread->counts.accepted++;
	/* A full table: nothing can be said about this secret, so nothing is claimed. */
	if (candidate->secret == 0)
		candidate->verdict = CANDIDATE_UNDECIDED;
}

/* The decoded byte behind which a sieve's match ended that was reported at `at`. */
static gsize decoded_end(const struct decode_text *text, gsize at)
{
	gsize low = 0, high = text->len;

	while (low < high) {
		gsize middle = low + (high - low) / 2;
		if (text->ends[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < text->len && text->ends[low] == at ? low + 1 : 0;
}

static gboolean judge_runs(struct matcher_thread *thread, const guint8 *data, gsize len, gsize at,
	const struct decode_text *outer, gsize end, guint depth, struct candidate *candidate,
	struct decode_run *place)
{
	guint width = thread->matcher->sieve->reach[candidate->rule].width;

	if (depth >= thread->depth)
		return FALSE;
	for (guint i = 0; i < 3; i++) {
		struct decode_run run;
		struct judgement judgement;
		struct decode_text *text = get_text(thread, depth);
		enum decode_kind kind = i < 2 ? DECODE_BASE64 : DECODE_PERCENT;
		if (!decode_run_at(data, len, at - 1, kind, &run) ||
			!decode_run(text, data, outer, &run, i == 1))
			continue;
		gsize inner = decoded_end(text, end);
		if (inner == 0)
			continue;
		if (outer == NULL)
			*place = run;
		look(thread, candidate->rule, text->bytes, text->len, 0, inner, width, &judgement);
		if (judgement.verdict != CANDIDATE_REFUSED) {
			settle(thread, candidate, &judgement, text->bytes);
			return TRUE;
		}
		if (judge_runs(thread, text->bytes, text->len, inner, text, end, depth + 1,
			    candidate, place))
			return TRUE;
	}
	return FALSE;
}

static void judge_decoded(
	struct matcher_thread *thread, const guint8 *data, struct candidate *candidate)
{
	const guint8 *window = data + candidate->from;
	gsize len = candidate->to - candidate->from, at = candidate->at - candidate->from;
	struct decode_run place = {0, 0, DECODE_BASE64};

	if (at == 0 || at > len ||
		!judge_runs(thread, window, len, at, NULL, at, 0, candidate, &place)) {
		candidate->verdict = CANDIDATE_REFUSED;
		return;
	}
	candidate->secret_at = candidate->match_at = candidate->from + (guint32)place.from;
	candidate->secret_len = candidate->match_len = (guint32)(place.to - place.from);
}

void matcher_judge(
	struct matcher_thread *thread, const guint8 *data, gsize len, struct candidate *candidate)
{
	struct judgement judgement;

	if (candidate->verdict != CANDIDATE_UNSET)
		return;
	g_return_if_fail(candidate->from <= candidate->to && candidate->to <= len);
	thread->counts.judged++;
	if (candidate->flags & CANDIDATE_DECODED) {
		judge_decoded(thread, data, candidate);
		return;
	}
	const guint8 *window = data + candidate->from;
	look(thread, candidate->rule, window, candidate->to - candidate->from, 0,
		candidate->at - candidate->from,
		thread->matcher->sieve->reach[candidate->rule].width, &judgement);
	settle(thread, candidate, &judgement, window);
	candidate->secret_at = candidate->from + judgement.secret_at;
	candidate->secret_len = judgement.secret_len;
	candidate->match_at = candidate->from + judgement.match_at;
	candidate->match_len = judgement.match_len;
}

/* More of the object than was looked at: it is not covered. */
static void whole_leave(struct matcher_thread *thread, guint16 rule, gsize len, GArray *candidates)
{
	struct candidate rest = {.at = (guint32)len, .to = (guint32)len, .rule = rule};

	rest.flags = CANDIDATE_WHOLE;
	rest.verdict = CANDIDATE_UNDECIDED;
	give_up(thread, rule);
	g_array_append_val(candidates, rest);
}

void matcher_whole(struct matcher_thread *thread, const guint8 *data, gsize len, GArray *candidates)
{
	for (guint i = 0; i < thread->matcher->n_slow; i++) {
		gsize from = 0, size = MIN(len, WHOLE_MAX_BYTES);
		for (guint n = 0; from < size; n++) {
			struct judgement judgement;
			struct candidate candidate = {.at = (guint32)len, .to = (guint32)len};
			candidate.rule = thread->matcher->slow[i];
			candidate.flags = CANDIDATE_WHOLE | CANDIDATE_AT_START | CANDIDATE_AT_END;
			thread->counts.judged++;
			look(thread, candidate.rule, data, size, from, JUDGE_ANYWHERE, 0,
				&judgement);
			if (judgement.verdict == CANDIDATE_REFUSED)
				break;
			if (n == WHOLE_MATCHES_MAX) {
				whole_leave(thread, candidate.rule, len, candidates);
				break;
			}
			settle(thread, &candidate, &judgement, data);
			candidate.secret_at = judgement.secret_at;
			candidate.secret_len = judgement.secret_len;
			candidate.match_at = judgement.match_at;
			candidate.match_len = judgement.match_len;
			g_array_append_val(candidates, candidate);
			if (candidate.verdict == CANDIDATE_UNDECIDED)
				break;
			from = MAX(from + 1, judgement.match_at + (gsize)judgement.match_len);
		}
		if (size < len)
			whole_leave(thread, thread->matcher->slow[i], len, candidates);
	}
}
