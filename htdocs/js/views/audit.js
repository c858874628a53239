/* SPDX-License-Identifier: MIT */
/* One stored audit, and what was different in the one before it. */
import { api_get } from "../api.js";
import { h, patch } from "../dom.js";
import { count_format, duration_format, number_format, score_format, time_format } from "../format.js";
import { ago, badge } from "../parts/badge.js";
import { share_bar } from "../parts/chart.js";
import { skeleton } from "../parts/notice.js";
import { shape } from "../parts/shape.js";
import { SHOWN, health_get, status_get, summary_count } from "../state.js";
import { repo_url, url_format } from "../url.js";
import { audit_file } from "./audit_list.js";

const NEAR = 200;
const MOST = 200; /* rows of one list */

export function title(data) {
	return data ? `Audit of ${time_format(data.audit.timestamp)}` : "Audit";
}

export function is_same() {
	return true;
}

export async function load(params, signal) {
	const [{ body: audit }, { body: list, position }] = await Promise.all([
		api_get(`/audit/history/${encodeURIComponent(params.file)}`, {}, signal),
		api_get("/api/v1/audits", { limit: NEAR }, signal)]);
	const at = list.items.findIndex((row) => audit_file(row) === params.file);
	const same = (row) => row.root === list.items[at].root && row.host === list.items[at].host;
	const older = at < 0 ? null : list.items.slice(at + 1).find(same) ?? null;
	const newer = at < 0 ? null : list.items.slice(0, at).reverse().find(same) ?? null;
	const before = older ? (await api_get(`/audit/history/${encodeURIComponent(audit_file(older))}`, {}, signal)).body : null;

	return { data: { audit, before, older: older && audit_file(older), newer: newer && audit_file(newer) }, position };
}

/* a stored audit does not change */
export function merge(data) {
	return data;
}

/* What differs between two audits: [{ id, name, from, to, score_from, score_to }], worst first. */
export function audit_compare(before, after) {
	const key = (repo) => repo.id ?? repo.name;
	const was = new Map((before?.repos ?? []).map((repo) => [key(repo), repo]));
	const rows = [];

	for (const repo of after.repos ?? []) {
		const old = was.get(key(repo));
		was.delete(key(repo));
		if (old?.status !== repo.status || (old?.healthScore ?? null) !== (repo.healthScore ?? null))
			rows.push({ id: repo.id, name: repo.name, from: old?.status ?? null, to: repo.status,
				    score_from: old?.healthScore ?? null, score_to: repo.healthScore ?? null });
	}
	for (const repo of was.values())
		rows.push({ id: repo.id, name: repo.name, from: repo.status, to: null, score_from: repo.healthScore ?? null, score_to: null });
	return rows.sort((a, b) => status_get(a.to).rank - status_get(b.to).rank || (a.name < b.name ? -1 : 1));
}

function change(row) {
	const scores = row.score_from !== row.score_to;

	return h("li", { key: row.id ?? row.name, class: "compare" }, h("a", { class: "name", href: repo_url(row), "data-row": true }, row.name),
		h("span", { class: "move" },
			row.from === row.to ? null : [row.from ? badge(status_get(row.from), { title: "Before" })
				: h("span", { class: "quiet" }, "was not there"), h("span", { class: "to" }, "→")],
			row.to ? badge(status_get(row.to)) : h("span", { class: "quiet" }, "is gone")),
		h("span", { class: "quiet" }, scores ? `score ${score_format(row.score_from)} → ${score_format(row.score_to)}`
			: `score ${score_format(row.score_to)}`));
}

function compare(data) {
	const rows = audit_compare(data.before, data.audit);

	if (!data.before)
		return h("p", { class: "calm quiet" }, "There is no earlier audit to compare with.");
	if (!rows.length)
		return h("p", { class: "calm" }, shape("clean"), "Nothing changed since the audit before.");
	return [h("ul", { class: "rows" }, rows.slice(0, MOST).map(change)),
		rows.length > MOST && h("p", { class: "note" }, `and ${number_format(rows.length - MOST)} more`)];
}

function open(audit) {
	const rows = (audit.repos ?? []).filter((repo) => repo.status !== "clean");

	return h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", null, "Not clean"),
			h("p", { class: "quiet" }, number_format(rows.length))),
		rows.length === 0 ? h("p", { class: "calm" }, shape("clean"), "Every repository was clean.")
			: h("ul", { class: "rows" }, rows.slice(0, MOST).map((repo) => h("li", { key: repo.id ?? repo.name, class: "compare" },
				h("a", { class: "name", href: repo_url(repo) }, repo.name), badge(status_get(repo.status)),
				h("span", { class: "quiet" }, `score ${score_format(repo.healthScore)}`)))),
		rows.length > MOST && h("p", { class: "note" }, `and ${number_format(rows.length - MOST)} more`));
}

export function draw(root, data) {
	if (data === null) {
		patch(root, h("div", { class: "view-head" }, h("h1", { class: "quiet" }, "Audit")), skeleton(8, "row"));
		return;
	}
	const { audit, older, newer } = data;
	const counts = SHOWN.map((id) => ({ ...status_get(id), count: summary_count(audit.summary, id) }));
	patch(root,
		h("nav", { class: "crumb", "aria-label": "Path" }, h("a", { href: "/audits" }, "Audits")),
		h("div", { class: "view-head" },
			h("div", null, h("h1", null, h("span", null, time_format(audit.timestamp)), badge(health_get(audit.health_status))),
				h("p", { class: "facts" }, h("span", null, ago(audit.timestamp)),
					h("span", null, count_format(audit.summary?.total, "repository", "repositories")),
					Number.isFinite(audit.duration_ms) && h("span", null, `took ${duration_format(audit.duration_ms)}`))),
			h("nav", { class: "segments", "aria-label": "Neighbours" },
				older && h("a", { href: url_format("audit", { file: older }) }, "Older"),
				newer && h("a", { href: url_format("audit", { file: newer }) }, "Newer"))),
		share_bar(counts),
		h("p", { class: "facts legend" }, counts.filter((row) => row.count !== 0).map((row) =>
			h("span", null, badge(row), " ", row.count === null ? "unknown" : number_format(row.count)))),
		h("div", { class: "cards" },
			h("section", { class: "card" }, h("h2", null, "Changed since the audit before"), compare(data)), open(audit)));
}
