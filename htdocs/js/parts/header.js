/* SPDX-License-Identifier: MIT */
/* The bar at the top: where one is, whether it is live, and who one is. */
import { h } from "../dom.js";
import { page } from "../page.js";
import { pref_get, pref_set } from "../pref.js";
import { connection_button, connection_panel } from "./connection.js";
import { shape } from "./shape.js";
import { view_is_outside } from "../url.js";

const NAV = [
	{ href: "/", word: "Overview", views: ["overview"] },
	{ href: "/repos", word: "Repositories", views: ["repo_list", "repo"] },
	{ href: "/audits", word: "Audits", views: ["audit_list", "audit"] },
	{ href: "/jobs", word: "Jobs", views: ["job_list", "job", "run", "schedule_list", "schedule", "credential_list"] },
];
const THEME = { system: "As the system", light: "Light", dark: "Dark" };

function theme_set(event) {
	const theme = event.target.value;

	pref_set("theme", theme);
	if (theme === "system")
		delete document.documentElement.dataset.theme;
	else
		document.documentElement.dataset.theme = theme;
}

function menu({ account, sign_out }) {
	return h("div", { id: "menu", class: "panel", popover: "auto", role: "dialog", "aria-label": "Menu" },
		account && h("p", { class: "panel-head" }, h("b", null, account.name || account.email),
			h("span", { class: "quiet" }, account.name ? account.email : "")),
		account && h("dl", { class: "pairs" },
			[h("dt", null, "Organisation"), h("dd", null, account.organization?.name ?? "–"),
			 h("dt", null, "Role"), h("dd", null, (account.role ?? "–").replaceAll("_", " "))]),
		h("fieldset", { class: "segments" }, h("legend", null, "Theme"),
			Object.entries(THEME).map(([theme, word]) => h("label", null,
				h("input", { type: "radio", name: "theme", value: theme, onchange: theme_set,
					     checked: pref_get("theme") === theme }),
				h("span", null, word)))),
		account && h("ul", { class: "menu-list" },
			h("li", null, h("a", { href: "/account", onclick: () => document.getElementById("menu").hidePopover() }, "Account")),
			h("li", null, h("a", { href: "/audit/export/csv", "data-outside": true, download: true },
				"Export the last audit as CSV")),
			h("li", null, h("button", { type: "button", class: "link", onclick: () =>
				document.getElementById("keys")?.showPopover() }, "Keys")),
			h("li", null, h("button", { type: "button", class: "link", onclick: sign_out }, "Sign out"))));
}

const KEYS = [["/", "search repositories"], ["j  k", "next and previous row"], ["Enter", "open the row"],
	["r", "refresh"], ["g o", "overview"], ["g r", "repositories"], ["g a", "audits"], ["g j", "jobs"],
	["g s", "schedules"], ["g c", "credentials"], ["?", "these keys"]];

function keys() {
	return h("div", { id: "keys", class: "panel middle", popover: "auto", role: "dialog", "aria-label": "Keys" },
		h("p", { class: "panel-head" }, h("b", null, "Keys")),
		h("dl", { class: "pairs" }, KEYS.map(([key, word]) => [
			h("dt", null, key.split("  ").map((name) => [h("kbd", null, name), " "])), h("dd", null, word)])));
}

export function header({ view, state, now, busy, session, sign_out }) {
	const account = session?.account ?? null;
	const inside = session !== null && !view_is_outside(view);

	return [
		h("a", { class: "brand", href: "/" }, shape("mark"), h("span", null, "Muster")),
		inside && h("nav", { class: "nav", "aria-label": "Main" }, NAV.map(({ href, word, views }) =>
			h("a", { href, "aria-current": views.includes(view) ? "page" : null }, word))),
		h("div", { class: "tools" },
			inside && connection_button(state, now),
			inside && h("button", { type: "button", class: "icon", onclick: () => page.refresh(),
						 title: "Refresh (r)", "aria-label": "Refresh", "aria-busy": busy ? "true" : null },
				shape("refresh")),
			h("button", { type: "button", class: "icon", popovertarget: "menu", title: "Menu",
				      "aria-label": inside ? "Account and settings" : "Settings" },
				shape(inside ? "account" : "system"))),
		inside && connection_panel(state, now),
		menu({ account, sign_out }),
		inside && keys(),
	];
}
