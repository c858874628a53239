/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/secret_table.h"

#include <string.h>

#include "lib/hash.h"

#define SECRETS_MAX (1u << 31)
#define SECRETS_BYTES_MAX ((gsize)1 << 30)

struct entry {
	guint32 number;
	guint32 len;
	const char *family; /* interned by the table: equal families are equal pointers */
	const guint8 *bytes;
};

struct secret_table {
	GMutex lock;
	GHashTable *families; /* of char *, a set */
	GHashTable *entries;  /* of struct entry, a set */
	GPtrArray *by_number; /* number - 1; owns */
	gsize bytes;
};

static guint entry_hash(gconstpointer data)
{
	const struct entry *entry = data;

	return hash_bytes(entry->bytes, entry->len) ^ g_direct_hash(entry->family);
}

static gboolean entry_equal(gconstpointer left, gconstpointer right)
{
	const struct entry *a = left, *b = right;

	return a->family == b->family && a->len == b->len &&
	       memcmp(a->bytes, b->bytes, a->len) == 0;
}

static void entry_free(gpointer data)
{
	struct entry *entry = data;

	explicit_bzero((guint8 *)entry->bytes, entry->len);
	g_free(entry);
}

struct secret_table *secret_table_new(void)
{
	struct secret_table *table = g_new0(struct secret_table, 1);

	g_mutex_init(&table->lock);
	table->families = g_hash_table_new_full(hash_text, g_str_equal, g_free, NULL);
	table->entries = g_hash_table_new(entry_hash, entry_equal);
	table->by_number = g_ptr_array_new_with_free_func(entry_free);
	return table;
}

void secret_table_free(struct secret_table *table)
{
	if (table == NULL)
		return;
	g_hash_table_unref(table->entries);
	g_ptr_array_unref(table->by_number);
	g_hash_table_unref(table->families);
	g_mutex_clear(&table->lock);
	g_free(table);
}

static const char *intern(struct secret_table *table, const char *family)
{
	gpointer known = NULL;

	if (!g_hash_table_lookup_extended(table->families, family, &known, NULL)) {
		known = g_strdup(family);
		g_hash_table_add(table->families, known);
	}
	return known;
}

guint32 secret_table_add(
	struct secret_table *table, const char *family, const guint8 *bytes, gsize len)
{
	if (len == 0 || len > SECRET_MAX_BYTES)
		return 0;
	g_mutex_lock(&table->lock);
	struct entry wanted = {0, (guint32)len, intern(table, family ? family : ""), bytes};
	struct entry *entry = g_hash_table_lookup(table->entries, &wanted);
	if (entry == NULL && table->by_number->len < SECRETS_MAX &&
		table->bytes + len <= SECRETS_BYTES_MAX) {
		guint8 *copy;
		entry = g_malloc(sizeof(*entry) + len + 1);
		copy = (guint8 *)(entry + 1);
		memcpy(copy, bytes, len);
		copy[len] = '\0';
		*entry = wanted;
		entry->bytes = copy;
		g_ptr_array_add(table->by_number, entry);
		entry->number = table->by_number->len;
		g_hash_table_add(table->entries, entry);
		table->bytes += len;
	}
	guint32 number = entry != NULL ? entry->number : 0;
	g_mutex_unlock(&table->lock);
	return number;
}

const guint8 *secret_table_get(
	struct secret_table *table, guint32 number, const char **family, gsize *len)
{
	const struct entry *entry = NULL;

	g_mutex_lock(&table->lock);
	if (number >= 1 && number <= table->by_number->len)
		entry = g_ptr_array_index(table->by_number, number - 1);
	g_mutex_unlock(&table->lock);
	if (entry == NULL)
		return NULL;
	if (family != NULL)
		*family = entry->family;
	if (len != NULL)
		*len = entry->len;
	return entry->bytes;
}

guint32 secret_table_count(struct secret_table *table)
{
	g_mutex_lock(&table->lock);
	guint32 count = table->by_number->len;
	g_mutex_unlock(&table->lock);
	return count;
}
