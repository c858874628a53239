/* SPDX-License-Identifier: MIT */
/* Asking for a letter with a link to a new password. */
import { api_open } from "../api.js";
import { h, patch } from "../dom.js";
import { page } from "../page.js";
import { FORM, field, form } from "../parts/form.js";
import { empty } from "../parts/notice.js";

export function title() {
	return "New password";
}

export async function load() {
	return { data: FORM, position: null };
}

export function merge(data) {
	return data;
}

export function draw(root, data) {
	const back = h("a", { href: "/sign-in" }, "Back to signing in");

	if (data?.sent) {
		patch(root, h("h1", { class: "sr" }, "New password"), empty({ title: "Look into your mail", mark: "clean",
			text: `If ${data.sent} has an account here, a letter with a link is on its way. The link works once.`,
			action: back }));
		return;
	}
	patch(root, form({ data, title: "New password", lead: "A link to choose one comes by mail.",
		fields: field({ name: "email", word: "E-mail", type: "email", complete: "username", problem: data?.problem, arrive: true }),
		word: ["Send the link", "Sending"], foot: back,
		call: async ({ email }) => {
			await api_open("forgot", { email: email.trim() });
			page.update({ ...FORM, sent: email.trim() });
		} }));
}
