/* SPDX-License-Identifier: MIT */
/* An address that shows nothing. */
import { h, patch } from "../dom.js";
import { empty } from "../parts/notice.js";

export function title() {
	return "Not found";
}

export async function load() {
	return { data: {}, position: null };
}

export function merge(data) {
	return data;
}

export function draw(root, data, params) {
	patch(root, h("h1", { class: "sr" }, "Not found"), empty({ title: "There is nothing at this address", mark: "missing",
		text: params.path, action: h("a", { class: "button", href: "/" }, "To the overview") }));
}
