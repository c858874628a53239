/* SPDX-License-Identifier: MIT */
/* The keyboard's short ways. They rest while somebody types and with any modifier held. */
import { page } from "./page.js";

const GO = { o: "/", r: "/repos", a: "/audits", j: "/jobs", s: "/schedules", c: "/credentials" };
let prefix_at = 0;

function row_move(step) {
	const links = [...document.querySelectorAll("[data-row]")];
	const at = links.findIndex((link) => link === document.activeElement);
	const next = links[at < 0 ? 0 : Math.max(0, Math.min(links.length - 1, at + step))];

	next?.focus({ preventScroll: true });
	next?.scrollIntoView({ block: "nearest" });
}

function search_focus() {
	const field = document.getElementById("search");

	if (field)
		field.focus();
	else
		page.go("/repos").then(() => document.getElementById("search")?.focus());
}

const KEY = {
	"/": search_focus,
	j: () => row_move(1),
	k: () => row_move(-1),
	r: () => page.refresh(),
	"?": () => document.getElementById("keys")?.togglePopover(),
	g: () => {
		prefix_at = Date.now();
	},
};

export function key_start() {
	document.addEventListener("keydown", (event) => {
		const { key, target } = event;
		if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || page.session === null
		    || target.closest?.("input, textarea, select, [contenteditable]"))
			return;
		if (Date.now() - prefix_at < 1000 && GO[key]) {
			prefix_at = 0;
			event.preventDefault();
			page.go(GO[key]);
			return;
		}
		if (KEY[key] && !event.repeat || key === "j" || key === "k") {
			event.preventDefault();
			KEY[key]();
		}
	});
}
