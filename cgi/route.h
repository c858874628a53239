/* SPDX-License-Identifier: MIT */
#ifndef CGI_ROUTE_H
#define CGI_ROUTE_H

#include <stdio.h>

#include <glib.h>

#include "cgi/api.h"
#include "cgi/input.h"
#include "cgi/request.h"
#include "cgi/response.h"
#include "lib/json.h"

/*
 * The table of routes: what api.fcgi does. A row (cgi/routes.c) says who may, what may be given and
 * which SQL function answers; a route that needs more than SQL names a handler in C. api_handle()
 * does the rest the same for all: permission, inputs, one round trip, answer.
 *
 *	{ .method = "GET", .path = "/api/v1/repos/{repo}", .role = ROLE_VIEWER, .rate = RATE_READ,
 *	  .inputs = INPUTS({ "repo", INPUT_PATH, INPUT_TEXT, .max = 4096, .is_needed = TRUE }),
 *	  .function = "repo_get", .help = "One repository with its report and history." }
 *
 * calls  select muster.repo_get(p_repo => $1)  in the transaction that enter() opened. A row
 * without a role, and an input without place or type, stop the program at its start.
 */

enum role {
	ROLE_UNSET,
	ROLE_NOBODY, /* no sign-in needed; a credential is not even looked at */
	ROLE_VIEWER,
	ROLE_DEVELOPER,
	ROLE_TEAM_LEAD,
	ROLE_ORG_ADMIN,
	ROLE_PLATFORM_ADMIN,
};

/* How often one client may ask (cgi/rate.c). */
enum rate {
	RATE_UNSET,
	RATE_NONE,
	RATE_READ,
	RATE_WRITE,
	RATE_LOGIN,
	RATE_RUN, /* starts work or a program */
};

enum answer {
	ANSWER_JSON,
	ANSWER_LIST, /* JSON with "next"; a Link header leads there */
	ANSWER_CSV,
	ANSWER_SARIF, /* a log of SARIF 2.1.0 */
	ANSWER_HTML,  /* a page of ours */
	ANSWER_TEXT,  /* lines for a program */
	ANSWER_FORMS, /* JSON, Markdown or plain text, as input "format" says */
};

#define ROUTE_INPUTS_MAX 24

struct route;

/* What a handler has to do with. */
struct route_call {
	struct api *api;
	const struct route *route;
	struct request *request;
	struct response *response;
	char *values[ROUTE_INPUTS_MAX]; /* in the order of route->inputs; NULL: not given */
	const struct credential *credential;
	const char *key;     /* an Idempotency-Key that is heeded; NULL: none */
	gboolean is_open;    /* the row lets this client's address in without a sign-in */
	gboolean is_entered; /* the database has agreed that this client may do this */
};

/*
 * FALSE and an error, or an answer in call->response. A handler of a route with a role must have
 * gone through call_run() (cgi/call.h) before it does anything for the client; that it did is
 * checked before its answer is sent, unless the route is open to that client.
 */
typedef gboolean (*route_handler)(struct route_call *call, GError **error);

struct route {
	const char *method, *path;
	enum role role;
	enum rate rate;
	const struct input *inputs; /* ended by one without a name; NULL: none */
	gsize body_max_bytes;       /* 0: no body is taken */
	const char *function;       /* of schema muster */
	route_handler handler;      /* instead of function */
	enum answer answer;
	const char *schema;  /* of the answer, or of an element of a list: its name in
			       schema/api-1.json; NULL only where there is no JSON */
	guint status;        /* of success; 0: 200 */
	const char *open_to; /* setting with addresses that need no sign-in; NULL: none */
	gboolean is_write;   /* wakes runner and pusher after its commit */
	const char *help;
};

extern const struct route routes[];
extern const gsize routes_len;

/* Aborts when the table has a hole: what route_check_table() finds is a defect of the program. */
void route_check_table(void);

/*
 * The row for method and segments. NULL: no such path, or, when allowed is not NULL afterwards, no
 * such method; allowed is the value of an Allow header, freed by the caller. HEAD finds GET.
 */
const struct route *route_find(const struct request *request, char **allowed);

/*
 * Takes the inputs of call->route out of path, query and body into call->values. Every fault is
 * collected, unknown names too. Returns NULL when all is well, else the faults, an array for
 * problem_set().
 */
json_object *route_take_inputs(struct route_call *call);
void route_call_clear(struct route_call *call);

/* The value of the input of that name, which the route has; NULL: not given. */
const char *route_value(const struct route_call *call, const char *name);

/* The statement that calls the row's function, inputs as parameters; a constant of the program. */
const char *route_statement(const struct route *route);
/* The same, whose answer is kept under the key that is its last parameter. */
const char *route_statement_kept(const struct route *route);
guint route_inputs_len(const struct route *route);

const char *route_role_name(enum role role);
const char *route_rate_name(enum rate rate);

/*
 * What an API token must have been made for: "read", "write", "run" (starts work) or "admin": what
 * the organization's administrators may, and whatever is about accounts, members, invitations,
 * tokens, sessions, passwords, the second factor and organizations. A session may all that its
 * role may.
 */
const char *route_scope(const struct route *route);

/* Whether an Idempotency-Key is heeded: a POST by somebody, answered by one SQL function. */
gboolean route_is_repeatable(const struct route *route);

/* The table for people: a line a route. */
void route_print(FILE *out);

#endif
