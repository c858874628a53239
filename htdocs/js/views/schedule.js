/* SPDX-License-Identifier: MIT */
/* One schedule: when it comes, what became of it so far, and the form that changes it. */
import { api_get, api_send } from "../api.js";
import { h, patch } from "../dom.js";
import { NONE, age_format, number_format, time_format } from "../format.js";
import { page } from "../page.js";
import { ago, badge, until } from "../parts/badge.js";
import { FORM } from "../parts/form.js";
import { job_may } from "../parts/job.js";
import { skeleton } from "../parts/notice.js";
import { of_words, schedule_form, when_words } from "../parts/schedule.js";
import { shape } from "../parts/shape.js";
import { schedule_get, tick_get } from "../state.js";
import { repo_url } from "../url.js";
import { schedule_begin_now } from "./schedule_list.js";

let shown = null;

export function title(data) {
	return data ? `${data.schedule.kind} of ${of_words(data.schedule)}` : "Schedule";
}

export async function load(params, signal, before) {
	const { body: schedule, position } = await api_get(`/api/v1/schedules/${encodeURIComponent(params.schedule)}`, {}, signal);

	return { data: { ...FORM, preview: null, is_editing: false, ...before, schedule }, position };
}

export function merge(data, event) {
	return event.type === "schedule_tick" && event.data?.schedule_id === data.schedule.id ? null : data;
}

export function every_ms() {
	return 30000;
}

async function act(call, then = () => page.refresh()) {
	try {
		await call();
	} catch (problem) {
		page.toast(problem.detail || problem.message, { tone: "error" });
		return;
	}
	await then();
}

const change = (schedule, body) => api_send("PATCH", `/api/v1/schedules/${schedule.id}`, body);

function head({ schedule }) {
	const { enabled, repository } = schedule;
	const press = (mark, word, call) => h("button", { type: "button", class: "button", onclick: call }, shape(mark), h("span", null, word));

	return h("div", { class: "view-head" },
		h("div", null, h("h1", null, h("span", null, `${schedule.kind} of ${of_words(schedule)}`), badge(schedule_get(schedule))),
			h("p", { class: "facts" }, when_words(schedule), h("span", { class: "code" }, schedule.cron),
				repository && h("span", null, h("a", { href: repo_url(repository) }, repository.name)),
				h("span", null, schedule.account ? `by ${schedule.account.name || schedule.account.email}` : "by itself, with the first folder",
					" ", ago(schedule.created_at)))),
		job_may() && h("div", { class: "view-side" },
			press("play", "Run now", () => act(() => schedule_begin_now(schedule))),
			press(enabled ? "off" : "live", enabled ? "Pause" : "Go on", () => act(() => change(schedule, { enabled: !enabled })))));
}

function next({ schedule }) {
	return h("section", { class: "card", key: "next" }, h("h2", null, "Next"),
		!schedule.enabled ? h("p", { class: "calm quiet" }, "It is paused, and does not come.")
			: h("ol", { class: "rows" }, schedule.occurrences.map((at) => h("li", { key: at, class: "time" },
				h("span", null, time_format(at)), h("span", { class: "quiet" }, until(at))))),
		h("p", { class: "note" }, "Times are by your clock; the schedule goes by that of ", schedule.timezone, ".",
			schedule.jitter_s > 0 && ` They are spread over ${age_format(0, schedule.jitter_s * 1000)}.`,
			` What was missed is made up for when it is no longer ago than ${age_format(0, schedule.backfill_s * 1000)}.`));
}

function tick(row) {
	return h("tr", { key: row.due_at },
		h("td", null, badge(tick_get(row.outcome))), h("td", { class: "quiet" }, ago(row.due_at)),
		h("td", { class: "number" }, number_format(row.jobs)),
		h("td", { class: `number ${row.missed ? "tone-dirty" : "quiet"}` }, number_format(row.missed)),
		h("td", { class: "quiet c-says" }, row.reason ?? NONE));
}

function ticks({ schedule }) {
	return h("section", { class: "card", key: "ticks" }, h("h2", null, "Last"),
		schedule.ticks.length === 0 ? h("p", { class: "calm quiet" }, "It has not come yet.")
			: h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Last times" },
				h("table", { class: "lined jobs" },
					h("thead", null, h("tr", null, ["Outcome", "When"].map((word) => h("th", { scope: "col" }, word)),
						["Jobs", "Missed"].map((word) => h("th", { scope: "col", class: "number" }, word)), h("th", { scope: "col" }, "Why"))),
					h("tbody", null, schedule.ticks.map(tick)))));
}

/* What is removed is asked for twice. */
function remove(data) {
	const { schedule, is_removing } = data;

	return h("p", { class: "form-buttons", key: "remove" }, is_removing
		? [h("button", { type: "button", class: "button", onclick: () => act(
			() => api_send("DELETE", `/api/v1/schedules/${schedule.id}`), () => page.go("/schedules", { replace: true })) },
		shape("missing"), h("span", null, "Yes, remove it")),
		h("button", { type: "button", class: "button", onclick: () => page.update({ ...data, is_removing: false }) }, "Keep it")]
		: h("button", { type: "button", class: "link", onclick: () => page.update({ ...data, is_removing: true }) }, "Remove this schedule"));
}

function edit(data) {
	const { schedule, is_editing } = data;

	return h("section", { class: "card", key: "edit" }, h("h2", null, "Change"),
		is_editing ? schedule_form({ data, data_get: () => shown, of: schedule, word: ["Keep it so", "Keeping it"], second: ["not", "Leave it"],
			call: async (values) => {
				if (values.press !== "not")
					await change(schedule, values);
				page.update({ ...shown, ...FORM, preview: null, is_editing: false });
				await page.refresh();
			} })
			: [h("p", { class: "form-buttons" }, h("button", { type: "button", class: "button", onclick: () =>
				page.update({ ...data, is_editing: true }) }, "Change when")), remove(data)]);
}

export function draw(root, data) {
	if (data === null) {
		patch(root, h("div", { class: "view-head" }, h("h1", { class: "quiet" }, "Schedule")), skeleton(6, "row"));
		return;
	}
	shown = data;
	patch(root, h("nav", { class: "crumb", "aria-label": "Path" }, h("a", { href: "/schedules" }, "Schedules")), head(data),
		data.schedule.error && h("p", { class: "stale", role: "alert" }, shape("error"), h("span", null, data.schedule.error)),
		h("div", { class: "columns" }, h("div", { class: "column" }, ticks(data), job_may() && edit(data)),
			h("div", { class: "column" }, next(data))));
}
