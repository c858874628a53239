/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_SECRET_TABLE_H
#define MUSTER_JOBS_SCAN_SECRET_TABLE_H

#include <glib.h>

/*
 * The distinct secrets of one scan, numbered from 1: what is found in a thousand blobs is kept
 * once, and compared by number. Two secrets are the same when their bytes and their rule family
 * are; the same bytes found by rules of two families are two secrets.
 *
 * Secrets live in this table's memory only and are overwritten when it is freed. It writes nothing
 * anywhere, and keeps no mask or hash of them: who shows or stores a finding does that.
 *
 *	struct secret_table *table = secret_table_new();
 *	guint32 number = secret_table_add(table, rule->family, bytes, len);
 *	const char *family = NULL;
 *	gsize len = 0;
 *	const guint8 *secret = secret_table_get(table, number, &family, &len);
 *
 * Any function may be called by any thread at any time, except secret_table_free().
 */
typedef struct secret_table secret_table;

struct secret_table *secret_table_new(void);
void secret_table_free(struct secret_table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(secret_table, secret_table_free)

/*
 * The number of these bytes in this family (family NULL is ""), the one given before when they were
 * seen before. The bytes are copied. 0 when len is 0 or above SECRET_MAX_BYTES, or when the table
 * is full (2^31 secrets or 1 GiB of them).
 */
#define SECRET_MAX_BYTES (128 * 1024)
guint32 secret_table_add(
	struct secret_table *table, const char *family, const guint8 *bytes, gsize len);

/*
 * The bytes of a secret, followed by a NUL that *len does not count; borrowed from the table, they
 * stay where they are until it is freed. NULL for 0 and for numbers that were never given.
 * family and len may be NULL.
 */
const guint8 *secret_table_get(
	struct secret_table *table, guint32 number, const char **family, gsize *len);

/* The highest number given so far. */
guint32 secret_table_count(struct secret_table *table);

#endif
