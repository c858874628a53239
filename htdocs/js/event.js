/* SPDX-License-Identifier: MIT */
/*
 * What an event does to data that is already on the page: pure functions, data in, data out.
 * Ids are decimal text of any length and never become numbers. Every function may be handed the
 * same event twice.
 */
import { status_get } from "./state.js";

const STRIP = 20;
const FEED = 12;

export function id_is_after(id, other) {
	if (!/^[0-9]+$/.test(id ?? ""))
		return false;
	if (!/^[0-9]+$/.test(other ?? ""))
		return true;
	return id.length === other.length ? id > other : id.length > other.length;
}

export function id_later(id, other) {
	return id_is_after(id, other) ? id : other;
}

/* A message of any transport; null for what is no message. */
export function message_parse(text) {
	let message = null;

	try {
		message = JSON.parse(text);
	} catch {
		return null;
	}
	if (message === null || typeof message !== "object" || typeof message.type !== "string")
		return null;
	if (message.event_id !== undefined && message.event_id !== null)
		message.event_id = String(message.event_id);
	return message;
}

function first(...values) {
	return values.find((value) => value !== undefined);
}

/* A repository as lists have it, from a report's object over what was known before. */
export function repo_merge(before, repo) {
	const counts = repo.counts ?? {};
	const was = before ?? { history: [], changes: {} };

	return {
		...was,
		id: first(repo.id, was.id),
		name: first(repo.name, was.name),
		status: first(repo.status, was.status),
		health_score: first(repo.healthScore, repo.health_score, was.health_score, null),
		branch: first(repo.branch, was.branch, null),
		remote: first(repo.remote, was.remote, null),
		path: first(repo.path, repo.local_path, was.path, null),
		last_commit_at: first(repo.lastCommit, repo.last_commit_at, was.last_commit_at, null),
		last_commit_subject: first(repo.lastCommitSubject, repo.last_commit_subject,
			was.last_commit_subject, null),
		ahead: first(repo.ahead, was.ahead, null),
		behind: first(repo.behind, was.behind, null),
		changes: {
			staged: first(counts.staged, repo.changes?.staged, was.changes?.staged, null),
			unstaged: first(counts.unstaged, repo.changes?.unstaged, was.changes?.unstaged, null),
			untracked: first(counts.untracked, repo.changes?.untracked, was.changes?.untracked, null),
			unmerged: first(counts.unmerged, repo.changes?.unmerged, was.changes?.unmerged, null),
		},
		stashes: first(counts.stashes, repo.stashes, was.stashes, null),
		stale: first(repo.isStale, repo.stale, was.stale, false),
	};
}

function repo_apply(before, event) {
	const after = repo_merge(before, event.data.repo);

	after.updated_at = event.timestamp ?? after.updated_at;
	after.event_id = event.event_id;
	if (before?.event_id !== event.event_id)
		after.history = [...(before?.history ?? []), after.status].slice(-STRIP);
	return after;
}

/* Whether a list with this search and filter shows the repository. */
export function repo_matches(repo, { q = "", status = "" }) {
	const words = q.toLowerCase();

	if (status === "attention" ? repo.status === "clean" : status === "stale" ? !repo.stale
	    : status && repo.status !== status)
		return false;
	return !words || [repo.name, repo.path, repo.remote, repo.branch].some(
		(text) => text?.toLowerCase().includes(words));
}

function by_name(a, b) {
	const x = a.name.toLowerCase();
	const y = b.name.toLowerCase();
	return x < y ? -1 : x > y ? 1 : 0;
}

/* unknown is last, whichever way the list is sorted */
function by_value(read, sign) {
	return (a, b) => {
		const x = read(a);
		const y = read(b);
		if ((x ?? null) === null || (y ?? null) === null)
			return ((x ?? null) === null) - ((y ?? null) === null);
		return x < y ? -sign : x > y ? sign : 0;
	};
}

const ORDER = {
	name: by_name,
	"-name": (a, b) => by_name(b, a),
	status: by_value((repo) => status_get(repo.status).rank, 1),
	health: by_value((repo) => repo.health_score, 1),
	"-health": by_value((repo) => repo.health_score, -1),
	last_commit: by_value((repo) => repo.last_commit_at, 1),
	"-last_commit": by_value((repo) => repo.last_commit_at, -1),
};

/*
 * A loaded list after one repo-status-change: the repository changes in place, moves to where the
 * order wants it, comes in or goes out with the filter. `next` not null means that the list has
 * more rows on the server: what would sort behind the last loaded one is left for its page.
 */
export function list_merge(list, event, params) {
	const { items, next } = list;
	const order = ORDER[params.sort] ?? by_name;
	const id = event.data?.repo?.id;
	const at = items.findIndex((repo) => repo.id === id);

	if (!id)
		return list;
	const after = repo_apply(items[at], event);
	const rest = at < 0 ? items : items.toSpliced ? items.toSpliced(at, 1)
						      : items.filter((repo) => repo.id !== id);
	if (after.status === "removed" || !repo_matches(after, params))
		return at < 0 ? list : { ...list, items: rest };
	const before = rest.findIndex((repo) => (order(after, repo) || by_name(after, repo)) < 0);
	/* the order still holds where it is: stay there, whatever the server's second key was */
	if (at >= 0 && (at === 0 || order(items[at - 1], after) <= 0)
	    && (at === items.length - 1 || order(after, items[at + 1]) <= 0))
		return { ...list, items: items.map((repo) => (repo.id === id ? after : repo)) };
	if (before < 0 && next && rest.length)
		return { ...list, items: rest };
	const place = before < 0 ? rest.length : before;
	return { ...list, items: [...rest.slice(0, place), after, ...rest.slice(place)] };
}

/* The list of recent changes, newest first. */
export function feed_merge(feed, event) {
	const { repo, previous_status } = event.data ?? {};

	if (!repo || feed.some((row) => row.event_id === event.event_id))
		return feed;
	const row = { event_id: event.event_id, at: event.timestamp, id: repo.id, name: repo.name,
		      status: repo.status, previous: previous_status ?? null };
	return [row, ...feed].sort((a, b) => (id_is_after(a.event_id, b.event_id) ? -1 : 1)).slice(0, FEED);
}

export function overview_merge(overview, event) {
	const { summary, health_status } = event.data ?? {};

	return { ...overview, summary: summary ?? overview.summary,
		 health_status: health_status ?? overview.health_status,
		 feed: event.type === "repo-status-change" ? feed_merge(overview.feed ?? [], event)
							   : overview.feed };
}

/* What a history strip says in words: "20 audits: 18 clean, 2 dirty; now clean". */
export function strip_text(history) {
	const counts = new Map();

	const known = (history ?? []).filter((status) => status !== null);
	if (!known.length)
		return "No audits yet";
	for (const status of known)
		counts.set(status, (counts.get(status) ?? 0) + 1);
	const parts = [...counts].sort((a, b) => b[1] - a[1])
		.map(([status, number]) => `${number} ${status_get(status).word.toLowerCase()}`);
	return `Last ${known.length === 1 ? "audit" : `${known.length} audits`}: ${parts.join(", ")}; `
		+ `now ${status_get(known.at(-1)).word.toLowerCase()}`;
}
