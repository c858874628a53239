/* SPDX-License-Identifier: MIT */
#ifndef LIB_WAKE_H
#define LIB_WAKE_H

#include <glib.h>

#include "lib/conf.h"

/*
 * The wake-up between programs of one host: an empty datagram after a commit says "read the log".
 * It carries nothing and may be lost, doubled or late: every listener polls as well.
 *
 *	wake_send(conf);		to the pusher (wake.sock) and all runners (runner.sock,
 *					runner.NAME.sock)
 *	int fd = wake_open(path, error);	a listener's; readable when woken
 */
#define WAKE_PUSHER "wake.sock"
#define WAKE_RUNNER "runner.sock"

void wake_send(const struct conf *conf);

/*
 * A bound non-blocking datagram socket at path, replacing a stale one; mode 0660. A file that is no
 * socket is left alone. Errors: MUSTER_ERROR_IO, _INPUT when the path is longer than a socket's may
 * be (107 bytes).
 */
int wake_open(const char *path, GError **error);

/* Takes all that is queued off the socket. */
void wake_drain(int fd);

#endif
