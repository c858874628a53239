/* SPDX-License-Identifier: MIT */
/*
 * All repositories: searched, filtered, sorted, each with its last audits. Only rows in sight are
 * elements; the next page of the list is fetched before its end is reached.
 */
import { api_get } from "../api.js";
import { h, patch } from "../dom.js";
import { list_merge } from "../event.js";
import { NONE, count_format, number_format } from "../format.js";
import { page } from "../page.js";
import { ago, badge, score } from "../parts/badge.js";
import { empty, filtered_empty, problem_facts, skeleton } from "../parts/notice.js";
import { run_button } from "../parts/run.js";
import { shape } from "../parts/shape.js";
import { strip } from "../parts/strip.js";
import { row_forget, row_height, window_range } from "../parts/window.js";
import { SHOWN, status_get, summary_count } from "../state.js";
import { repo_url, url_format } from "../url.js";

const PAGE = 200;
const AHEAD = 80;       /* rows before the end at which the next page is fetched */
const TYPING_MS = 180;
const COLUMNS = [
	{ id: "status", word: "Status", sorts: ["status"] },
	{ id: "name", word: "Name", sorts: ["name", "-name"] },
	{ id: "health", word: "Health", sorts: ["health", "-health"] },
	{ id: "branch", word: "Branch" },
	{ id: "changes", word: "Changes" },
	{ id: "commit", word: "Last commit", sorts: ["-last_commit", "last_commit"] },
	{ id: "history", word: "Last audits" },
];

let more = null;        /* the fetch of the next page, while it runs */
let more_problem = null;
let typing = null;
let range = null;
let drawn = null;       /* what was drawn last: { root, data, params } */

export function title(data, params) {
	const { word } = params.status ? filter_get(params.status) : { word: "" };
	return word ? `${word} repositories` : "Repositories";
}

/* a search or another order is the same view: what is shown stays until the answer is there */
export function is_same() {
	return true;
}

/* filters that are no status */
const OTHER = {
	attention: { id: "attention", word: "Not clean", tone: "plain" },
	stale: { id: "stale", word: "Stale", shape: "polling", tone: "plain" },
};

function filter_get(id) {
	return OTHER[id] ?? status_get(id);
}

function key_of({ q, status, sort }) {
	return JSON.stringify([q, status, sort]);
}

/* The numbers beside the filters; without them it is still a list. */
async function counts_load(signal) {
	try {
		return (await api_get("/api/v1/overview", {}, signal)).body.summary;
	} catch (problem) {
		if (problem.name !== "Problem")
			throw problem;
		return null;
	}
}

/* Loading again fetches as many rows as there were, so that nobody loses their place. */
export async function load(params, signal, before) {
	const key = key_of(params);
	const wanted = before?.key === key ? before.items.length : history.state?.rows ?? 0;
	const [list, counts] = await Promise.all([
		api_get("/api/v1/repos", { ...params, limit: PAGE }, signal), counts_load(signal)]);
	let { body } = list;
	const items = body.items;

	more = null;
	more_problem = null;
	while (body.next && items.length < wanted) {
		({ body } = await api_get("/api/v1/repos", { ...params, limit: PAGE, cursor: body.next }, signal));
		items.push(...body.items);
	}
	return { data: { key, items, next: body.next ?? null, summary: counts }, position: list.position };
}

export function merge(data, event, params) {
	if (event.type === "status_change")
		return data;
	if (event.type !== "repo-status-change")
		return null;
	return { ...list_merge(data, event, params), summary: event.data.summary ?? data.summary };
}

function more_load(data, params) {
	if (!data.next || more === data.next || more_problem)
		return;
	more = data.next;
	api_get("/api/v1/repos", { ...params, limit: PAGE, cursor: data.next }).then(({ body }) => {
		if (drawn?.data.key !== data.key || drawn.data.next !== data.next)
			return; /* the list is another one by now */
		const known = new Set(drawn.data.items.map((repo) => repo.id));
		const items = [...drawn.data.items, ...body.items.filter((repo) => !known.has(repo.id))];
		page.update({ ...drawn.data, items, next: body.next ?? null });
		history.replaceState({ ...history.state, rows: items.length }, "");
	}).catch((problem) => {
		more_problem = problem;
		page.draw();
	}).finally(() => {
		more = null;
	});
}

function go(params, change) {
	page.go(url_format("repo_list", { ...params, ...change }), { replace: "q" in change });
}

function search(params) {
	const type = (event) => {
		const q = event.target.value.trim();
		clearTimeout(typing);
		typing = setTimeout(() => go(drawn.params, { q }), TYPING_MS);
	};

	return h("div", { class: "search", role: "search" }, shape("search"),
		h("input", { id: "search", type: "search", placeholder: "Search name, path, branch", value: params.q,
			     "aria-label": "Search repositories", autocomplete: "off", spellcheck: "false",
			     maxlength: "200", oninput: type }), h("kbd", { "aria-hidden": "true" }, "/"));
}

function filters(data, params) {
	const summary = data?.summary ?? null;
	const rows = [{ id: "", word: "All", count: summary?.total ?? null },
		      { ...OTHER.attention, count: summary ? summary.total - summary.clean : null },
		      ...SHOWN.map((id) => ({ ...status_get(id), count: summary_count(summary, id) })),
		      { ...filter_get("stale"), count: summary_count(summary, "stale") }];

	return h("nav", { class: "filters", "aria-label": "Filter by status" }, rows
		.filter((row) => row.count !== 0 || row.id === params.status || row.id === "clean")
		.map((row) => h("a", { key: row.id, class: `filter tone-${row.tone ?? "plain"}`,
				       href: url_format("repo_list", { ...params, status: row.id }),
				       "aria-current": row.id === params.status ? "true" : null },
			row.shape && shape(row.shape), h("span", null, row.word),
			h("span", { class: "number" }, row.count === null ? summary ? "?" : "" : number_format(row.count)))));
}

function heading({ id, word, sorts }, params) {
	const at = sorts ? sorts.indexOf(params.sort) : -1;
	const descending = params.sort.startsWith("-");

	if (!sorts)
		return h("th", { scope: "col", role: "columnheader", class: `c-${id}` }, word);
	return h("th", { scope: "col", role: "columnheader", class: `c-${id}`,
			 "aria-sort": at < 0 ? "none" : descending ? "descending" : "ascending" },
		h("a", { href: url_format("repo_list", { ...params, sort: sorts[(at + 1) % sorts.length] }) }, word,
			at >= 0 && shape(descending ? "down" : "up")));
}

function changes({ changes: of = {}, stashes }) {
	const parts = [["in conflict", of.unmerged], ["staged", of.staged], ["changed", of.unstaged], ["new", of.untracked],
		       ["stashed", stashes]];
	const known = parts.some(([, count]) => Number.isFinite(count));
	const some = parts.filter(([, count]) => count > 0);

	if (!known)
		return h("span", { class: "quiet" }, NONE, h("span", { class: "sr" }, "unknown"));
	if (!some.length)
		return h("span", { class: "quiet" }, "none");
	return h("span", { class: "changes" }, some.map(([word, count]) =>
		h("span", null, h("b", null, number_format(count)), ` ${word}`)));
}

function ahead_behind({ ahead, behind }) {
	if (!(ahead > 0) && !(behind > 0))
		return null;
	return h("span", { class: "tracking" },
		ahead > 0 && h("span", { title: `${count_format(ahead, "commit")} to push` }, shape("up"), number_format(ahead)),
		behind > 0 && h("span", { title: `${count_format(behind, "commit")} to pull` }, shape("down"), number_format(behind)));
}

function row(repo, index) {
	return h("tr", { key: repo.id, role: "row", "aria-rowindex": String(index + 2),
			 class: repo.event_id ? "changed" : null },
		h("td", { role: "cell", class: "c-status" }, badge(status_get(repo.status))),
		h("td", { role: "cell", class: "c-name" },
			h("a", { href: repo_url(repo), "data-row": true, title: repo.path ?? repo.remote ?? null }, repo.name)),
		h("td", { role: "cell", class: "c-health" }, score(repo.health_score)),
		h("td", { role: "cell", class: "c-branch" }, repo.branch
			? [h("span", { class: "code cut", title: repo.branch }, repo.branch), ahead_behind(repo)]
			: h("span", { class: "quiet" }, NONE)),
		h("td", { role: "cell", class: "c-changes" }, changes(repo)),
		h("td", { role: "cell", class: "c-commit" }, h("div", { class: "commit" },
			ago(repo.last_commit_at, { none: NONE }),
			h("span", { class: "quiet cut", title: repo.last_commit_subject }, repo.last_commit_subject))),
		h("td", { role: "cell", class: "c-history" }, strip(repo.history)));
}

function spacer(key, rows) {
	return h("tr", { key, class: "spacer", "aria-hidden": "true" },
		h("td", { colspan: String(COLUMNS.length), css: { height: `${rows * row_height()}px` } }));
}

function range_now(root, count) {
	const body = root.querySelector("tbody");

	return window_range(count, { top: body ? body.getBoundingClientRect().top : 0, height: innerHeight,
				     row: row_height() });
}

function table(root, data, params) {
	const { items, next } = data;

	range = range_now(root, items.length);
	return h("table", { class: "repos", role: "table", "aria-rowcount": next ? "-1" : String(items.length + 1),
			    "aria-label": "Repositories" },
		h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, COLUMNS.map((column) => heading(column, params)))),
		h("tbody", { role: "rowgroup" }, range.start > 0 && spacer("above", range.start),
			items.slice(range.start, range.end).map((repo, i) => row(repo, range.start + i)),
			range.end < items.length && spacer("below", items.length - range.end)));
}

function foot(data) {
	if (more_problem)
		return h("div", { class: "foot", role: "alert" }, h("span", null, `More could not be loaded. ${more_problem.message}.`),
			problem_facts(more_problem), h("button", { type: "button", class: "button small", onclick: () => {
				more_problem = null;
				page.draw();
			} }, "Try again"));
	return h("div", { class: "foot quiet" }, data.next
		? `${number_format(data.items.length)} loaded, more as you scroll`
		: count_format(data.items.length, "repository", "repositories"));
}

function content(root, data, params) {
	if (data === null)
		return skeleton(12, "row");
	if (data.items.length === 0 && (params.q || params.status))
		return filtered_empty({ title: "No repository matches", clear: () => go(params, { q: "", status: "" }),
			text: data.summary ? `None of ${count_format(data.summary.total, "repository", "repositories")}`
				+ `${params.status ? ` is ${filter_get(params.status).word.toLowerCase()}` : ""}`
				+ `${params.q ? `${params.status ? " and" : ""} matches “${params.q}”` : ""}.` : null });
	if (data.items.length === 0)
		return empty({ title: "No repositories yet", mark: "mark", action: run_button(),
			       text: "They appear here by themselves when the first audit has found them." });
	return [table(root, data, params), foot(data)];
}

export function draw(root, data, params) {
	drawn = { root, data, params };
	patch(root, h("div", { class: "view-head" }, h("h1", null, "Repositories"),
			h("div", { class: "view-side" }, run_button(null, { kind: "scan" }), run_button())),
		h("div", { class: "toolbar" }, search(params), filters(data, params)), content(root, data, params));
	if (data && range && range.end > data.items.length - AHEAD)
		more_load(data, params);
}

/* scrolling draws again only when other rows come into sight, and only the table */
addEventListener("scroll", () => {
	if (!drawn?.root.isConnected || !drawn.data || drawn.data.items.length === 0)
		return;
	const now = range_now(drawn.root, drawn.data.items.length);
	if (range && (now.start !== range.start || now.end !== range.end))
		draw(drawn.root, drawn.data, drawn.params);
}, { passive: true });

addEventListener("resize", () => {
	row_forget();
	if (drawn?.root.isConnected)
		page.draw();
});
