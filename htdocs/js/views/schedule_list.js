/* SPDX-License-Identifier: MIT */
/* What is done again and again: when, when next, and what became of the last time. */
import { api_get, api_send } from "../api.js";
import { h, patch } from "../dom.js";
import { count_format } from "../format.js";
import { page } from "../page.js";
import { ago, badge, until } from "../parts/badge.js";
import { FORM } from "../parts/form.js";
import { job_may, job_tabs } from "../parts/job.js";
import { empty, skeleton } from "../parts/notice.js";
import { of_words, schedule_form, when_words } from "../parts/schedule.js";
import { schedule_get, tick_get } from "../state.js";
import { repo_url, url_format } from "../url.js";

const PAGE = 200;
const PAGES = 5; /* there are at most a thousand */

let shown = null;

export function title() {
	return "Schedules";
}

export function is_same() {
	return true;
}

async function projects_load(params, signal) {
	return params.add ? (await api_get("/api/v1/projects", { limit: 100 }, signal)).body.items : [];
}

export async function load(params, signal, before) {
	const projects = projects_load(params, signal);
	const { body: list, position } = await api_get("/api/v1/schedules", { limit: PAGE }, signal);
	const { items } = list;
	let { next } = list;

	for (let pages = 1; next && pages < PAGES; pages++) {
		const { body } = await api_get("/api/v1/schedules", { limit: PAGE, cursor: next }, signal);
		items.push(...body.items);
		({ next } = body);
	}
	return { data: { ...FORM, preview: null, ...before, items, projects: await projects }, position };
}

export function merge(data, event) {
	return event.type === "schedule_tick" ? null : data;
}

export function every_ms() {
	return 30000;
}

/* Something is done about one, and all is asked for again. */
async function act(call) {
	try {
		await call();
	} catch (problem) {
		page.toast(problem.detail || problem.message, { tone: "error" });
	}
	await page.refresh();
}

export async function schedule_begin_now(schedule) {
	const { body } = await api_send("POST", `/api/v1/schedules/${schedule.id}/run`, {});
	page.toast(`${count_format(body.jobs, "job")} queued`, { tone: "clean" });
}

function row(schedule) {
	const { id, enabled } = schedule;

	return h("tr", { key: id },
		h("td", null, badge(schedule_get(schedule), { title: schedule.error })),
		h("td", { class: "strong" }, h("a", { href: url_format("schedule", { schedule: id }), "data-row": true }, schedule.kind)),
		h("td", { class: "cut" }, schedule.repository
			? h("a", { href: repo_url(schedule.repository) }, schedule.repository.name) : of_words(schedule)),
		h("td", { class: "c-when", title: schedule.cron }, when_words(schedule)),
		h("td", { class: "quiet" }, enabled ? until(schedule.next_at) : "not while it is paused"),
		h("td", { class: "quiet" }, schedule.last_at
			? [ago(schedule.last_at), " ", badge(tick_get(schedule.last_outcome))] : "not yet"),
		h("td", { class: "presses" }, job_may() && [
			h("button", { type: "button", class: "link", "aria-label": `Run now: ${schedule.kind} of ${of_words(schedule)}`,
				onclick: () => act(() => schedule_begin_now(schedule)) }, "Run now"),
			h("button", { type: "button", class: "link", onclick: () => act(() =>
				api_send("PATCH", `/api/v1/schedules/${id}`, { enabled: !enabled })) }, enabled ? "Pause" : "Go on")]));
}

function table(data) {
	return [h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Schedules" },
		h("table", { class: "lined schedules" },
			h("thead", null, h("tr", null, ["State", "What", "Of", "When", "Next", "Last", ""].map((word) => h("th", { scope: "col" }, word)))),
			h("tbody", null, data.items.map(row)))),
	h("div", { class: "foot quiet" }, count_format(data.items.length, "schedule"))];
}

function add(data) {
	return h("section", { class: "card", key: "add" }, h("h2", null, "New schedule"),
		schedule_form({ data, data_get: () => shown, projects: data.projects, word: ["Add it", "Adding it"], second: ["not", "Leave it"],
			call: async (values) => {
				if (values.press !== "not")
					await api_send("POST", "/api/v1/schedules", values);
				page.update({ ...shown, ...FORM, preview: null });
				await page.go("/schedules", { replace: true });
			} }));
}

export function draw(root, data, params) {
	const button = h("a", { class: "button primary", href: url_format("schedule_list", { add: "1" }) }, "New schedule");

	if (data === null) {
		patch(root, h("div", { class: "view-head" }, h("h1", null, "Schedules")), job_tabs("/schedules"), skeleton(4, "row"));
		return;
	}
	shown = data;
	const is_adding = params.add && job_may();
	patch(root, h("div", { class: "view-head" }, h("h1", null, "Schedules"), job_may() && !is_adding && data.items.length > 0 && button),
		job_tabs("/schedules"), is_adding && add(data),
		data.items.length > 0 ? table(data) : !is_adding && empty({ title: "Nothing is scheduled", mark: "polling", action: job_may() && button,
			text: "Audits and scans happen only when somebody asks for them." }));
}
