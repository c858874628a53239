/* SPDX-License-Identifier: MIT */
/* A new password by a letter's link; whoever sets it is signed in, and everywhere else signed out. */
import { api_open } from "../api.js";
import { h, patch } from "../dom.js";
import { page } from "../page.js";
import { FORM, code_asked, code_field, form, link_token, password_new } from "../parts/form.js";

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
	patch(root, form({ data, title: "New password", lead: "You are signed in with it, and signed out everywhere else.",
		fields: [password_new(data?.problem, { arrive: true }), code_field(data)],
		word: ["Set the password", "Setting it"],
		foot: h("a", { href: "/forgot" }, "Ask for another link"),
		call: ({ password, code = "" }) => code_asked(data, async () => {
			const { body } = await api_open("reset", { token: link_token(), password, ...code && { code } });
			await page.signed_in(body, "/");
		}) }));
}
