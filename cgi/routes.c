/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/route.h"

#include "cgi/handler.h"

/*
 * Every route there is; api.fcgi --routes prints it, t/api/authz.t walks it as everybody. The
 * pusher's paths (WebSocket, SSE, waiting) are not here: the web server gives them to it.
 */

#define REPO_MAX 4096 /* a name may be a path, see C-24 of the contracts: length of PATH_MAX */
#define CURSOR_MAX 4000
#define STATUSES "missing|extra|dirty|mismatched|clean|not_git|error|attention|stale"
#define SORTS "name|-name|status|-status|health|-health|last_commit|-last_commit"
#define BODY_SMALL 8192

/* clang-format off */
const struct route routes[] = {
	{ .method = "GET", .path = "/healthz", .role = ROLE_NOBODY, .rate = RATE_NONE,
	  .handler = health_get, .schema = "Health",
	  .help = "Whether this host can answer: the database is reached." },
	{ .method = "GET", .path = "/docs", .role = ROLE_NOBODY, .rate = RATE_READ,
	  .handler = docs_get, .answer = ANSWER_HTML,
	  .help = "The page that shows all of this." },
	{ .method = "GET", .path = "/api/v1/openapi.json", .role = ROLE_NOBODY, .rate = RATE_READ,
	  .handler = openapi_get, .schema = "OpenApi",
	  .help = "This document." },

	{ .method = "POST", .path = "/api/v1/auth/login", .role = ROLE_NOBODY, .rate = RATE_LOGIN,
	  .inputs = INPUTS(
		{ "email", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 254, .is_needed = TRUE },
		{ "password", INPUT_BODY, INPUT_SECRET, .min = 1, .max = SECRET_PASSWORD_MAX_BYTES, .is_needed = TRUE },
		{ "organization", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 63 }),
	  .body_max_bytes = BODY_SMALL, .handler = session_login, .schema = "TokenPair", .is_write = TRUE,
	  .help = "Sign in: sets the session cookie, answers tokens and the account." },
	{ .method = "POST", .path = "/api/v1/auth/refresh", .role = ROLE_NOBODY, .rate = RATE_LOGIN,
	  .inputs = INPUTS(
		{ "refresh_token", INPUT_BODY, INPUT_SECRET, .min = 1, .max = 200, .is_needed = TRUE }),
	  .body_max_bytes = BODY_SMALL, .handler = session_refresh, .schema = "TokenPair", .is_write = TRUE,
	  .help = "A new pair of tokens for a refresh token, which is then used up." },
	{ .method = "POST", .path = "/api/v1/auth/logout", .role = ROLE_VIEWER, .rate = RATE_WRITE,
	  .body_max_bytes = BODY_SMALL, .handler = session_logout, .status = 204, .is_write = TRUE,
	  .help = "End this session: its cookie, its tokens, its streams." },
	{ .method = "POST", .path = "/api/v1/auth/stream-token", .role = ROLE_VIEWER, .rate = RATE_WRITE,
	  .body_max_bytes = BODY_SMALL, .handler = session_stream_token, .schema = "StreamToken",
	  .help = "A token of 60 seconds to open a stream with, as ?token=." },
	{ .method = "GET", .path = "/api/v1/auth/me", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .function = "account_me", .schema = "Me",
	  .help = "Who is signed in, with the CSRF token that writes by cookie need." },

	{ .method = "GET", .path = "/api/v1/tokens", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .function = "token_list", .answer = ANSWER_LIST, .schema = "Token",
	  .help = "One's own API tokens; an administrator sees the organization's." },
	{ .method = "POST", .path = "/api/v1/tokens", .role = ROLE_VIEWER, .rate = RATE_WRITE,
	  .inputs = INPUTS(
		{ "name", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 100, .is_needed = TRUE },
		{ "scopes", INPUT_BODY, INPUT_TEXTS, .min = 1, .max = 4, .each_max = 5, .is_needed = TRUE,
		  .help = "Of read, write, run, admin; every token may read" },
		{ "days", INPUT_BODY, INPUT_INT, .min = 1, .max = 3650,
		  .help = "Until it expires; without: never" }),
	  .body_max_bytes = BODY_SMALL, .handler = token_add, .schema = "TokenNew", .status = 201,
	  .is_write = TRUE,
	  .help = "A new API token, shown in this answer and never again." },
	{ .method = "DELETE", .path = "/api/v1/tokens/{token}", .role = ROLE_VIEWER, .rate = RATE_WRITE,
	  .inputs = INPUTS(
		{ "token", INPUT_PATH, INPUT_UUID, .is_needed = TRUE }),
	  .function = "token_remove", .schema = "Token", .is_write = TRUE,
	  .help = "Ends a token at once, and the streams that it opened." },

	{ .method = "GET", .path = "/api/v1/overview", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .function = "overview_get", .schema = "Overview",
	  .help = "Counts, health, trend and the repositories that need attention most." },
	{ .method = "GET", .path = "/api/v1/repos", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(
		{ "q", INPUT_QUERY, INPUT_TEXT, .max = 200 },
		{ "status", INPUT_QUERY, INPUT_WORDS, .words = STATUSES },
		{ "sort", INPUT_QUERY, INPUT_WORD, .words = SORTS },
		{ "limit", INPUT_QUERY, INPUT_INT, .min = 1, .max = 200 },
		{ "cursor", INPUT_QUERY, INPUT_TEXT, .max = CURSOR_MAX }),
	  .function = "repo_list", .schema = "RepoItem", .answer = ANSWER_LIST,
	  .help = "Repositories of the latest report: searched, filtered, sorted." },
	{ .method = "GET", .path = "/api/v1/repos/{repo}", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(
		{ "repo", INPUT_PATH, INPUT_TEXT, .min = 1, .max = REPO_MAX, .is_needed = TRUE }),
	  .function = "repo_get", .schema = "Repo",
	  .help = "One repository, by id or name, with its report and history." },

	{ .method = "GET", .path = "/api/v1/audits", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(
		{ "limit", INPUT_QUERY, INPUT_INT, .min = 1, .max = 200 },
		{ "cursor", INPUT_QUERY, INPUT_TEXT, .max = CURSOR_MAX }),
	  .function = "audit_list", .schema = "Audit", .answer = ANSWER_LIST,
	  .help = "Audits, the newest first." },
	{ .method = "POST", .path = "/api/v1/audits", .role = ROLE_DEVELOPER, .rate = RATE_RUN,
	  .inputs = INPUTS(
		{ "repo", INPUT_BODY, INPUT_TEXT, .min = 1, .max = REPO_MAX }),
	  .body_max_bytes = 4 * BODY_SMALL, .function = "audit_add", .schema = "AuditAsked", .status = 202, .is_write = TRUE,
	  .help = "Audit now: everything, or one repository." },
	{ .method = "GET", .path = "/api/v1/events", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(
		{ "after", INPUT_QUERY, INPUT_INT, .min = 0, .max = G_MAXINT64 },
		{ "limit", INPUT_QUERY, INPUT_INT, .min = 1, .max = 1000 },
		{ "event_types", INPUT_QUERY, INPUT_EVENTS, .argument = "types" }),
	  .function = "event_list", .schema = "Events",
	  .help = "Events after a position, at once; without one: the position to begin from." },

	{ .method = "GET", .path = "/audit", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(
		{ "root", INPUT_QUERY, INPUT_TEXT, .min = 1, .max = 100 }),
	  .function = "report_get", .schema = "Report",
	  .help = "The latest report, whole." },
	{ .method = "GET", .path = "/audit/history", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .function = "audit_history", .schema = "AuditHistory",
	  .help = "The last 50 reports." },
	{ .method = "GET", .path = "/audit/history/{file}", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(
		{ "file", INPUT_PATH, INPUT_TEXT, .min = 1, .max = 100, .is_needed = TRUE }),
	  .function = "audit_history_get", .schema = "Report",
	  .help = "One of them, by its file name." },
	{ .method = "GET", .path = "/audit/diff/{repo}", .role = ROLE_VIEWER, .rate = RATE_RUN,
	  .inputs = INPUTS(
		{ "repo", INPUT_PATH, INPUT_TEXT, .min = 1, .max = REPO_MAX, .is_needed = TRUE }),
	  .handler = diff_get, .schema = "Diff",
	  .help = "What has changed in a repository's working tree." },
	{ .method = "GET", .path = "/audit/export/csv", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .function = "audit_csv", .answer = ANSWER_CSV,
	  .help = "The latest report as a table." },
};
/* clang-format on */

const gsize routes_len = G_N_ELEMENTS(routes);
