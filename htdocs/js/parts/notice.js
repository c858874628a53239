/* SPDX-License-Identifier: MIT */
/*
 * What a list shows when it has nothing to show: skeleton, empty, filtered-empty, problem; and
 * the line above data that could not be loaded again. A problem always names its request.
 */
import { h } from "../dom.js";
import { ago_format, clock_format } from "../format.js";
import { shape } from "./shape.js";

export function skeleton(rows = 8, kind = "line") {
	return h("div", { class: `skeletons ${kind}s`, "aria-hidden": "true" },
		Array.from({ length: rows }, (_, i) => h("div", { class: `skeleton w${(i * 3) % 5}` })));
}

export function empty({ title, text, action, mark = "unknown" }) {
	return h("div", { class: "empty" }, h("div", { class: "empty-mark" }, shape(mark)),
		h("h2", null, title), text && h("p", null, text), action);
}

export function filtered_empty({ title, text, clear }) {
	return empty({ title, text, mark: "search",
		       action: h("button", { type: "button", class: "button", onclick: clear }, "Clear search and filter") });
}

export function problem_facts(problem) {
	const parts = [problem.status ? `status ${problem.status}` : "",
		       problem.request_id ? `request ${problem.request_id}` : ""].filter(Boolean);
	return parts.length ? h("p", { class: "facts code" }, parts.map((part) => h("span", null, part))) : null;
}

export function problem_part(problem, retry) {
	return h("div", { class: "empty problem", role: "alert" },
		h("div", { class: "empty-mark tone-error" }, shape("error")),
		h("h2", null, problem.message), problem.detail && h("p", null, problem.detail),
		problem.errors?.length > 0 && h("ul", null, problem.errors.map((error) =>
			h("li", null, `${error.field}: ${error.message}`))),
		problem_facts(problem),
		retry && h("button", { type: "button", class: "button primary", onclick: retry }, "Try again"));
}

/* Data is shown, but it is not current. */
export function stale_notice({ problem, at, retry }) {
	const why = problem ? `${problem.message}${problem.request_id ? ` (request ${problem.request_id})` : ""}.`
			    : "Updates do not arrive at the moment.";

	return h("div", { class: "stale", role: "status" }, shape("polling"),
		h("span", null, h("b", null, `Not current: as of ${clock_format(at)}, `, h("time", { "data-ago": true,
			datetime: new Date(at).toISOString() }, ago_format(at, Date.now())), "."), " ", why),
		h("button", { type: "button", class: "button small", onclick: retry }, "Refresh"));
}
