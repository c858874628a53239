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
struct meter;
struct meter_worker;

struct api {
	struct conf *conf;
	struct db *db;
	struct secret_key *key;
	struct api_task *later;     /* at most one; NULL: nothing */
	struct rate_table *rates;   /* shared by all on this host; NULL: nobody is limited */
	struct meter *meter;        /* shared likewise */
	struct meter_worker *place; /* of this worker in it; NULL: a plain CGI process has none */
	int listen_fd;              /* where requests wait for a worker; -1: nowhere */
	GPtrArray *issuers;         /* of struct issuer */
};

typedef struct api api;

/* What is done when the answer is out, so that nobody can tell by the time whether it was done. */
struct api_task {
	void (*run)(struct api *api, struct api_task *task);
	void (*free)(struct api_task *task);
};

/* Reads one request from gateway and answers it, whatever it is. Logs it in one line. */
void api_handle(struct api *api, const struct gateway *gateway);

/* What a request left to do, if it did; called when the web server has the whole answer. */
void api_finish(struct api *api);

#endif
