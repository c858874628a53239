/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule_hash.h"

#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"

/* Counts up when our own code finds something else with the same rules. */
#define HASH_VERSION 1

struct digest {
	guint8 bytes[RULE_HASH_BYTES];
};

/* Each text with its length before, so that no two lists of texts are one. */
static void put_text(GByteArray *out, const char *text)
{
	guint32 len = text ? (guint32)strlen(text) + 1 : 0;

	g_byte_array_append(out, (const guint8 *)&len, sizeof len);
	if (len > 0)
		g_byte_array_append(out, (const guint8 *)text, len);
}

static void put_list(GByteArray *out, const char *const *list)
{
	for (; *list != NULL; list++)
		put_text(out, *list);
	put_text(out, NULL);
}

static void put_number(GByteArray *out, gint64 number)
{
	g_byte_array_append(out, (const guint8 *)&number, sizeof number);
}

static void put_allowlists(GByteArray *out, const struct rule_allowlist *lists, guint n)
{
	put_number(out, n);
	for (guint i = 0; i < n; i++) {
		put_number(out, lists[i].is_and);
		put_number(out, lists[i].target);
		put_list(out, lists[i].regexes);
		put_list(out, lists[i].stopwords);
		put_list(out, lists[i].paths);
		put_list(out, lists[i].commits);
	}
}

static void put_rule(GByteArray *out, const struct rule *rule)
{
	put_text(out, rule->id);
	put_text(out, rule->family);
	put_text(out, rule->regex);
	put_text(out, rule->path);
	put_text(out, rule->checksum);
	put_list(out, rule->sieve);
	put_list(out, rule->context);
	put_number(out, rule->secret_group);
	put_number(out, (gint64)(rule->entropy * 1e6));
	put_number(out, rule->before);
	put_number(out, rule->behind);
	put_number(out, *rule->context ? rule->within : 0);
	put_number(out, rule->specificity);
	put_number(out, rule->flags);
	put_allowlists(out, rule->allowlists, rule->n_allowlists);
	put_number(out, rule->n_required);
	for (guint i = 0; i < rule->n_required; i++) {
		put_text(out, rule->required[i].id);
		put_number(out, rule->required[i].within_lines);
		put_number(out, rule->required[i].within_columns);
	}
}

static void sum(const GByteArray *bytes, guint8 *out, gsize want)
{
	guint8 digest[HASH_DIGEST_BYTES];

	hash_digest(bytes->data, bytes->len, digest);
	memcpy(out, digest, want);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, RULE_HASH_BYTES);
}

void rule_hash_set(struct rule_set *set)
{
	g_autoptr(GByteArray) bytes = g_byte_array_sized_new(4096);
	g_autofree struct digest *hashes = g_new(struct digest, set->n + 1);

	for (guint i = 0; i < set->n; i++) {
		g_byte_array_set_size(bytes, 0);
		put_rule(bytes, &set->rules[i]);
		sum(bytes, set->rules[i].hash, RULE_HASH_BYTES);
		memcpy(hashes[i].bytes, set->rules[i].hash, RULE_HASH_BYTES);
	}
	qsort(hashes, set->n, sizeof hashes[0], compare);
	g_byte_array_set_size(bytes, 0);
	put_number(bytes, HASH_VERSION);
	put_allowlists(bytes, set->allowlists, set->n_allowlists);
	sum(bytes, set->common, sizeof set->common);
	g_byte_array_append(bytes, (const guint8 *)hashes, set->n * sizeof hashes[0]);
	sum(bytes, set->hash, sizeof set->hash);
}
