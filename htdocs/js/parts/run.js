/* SPDX-License-Identifier: MIT */
/* The button that asks for an audit now, of one repository or of all; it says how far it is. */
import { h } from "../dom.js";
import { page } from "../page.js";
import { shape } from "./shape.js";

const WORD = { pending: "Audit is waiting", in_progress: "Auditing" };
const LONG_MS = 120000;

function run_find(id) {
	for (const run of page.runs.values()) {
		if (run.repo === id && Date.now() - run.at < LONG_MS)
			return run;
	}
	return null;
}

export function run_button(repo = null, { primary = false } = {}) {
	const run = run_find(repo?.id ?? null);
	const role = page.session?.account?.role;

	return h("button", { type: "button", class: `button${primary ? " primary" : ""}${run ? " busy" : ""}`,
			     disabled: run !== null || role === "viewer", onclick: () => page.run(repo),
			     title: role === "viewer" ? "Your role does not allow to start an audit" : null },
		shape(run ? "reconnecting" : "play"), h("span", null, run ? WORD[run.status] ?? "Auditing" : "Audit now"));
}
