/* SPDX-License-Identifier: MIT */
/* The button that asks for an audit, a scan or a fetch now, of one repository or of all; it says how far it is. */
import { h } from "../dom.js";
import { page } from "../page.js";
import { shape } from "./shape.js";

const WORD = {
	audit: { now: "Audit now", pending: "Audit is waiting", in_progress: "Auditing", a: "an audit" },
	scan: { now: "Scan now", all: "Scan all", pending: "Scan is waiting", in_progress: "Scanning", a: "a scan",
		help: "Look for secrets in all of its history" },
	fetch: { now: "Fetch now", pending: "Fetch is waiting", in_progress: "Fetching", a: "a fetch",
		 help: "Bring what is kept of it up to date" },
};
const MARK = { scan: "search", fetch: "down" };
const LONG_MS = 120000;

function run_find(id, kind) {
	for (const run of page.runs.values()) {
		if (run.repo === id && run.kind === kind && Date.now() - run.at < LONG_MS)
			return run;
	}
	return null;
}

export function run_button(repo = null, { primary = false, kind = "audit" } = {}) {
	const run = run_find(repo?.id ?? null, kind);
	const role = page.session?.account?.role;
	const word = WORD[kind];
	const now = repo === null ? word.all ?? word.now : word.now;

	return h("button", { type: "button", key: kind, class: `button${primary ? " primary" : ""}${run ? " busy" : ""}`,
			     disabled: run !== null || role === "viewer", onclick: () => page.run(repo, kind),
			     title: role === "viewer" ? `Your role does not allow to start ${word.a}` : word.help ?? null },
		shape(run ? "reconnecting" : MARK[kind] ?? "play"),
		h("span", null, run ? word[run.status] ?? word.in_progress : now));
}
