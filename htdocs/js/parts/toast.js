/* SPDX-License-Identifier: MIT */
/* Passing messages in a corner. They are said to screen readers, and stay while pointed at. */
import { h, patch } from "../dom.js";
import { shape } from "./shape.js";

const STAY_MS = 6000;
const MOST = 4;
let toasts = [];
let number = 0;

function draw() {
	patch(document.getElementById("toast"), toasts.map((toast) =>
		h("div", { key: toast.id, class: `toast tone-${toast.tone}`, role: toast.tone === "error" ? "alert" : "status",
			   onpointerenter: () => clearTimeout(toast.timer), onpointerleave: () => stay(toast) },
			shape(toast.shape), h("span", null, toast.text),
			h("button", { type: "button", class: "icon", "aria-label": "Dismiss", onclick: () => drop(toast) },
				shape("close")))));
}

function drop(toast) {
	clearTimeout(toast.timer);
	toasts = toasts.filter((other) => other !== toast);
	draw();
}

function stay(toast) {
	clearTimeout(toast.timer);
	toast.timer = setTimeout(() => drop(toast), STAY_MS);
}

export function toast_add(text, { tone = "plain", mark = tone === "error" ? "error" : "clean" } = {}) {
	const toast = { id: ++number, text, tone, shape: mark };

	toasts = [...toasts, toast].slice(-MOST);
	stay(toast);
	draw();
}
