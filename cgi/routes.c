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
#define SEVERITIES "critical|high|medium|low|info"
#define STATES "open|in_progress|resolved|ignored"
#define FINDING_KINDS "secret|dependency|code"
#define ID_INPUT(NAME) { NAME, INPUT_PATH, INPUT_INT, .min = 1, .max = G_MAXINT64, .is_needed = TRUE }
#define UUID_INPUT(NAME) { NAME, INPUT_PATH, INPUT_UUID, .is_needed = TRUE }
#define NAME_INPUT(NAME) { NAME, INPUT_PATH, INPUT_TEXT, .min = 1, .max = 100, .is_needed = TRUE }
#define IF_MATCH_INPUT { "If-Match", INPUT_HEADER, INPUT_TEXT, .max = 200, .argument = "if_match" }
#define LIMIT_INPUT { "limit", INPUT_QUERY, INPUT_INT, .min = 1, .max = 200 }
#define CURSOR_INPUT { "cursor", INPUT_QUERY, INPUT_TEXT, .max = CURSOR_MAX }
/* What a person may decide about findings. */
#define DECISION_INPUTS \
	{ "state", INPUT_BODY, INPUT_WORD, .words = STATES }, \
	{ "reason", INPUT_BODY, INPUT_LINES, .max = 2000, .is_clearable = TRUE, \
	  .help = "Needed to resolve or ignore" }, \
	{ "assignee", INPUT_BODY, INPUT_TEXT, .max = 36, .is_clearable = TRUE, \
	  .help = "An account's id, or me" }

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

	{ .method = "GET", .path = "/api/v1/organizations", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .function = "organization_list", .answer = ANSWER_LIST, .schema = "Organization",
	  .help = "One's own organizations; the administrator of the server sees all." },
	{ .method = "POST", .path = "/api/v1/organizations", .role = ROLE_VIEWER, .rate = RATE_WRITE,
	  .inputs = INPUTS(
		{ "slug", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 63, .is_needed = TRUE },
		{ "name", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 200, .is_needed = TRUE },
		{ "personal", INPUT_BODY, INPUT_BOOL }),
	  .body_max_bytes = BODY_SMALL, .function = "organization_new", .schema = "Organization",
	  .status = 201, .is_write = TRUE,
	  .help = "A new organization, which is one's own. Who may is a setting." },
	{ .method = "GET", .path = "/api/v1/organizations/{organization}", .role = ROLE_VIEWER,
	  .rate = RATE_READ,
	  .inputs = INPUTS(NAME_INPUT("organization")),
	  .function = "organization_get", .schema = "Organization",
	  .help = "One that one is in, by slug or id." },
	{ .method = "PATCH", .path = "/api/v1/organizations/{organization}", .role = ROLE_ORG_ADMIN,
	  .rate = RATE_WRITE,
	  .inputs = INPUTS(NAME_INPUT("organization"),
		{ "name", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 200 },
		{ "slug", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 63 },
		{ "max_repositories", INPUT_BODY, INPUT_INT, .min = 0, .max = G_MAXINT32 },
		{ "max_concurrent_runs", INPUT_BODY, INPUT_INT, .min = 0, .max = G_MAXINT32 },
		IF_MATCH_INPUT),
	  .body_max_bytes = BODY_SMALL, .function = "organization_update", .schema = "Organization",
	  .is_write = TRUE,
	  .help = "Changes it. Limits are the server's administrator's." },
	{ .method = "DELETE", .path = "/api/v1/organizations/{organization}", .role = ROLE_ORG_ADMIN,
	  .rate = RATE_WRITE,
	  .inputs = INPUTS(NAME_INPUT("organization"),
		{ "confirm", INPUT_QUERY, INPUT_TEXT, .min = 1, .max = 63, .is_needed = TRUE,
		  .help = "The slug once more" }),
	  .function = "organization_remove", .schema = "Removed", .is_write = TRUE,
	  .help = "Removes it with everything in it. Only the trail stays." },

	{ .method = "GET", .path = "/api/v1/members", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(
		{ "q", INPUT_QUERY, INPUT_TEXT, .max = 200 },
		LIMIT_INPUT, CURSOR_INPUT),
	  .function = "member_list", .answer = ANSWER_LIST, .schema = "Member",
	  .help = "Who is in this organization, and as what." },
	{ .method = "PATCH", .path = "/api/v1/members/{account}", .role = ROLE_ORG_ADMIN, .rate = RATE_WRITE,
	  .inputs = INPUTS(UUID_INPUT("account"),
		{ "role", INPUT_BODY, INPUT_WORD, .words = "viewer|developer|team_lead|org_admin",
		  .is_needed = TRUE }),
	  .body_max_bytes = BODY_SMALL, .function = "member_update", .schema = "Member", .is_write = TRUE,
	  .help = "Gives a member another role, at once." },
	{ .method = "DELETE", .path = "/api/v1/members/{account}", .role = ROLE_VIEWER, .rate = RATE_WRITE,
	  .inputs = INPUTS(UUID_INPUT("account")),
	  .function = "member_remove", .schema = "Member", .is_write = TRUE,
	  .help = "Removes a member, whose sessions and tokens here end; or oneself." },

	{ .method = "GET", .path = "/api/v1/projects", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .function = "project_list", .answer = ANSWER_LIST, .schema = "Project",
	  .help = "Projects, with how far they have come." },
	{ .method = "POST", .path = "/api/v1/projects", .role = ROLE_TEAM_LEAD, .rate = RATE_WRITE,
	  .inputs = INPUTS(
		{ "slug", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 100, .is_needed = TRUE },
		{ "name", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 200, .is_needed = TRUE },
		{ "description", INPUT_BODY, INPUT_LINES, .max = 2000 }),
	  .body_max_bytes = BODY_SMALL, .function = "project_new", .schema = "Project", .status = 201,
	  .is_write = TRUE,
	  .help = "A new project." },
	{ .method = "GET", .path = "/api/v1/projects/{project}", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(NAME_INPUT("project")),
	  .function = "project_get", .schema = "Project",
	  .help = "One project, by slug or id." },
	{ .method = "PATCH", .path = "/api/v1/projects/{project}", .role = ROLE_TEAM_LEAD, .rate = RATE_WRITE,
	  .inputs = INPUTS(NAME_INPUT("project"),
		{ "name", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 200 },
		{ "description", INPUT_BODY, INPUT_LINES, .max = 2000 },
		{ "completed_tasks", INPUT_BODY, INPUT_INT, .min = 0, .max = G_MAXINT32 },
		{ "total_tasks", INPUT_BODY, INPUT_INT, .min = 0, .max = G_MAXINT32 },
		{ "risk", INPUT_BODY, INPUT_WORD, .words = "none|low|medium|high|critical",
		  .is_clearable = TRUE },
		{ "risk_message", INPUT_BODY, INPUT_TEXT, .max = 500, .is_clearable = TRUE },
		IF_MATCH_INPUT),
	  .body_max_bytes = BODY_SMALL, .function = "project_update", .schema = "Project", .is_write = TRUE,
	  .help = "Changes a project, its progress and its risk: who watches is told." },
	{ .method = "DELETE", .path = "/api/v1/projects/{project}", .role = ROLE_ORG_ADMIN, .rate = RATE_WRITE,
	  .inputs = INPUTS(NAME_INPUT("project")),
	  .function = "project_remove", .schema = "Project", .is_write = TRUE,
	  .help = "Removes a project that has no repositories." },

	{ .method = "GET", .path = "/api/v1/settings", .role = ROLE_ORG_ADMIN, .rate = RATE_READ,
	  .function = "setting_list", .answer = ANSWER_LIST, .schema = "Setting",
	  .help = "All settings, with their defaults." },
	{ .method = "PUT", .path = "/api/v1/settings/{key}", .role = ROLE_ORG_ADMIN, .rate = RATE_WRITE,
	  .inputs = INPUTS(
		{ "key", INPUT_PATH, INPUT_TEXT, .min = 1, .max = 100, .is_needed = TRUE },
		{ "value", INPUT_BODY, INPUT_ANY, .max = 4000, .is_needed = TRUE,
		  .help = "null: the default" }),
	  .body_max_bytes = BODY_SMALL, .function = "setting_update", .schema = "Setting", .is_write = TRUE,
	  .help = "Changes a setting. Some hold for the whole server: its administrator changes those." },
	{ .method = "GET", .path = "/api/v1/trail", .role = ROLE_ORG_ADMIN, .rate = RATE_READ,
	  .inputs = INPUTS(
		{ "action", INPUT_QUERY, INPUT_TEXT, .max = 100, .help = "token.add, or all that begins with token." },
		{ "account", INPUT_QUERY, INPUT_UUID },
		{ "subject", INPUT_QUERY, INPUT_TEXT, .max = 300 },
		{ "since", INPUT_QUERY, INPUT_TIME },
		{ "until", INPUT_QUERY, INPUT_TIME },
		LIMIT_INPUT, CURSOR_INPUT),
	  .function = "trail_list", .answer = ANSWER_LIST, .schema = "TrailEntry",
	  .help = "Who did what, the newest first. Nothing in it is ever changed." },

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

	{ .method = "GET", .path = "/api/v1/findings", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(
		{ "repo", INPUT_QUERY, INPUT_TEXT, .max = REPO_MAX },
		{ "state", INPUT_QUERY, INPUT_WORDS, .words = STATES },
		{ "severity", INPUT_QUERY, INPUT_WORDS, .words = SEVERITIES },
		{ "kind", INPUT_QUERY, INPUT_WORDS, .words = FINDING_KINDS },
		{ "rule", INPUT_QUERY, INPUT_TEXT, .max = 200 },
		{ "q", INPUT_QUERY, INPUT_TEXT, .max = 200, .help = "Part of rule, path or title" },
		{ "assignee", INPUT_QUERY, INPUT_TEXT, .max = 36, .help = "An account's id, or me" },
		{ "in_head", INPUT_QUERY, INPUT_BOOL },
		{ "sort", INPUT_QUERY, INPUT_WORD, .words = "severity|newest|oldest" },
		LIMIT_INPUT, CURSOR_INPUT),
	  .function = "finding_list", .answer = ANSWER_LIST, .schema = "Finding",
	  .help = "What scans found: filtered, searched, the worst first." },
	{ .method = "GET", .path = "/api/v1/findings/summary", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(
		{ "repo", INPUT_QUERY, INPUT_TEXT, .max = REPO_MAX }),
	  .function = "finding_summary", .schema = "FindingSummary",
	  .help = "How many findings there are, of everything or of one repository." },
	{ .method = "POST", .path = "/api/v1/findings/bulk", .role = ROLE_DEVELOPER, .rate = RATE_WRITE,
	  .inputs = INPUTS(
		{ "ids", INPUT_BODY, INPUT_INTS, .min = 1, .max = 1000, .is_needed = TRUE },
		DECISION_INPUTS),
	  .body_max_bytes = 65536, .function = "finding_bulk", .schema = "FindingBulk", .is_write = TRUE,
	  .help = "Decides about several findings at once." },
	{ .method = "GET", .path = "/api/v1/findings/{finding}", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(ID_INPUT("finding")),
	  .function = "finding_get", .schema = "FindingDetail",
	  .help = "One finding, with what to do about it." },
	{ .method = "PATCH", .path = "/api/v1/findings/{finding}", .role = ROLE_DEVELOPER, .rate = RATE_WRITE,
	  .inputs = INPUTS(ID_INPUT("finding"), DECISION_INPUTS, IF_MATCH_INPUT),
	  .body_max_bytes = BODY_SMALL, .function = "finding_update", .schema = "FindingDetail", .is_write = TRUE,
	  .help = "Decides about a finding: its state, whose it is. Only team leads ignore." },
	{ .method = "GET", .path = "/api/v1/findings/{finding}/history", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(ID_INPUT("finding")),
	  .function = "finding_history", .answer = ANSWER_LIST, .schema = "FindingState",
	  .help = "What became of a finding, the newest first." },
	{ .method = "GET", .path = "/api/v1/findings/{finding}/occurrences", .role = ROLE_VIEWER,
	  .rate = RATE_READ,
	  .inputs = INPUTS(ID_INPUT("finding"), LIMIT_INPUT, CURSOR_INPUT),
	  .function = "finding_occurrences", .answer = ANSWER_LIST, .schema = "Occurrence",
	  .help = "In which versions of the file it stands, and where." },
	{ .method = "GET", .path = "/api/v1/findings/{finding}/comments", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(ID_INPUT("finding")),
	  .function = "comment_list", .answer = ANSWER_LIST, .schema = "Comment",
	  .help = "What people said about a finding." },
	{ .method = "POST", .path = "/api/v1/findings/{finding}/comments", .role = ROLE_DEVELOPER,
	  .rate = RATE_WRITE,
	  .inputs = INPUTS(ID_INPUT("finding"),
		{ "text", INPUT_BODY, INPUT_LINES, .min = 1, .max = 10000, .is_needed = TRUE }),
	  .body_max_bytes = 65536, .function = "comment_add", .schema = "Comment", .status = 201,
	  .is_write = TRUE,
	  .help = "Says something about a finding." },
	{ .method = "DELETE", .path = "/api/v1/findings/{finding}/comments/{comment}", .role = ROLE_DEVELOPER,
	  .rate = RATE_WRITE,
	  .inputs = INPUTS(ID_INPUT("finding"), ID_INPUT("comment")),
	  .function = "comment_remove", .schema = "Comment", .is_write = TRUE,
	  .help = "Takes one's own words back; an administrator anybody's." },

	{ .method = "GET", .path = "/api/v1/rules", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(
		{ "kind", INPUT_QUERY, INPUT_WORD, .words = FINDING_KINDS },
		{ "q", INPUT_QUERY, INPUT_TEXT, .max = 200 }),
	  .function = "rule_list", .answer = ANSWER_LIST, .schema = "Rule",
	  .help = "Rules that found something here or that somebody decided about." },
	{ .method = "GET", .path = "/api/v1/rules/{rule}", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(UUID_INPUT("rule")),
	  .function = "rule_get", .schema = "Rule",
	  .help = "One rule." },
	{ .method = "PATCH", .path = "/api/v1/rules/{rule}", .role = ROLE_TEAM_LEAD, .rate = RATE_WRITE,
	  .inputs = INPUTS(UUID_INPUT("rule"),
		{ "severity", INPUT_BODY, INPUT_WORD, .words = SEVERITIES, .is_clearable = TRUE,
		  .help = "null: as the scan says" },
		{ "enabled", INPUT_BODY, INPUT_BOOL },
		IF_MATCH_INPUT),
	  .body_max_bytes = BODY_SMALL, .function = "rule_update", .schema = "Rule", .is_write = TRUE,
	  .help = "How severe this is here, and whether it counts at all. Its findings follow." },

	{ .method = "GET", .path = "/api/v1/waivers", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(LIMIT_INPUT, CURSOR_INPUT),
	  .function = "waiver_list", .answer = ANSWER_LIST, .schema = "Waiver",
	  .help = "What is all right for a while, and why." },
	{ .method = "POST", .path = "/api/v1/waivers", .role = ROLE_TEAM_LEAD, .rate = RATE_WRITE,
	  .inputs = INPUTS(
		{ "reason", INPUT_BODY, INPUT_LINES, .min = 1, .max = 2000, .is_needed = TRUE },
		{ "rule", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 200 },
		{ "path", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 1000, .help = "* and ? stand for others" },
		{ "repo", INPUT_BODY, INPUT_TEXT, .min = 1, .max = REPO_MAX },
		{ "fingerprint", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 200 },
		{ "days", INPUT_BODY, INPUT_INT, .min = 1, .max = 3650, .help = "Without: until it is removed" }),
	  .body_max_bytes = 4 * BODY_SMALL, .function = "waiver_add", .schema = "Waiver", .status = 201,
	  .is_write = TRUE,
	  .help = "Waives what matches all that is given, now and in scans to come." },
	{ .method = "DELETE", .path = "/api/v1/waivers/{waiver}", .role = ROLE_TEAM_LEAD, .rate = RATE_WRITE,
	  .inputs = INPUTS(UUID_INPUT("waiver")),
	  .function = "waiver_remove", .schema = "Waiver", .is_write = TRUE,
	  .help = "Ends a waiver: what it kept ignored is open again." },

	{ .method = "GET", .path = "/api/v1/searches", .role = ROLE_VIEWER, .rate = RATE_READ,
	  .inputs = INPUTS(
		{ "subject", INPUT_QUERY, INPUT_WORD, .words = "findings|repos" }),
	  .function = "saved_search_list", .answer = ANSWER_LIST, .schema = "SavedSearch",
	  .help = "One's own saved searches and those that others share." },
	{ .method = "POST", .path = "/api/v1/searches", .role = ROLE_VIEWER, .rate = RATE_WRITE,
	  .inputs = INPUTS(
		{ "name", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 100, .is_needed = TRUE },
		{ "subject", INPUT_BODY, INPUT_WORD, .words = "findings|repos", .is_needed = TRUE },
		{ "query", INPUT_BODY, INPUT_OBJECT, .max = 4000, .is_needed = TRUE,
		  .help = "Query parameters of the list" },
		{ "shared", INPUT_BODY, INPUT_BOOL }),
	  .body_max_bytes = BODY_SMALL, .function = "saved_search_add", .schema = "SavedSearch", .status = 201,
	  .is_write = TRUE,
	  .help = "Keeps a search by a name." },
	{ .method = "PATCH", .path = "/api/v1/searches/{search}", .role = ROLE_VIEWER, .rate = RATE_WRITE,
	  .inputs = INPUTS(UUID_INPUT("search"),
		{ "name", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 100 },
		{ "query", INPUT_BODY, INPUT_OBJECT, .max = 4000 },
		{ "shared", INPUT_BODY, INPUT_BOOL }),
	  .body_max_bytes = BODY_SMALL, .function = "saved_search_update", .schema = "SavedSearch",
	  .is_write = TRUE,
	  .help = "Changes one's own saved search." },
	{ .method = "DELETE", .path = "/api/v1/searches/{search}", .role = ROLE_VIEWER, .rate = RATE_WRITE,
	  .inputs = INPUTS(UUID_INPUT("search")),
	  .function = "saved_search_remove", .schema = "SavedSearch", .is_write = TRUE,
	  .help = "Removes it." },

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
