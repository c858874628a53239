/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/judge.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "jobs/scan/checksum.h"
#include "jobs/scan/entropy.h"
#include "jobs/scan/filter.h"
#include "jobs/scan/matcher.h"
#include "lib/error.h"

/*
 * A pattern that needs more steps than this on a window of 64 KiB is a catastrophic one; honest
 * ones stay below a thousandth. The figures bound a place to some 10 ms.
 */
#define STEPS_MAX 400000
#define DEPTH_MAX 5000
#define HEAP_MAX_KIB 4096
#define JIT_STACK_MIN (32 * 1024)
#define JIT_STACK_MAX (512 * 1024)
/* Matches on one window: a line of 64 KiB may hold thousands, and a place is one of them. */
#define MATCHES_MAX 10000
#define GROUPS_MAX 64
#define NAME_MAX_BYTES 96
/* Rules up to this know a name and no form. */
#define GENERIC_SPECIFICITY 30

struct allow {
	const struct rule_allowlist *list;
	pcre2_code **codes; /* as many as list->regexes, NULL at the end */
};

struct compiled {
	pcre2_code *code; /* NULL: it does not compile */
	guint name_group; /* of what the secret is given to; 0 none */
	const struct checksum *checksum;
	gboolean is_generic;
	gboolean is_chosen; /* tagged so: by a person, and so bad ones are found too */
	gboolean is_basic;  /* tagged so: base64 of user:password */
	gboolean is_unknown_checksum;
	struct allow *allows;
	guint n_allows;
};

struct judge {
	const struct rule_set *rules;
	struct compiled **compiled; /* one a rule; set once, atomically */
	GMutex lock;
};

struct judge_scratch {
	pcre2_match_data *match, *allow_match;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

static pcre2_code *compile_pattern(const char *pattern, GError **error)
{
	PCRE2_SIZE at = 0;
	int trouble = 0;
	PCRE2_UCHAR text[160];
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
		PCRE2_NEVER_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_USE_OFFSET_LIMIT, &trouble, &at,
		NULL);

	if (code == NULL) {
		pcre2_get_error_message(trouble, text, sizeof(text));
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the pattern is refused at byte %zu: %s", (size_t)at, (const char *)text);
		return NULL;
	}
	/* Without JIT (no memory that may be executed) it only takes longer. */
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

static void compiled_free(struct compiled *compiled)
{
	if (compiled == NULL)
		return;
	for (guint i = 0; i < compiled->n_allows; i++) {
		for (pcre2_code **code = compiled->allows[i].codes; *code != NULL; code++)
			pcre2_code_free(*code);
		g_free(compiled->allows[i].codes);
	}
	g_free(compiled->allows);
	pcre2_code_free(compiled->code);
	g_free(compiled);
}

static gboolean concerns(const struct rule_allowlist *list, const struct rule *rule)
{
	if (list->regexes[0] == NULL && list->stopwords[0] == NULL)
		return FALSE;
	return list->rules[0] == NULL || g_strv_contains(list->rules, rule->id);
}

static gboolean add_allow(
	struct compiled *compiled, const struct rule_allowlist *list, GError **error)
{
	struct allow *allow = &compiled->allows[compiled->n_allows++];

	allow->list = list;
	allow->codes = g_new0(pcre2_code *, g_strv_length((char **)list->regexes) + 1);
	for (guint i = 0; list->regexes[i] != NULL; i++) {
		allow->codes[i] = compile_pattern(list->regexes[i], error);
		if (allow->codes[i] == NULL)
			return FALSE;
	}
	return TRUE;
}

static gboolean fill(
	struct judge *judge, const struct rule *rule, struct compiled *compiled, GError **error)
{
	if (rule->regex == NULL)
		return TRUE;
	compiled->checksum = checksum_find(rule->checksum);
	if (rule->checksum != NULL && compiled->checksum == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"there is no checksum called '%s'", rule->checksum);
		return FALSE;
	}
	compiled->is_generic =
		!(rule->flags & RULE_FOREIGN) && (rule->specificity <= GENERIC_SPECIFICITY ||
							 g_strv_contains(rule->tags, "generic"));
	compiled->is_chosen =
		!(rule->flags & RULE_FOREIGN) && g_strv_contains(rule->tags, "chosen");
	compiled->is_basic = !(rule->flags & RULE_FOREIGN) && g_strv_contains(rule->tags, "basic");
	compiled->allows =
		g_new0(struct allow, rule->n_allowlists + judge->rules->n_allowlists + 1);
	for (guint i = 0; i < rule->n_allowlists; i++)
		if (concerns(&rule->allowlists[i], rule) &&
			!add_allow(compiled, &rule->allowlists[i], error))
			return FALSE;
	for (guint i = 0; i < judge->rules->n_allowlists; i++)
		if (concerns(&judge->rules->allowlists[i], rule) &&
			!add_allow(compiled, &judge->rules->allowlists[i], error))
			return FALSE;
	compiled->code = compile_pattern(rule->regex, error);
	if (compiled->code == NULL)
		return FALSE;
	int group = pcre2_substring_number_from_name(compiled->code, (PCRE2_SPTR) "name");
	compiled->name_group = group > 0 && !(rule->flags & RULE_FOREIGN) ? (guint)group : 0;
	return TRUE;
}

static const struct compiled *get_compiled(struct judge *judge, guint index, GError **error)
{
	const struct rule *rule = &judge->rules->rules[index];
	struct compiled *compiled = g_atomic_pointer_get(&judge->compiled[index]);

	if (compiled != NULL)
		return compiled;
	g_mutex_lock(&judge->lock);
	compiled = judge->compiled[index];
	if (compiled == NULL) {
		compiled = g_new0(struct compiled, 1);
		if (!fill(judge, rule, compiled, error)) {
			g_prefix_error(
				error, "%s:%u: rule '%s': ", rule->source, rule->line, rule->id);
			pcre2_code_free(compiled->code);
			compiled->code = NULL;
		}
		g_atomic_pointer_set(&judge->compiled[index], compiled);
	}
	g_mutex_unlock(&judge->lock);
	return compiled;
}

static gboolean compile_some(struct judge *judge, gboolean builtin, GError **error)
{
	for (guint i = 0; i < judge->rules->n; i++) {
		GError *trouble = NULL;
		if (judge->rules->rules[i].is_builtin != builtin)
			continue;
		get_compiled(judge, i, &trouble);
		if (trouble != NULL) {
			g_propagate_error(error, trouble);
			return FALSE;
		}
	}
	return TRUE;
}

struct judge *judge_new(const struct rule_set *rules, GError **error)
{
	struct judge *judge = g_new0(struct judge, 1);

	judge->rules = rules;
	judge->compiled = g_new0(struct compiled *, rules->n + 1);
	g_mutex_init(&judge->lock);
	if (!compile_some(judge, FALSE, error)) {
		judge_free(judge);
		return NULL;
	}
	return judge;
}

gboolean judge_compile_all(struct judge *judge, GError **error)
{
	return compile_some(judge, TRUE, error);
}

void judge_free(struct judge *judge)
{
	if (judge == NULL)
		return;
	for (guint i = 0; i < judge->rules->n; i++)
		compiled_free(judge->compiled[i]);
	g_free(judge->compiled);
	g_mutex_clear(&judge->lock);
	g_free(judge);
}

struct judge_scratch *judge_scratch_new(void)
{
	struct judge_scratch *scratch = g_new0(struct judge_scratch, 1);

	scratch->match = pcre2_match_data_create(GROUPS_MAX, NULL);
	scratch->allow_match = pcre2_match_data_create(1, NULL);
	scratch->context = pcre2_match_context_create(NULL);
	scratch->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	if (scratch->match == NULL || scratch->allow_match == NULL || scratch->context == NULL)
		g_error("no memory for matching");
	pcre2_set_match_limit(scratch->context, STEPS_MAX);
	pcre2_set_depth_limit(scratch->context, DEPTH_MAX);
	pcre2_set_heap_limit(scratch->context, HEAP_MAX_KIB);
	if (scratch->stack != NULL)
		pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
	return scratch;
}

void judge_scratch_free(struct judge_scratch *scratch)
{
	if (scratch == NULL)
		return;
	pcre2_match_data_free(scratch->match);
	pcre2_match_data_free(scratch->allow_match);
	pcre2_match_context_free(scratch->context);
	pcre2_jit_stack_free(scratch->stack);
	g_free(scratch);
}

/*
 * One match that begins in [from, last]. PCRE2's result: above 0 a match, PCRE2_ERROR_NOMATCH,
 * another error: nobody knows.
 */
static int match(const pcre2_code *code, const guint8 *subject, gsize len, gsize from, gsize last,
	pcre2_match_data *data, struct judge_scratch *scratch, gboolean *without_jit)
{
	pcre2_set_offset_limit(scratch->context, last);
	int result = pcre2_match(code, subject, len, from, 0, data, scratch->context);

	if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
		*without_jit = TRUE;
		result =
			pcre2_match(code, subject, len, from, PCRE2_NO_JIT, data, scratch->context);
	}
	/* 0: more groups than there is room for; the first ones are right. */
	return result == 0 ? GROUPS_MAX : result;
}

struct span {
	gsize from, to;
};

/* The whole name, of which a pattern may have seen the end only. */
static struct span pick_name(
	const struct compiled *compiled, const guint8 *subject, const PCRE2_SIZE *groups, int n)
{
	guint g = compiled->name_group;

	if (g == 0 || g >= (guint)n || groups[2 * g] == PCRE2_UNSET ||
		groups[2 * g] >= groups[2 * g + 1])
		return (struct span){0, 0};
	struct span name = {groups[2 * g], groups[2 * g + 1]};
	while (name.from > 0 && name.to - name.from < NAME_MAX_BYTES &&
		(g_ascii_isalnum(subject[name.from - 1]) ||
			memchr("_.-$", subject[name.from - 1], 4) != NULL))
		name.from--;
	return name;
}

static struct span pick_secret(
	const struct rule *rule, guint name_group, const PCRE2_SIZE *groups, int n)
{
	struct span whole = {groups[0], groups[1]};

	/* \K can leave a match that begins behind its end. */
	if (whole.from > whole.to)
		whole.from = whole.to;
	if (rule->secret_group != 0) {
		guint g = rule->secret_group;
		if (g < (guint)n && groups[2 * g] != PCRE2_UNSET &&
			groups[2 * g] <= groups[2 * g + 1])
			return (struct span){groups[2 * g], groups[2 * g + 1]};
		return whole;
	}
	for (int g = 1; g < n; g++)
		if ((guint)g != name_group && groups[2 * g] != PCRE2_UNSET &&
			groups[2 * g] < groups[2 * g + 1])
			return (struct span){groups[2 * g], groups[2 * g + 1]};
	return whole;
}

/* Stopwords are looked for in the secret, patterns in what the list names. */
static guint allow_verdict(const struct allow *allow, const guint8 *subject, gsize len,
	struct span whole, struct span secret, struct judge_scratch *scratch, gboolean *without_jit)
{
	const struct rule_allowlist *list = allow->list;
	struct span target = secret;
	gboolean has_word = FALSE, has_match = FALSE;

	for (const char *const *word = list->stopwords; *word != NULL && !has_word; word++)
		has_word = filter_holds(subject + secret.from, secret.to - secret.from, *word);
	if (list->target == RULE_TARGET_MATCH || list->target == RULE_TARGET_LINE)
		target = whole;
	if (list->target == RULE_TARGET_LINE) {
		while (target.from > 0 && subject[target.from - 1] != '\n')
			target.from--;
		while (target.to < len && subject[target.to] != '\n')
			target.to++;
	}
	for (pcre2_code **code = allow->codes; *code != NULL && !has_match; code++) {
		int result = match(*code, subject + target.from, target.to - target.from, 0,
			PCRE2_UNSET, scratch->allow_match, scratch, without_jit);
		if (result < 0 && result != PCRE2_ERROR_NOMATCH)
			return CANDIDATE_UNDECIDED;
		has_match = result > 0;
	}
	gboolean holds = list->is_and ? (has_word || list->stopwords[0] == NULL) &&
						(has_match || list->regexes[0] == NULL)
				      : has_word || has_match;
	return holds ? CANDIDATE_REFUSED : CANDIDATE_ACCEPTED;
}

static guint consider(const struct rule *rule, const struct compiled *compiled,
	const guint8 *subject, gsize len, struct span whole, struct span secret, struct span name,
	struct judge_scratch *scratch, struct judgement *judgement)
{
	const guint8 *text = subject + secret.from;
	gsize n = secret.to - secret.from;
	gboolean is_default = FALSE;
	guint flags = 0;

	if (n == 0 || n > SECRET_MAX_BYTES)
		return CANDIDATE_REFUSED;
	if (rule->entropy > 0 &&
		(rule->flags & RULE_FOREIGN ? entropy_bits(text, n) <= rule->entropy
					    : !entropy_reaches(text, n, rule->entropy)))
		return CANDIDATE_REFUSED;
	if (compiled->checksum != NULL && !checksum_is_right(compiled->checksum, text, n))
		return CANDIDATE_REFUSED;
	if (rule->flags & RULE_PLACEHOLDER && compiled->checksum == NULL &&
		filter_is_placeholder(text, n))
		return CANDIDATE_REFUSED;
	if (rule->flags & RULE_PLACEHOLDER && compiled->is_chosen) {
		if (filter_is_no_password(text, n))
			return CANDIDATE_REFUSED;
	} else if (rule->flags & RULE_PLACEHOLDER && compiled->is_generic &&
		   filter_is_ordinary(text, n)) {
		return CANDIDATE_REFUSED;
	}
	if (rule->flags & RULE_PLACEHOLDER && compiled->is_basic &&
		filter_is_no_basic(text, n, &is_default))
		return CANDIDATE_REFUSED;
	if (name.to > name.from && filter_is_other_name(subject + name.from, name.to - name.from))
		return CANDIDATE_REFUSED;
	if (!(rule->flags & RULE_FOREIGN) &&
		(filter_is_sum(subject, len, secret.from, secret.to) ||
			filter_is_reported_commit(subject, len, secret.from, secret.to)))
		return CANDIDATE_REFUSED;
	if (rule->context[0] != NULL && !filter_has_context(subject, len, whole.from, whole.to,
						rule->context, rule->within))
		return CANDIDATE_REFUSED;
	for (guint i = 0; i < compiled->n_allows; i++) {
		const struct rule_allowlist *list = compiled->allows[i].list;
		guint verdict = allow_verdict(&compiled->allows[i], subject, len, whole, secret,
			scratch, &judgement->without_jit);
		if (verdict == CANDIDATE_UNDECIDED)
			return verdict;
		if (verdict == CANDIDATE_REFUSED) {
			if (!list->is_and || (list->paths[0] == NULL && list->commits[0] == NULL))
				return verdict;
			flags |= CANDIDATE_CONDITIONAL;
		}
	}
	if (filter_is_marked(subject, len, whole.from, whole.to))
		flags |= CANDIDATE_MARKED;
	if (compiled->checksum == NULL &&
		(is_default || filter_is_default_password(text, n) ||
			filter_is_for_local_host(subject, len, secret.to)))
		flags |= CANDIDATE_WEAK;
	judgement->flags = flags;
	judgement->match_at = (guint32)MIN(whole.from, secret.from);
	judgement->match_len = (guint32)(MAX(whole.to, secret.to) - MIN(whole.from, secret.from));
	judgement->secret_at = (guint32)secret.from;
	judgement->secret_len = (guint32)n;
	return CANDIDATE_ACCEPTED;
}

void judge_look(struct judge *judge, struct judge_scratch *scratch, guint index,
	const guint8 *subject, gsize len, gsize from, gsize at, guint width,
	struct judgement *judgement)
{
	const struct rule *rule = &judge->rules->rules[index];
	const struct compiled *compiled = get_compiled(judge, index, NULL);
	struct span near = {0, 0}, near_secret = near, near_name = near;
	gboolean has_near = FALSE;
	/* A keyword may stand on either side of what it announces. */
	gboolean is_loose = at == JUDGE_ANYWHERE || rule->flags & RULE_DERIVED;

	memset(judgement, 0, sizeof(*judgement));
	judgement->verdict = CANDIDATE_REFUSED;
	if (compiled->code == NULL) {
		judgement->verdict = rule->regex != NULL ? CANDIDATE_UNDECIDED : CANDIDATE_REFUSED;
		return;
	}
	/* What begins where the sieve's match ends, or behind, is another place's. */
	gsize last = is_loose ? PCRE2_UNSET : at;
	for (guint i = 0; from <= MIN(len, last); i++) {
		int n = i < MATCHES_MAX ? match(compiled->code, subject, len, from, last,
						  scratch->match, scratch, &judgement->without_jit)
					: PCRE2_ERROR_MATCHLIMIT;
		if (n == PCRE2_ERROR_NOMATCH)
			break;
		if (n < 0) {
			judgement->verdict = CANDIDATE_UNDECIDED;
			return;
		}
		const PCRE2_SIZE *groups = pcre2_get_ovector_pointer(scratch->match);
		struct span secret = pick_secret(rule, compiled->name_group, groups, n);
		struct span name = pick_name(compiled, subject, groups, n);
		struct span whole = {MIN(groups[0], groups[1]), groups[1]};
		/* An empty match must not be found for ever. */
		from = MAX(whole.to, from + (whole.to == from));
		if (!is_loose && whole.from >= at)
			break;
		if (is_loose || whole.to >= at) {
			guint verdict = consider(rule, compiled, subject, len, whole, secret, name,
				scratch, judgement);
			judgement->verdict = verdict;
			if (verdict != CANDIDATE_REFUSED || !is_loose)
				return;
		} else if (whole.to + width > at) {
			near = whole;
			near_secret = secret;
			near_name = name;
			has_near = TRUE;
		}
	}
	if (has_near)
		judgement->verdict = consider(rule, compiled, subject, len, near, near_secret,
			near_name, scratch, judgement);
}
