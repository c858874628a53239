/* SPDX-License-Identifier: MIT */
/*
 * One object out of the packs of an objects folder, by their .idx files (versions 1 and 2).
 *
 * Everything is read with pread() at checked offsets. Delta chains are followed to at most
 * PACK_DEPTH_MAX; a base named by oid is looked for in the same pack. Used by object.c only.
 *
 * Ownership: pack_list() gives a chain that pack_free() closes.
 */
#ifndef MUSTER_JOBS_GIT_PACK_H
#define MUSTER_JOBS_GIT_PACK_H

#include "jobs/git/object.h"

#include <zlib.h>

#define PACK_DEPTH_MAX 4096
#define PACKS_MAX 10000

struct pack;

struct pack *pack_list(int objects_fd);
void pack_free(struct pack *packs);

/* Moves the pack that had the object to the front: the next one is likely there as well. */
enum object_result pack_read(struct pack **packs, z_stream *z, const uint8_t *oid, gsize max_bytes,
	struct object *object);

/* Puts a delta together; FALSE when it does not fit its base. */
gboolean pack_delta_apply(const char *base, gsize base_len, const uint8_t *delta, gsize delta_len,
	gsize max_bytes, char **data, gsize *len);

#endif
