/* SPDX-License-Identifier: MIT */
/* One job of the queue: what it is for, why it waits, how often it was tried, what it said and took. */
import { api_get, api_send } from "../api.js";
import { h, patch } from "../dom.js";
import { NONE, bytes_format, duration_format, number_format } from "../format.js";
import { page } from "../page.js";
import { ago, badge, until } from "../parts/badge.js";
import { job_may, job_verb, span_format } from "../parts/job.js";
import { skeleton } from "../parts/notice.js";
import { shape } from "../parts/shape.js";
import { job_get, outcome_get } from "../state.js";
import { url_format } from "../url.js";

const AGAIN_MS = 3000;

export function title(data, params) {
	return data ? `${job_get(data.job.state).word}: ${data.job.kind} ${data.job.id}` : `Job ${params.job}`;
}

const is_over = (job) => !["queued", "running"].includes(job.state);

export async function load(params, signal) {
	const path = `/api/v1/jobs/${encodeURIComponent(params.job)}`;
	const [{ body: job, position }, { body: attempts }] = await Promise.all([
		api_get(path, {}, signal), api_get(`${path}/attempts`, {}, signal)]);

	return { data: { job, attempts: attempts.items }, position };
}

export function merge(data, event) {
	const { run_id, progress_percentage, message } = event.data ?? {};

	if (run_id === undefined || run_id !== data.job.run_id)
		return data;
	if (event.type === "progress_update")
		return { ...data, job: { ...data.job, progress: progress_percentage, message } };
	return event.type === "status_change" ? null : data;
}

/* What has no run is no event. */
export function every_ms(data) {
	return is_over(data.job) ? 0 : AGAIN_MS;
}

async function act(job, verb) {
	try {
		await api_send("POST", `/api/v1/jobs/${job.id}/${verb}`, {});
	} catch (problem) {
		page.toast(problem.detail || problem.message, { tone: "error" });
	}
	await page.refresh();
}

function head({ job }) {
	const verb = job_verb(job);

	return h("div", { class: "view-head" },
		h("div", null, h("h1", null, h("span", null, `${job.kind} ${job.id}`), badge(job_get(job.state))),
			h("p", { class: "facts" },
				job.subject && h("span", null, "for ", h("b", null, job.subject)),
				h("span", null, "asked for ", ago(job.created_at)),
				job.started_at && job.state !== "queued" && h("span", null, is_over(job) ? "took " : "for ",
					span_format(job.started_at, job.finished_at)),
				job.host && h("span", null, `on ${job.host}`),
				job.run_id && h("span", null, h("a", { href: url_format("run", { run: job.run_id }) }, `Run ${job.run_id}`)))),
		verb && job_may() && h("button", { type: "button", class: "button", onclick: () => act(job, verb) },
			shape(verb === "cancel" ? "close" : "refresh"), h("span", null, verb === "cancel" ? "Cancel" : "Retry")));
}

function state({ job }) {
	if (job.state === "queued")
		return h("p", { class: "stale", role: "status" }, shape("polling"), h("span", null, job.why ?? "It is its turn.",
			job.error && ` Last time: ${job.error}`));
	if (job.error)
		return h("p", { class: "stale", role: "alert" }, shape("error"), h("span", null, job.error));
	if (job.state === "running")
		return h("div", { class: "progress", key: "progress" },
			h("progress", { max: "100", "aria-label": "Progress", value: Number.isFinite(job.progress) ? job.progress : null }),
			h("p", { class: "facts", role: "status" }, h("span", null, Number.isFinite(job.progress) ? `${job.progress} %` : job_get("running").help),
				job.message && h("span", null, job.message)));
	return job.message && h("p", { class: "note" }, job.message);
}

const memory = (kib) => bytes_format(Number.isFinite(kib) ? kib * 1024 : NaN);

function attempt(row) {
	return h("tr", { key: String(row.number) },
		h("td", { class: "number" }, number_format(row.number)),
		h("td", null, badge(outcome_get(row.outcome))),
		h("td", { class: "quiet" }, ago(row.started_at)),
		h("td", { class: "number quiet" }, span_format(row.started_at, row.ended_at)),
		h("td", { class: "quiet" }, row.host ?? NONE),
		h("td", { class: "number quiet" }, row.exit_status ?? NONE),
		h("td", { class: "number quiet" }, duration_format(row.cpu_ms ?? NaN)),
		h("td", { class: "number quiet" }, memory(row.rss_kib)),
		h("td", { class: "quiet c-says" }, row.error));
}

function attempts(data) {
	return h("section", { class: "card spaced", key: "attempts" }, h("div", { class: "card-head" }, h("h2", null, "Tries"),
			h("p", { class: "quiet" }, `${number_format(data.job.attempt)} of ${number_format(data.job.attempts_max)}`)),
		data.attempts.length === 0 ? h("p", { class: "calm quiet" }, "It was not begun yet.")
			: h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Tries" },
				h("table", { class: "lined jobs" },
					h("thead", null, h("tr", null, h("th", { scope: "col", class: "number" }, "Try"),
						["Ended", "Began"].map((word) => h("th", { scope: "col" }, word)), h("th", { scope: "col", class: "number" }, "Took"),
						h("th", { scope: "col" }, "Host"), ["Exit", "Processor", "Memory"].map((word) =>
							h("th", { scope: "col", class: "number" }, word)), h("th", { scope: "col" }, "Says"))),
					h("tbody", null, data.attempts.map(attempt)))));
}

function log(data) {
	const said = data.attempts.filter((row) => row.log);

	return h("section", { class: "card spaced", key: "log" }, h("h2", null, "Log"),
		said.length === 0 ? h("p", { class: "calm quiet" }, is_over(data.job) ? "It said nothing." : "What a try said is here when it has ended.",
			data.job.run_id && [" ", h("a", { href: url_format("run", { run: data.job.run_id }) }, "Its run"), " has what it says meanwhile."])
			: said.map((row) => [said.length > 1 && h("h3", { key: `h${row.number}` }, `Try ${row.number}`),
				h("pre", { class: "log", key: `l${row.number}`, tabindex: "0", role: "log", "aria-label": `Log of try ${row.number}` }, row.log)]));
}

function facts({ job }) {
	const fact = (name, value) => value !== null && value !== undefined && [h("dt", null, name), h("dd", null, value)];
	const links = (job.wait_for ?? []).map((id, i) => [i > 0 && ", ", h("a", { href: url_format("job", { job: id }) }, String(id))]);

	return h("section", { class: "card spaced", key: "facts" }, h("h2", null, "Facts"), h("dl", { class: "pairs left" },
		fact("Queue", job.queue), fact("Key", h("span", { class: "code" }, job.key)), fact("Priority", number_format(job.priority)),
		fact("Due", job.state === "queued" && Date.parse(job.run_at) > Date.now() ? until(job.run_at) : ago(job.run_at)),
		fact("Began", job.started_at && ago(job.started_at)), fact("Ended", job.finished_at && ago(job.finished_at)),
		fact("Processor", Number.isFinite(job.cpu_ms) ? duration_format(job.cpu_ms) : null),
		fact("Memory", Number.isFinite(job.rss_kib) ? memory(job.rss_kib) : null),
		links.length > 0 && fact("Waits for jobs", links),
		job.limit_key && fact("Shares a limit", [h("span", { class: "code" }, job.limit_key), job.limit_running && `: ${job.limit_running} at once`,
			job.limit_rate && `, ${job.limit_rate} a minute`])),
	[["What it was given", job.payload], ["What came of it", job.result]].map(([word, value]) => value && h("details", { key: word },
		h("summary", null, word), h("pre", { class: "log" }, JSON.stringify(value, null, 2)))));
}

export function draw(root, data, params) {
	if (data === null) {
		patch(root, h("div", { class: "view-head" }, h("h1", { class: "quiet" }, `Job ${params.job}`)), skeleton(6, "row"));
		return;
	}
	patch(root, h("nav", { class: "crumb", "aria-label": "Path" }, h("a", { href: "/jobs" }, "Jobs")),
		head(data), state(data), attempts(data), log(data), facts(data));
}
