/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/sieve_cache.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hs.h>
#include <libdeflate.h>

#include "lib/file.h"
#include "lib/memory.h"

/* Change the last digit with the layout: the magic is no part of the key. */
static const char magic[8] = "MSTSIEV3";

/* 4096 rules of foreign making compile to some 20 MB. */
#define FILE_MAX_BYTES (256 * 1024 * 1024)

struct head {
	char magic[8];
	guint8 key[SIEVE_KEY_BYTES];
	guint32 crc;
	guint32 n_rules, margin, spare;
	struct {
		guint32 before, after, len, spare;
	} parts[SIEVE_PARTS];
};
G_STATIC_ASSERT(sizeof(struct head) % 8 == 0);

static char *cache_path(const char *folder, const guint8 *key)
{
	char name[17];

	for (guint i = 0; i < 8; i++)
		g_snprintf(name + 2 * i, 3, "%02x", key[i]);
	return g_strdup_printf("%s/sieve-%s.db", folder, name);
}

static guint32 body_crc(const guint8 *bytes, gsize len)
{
	const gsize skip = G_STRUCT_OFFSET(struct head, n_rules);

	return libdeflate_crc32(0, bytes + skip, len - skip);
}

static gsize aligned(gsize len)
{
	return (len + 7) / 8 * 8;
}

static gboolean read_sieve(
	const guint8 *bytes, gsize len, const guint8 *key, guint n_rules, struct sieve *sieve)
{
	struct head head;
	hs_database_t *databases[SIEVE_PARTS] = {NULL};
	gsize reach_bytes = (gsize)n_rules * sizeof(struct sieve_reach), wanted;

	memcpy(&head, bytes, sizeof(head));
	wanted = sizeof(head) + reach_bytes;
	for (guint i = 0; i < SIEVE_PARTS; i++)
		wanted += aligned(head.parts[i].len);
	if (memcmp(head.magic, magic, sizeof(magic)) != 0 ||
		memcmp(head.key, key, SIEVE_KEY_BYTES) != 0 || head.n_rules != n_rules ||
		len != wanted || head.crc != body_crc(bytes, len))
		return FALSE;
	/* What is run over gigabytes, and read whole before anything else can begin. */
	hs_set_database_allocator(memory_try_table, g_free);
	/* vectorscan wants them aligned: the mapping is, and all before them are multiples of 8. */
	const char *serial = (const char *)bytes + sizeof(head) + reach_bytes;
	for (guint i = 0; i < SIEVE_PARTS; i++) {
		if (head.parts[i].len != 0 && hs_deserialize_database(serial, head.parts[i].len,
						      &databases[i]) != HS_SUCCESS) {
			while (i > 0)
				hs_free_database(databases[--i]);
			return FALSE;
		}
		serial += aligned(head.parts[i].len);
	}
	for (guint i = 0; i < SIEVE_PARTS; i++)
		sieve->parts[i] = (struct sieve_part){
			databases[i], head.parts[i].before, head.parts[i].after};
	sieve->margin = head.margin;
	sieve->n_rules = n_rules;
	sieve->reach = g_memdup2(bytes + sizeof(head), reach_bytes);
	return TRUE;
}

gboolean sieve_cache_load(
	const char *folder, const guint8 key[SIEVE_KEY_BYTES], guint n_rules, struct sieve *sieve)
{
	g_autofree char *path = cache_path(folder, key);
	gboolean is_loaded = FALSE;
	struct stat status;
	int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (file < 0)
		return FALSE;
	/* What vectorscan runs must be what this user compiled. */
	if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
		(status.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
		status.st_size > (off_t)sizeof(struct head) && status.st_size <= FILE_MAX_BYTES) {
		gsize len = (gsize)status.st_size;
		guint8 *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
		if (bytes != MAP_FAILED) {
			is_loaded = read_sieve(bytes, len, key, n_rules, sieve);
			munmap(bytes, len);
		}
	}
	close(file);
	return is_loaded;
}

gboolean sieve_cache_has(const char *folder, const guint8 key[SIEVE_KEY_BYTES])
{
	g_autofree char *path = cache_path(folder, key);

	return access(path, R_OK) == 0;
}

void sieve_cache_save(
	const char *folder, const guint8 key[SIEVE_KEY_BYTES], const struct sieve *sieve)
{
	g_autofree char *path = cache_path(folder, key);
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	static const guint8 zeros[8];
	struct head head = {.n_rules = sieve->n_rules, .margin = sieve->margin};

	g_byte_array_append(bytes, (const guint8 *)&head, sizeof(head));
	g_byte_array_append(bytes, (const guint8 *)sieve->reach,
		sieve->n_rules * (guint)sizeof(struct sieve_reach));
	for (guint i = 0; i < SIEVE_PARTS; i++) {
		const struct sieve_part *part = &sieve->parts[i];
		char *serial = NULL;
		size_t len = 0;
		if (part->database != NULL &&
			hs_serialize_database(part->database, &serial, &len) != HS_SUCCESS)
			return;
		if (len != 0)
			g_byte_array_append(bytes, (const guint8 *)serial, (guint)len);
		free(serial);
		g_byte_array_append(bytes, zeros, (guint)(aligned(len) - len));
		head.parts[i].before = part->before;
		head.parts[i].after = part->after;
		head.parts[i].len = (guint32)len;
	}
	memcpy(head.magic, magic, sizeof(magic));
	memcpy(head.key, key, SIEVE_KEY_BYTES);
	memcpy(bytes->data, &head, sizeof(head));
	head.crc = body_crc(bytes->data, bytes->len);
	memcpy(bytes->data, &head, sizeof(head));
	if (bytes->len <= FILE_MAX_BYTES && file_make_folder(folder, NULL))
		file_write(path, (const char *)bytes->data, bytes->len, 0600, NULL);
}
