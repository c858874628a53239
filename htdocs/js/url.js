/* SPDX-License-Identifier: MIT */
/*
 * Addresses: which view a path shows, what its query means, and the way back. Everything a person
 * set (search, filter, order, tab) is in the address, so that it can be sent to a colleague and
 * survives a reload. A value that is not allowed reads as the default.
 *
 *	url_parse("/audit/muster?action=diff")
 *	// { view: "repo", params: { repo: "muster", action: "diff", diff: "" } }
 *	url_format("repo_list", { status: "dirty" })        // "/repos?status=dirty"
 */
import { JOB, STATUS } from "./state.js";

const SORTS = ["name", "-name", "status", "health", "-health", "last_commit", "-last_commit"];
const ACTIONS = ["", "view", "diff", "clone", "review", "delete", "commit", "fix_remote"];
const NEXT = /^\/(?![/\\])[^\u0000-\u001f]*$/;

const ROUTE = [
	{ view: "overview", path: /^\/$/, base: "/", query: {} },
	{ view: "repo_list", path: /^\/(?:repos|audit)\/?$/, base: "/repos",
	  query: { q: null, status: ["", "attention", "stale", ...STATUS.map((row) => row.id)], sort: SORTS } },
	{ view: "repo", path: /^\/audit\/(?<repo>[^/]+)\/?$/, base: "/audit/:repo",
	  query: { action: ACTIONS, diff: ["", "split", "unified"] } },
	{ view: "audit_list", path: /^\/audits\/?$/, base: "/audits", query: {} },
	{ view: "audit", path: /^\/audits\/(?<file>[^/]+)\/?$/, base: "/audits/:file", query: {} },
	{ view: "job_list", path: /^\/jobs\/?$/, base: "/jobs", query: { state: ["", ...JOB.map((row) => row.id)] } },
	{ view: "job", path: /^\/jobs\/(?<job>[0-9]{1,18})\/?$/, base: "/jobs/:job", query: {} },
	{ view: "schedule_list", path: /^\/schedules\/?$/, base: "/schedules", query: { add: ["", "1"] } },
	{ view: "schedule", path: /^\/schedules\/(?<schedule>[0-9a-f-]{36})\/?$/, base: "/schedules/:schedule", query: {} },
	{ view: "credential_list", path: /^\/credentials\/?$/, base: "/credentials", query: { add: ["", "1"], host: null, kind: ["", "ssh-key"] } },
	{ view: "run", path: /^\/runs\/(?<run>[0-9]{1,18})\/?$/, base: "/runs/:run", query: {} },
	{ view: "account", path: /^\/account\/?$/, base: "/account", query: {} },
	{ view: "sign_in", path: /^\/sign-in\/?$/, base: "/sign-in", query: { next: null }, outside: true },
	/* back from an issuer, with a query that is its own */
	{ view: "sign_in_return", path: /^\/sign-in\/(?<issuer>[a-z0-9-]+)\/?$/, base: "/sign-in/:issuer", query: {}, outside: true },
	{ view: "forgot", path: /^\/forgot\/?$/, base: "/forgot", query: {}, outside: true },
	{ view: "register", path: /^\/register\/?$/, base: "/register", query: {}, outside: true },
	/* links of letters, with a token behind '#' */
	{ view: "reset", path: /^\/reset\/?$/, base: "/reset", query: {}, outside: true },
	{ view: "invitation", path: /^\/invitation\/?$/, base: "/invitation", query: {}, outside: true },
];

function query_parse(query, search) {
	const given = new URLSearchParams(search);
	const params = {};

	for (const [name, allowed] of Object.entries(query)) {
		const value = given.get(name) ?? "";
		if (allowed === null)
			params[name] = value.slice(0, 200);
		else
			params[name] = allowed.includes(value) ? value : allowed[0];
	}
	return params;
}

export function url_parse(url) {
	const { pathname, search } = new URL(url, "http://page");

	for (const { view, path, query } of ROUTE) {
		const match = path.exec(pathname);
		if (!match)
			continue;
		const params = query_parse(query, search);
		try {
			for (const [name, value] of Object.entries(match.groups ?? {}))
				params[name] = decodeURIComponent(value);
		} catch {
			break; /* a broken escape is no address of ours */
		}
		return { view, params };
	}
	return { view: "missing", params: { path: pathname } };
}

/* Whether it is for those, too, who are not signed in. */
export function view_is_outside(view) {
	return ROUTE.find((row) => row.view === view)?.outside ?? false;
}

export function url_format(view, params = {}) {
	const { base, query } = ROUTE.find((row) => row.view === view);
	const search = new URLSearchParams();
	const path = base.replace(/:(\w+)/g, (_, name) => encodeURIComponent(params[name]));

	for (const [name, allowed] of Object.entries(query)) {
		const value = params[name] ?? "";
		if (value !== "" && value !== allowed?.[0])
			search.set(name, value);
	}
	return search.size ? `${path}?${search}` : path;
}

/* Words below /audit/ that are no repository; such a one is addressed by its id. */
const RESERVED = new Set(["history", "diff", "mismatch", "clone", "delete", "commit", "discard",
	"fix-remote", "batch", "export", "email-summary", "run-comprehensive"]);

export function repo_key(repo) {
	const plain = /^[A-Za-z0-9._-]+$/.test(repo.name) && !/^\.\.?$/.test(repo.name);
	return plain && !RESERVED.has(repo.name) ? repo.name : repo.id;
}

export function repo_url(repo, params = {}) {
	return url_format("repo", { ...params, repo: repo_key(repo) });
}

/* Where to go after signing in: an address of this page, whatever somebody put into the link. */
export function next_parse(next) {
	return NEXT.test(next) && !url_parse(next).view.startsWith("sign_in") ? next : "/";
}
