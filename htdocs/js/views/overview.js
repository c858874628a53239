/* SPDX-License-Identifier: MIT */
/* The first look: is all in order, what is not, how it went lately, what changed. */
import { api_get } from "../api.js";
import { h, patch } from "../dom.js";
import { feed_merge, overview_merge } from "../event.js";
import { count_format, duration_format, number_format, score_format } from "../format.js";
import { page } from "../page.js";
import { ago, badge, score } from "../parts/badge.js";
import { histogram, share_bar, trend } from "../parts/chart.js";
import { empty, skeleton } from "../parts/notice.js";
import { run_button } from "../parts/run.js";
import { shape } from "../parts/shape.js";
import { strip } from "../parts/strip.js";
import { SHOWN, health_get, score_tone, status_get, summary_count } from "../state.js";
import { repo_url, url_format } from "../url.js";

const BACK = 400; /* how many events back the list of changes looks */

let picked = null;

export function title(data) {
	const open = data?.summary ? data.summary.total - (data.summary.clean ?? 0) : 0;
	return open > 0 ? `(${open}) Overview` : "Overview";
}

/* The changes before this page was opened; without them it is still a page. */
async function feed_load(position, signal) {
	const after = /^[0-9]{1,15}$/.test(position ?? "") ? String(Math.max(0, Number(position) - BACK)) : "0";
	try {
		const { body } = await api_get("/api/v1/events",
			{ after, limit: 500, event_types: "repo-status-change" }, signal);
		return body.events.reduce((feed, event) => feed_merge(feed, event), []);
	} catch (problem) {
		if (problem.name !== "Problem")
			throw problem;
		return [];
	}
}

export async function load(params, signal, before) {
	const { body, position } = await api_get("/api/v1/overview", {}, signal);
	const feed = before?.feed ?? await feed_load(position, signal);

	return { data: { ...body, feed }, position };
}

export function merge(data, event) {
	return event.type === "repo-status-change" ? overview_merge(data, event)
						   : event.type === "status_change" ? data : null;
}

/* scores, trend and the worst ones are the server's to compute */
export function is_followed(event) {
	return event.type === "repo-status-change";
}

/* an audit that changed nothing is no event, but it moves the time and the trend */
export function every_ms() {
	return 30000;
}

function figure({ word, count, tone, mark, href, help }) {
	const known = count !== null;

	return h("li", { class: `figure tone-${known && count ? tone : "plain"}${known ? "" : " unknown"}`,
			 title: known ? help : `${help}: not known, because nothing says what should exist` },
		h("a", { href }, h("span", { class: "figure-number" }, known ? number_format(count) : "?"),
			h("span", { class: "figure-word" }, shape(known ? mark : "unknown"), word,
				!known && h("span", { class: "sr" }, ", unknown"))));
}

function figures(summary) {
	const extra = [
		{ word: "Stale", count: summary_count(summary, "stale"), tone: "plain", mark: "polling",
		  href: url_format("repo_list", { status: "stale" }), help: "No commit for a long time" },
	];
	const rows = SHOWN.map((id) => status_get(id)).map((row) => ({ ...row, mark: row.shape,
		count: summary_count(summary, row.id), href: url_format("repo_list", { status: row.id }) }));

	return h("section", { "aria-label": "Counts" },
		h("ul", { class: "figures" },
			h("li", { class: "figure total" }, h("a", { href: "/repos" },
				h("span", { class: "figure-number" }, number_format(summary.total)),
				h("span", { class: "figure-word" }, summary.total === 1 ? "Repository" : "Repositories"))),
			rows.map(figure), extra.map(figure)),
		share_bar(SHOWN.map((id) => ({ ...status_get(id), count: summary_count(summary, id) }))));
}

function attention(repos) {
	return h("section", { class: "card wide" }, h("div", { class: "card-head" }, h("h2", null, "Needs attention first"),
			h("a", { href: "/repos?sort=status" }, "All repositories")),
		repos.length === 0
			? h("p", { class: "calm" }, shape("clean"), "Nothing needs attention. Every repository that could be read is clean.")
			: h("ul", { class: "rows" }, repos.map((repo) => h("li", { key: repo.id, class: "attention" },
				badge(status_get(repo.status)),
				h("a", { class: "name", href: repo_url(repo), "data-row": true }, repo.name),
				h("span", { class: "why quiet" }, why(repo)),
				score(repo.health_score ?? repo.healthScore ?? null),
				repo.history && strip(repo.history)))));
}

function why(repo) {
	const changes = repo.changes ?? repo.counts ?? {};
	const parts = [["in conflict", changes.unmerged], ["staged", changes.staged], ["changed", changes.unstaged], ["new", changes.untracked]]
		.filter(([, count]) => count > 0).map(([word, count]) => `${number_format(count)} ${word}`);

	if (repo.ahead > 0)
		parts.push(`${number_format(repo.ahead)} to push`);
	if (repo.status === "dirty" && parts.length)
		return parts.join(", ");
	return [status_get(repo.status).help, ...parts].filter(Boolean).join(", ");
}

function changes(feed) {
	return h("section", { class: "card" }, h("h2", null, "Changes"),
		feed.length === 0
			? h("p", { class: "calm quiet" }, "No repository changed lately. What changes appears here by itself.")
			: h("ol", { class: "rows feed" }, feed.map((row) => h("li", { key: row.event_id },
				h("a", { class: "name", href: repo_url(row) }, row.name),
				h("span", { class: "move" },
					row.previous && row.previous !== row.status
						&& [badge(status_get(row.previous), { title: "Before" }), h("span", { class: "to" }, "→")],
					badge(status_get(row.status))),
				ago(row.at)))));
}

function health(data) {
	const { average, buckets } = data.health ?? {};

	return h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", null, "Health"),
			h("p", { class: `big tone-${score_tone(average)}`, title: "Average score of the repositories that have one" },
				score_format(average), h("small", null, Number.isFinite(average) ? "average of 100" : "not known"))),
		histogram(buckets ?? []));
}

function history(audits) {
	return h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", null, "Last audits"),
			h("p", { class: "key" }, h("span", { class: "key-bar" }, "not clean"),
				h("span", { class: "key-line" }, "average score"))),
		audits.length < 2
			? h("p", { class: "calm quiet" }, "The second audit begins the trend.")
			: trend(audits, { picked, pick: (i) => {
				picked = i;
				page.draw();
			} }));
}

function head(data) {
	const state = health_get(data.health_status);

	return h("div", { class: "view-head" },
		h("div", null, h("h1", { class: `tone-${state.tone}` }, shape(state.shape), h("span", null, state.word)),
			h("p", { class: "facts" }, h("span", null, "Audited ", ago(data.timestamp)),
				Number.isFinite(data.duration_ms) && h("span", null, `in ${duration_format(data.duration_ms)}`),
				data.summary?.missing_files > 0 && h("span", null,
					`${count_format(data.summary.missing_files, "repository lacks", "repositories lack")} usual files`))),
		run_button(null, { primary: true }));
}

export function draw(root, data) {
	if (data === null) {
		patch(root, h("div", { class: "view-head" }, h("h1", { class: "quiet" }, "Overview")),
			skeleton(8, "figure"), h("div", { class: "cards" }, skeleton(3, "card")));
		return;
	}
	if (!data.summary || data.summary.total === 0) {
		patch(root, h("div", { class: "view-head" }, h("h1", null, "Overview")),
			empty({ title: data.summary ? "No repositories were found" : "Nothing has been audited yet",
				text: data.summary ? "The watched folder holds no git repository so far. They appear here as soon as an audit finds one."
					: "The first audit is on its way, or can be started here. This page changes by itself when it is done.",
				mark: "mark", action: run_button(null, { primary: true }) }));
		return;
	}
	patch(root, head(data), figures(data.summary),
		h("div", { class: "cards" }, health(data), history(data.trend ?? []),
			attention(data.attention ?? []), changes(data.feed ?? [])));
}
