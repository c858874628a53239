/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/matcher.h"

#include <string.h>

#include <hs.h>

#include "jobs/scan/char_run.h"
#include "jobs/scan/judge.h"
#include "jobs/scan/matcher_inside.h"
#include "jobs/scan/rule.h"
#include "jobs/scan/seen.h"
#include "jobs/scan/sieve.h"

#define DEPTH_DEFAULT 2
/* Rules without a sieve look at this much of an object; more is undecided. */
#define WHOLE_MAX_BYTES (4 * 1024 * 1024)
/* Matches of one such rule in one object. */
#define WHOLE_MATCHES_MAX 1000
/* A pattern that gave up so often, and at every other place, takes time and decides nothing. */
#define GIVEN_UP_MAX 100
/* Where no chunk begins: what was judged has other names than what was sieved. */
#define JUDGED_NAME ((gsize)1 << 20)

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
	matcher->seen = seen_new();
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
	seen_free(matcher->seen);
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
	for (guint i = 0; i <= MATCHER_DEPTH_MAX; i++)
		thread->words[i] = g_array_new(FALSE, FALSE, sizeof(struct char_run));
	thread->long_words = g_array_new(FALSE, FALSE, sizeof(struct char_run));
	thread->chunks = g_array_new(FALSE, FALSE, sizeof(struct matcher_chunk));
	return thread;
}

void matcher_thread_free(struct matcher_thread *thread)
{
	if (thread == NULL)
		return;
	hs_free_scratch(thread->scratch);
	judge_scratch_free(thread->judge);
	for (guint i = 0; i < MATCHER_DEPTH_MAX; i++)
		decode_text_clear(&thread->texts[i]);
	for (guint i = 0; i <= MATCHER_DEPTH_MAX; i++)
		g_array_unref(thread->words[i]);
	g_array_unref(thread->long_words);
	g_array_unref(thread->chunks);
	g_free(thread->last);
	g_free(thread->rule_matches);
	g_free(thread->efforts);
	g_free(thread);
}

void matcher_thread_set_depth(struct matcher_thread *thread, guint depth)
{
	thread->depth = MIN(depth, MATCHER_DEPTH_MAX);
}

void matcher_thread_set_anew(struct matcher_thread *thread, gboolean is_anew)
{
	thread->is_anew = is_anew;
}

struct matcher_counts matcher_thread_counts(const struct matcher_thread *thread)
{
	return thread->counts;
}
struct seen *matcher_seen(const struct matcher_thread *thread)
{
	return thread->is_anew ? NULL : thread->matcher->seen;
}

struct decode_text *matcher_text(struct matcher_thread *thread, guint depth)
{
	if (thread->texts[depth].bytes == NULL)
		decode_text_init(&thread->texts[depth]);
	return &thread->texts[depth];
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
		struct decode_text *text = matcher_text(thread, depth);
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

/* The same window was refused for the same rule before; or its name, to say so. */
static gboolean is_refused(struct matcher_thread *thread, const guint8 *window, gsize len,
	const struct candidate *candidate, guint64 *name)
{
	const struct seen *seen = matcher_seen(thread);
	gboolean is_marked;

	*name = 0;
	if (seen == NULL || len > SEEN_CHUNK_MAX)
		return FALSE;
	*name = seen_hash(
		seen, window, len, JUDGED_NAME + candidate->rule, candidate->at - candidate->from);
	return seen_has(seen, *name, &is_marked);
}

void matcher_judge(
	struct matcher_thread *thread, const guint8 *data, gsize len, struct candidate *candidate)
{
	struct judgement judgement;
	guint64 name;

	if (candidate->verdict != CANDIDATE_UNSET)
		return;
	g_return_if_fail(candidate->from <= candidate->to && candidate->to <= len);
	thread->counts.judged++;
	if (candidate->flags & CANDIDATE_DECODED) {
		judge_decoded(thread, data, candidate);
		return;
	}
	const guint8 *window = data + candidate->from;
	gsize window_len = candidate->to - candidate->from;
	if (is_refused(thread, window, window_len, candidate, &name)) {
		thread->efforts[candidate->rule].tried++;
		judgement = (struct judgement){.verdict = CANDIDATE_REFUSED};
	} else {
		look(thread, candidate->rule, window, window_len, 0,
			candidate->at - candidate->from,
			thread->matcher->sieve->reach[candidate->rule].width, &judgement);
		if (judgement.verdict == CANDIDATE_REFUSED && name != 0)
			seen_add(thread->matcher->seen, name, FALSE);
	}
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
