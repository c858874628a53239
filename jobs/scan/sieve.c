/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/sieve.h"

#include <stdlib.h>
#include <string.h>

#include <hs.h>

#include "jobs/scan/rule.h"
#include "jobs/scan/sieve_cache.h"
#include "jobs/scan/sieve_shape.h"
#include "lib/error.h"
#include "lib/hash.h"

/* Change it with what is compiled from the same rules: flags, reaches, the struct. */
#define FORMAT_VERSION "6"

/* Bytes beside a word from which on a sieve is looked for everywhere. */
#define BEFORE_MAX 200
#define AFTER_MAX 48

#define SIEVE_FLAGS HS_FLAG_MULTILINE

void sieve_free(struct sieve *sieve)
{
	if (sieve == NULL)
		return;
	for (guint i = 0; i < SIEVE_PARTS; i++)
		hs_free_database(sieve->parts[i].database);
	g_free(sieve->first);
	g_free(sieve->rules);
	g_free(sieve->reach);
	g_free(sieve);
}

gboolean sieve_check(const char *pattern, guint *width, GError **error)
{
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *trouble = NULL;

	if (hs_expression_info(pattern, SIEVE_FLAGS, &info, &trouble) != HS_SUCCESS) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the sieve '%s' is refused: %s", pattern,
			trouble != NULL ? trouble->message : "no reason is given");
		hs_free_compile_error(trouble);
		return FALSE;
	}
	guint least = info->min_width, most = info->max_width;
	free(info);
	if (least == 0)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the sieve '%s' matches nothing at all, so it would match everywhere",
			pattern);
	else if (most == G_MAXUINT)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the width of the sieve '%s' has no bound: give each of its repeats one",
			pattern);
	else if (most > RULE_SIEVE_WIDTH)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the sieve '%s' is up to %u bytes wide: %d are allowed", pattern, most,
			RULE_SIEVE_WIDTH);
	else {
		*width = most;
		return TRUE;
	}
	return FALSE;
}

/*
 * The distinct sieves in the order of the rules, and for each the rules that have it. The order
 * must not depend on a hash table's: it is what the numbers in a cached database stand for.
 */
static GPtrArray *list_patterns(const struct rule_set *rules, struct sieve *sieve)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(hash_text, g_str_equal);
	GPtrArray *patterns = g_ptr_array_new();
	g_autoptr(GPtrArray) owners = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
	guint n = 0;

	for (guint i = 0; i < rules->n; i++) {
		for (const char *const *text = rules->rules[i].sieve; *text != NULL; text++) {
			gpointer index = NULL;
			guint16 rule = (guint16)i;
			if (!g_hash_table_lookup_extended(seen, *text, NULL, &index)) {
				index = GUINT_TO_POINTER(patterns->len);
				g_hash_table_insert(seen, (gpointer)*text, index);
				g_ptr_array_add(patterns, (gpointer)*text);
				g_ptr_array_add(owners, g_array_new(FALSE, FALSE, sizeof(guint16)));
			}
			g_array_append_val(
				(GArray *)g_ptr_array_index(owners, GPOINTER_TO_UINT(index)), rule);
			n++;
		}
	}
	sieve->n_patterns = patterns->len;
	sieve->first = g_new0(guint32, patterns->len + 1);
	sieve->rules = g_new0(guint16, n + 1);
	n = 0;
	for (guint i = 0; i < patterns->len; i++) {
		const GArray *list = g_ptr_array_index(owners, i);
		sieve->first[i] = n;
		memcpy(sieve->rules + n, list->data, list->len * sizeof(guint16));
		n += list->len;
	}
	sieve->first[patterns->len] = n;
	return patterns;
}

static void sum_text(GChecksum *sum, const char *text)
{
	if (text == NULL)
		text = "";
	g_checksum_update(sum, (const guchar *)text, (gssize)strlen(text) + 1);
}

static void make_key(const struct rule_set *rules, guint8 key[SIEVE_KEY_BYTES])
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	hs_platform_info_t platform = {0};
	gsize len = SIEVE_KEY_BYTES;

	hs_populate_platform(&platform);
	sum_text(sum, FORMAT_VERSION);
	sum_text(sum, hs_version());
	g_checksum_update(sum, (const guchar *)&platform, sizeof(platform));
	for (guint i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->rules[i];
		guint32 numbers[] = {rule->before, rule->behind,
			rule->context[0] != NULL ? rule->within : 0, rule->n_required,
			rule->flags & RULE_DERIVED, g_strv_length((char **)rule->sieve)};
		sum_text(sum, rule->regex);
		for (const char *const *text = rule->sieve; *text != NULL; text++)
			sum_text(sum, *text);
		g_checksum_update(sum, (const guchar *)numbers, sizeof(numbers));
	}
	g_checksum_get_digest(sum, key, &len);
}

static gboolean measure(const struct rule_set *rules, struct sieve *sieve, GError **error)
{
	sieve->n_rules = rules->n;
	sieve->reach = g_new0(struct sieve_reach, rules->n + 1);
	sieve->margin = 1;
	for (guint i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->rules[i];
		guint widest = 0;
		for (const char *const *text = rule->sieve; *text != NULL; text++) {
			guint width = 0;
			if (!sieve_check(*text, &width, error)) {
				g_prefix_error(error, "%s: rule '%s': ", rule->source, rule->id);
				return FALSE;
			}
			widest = MAX(widest, width);
		}
		sieve->reach[i] = sieve_reach(rule, widest);
		sieve->margin = MAX(sieve->margin, widest + 1);
	}
	return TRUE;
}

static void refuse(const struct rule_set *rules, const struct sieve *sieve, guint pattern,
	const char *why, GError **error)
{
	const struct rule *rule = &rules->rules[sieve->rules[sieve->first[pattern]]];

	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
		"%s: rule '%s': the sieve is refused: %s", rule->source, rule->id, why);
}

/* The patterns whose part it is; none, no database. */
static gboolean compile_part(const struct rule_set *rules, GPtrArray *patterns,
	const guint8 *part_of, enum sieve_part_kind part, struct sieve *sieve, GError **error)
{
	g_autofree guint *flags = g_new(guint, patterns->len), *ids = g_new(guint, patterns->len);
	g_autofree const char **texts = g_new(const char *, patterns->len);
	hs_compile_error_t *trouble = NULL;
	guint n = 0;

	for (guint i = 0; i < patterns->len; i++) {
		if (part_of[i] != part)
			continue;
		texts[n] = g_ptr_array_index(patterns, i);
		flags[n] = SIEVE_FLAGS;
		ids[n++] = i;
	}
	if (n == 0)
		return TRUE;
	if (hs_compile_multi(texts, flags, ids, n, HS_MODE_BLOCK, NULL,
		    &sieve->parts[part].database, &trouble) == HS_SUCCESS)
		return TRUE;
	if (trouble != NULL && trouble->expression >= 0 && (guint)trouble->expression < n)
		refuse(rules, sieve, ids[trouble->expression], trouble->message, error);
	else
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"vectorscan cannot compile the rules' sieves: %s",
			trouble != NULL ? trouble->message : "no reason is given");
	hs_free_compile_error(trouble);
	return FALSE;
}

/* A sieve that reaches far beside its word would widen the windows of all others of its part. */
static enum sieve_part_kind choose_part(const char *pattern, struct sieve_shape *shape)
{
	if (!sieve_shape_read(pattern, shape) || shape->before > BEFORE_MAX ||
		shape->after > AFTER_MAX)
		return SIEVE_EVERYWHERE;
	if (shape->kind != CHAR_RUN_KIND_BASE64)
		return SIEVE_ALNUM;
	return shape->run >= SIEVE_LONG_RUN ? SIEVE_LONG : SIEVE_SHORT;
}

static gboolean compile(
	const struct rule_set *rules, GPtrArray *patterns, struct sieve *sieve, GError **error)
{
	g_autofree guint8 *part_of = g_new0(guint8, patterns->len + 1);

	for (guint i = 0; i < patterns->len; i++) {
		struct sieve_shape shape = {0};
		part_of[i] = (guint8)choose_part(g_ptr_array_index(patterns, i), &shape);
		struct sieve_part *part = &sieve->parts[part_of[i]];
		part->before = MAX(part->before, shape.before);
		part->after = MAX(part->after, shape.after);
	}
	for (guint i = 0; i < SIEVE_PARTS; i++)
		if (!compile_part(rules, patterns, part_of, i, sieve, error))
			return FALSE;
	return TRUE;
}

gboolean sieve_is_kept(const struct rule_set *rules, const char *cache_folder)
{
	guint8 key[SIEVE_KEY_BYTES];

	if (cache_folder == NULL)
		return FALSE;
	make_key(rules, key);
	return sieve_cache_has(cache_folder, key);
}

struct sieve *sieve_new(const struct rule_set *rules, const char *cache_folder, GError **error)
{
	struct sieve *sieve = g_new0(struct sieve, 1);
	g_autoptr(GPtrArray) patterns = list_patterns(rules, sieve);
	guint8 key[SIEVE_KEY_BYTES];

	if (hs_valid_platform() != HS_SUCCESS) {
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"vectorscan does not run on this processor");
		sieve_free(sieve);
		return NULL;
	}
	if (cache_folder != NULL && patterns->len > 0) {
		make_key(rules, key);
		sieve->is_cached = sieve_cache_load(cache_folder, key, rules->n, sieve);
	}
	if (sieve->is_cached)
		return sieve;
	if (!measure(rules, sieve, error) || !compile(rules, patterns, sieve, error)) {
		sieve_free(sieve);
		return NULL;
	}
	if (cache_folder != NULL && patterns->len > 0)
		sieve_cache_save(cache_folder, key, sieve);
	return sieve;
}
