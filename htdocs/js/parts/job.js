/* SPDX-License-Identifier: MIT */
/* What the queue, one job and schedules share. */
import { h } from "../dom.js";
import { NONE, duration_format, time_parse } from "../format.js";
import { page } from "../page.js";
import { credential_may } from "./credential.js";

const MAY_END = ["team_lead", "org_admin", "platform_admin"];
const TABS = [{ href: "/jobs", word: "Queue" }, { href: "/schedules", word: "Schedules" },
	{ href: "/credentials", word: "Credentials", is_kept: true }];

/* Who ends and repeats jobs, and says what is scheduled. */
export function job_may() {
	return MAY_END.includes(page.session?.account?.role);
}

/* What may be done about it; null: nothing. */
export function job_verb({ state }) {
	return state === "queued" || state === "running" ? "cancel" : state === "done" ? null : "retry";
}

/* A run by what it does: one that mends something says what. */
export function run_words({ id, kind, operation }) {
	return `${(operation ?? kind).replaceAll("_", " ")} ${id}`;
}

export function span_format(from, to) {
	return from ? duration_format((time_parse(to) ?? Date.now()) - time_parse(from)) : NONE;
}

export function job_tabs(href) {
	return h("nav", { class: "tabs", "aria-label": "Parts", key: "tabs" }, TABS.filter((tab) => !tab.is_kept || credential_may()).map((tab) =>
		h("a", { href: tab.href, "aria-current": tab.href === href ? "page" : null }, tab.word)));
}
