/* SPDX-License-Identifier: MIT */
#ifndef CGI_API_H
#define CGI_API_H

#include <glib.h>

#include "cgi/gateway.h"
#include "lib/conf.h"
#include "lib/db.h"
#include "lib/secret.h"

/*
 * What one worker of api.fcgi holds: configuration, one database connection, the master key. A
 * worker does one request at a time; there are no threads.
 */
struct rate_table;

struct api {
	struct conf *conf;
	struct db *db;
	struct secret_key *key;
	struct rate_table *rates; /* shared by all on this host; NULL: nobody is limited */
};

typedef struct api api;

/* Reads one request from gateway and answers it, whatever it is. Logs it in one line. */
void api_handle(struct api *api, const struct gateway *gateway);

#endif
