/* SPDX-License-Identifier: MIT */
/* The queue: how much waits and since when, how it went lately, who works, and the jobs themselves. */
import { api_get, api_send } from "../api.js";
import { h, patch } from "../dom.js";
import { NONE, age_format, count_format, duration_format, number_format, percent_format } from "../format.js";
import { page } from "../page.js";
import { ago, badge } from "../parts/badge.js";
import { job_may, job_tabs, job_verb, span_format } from "../parts/job.js";
import { empty, filtered_empty, problem_facts, skeleton } from "../parts/notice.js";
import { shape } from "../parts/shape.js";
import { JOB, job_get, worker_get } from "../state.js";
import { url_format } from "../url.js";

const PAGE = 50;
const MAY_HOLD = ["org_admin", "platform_admin"];

let more = { busy: false, problem: null };

export function title(data) {
	return data?.status.queued > 0 ? `(${data.status.queued}) Jobs` : "Jobs";
}

export function is_same() {
	return true;
}

const role = () => page.session?.account?.role;

/* Hosts are the server's administrator's; whether one is here may not be known yet. */
async function workers_load(signal) {
	if (page.session && role() !== "platform_admin")
		return null;
	try {
		return (await api_get("/api/v1/admin/workers", {}, signal)).body.items;
	} catch (problem) {
		if (problem.name !== "Problem")
			throw problem;
		return null;
	}
}

export async function load(params, signal, before) {
	const wanted = before?.params.state === params.state ? before.items.length : 0;
	const ask = (cursor) => api_get("/api/v1/jobs", { limit: PAGE, state: params.state, cursor }, signal);
	const [{ body: status }, { body: list, position }, { body: pauses }, workers] = await Promise.all([
		api_get("/api/v1/jobs/status", {}, signal), ask(), api_get("/api/v1/jobs/pauses", {}, signal), workers_load(signal)]);
	const { items } = list;
	let { next } = list;

	more = { busy: false, problem: null };
	while (next && items.length < wanted) {
		const { body } = await ask(next);
		items.push(...body.items);
		({ next } = body);
	}
	return { data: { params, status, items, next: next ?? null, pauses: pauses.items, workers, why: before?.why ?? {} }, position };
}

export function merge(data, event) {
	const { run_id, progress_percentage, message } = event.data ?? {};

	if (event.type === "status_change")
		return null;
	if (event.type !== "progress_update")
		return data;
	return { ...data, items: data.items.map((job) => (job.run_id === run_id && job.state === "running"
		? { ...job, progress: progress_percentage, message } : job)) };
}

/* What has no run is no event. */
export function every_ms(data) {
	return data.status.queued + data.status.running > 0 ? 5000 : 15000;
}

async function older(data) {
	more = { busy: true, problem: null };
	page.draw();
	try {
		const { body } = await api_get("/api/v1/jobs", { limit: PAGE, state: data.params.state, cursor: data.next });
		more.busy = false;
		page.update({ ...data, items: [...data.items, ...body.items], next: body.next ?? null });
	} catch (problem) {
		more = { busy: false, problem };
		page.draw();
	}
}

/* Something is done about a job or the queue, and all is asked for again. */
async function act(path, body = {}) {
	try {
		await api_send("POST", `/api/v1/jobs/${path}`, body);
	} catch (problem) {
		page.toast(problem.detail || problem.message, { tone: "error" });
	}
	await page.refresh();
}

async function why_load(data, job) {
	try {
		const { body } = await api_get(`/api/v1/jobs/${job.id}`);
		page.update({ ...data, why: { ...data.why, [job.id]: body.why ?? "It is its turn." } });
	} catch (problem) {
		page.toast(problem.detail || problem.message, { tone: "error" });
	}
}

function figure({ word, text, tone = "plain", is_some = false, mark, help }) {
	return h("li", { class: `figure tone-${tone}${is_some ? " some" : ""}`, title: help },
		h("p", null, h("span", { class: "figure-number" }, text), h("span", { class: "figure-word" }, shape(mark), word)));
}

const seconds_format = (seconds) => duration_format(Number.isFinite(seconds) ? seconds * 1000 : NaN);

function figures({ status }) {
	const sum = (name) => status.kinds.reduce((all, kind) => all + kind[name], 0);
	const [done, dead] = [sum("done"), sum("dead")];
	const { alive, slots, busy } = status.workers;
	const late = status.oldest_wait_s;

	return h("ul", { class: "figures alone", "aria-label": "Counts" },
		figure({ word: "Waiting", text: number_format(status.queued), mark: "polling", is_some: status.queued > 0, help: "Jobs that wait" }),
		figure({ word: "Running", text: number_format(status.running), mark: "play", tone: status.running ? "extra" : "plain", help: "Jobs that are being done" }),
		figure({ word: "Oldest waits", text: late === null ? NONE : age_format(Date.now() - late * 1000, Date.now()), mark: "polling",
			 tone: late > 300 ? "dirty" : "plain", is_some: late !== null, help: "How long the oldest one has waited that could be done" }),
		figure({ word: "Done in an hour", text: number_format(done), mark: "clean", tone: done ? "clean" : "plain", help: "Jobs that were done in the last hour" }),
		figure({ word: "Given up", text: number_format(dead), mark: "error", tone: dead ? "error" : "plain",
			 help: "Jobs that failed for good in the last hour" }),
		figure({ word: "Failed", text: percent_format(done + dead > 0 ? dead / (done + dead) : NaN), mark: "error",
			 tone: dead ? "error" : "plain", help: "The share of them that failed for good" }),
		figure({ word: alive === 1 ? "Runner" : "Runners", text: number_format(alive), mark: alive ? "live" : "error",
			 tone: alive ? "clean" : "error", help: `${number_format(busy)} of ${number_format(slots)} slots are taken, on all hosts` }));
}

function kinds({ status }) {
	const seen = status.kinds.filter((kind) => kind.queued + kind.running + kind.done + kind.dead + kind.cancelled > 0);
	const number = (value, tone) => h("td", { class: `number ${value ? tone ?? "" : "quiet"}` }, number_format(value));

	if (!seen.length)
		return h("p", { class: "calm quiet" }, "Nothing waits, and nothing was done in the last hour.");
	return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Kinds of job" },
		h("table", { class: "lined" },
			h("thead", null, h("tr", null, h("th", { scope: "col" }, "Kind"), h("th", { scope: "col" }, "Queue"),
				["Wait", "Paused", "Run", "Oldest", "Done", "Given up", "Half waited", "Half within", "95 % within", "99 % within"].map((word) =>
					h("th", { scope: "col", class: "number" }, word)))),
			h("tbody", null, seen.map((kind) => h("tr", { key: kind.kind, title: kind.help },
				h("td", { class: "strong" }, kind.kind), h("td", { class: "quiet" }, kind.queue),
				number(kind.queued), number(kind.held, "tone-dirty"), number(kind.running),
				h("td", { class: "number quiet" }, kind.oldest_wait_s === null ? NONE
					: age_format(Date.now() - kind.oldest_wait_s * 1000, Date.now())),
				number(kind.done), number(kind.dead, "tone-error"),
				h("td", { class: "number quiet" }, seconds_format(kind.waited?.p50)),
				["p50", "p95", "p99"].map((name) => h("td", { class: "number quiet" }, seconds_format(kind.seconds?.[name]))))))));
}

function worker(row) {
	return h("li", { key: row.id, class: "worker" }, badge(worker_get(row.state)),
		h("span", { class: "name cut", title: `Process ${row.pid}, version ${row.version}` }, row.host),
		h("span", { class: "quiet cut" }, row.jobs.length
			? row.jobs.map((job) => `${job.kind} ${job.key}`).join(", ") : "nothing just now"),
		h("span", { class: "quiet" }, `${number_format(row.jobs.length)} of ${number_format(row.slots)}`,
			row.queues && ` (${row.queues.join(", ")})`),
		h("span", { class: "quiet" }, "seen ", ago(row.seen_at)));
}

function pauses(data) {
	return data.pauses.map((pause) => h("div", { class: "stale", key: `${pause.organization}/${pause.queue}/${pause.kind}` }, shape("off"),
		h("span", null, h("b", null, pause.queue || pause.kind
			? `Paused: ${[pause.queue && `queue ${pause.queue}`, pause.kind && `kind ${pause.kind}`].filter(Boolean).join(", ")}`
			: "All jobs are paused", " since ", ago(pause.since), "."), " ",
		pause.reason ?? "", pause.organization === null && " By the administrator of this server."),
		pause.organization !== null && MAY_HOLD.includes(role()) && h("button", { type: "button", class: "button small", onclick: () =>
			act("resume", { ...pause.queue && { queue: pause.queue }, ...pause.kind && { kind: pause.kind } }) }, "Go on")));
}

function filters({ params }) {
	return h("nav", { class: "filters", "aria-label": "State" }, ["", ...JOB.map((row) => row.id)].map((state) => h("a", {
		class: "filter", href: url_format("job_list", { state }), "aria-current": params.state === state ? "true" : null },
	state && shape(job_get(state).shape), h("span", null, state ? job_get(state).word : "All"))));
}

function said(data, job) {
	if (job.state === "running")
		return [Number.isFinite(job.progress) && `${job.progress} % `, job.message];
	if (job.state !== "queued")
		return job.error;
	return [job.error, data.why[job.id] ?? h("button", { type: "button", class: "link", onclick: () => why_load(data, job) }, "Why?")];
}

function press(job) {
	const verb = job_verb(job);

	return verb && job_may() && h("button", { type: "button", class: "link",
		onclick: () => act(`${job.id}/${verb}`) }, verb === "cancel" ? "Cancel" : "Retry");
}

function row(data, job) {
	return h("tr", { key: String(job.id) },
		h("td", null, badge(job_get(job.state))),
		h("td", { class: "strong" }, h("a", { href: url_format("job", { job: job.id }), "data-row": true }, `${job.kind} ${job.id}`)),
		h("td", { class: "quiet cut", title: job.key }, job.subject ?? job.key),
		h("td", { class: "quiet" }, ago(job.finished_at ?? (job.state === "running" ? job.started_at : job.created_at))),
		h("td", { class: "number quiet c-try" }, job.attempt > 0 ? `${job.attempt} of ${job.attempts_max}` : NONE),
		h("td", { class: "number quiet c-took" }, job.state === "queued" ? NONE : span_format(job.started_at, job.finished_at)),
		h("td", { class: "quiet cut c-host" }, job.host ?? NONE),
		h("td", { class: "quiet c-says" }, said(data, job)),
		h("td", null, press(job)));
}

function table(data) {
	return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Jobs" },
		h("table", { class: "lined jobs" },
			h("thead", null, h("tr", null, ["State", "Job", "For", "When"].map((word) => h("th", { scope: "col" }, word)),
				["Try", "Took"].map((word) => h("th", { scope: "col", class: `number c-${word.toLowerCase()}` }, word)),
				["Host", "Says", ""].map((word) => h("th", { scope: "col", class: word && `c-${word.toLowerCase()}` }, word)))),
			h("tbody", null, data.items.map((job) => row(data, job)))));
}

function foot(data) {
	if (more.problem)
		return h("div", { class: "foot", role: "alert" }, h("span", null, `Older jobs could not be loaded. ${more.problem.message}.`),
			problem_facts(more.problem), h("button", { type: "button", class: "button small", onclick: () => older(data) }, "Try again"));
	return h("div", { class: "foot quiet" }, data.next
		? h("button", { type: "button", class: "button small", disabled: more.busy, onclick: () => older(data) },
			more.busy ? "Loading" : "Older jobs")
		: count_format(data.items.length, "job"));
}

function list(data) {
	if (data.items.length)
		return [table(data), foot(data)];
	return data.params.state
		? filtered_empty({ title: `Nothing is ${job_get(data.params.state).word.toLowerCase()}`, clear: () => page.go("/jobs") })
		: empty({ title: "No jobs yet", mark: "mark", text: "What is asked for or scheduled appears here, and stays for a day when it is done." });
}

export function draw(root, data) {
	if (data === null) {
		patch(root, h("div", { class: "view-head" }, h("h1", null, "Jobs")), job_tabs("/jobs"), skeleton(7, "figure"), skeleton(8, "row"));
		return;
	}
	patch(root, h("div", { class: "view-head" }, h("h1", null, "Jobs"),
		MAY_HOLD.includes(role()) && !data.pauses.some((pause) => pause.organization && !pause.queue && !pause.kind)
			&& h("button", { type: "button", class: "button", onclick: () => act("pause") }, shape("off"), h("span", null, "Pause all"))),
	job_tabs("/jobs"), pauses(data), figures(data),
	h("section", { class: "card spaced", key: "kinds" }, h("h2", null, "The last hour"), kinds(data)),
	data.workers && h("section", { class: "card spaced", key: "workers" }, h("h2", null, "Runners"),
		data.workers.length === 0 ? h("p", { class: "calm quiet" }, "No runner was heard of in the last day.")
			: h("ul", { class: "rows" }, data.workers.map(worker))),
	h("div", { class: "toolbar spaced", key: "filters" }, filters(data),
		job_may() && data.items.some((job) => job.state === "dead")
			&& h("button", { type: "button", class: "button small", onclick: () => act("redrive") }, "Retry all that were given up")),
	list(data));
}
