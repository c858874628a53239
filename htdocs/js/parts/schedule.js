/* SPDX-License-Identifier: MIT */
/* When something is done: in words, and the form that says so, with the times that would come of it. */
import { api_get } from "../api.js";
import { cron_words } from "../cron.js";
import { h } from "../dom.js";
import { time_format } from "../format.js";
import { page } from "../page.js";
import { field, field_select, form_part } from "./form.js";

const KINDS = [["audit", "an audit"], ["scan", "a scan for secrets"], ["report", "a daily summary"],
	["reconcile", "leftovers on disks"]];
const OF_REPOS = ["audit", "scan"];
const USUAL = [["0 * * * *", "Hourly"], ["0 3 * * *", "Nightly"], ["0 6 * * mon-fri", "Weekdays"], ["0 6 * * sun", "Sundays"]];
const TYPING_MS = 250;

let typing = null;

export function when_words({ cron, timezone }) {
	const words = cron_words(cron);

	return h("span", { class: "when" }, words ? h("span", null, words) : h("code", null, cron),
		timezone !== "UTC" && h("span", { class: "quiet" }, ` ${timezone}`));
}

export function of_words({ kind, project, repository }) {
	if (repository || project)
		return repository ? repository.name : `project ${project}`;
	return OF_REPOS.includes(kind) ? "all repositories" : "the organization";
}

function zone() {
	return Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
}

/* Asks when it would come, a moment after the last key. */
function preview(form, data_get) {
	clearTimeout(typing);
	typing = setTimeout(async () => {
		const [cron, timezone] = [form.elements.cron.value.trim(), form.elements.timezone.value.trim()];
		let next = null;
		if (cron !== "") {
			try {
				next = (await api_get("/api/v1/schedules/preview", { cron, timezone })).body;
			} catch (problem) {
				if (problem.name !== "Problem")
					throw problem;
				next = { cron, problem };
			}
		}
		if (form.isConnected && cron === form.elements.cron.value.trim())
			page.update({ ...data_get(), preview: next });
	}, TYPING_MS);
}

function preview_part(next) {
	if (!next)
		return null;
	if (next.problem)
		return h("p", { class: "field-problem", role: "status" }, next.problem.errors.map((error) => `${error.field} ${error.message}`).join("; ")
			|| next.problem.message);
	const words = cron_words(next.cron);
	return h("div", { class: "preview", role: "status" }, h("p", null, words ? `That is ${words}. ` : "", h("span", { class: "quiet" }, "Next, by your clock:")),
		h("ul", null, next.occurrences.slice(0, 3).map((at) => h("li", { key: at }, time_format(at)))));
}

/*
 * of: a schedule to change, or null for a new one; projects: [{slug, name}] to choose from; call(values) sends it,
 * data_get() is the view's data as it is then.
 */
export function schedule_form({ data, data_get, of = null, projects = [], word, second = null, call }) {
	const { problem } = data;
	const oninput = (event) => preview(event.currentTarget.form, data_get);
	const usual = (cron) => (event) => {
		const { form } = event.currentTarget;
		form.elements.cron.value = cron;
		preview(form, data_get);
	};
	const send = (values) => (values.press ? call(values) : call({
		...of ? {} : { kind: values.kind, ...values.project_id && { project_id: values.project_id }, ...values.repo.trim() && { repo: values.repo.trim() } },
		cron: values.cron.trim(), timezone: values.timezone.trim() || "UTC", jitter_s: Math.round(Number(values.jitter) * 60) }));

	return form_part({ data, word, second, call: send,
		lead: "When it is done, as crontab(5) writes it: minute, hour, day of the month, month, day of the week.",
		fields: [
			!of && field_select({ name: "kind", word: "What", choices: KINDS }),
			!of && projects.length > 1 && field_select({ name: "project_id", word: "Of",
				choices: [["", "everything"], ...projects.map((row) => [row.slug, `project ${row.name}`])] }),
			!of && field({ name: "repo", word: "Of one repository alone", type: "text", needed: false, complete: "off", problem,
				more: { placeholder: "all" } }),
			field({ name: "cron", word: "When", type: "text", complete: "off", problem, begin: of?.cron ?? "0 3 * * *", more: { oninput, maxlength: "200" } }),
			h("p", { class: "usual" }, USUAL.map(([cron, name]) => h("button", { key: cron, type: "button", class: "button small",
				onclick: usual(cron) }, name))),
			field({ name: "timezone", word: "By the clocks of", type: "text", complete: "off", problem, needed: false, begin: of?.timezone ?? zone(),
				more: { oninput, list: "zones" } }),
			h("datalist", { id: "zones" }, (Intl.supportedValuesOf?.("timeZone") ?? []).map((name) => h("option", { value: name }))),
			field({ name: "jitter", word: "Spread over (minutes)", type: "text", complete: "off", problem, begin: Math.round((of?.jitter_s ?? 0) / 60),
				more: { inputmode: "numeric", pattern: "[0-9]{1,4}" }, help: "Later by a part of this, so that not all begins in one moment." }),
			preview_part(data.preview),
		] });
}
