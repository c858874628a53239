/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_SNAPSHOT_H
#define PUSHER_SNAPSHOT_H

#include "pusher/hub.h"
#include "pusher/lane.h"

/*
 * The latest report of an organisation as the message "audit-update", with the position of the log
 * from which its events continue. Asked once for all clients that wait for it, kept until the
 * organisation has another event of a report. Over SNAPSHOT_MAX_BYTES the message carries summary,
 * report id, position and the address of the report; the full form is read only for those who ask,
 * and not kept.
 *
 * A client that is held is followed from that position on; others get the message as an answer.
 */
#define SNAPSHOT_MAX_BYTES 65536

struct snapshot;

struct snapshot *snapshot_new(struct hub *hub, struct lane *lane);
void snapshot_free(struct snapshot *snapshot);

void snapshot_add(struct snapshot *snapshot, struct client *client, gboolean is_full);
void snapshot_remove(struct client *client);
/* The lane is there again. */
void snapshot_run(struct snapshot *snapshot);

#endif
