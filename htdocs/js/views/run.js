/* SPDX-License-Identifier: MIT */
/*
 * One run: how far it is, what it says, what it found. While it is looked at it has a socket of its own
 * (/ws/run/{id}), which brings its state and the lines of its log; without that it is asked for again.
 */
import { api_get, api_send } from "../api.js";
import { h, patch } from "../dom.js";
import { NONE, count_format, duration_format, number_format, time_parse } from "../format.js";
import { page } from "../page.js";
import { ago, badge } from "../parts/badge.js";
import { run_words } from "../parts/job.js";
import { skeleton } from "../parts/notice.js";
import { shape } from "../parts/shape.js";
import { SEVERITY, run_get } from "../state.js";
import { repo_url } from "../url.js";

const LOG_PAGE = 200;
const LOG_PAGES = 20;
const AGAIN_MS = 3000;
const MAY_END = ["developer", "team_lead", "org_admin", "platform_admin"];

let now = null;      /* what is shown, for what the socket brings */
let socket = null;

export function title(data) {
	return data ? `${run_get(data.run.status).word}: ${run_words(data.run)}` : "Run";
}

const is_over = (run) => !["pending", "in_progress"].includes(run.status);

async function log_load(id, before, signal) {
	const log = [...before];

	for (let pages = 0; pages < LOG_PAGES; pages++) {
		const { body } = await api_get(`/api/v1/runs/${id}/log`, { after: log.at(-1)?.number ?? 0 }, signal);
		log.push(...body.items);
		if (body.items.length < LOG_PAGE)
			break;
	}
	return log;
}

export async function load(params, signal, before) {
	const { body: run, position } = await api_get(`/api/v1/runs/${encodeURIComponent(params.run)}`, {}, signal);
	const log = await log_load(run.id, before?.run.id === run.id ? before.log : [], signal);

	now = { run, log };
	if (!is_over(run) && page.live.enabled)
		watch(run.id, signal);
	return { data: now, position };
}

/* A message of the socket over what is known; null when all of it must be asked for again. */
export function run_merge(data, message) {
	const { type } = message;

	if (type === "run_log")
		return data.log.some((piece) => piece.number === message.number) ? data
			: { ...data, log: [...data.log, { number: message.number, text: message.text, at: message.timestamp }] };
	if (type === "progress_update")
		return { ...data, run: { ...data.run, progress: message.progress_percentage, message: message.message ?? null } };
	if (type !== "status_change")
		return data;
	const run = { ...data.run };
	for (const name of ["status", "progress", "message", "total_results", "error", "started_at", "completed_at"]) {
		if (name in message)
			run[name] = message[name];
	}
	return is_over(run) && !is_over(data.run) ? null : { ...data, run };
}

function watch(id, signal) {
	const mine = new WebSocket(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws/run/${id}?log_after=${now.log.at(-1)?.number ?? 0}`);

	socket = mine;
	signal.addEventListener("abort", () => mine.close());
	mine.addEventListener("message", ({ data }) => {
		if (signal.aborted)
			return;
		const after = run_merge(now, JSON.parse(data));
		if (after === null) {
			page.refresh();
		} else if (after !== now) {
			now = after;
			page.update(now);
		}
	});
	mine.addEventListener("close", () => {
		if (socket === mine)
			socket = null;
	});
}

/* Its socket tells; who has none is told of its state by the others' stream. */
export function merge(data, event) {
	const is_mine = String(event.data?.run_id) === String(data.run.id);
	return is_mine && event.type === "status_change" && socket === null ? null : data;
}

export function every_ms(data) {
	return is_over(data.run) || socket?.readyState === 1 ? 0 : AGAIN_MS;
}

async function cancel(run) {
	try {
		await api_send("POST", `/api/v1/runs/${run.id}/cancel`, {});
	} catch (problem) {
		page.toast(problem.detail || problem.message, { tone: "error" });
	}
	await page.refresh();
}

function head({ run }) {
	const { repository, account } = run;
	const took = run.started_at && (time_parse(run.completed_at) ?? Date.now()) - time_parse(run.started_at);

	return h("div", { class: "view-head" },
		h("div", null, h("h1", null, h("span", null, run_words(run)), badge(run_get(run.status))),
			h("p", { class: "facts" },
				repository && h("span", null, "of ", h("a", { href: repo_url(repository) }, repository.name)),
				h("span", null, account ? `asked for by ${account.name || account.email} ` : "asked for ", ago(run.created_at)),
				Number.isFinite(took) && h("span", null, `${is_over(run) ? "took" : "for"} ${duration_format(took)}`),
				Number.isFinite(run.total_results) && h("span", null, count_format(run.total_results, "result")))),
		!is_over(run) && MAY_END.includes(page.session?.account?.role)
			&& h("button", { type: "button", class: "button", onclick: () => cancel(run) }, shape("close"), h("span", null, "Cancel")));
}

function progress({ run }) {
	if (run.error)
		return h("p", { class: "stale", role: "alert" }, shape("error"), h("span", null, run.error));
	if (is_over(run))
		return run.message && run.message !== "Complete" && h("p", { class: "note" }, run.message);
	return h("div", { class: "progress", key: "progress" },
		h("progress", { max: "100", "aria-label": "Progress", value: Number.isFinite(run.progress) ? run.progress : null }),
		h("p", { class: "facts", role: "status" }, h("span", null, Number.isFinite(run.progress) ? `${run.progress} %` : run_get(run.status).help),
			run.message && h("span", null, run.message)));
}

/* Who looks at the end of the log stays there. */
function follow(element) {
	const is_at_end = element.scrollTop + element.clientHeight >= element.scrollHeight - 40;
	if (is_at_end || element.dataset.seen === undefined)
		requestAnimationFrame(() => {
			element.scrollTop = element.scrollHeight;
		});
	element.dataset.seen = "";
}

function log({ log: pieces, run }) {
	return h("section", { class: "card spaced", key: "log" }, h("h2", null, "Log"),
		pieces.length === 0
			? h("p", { class: "calm quiet" }, is_over(run) ? "It said nothing." : "What it says appears here by itself.")
			: h("pre", { class: "log", tabindex: "0", role: "log", "aria-label": "Log", ref: follow },
				pieces.map((piece) => h("span", { key: String(piece.number) }, piece.text))));
}

function results({ run }) {
	const rows = run.results ?? [];

	if (!is_over(run) || (!rows.length && ["audit", "remediate"].includes(run.kind)))
		return null;
	return h("section", { class: "card spaced", key: "results" }, h("div", { class: "card-head" }, h("h2", null, "What it was the first to find"),
			h("p", { class: "quiet" }, number_format(rows.length))),
		rows.length === 0 ? h("p", { class: "calm quiet" }, "Nothing that nobody knew.")
			: h("ul", { class: "rows" }, rows.map((row) => h("li", { key: String(row.id), class: "result" },
				h("span", { class: `tone-${SEVERITY.indexOf(row.severity) < 2 ? "error" : "dirty"}` }, row.severity),
				h("span", { class: "name cut" }, row.title ?? row.rule), h("span", { class: "quiet cut code" }, row.path ?? NONE)))));
}

export function draw(root, data) {
	if (data === null) {
		patch(root, h("div", { class: "view-head" }, h("h1", { class: "quiet" }, "Run")), skeleton(6, "row"));
		return;
	}
	patch(root, h("nav", { class: "crumb", "aria-label": "Path" }, h("a", { href: "/jobs" }, "Jobs")),
		head(data), progress(data), log(data), results(data));
}
