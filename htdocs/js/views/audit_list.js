/* SPDX-License-Identifier: MIT */
/* Every stored audit, newest first. */
import { api_get } from "../api.js";
import { h, patch } from "../dom.js";
import { NONE, clock_format, count_format, duration_format, number_format } from "../format.js";
import { page } from "../page.js";
import { ago, badge, score } from "../parts/badge.js";
import { empty, problem_facts, skeleton } from "../parts/notice.js";
import { run_button } from "../parts/run.js";
import { STATUS, health_get, summary_count } from "../state.js";
import { url_format } from "../url.js";

const PAGE = 50;
const COUNTS = ["clean", "dirty", "extra", "mismatched", "missing", "error"];

let more = { busy: false, problem: null };

export function title() {
	return "Audits";
}

export async function load(params, signal, before) {
	const wanted = before?.items.length ?? 0;
	let { body, position } = await api_get("/api/v1/audits", { limit: PAGE }, signal);
	const { items } = body;

	more = { busy: false, problem: null };
	while (body.next && items.length < wanted) {
		({ body } = await api_get("/api/v1/audits", { limit: PAGE, cursor: body.next }, signal));
		items.push(...body.items);
	}
	return { data: { items, next: body.next ?? null }, position };
}

async function older(data) {
	more = { busy: true, problem: null };
	page.draw();
	try {
		const { body } = await api_get("/api/v1/audits", { limit: PAGE, cursor: data.next });
		more.busy = false;
		page.update({ items: [...data.items, ...body.items], next: body.next ?? null });
	} catch (problem) {
		more = { busy: false, problem };
		page.draw();
	}
}

export function audit_file(audit) {
	return audit.file ?? audit.filename ?? `${audit.timestamp}.json`;
}

function cell(summary, id) {
	const count = summary_count(summary, id);
	const { tone } = STATUS.find((row) => row.id === id);

	if (count === null)
		return h("td", { class: "number quiet", title: "Not known" }, "?");
	return h("td", { class: `number ${count ? `tone-${tone}` : "quiet"}` }, number_format(count));
}

function row(audit) {
	const file = audit_file(audit);

	return h("tr", { key: String(audit.audit_id ?? audit.id ?? file) },
		h("td", null, h("a", { class: "name", href: url_format("audit", { file }), "data-row": true },
			h("span", { class: "clock" }, clock_format(audit.timestamp)), ago(audit.timestamp))),
		h("td", null, badge(health_get(audit.health_status))),
		h("td", { class: "number" }, number_format(audit.summary?.total)),
		COUNTS.map((id) => cell(audit.summary, id)),
		h("td", { class: "number" }, number_format(audit.changed)),
		h("td", { class: "c-average" }, score(audit.average)),
		h("td", { class: "number quiet" }, duration_format(audit.duration_ms)),
		h("td", { class: "quiet cut" }, [audit.host, audit.root].filter(Boolean).join(", ") || NONE));
}

function table(data) {
	return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Audits" },
		h("table", { class: "audits" },
			h("thead", null, h("tr", null, h("th", { scope: "col" }, "Audited"), h("th", { scope: "col" }, "Result"),
				h("th", { scope: "col", class: "number" }, "Total"),
				COUNTS.map((id) => h("th", { scope: "col", class: "number" }, STATUS.find((status) => status.id === id).word)),
				h("th", { scope: "col", class: "number" }, "Changed"), h("th", { scope: "col", class: "c-average" }, "Average"),
				h("th", { scope: "col", class: "number" }, "Took"), h("th", { scope: "col" }, "Host, root"))),
			h("tbody", null, data.items.map(row))));
}

function foot(data) {
	if (more.problem)
		return h("div", { class: "foot", role: "alert" }, h("span", null, `Older audits could not be loaded. ${more.problem.message}.`),
			problem_facts(more.problem), h("button", { type: "button", class: "button small", onclick: () => older(data) }, "Try again"));
	return h("div", { class: "foot quiet" }, data.next
		? h("button", { type: "button", class: "button small", disabled: more.busy, onclick: () => older(data) },
			more.busy ? "Loading" : "Older audits")
		: count_format(data.items.length, "audit"));
}

export function draw(root, data) {
	patch(root, h("div", { class: "view-head" }, h("h1", null, "Audits"), run_button()),
		data === null ? skeleton(10, "row")
			: data.items.length === 0 ? empty({ title: "No audits yet", mark: "mark", action: run_button(null, { primary: true }),
				text: "Every audit is kept. The first one appears here by itself." })
			: [table(data), foot(data)]);
}
