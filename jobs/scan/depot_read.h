/* SPDX-License-Identifier: MIT */
#ifndef JOBS_SCAN_DEPOT_READ_H
#define JOBS_SCAN_DEPOT_READ_H

#include "jobs/scan/depot_maker.h"

/*
 * What a walk asks of a reader when an entry cannot be made: the same object from anywhere else, or
 * over other copies of its bases. Looks at `max_steps` entries at most over the reader's life, so
 * that a pack full of damage costs no more than one that is fine. Bytes as with depot_read().
 */
enum depot_reason depot_reader_rescue(struct depot_reader *reader, guint32 number,
	guint64 max_steps, guint8 *type, const guint8 **bytes, guint32 *len);

#endif
