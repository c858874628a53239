/* SPDX-License-Identifier: MIT */
/* An account of one's own, where the server allows it. */
import { api_open } from "../api.js";
import { h, patch } from "../dom.js";
import { page } from "../page.js";
import { FORM, field, form, password_new } from "../parts/form.js";

export function title() {
	return "New account";
}

export async function load() {
	return { data: FORM, position: null };
}

export function merge(data) {
	return data;
}

export function draw(root, data) {
	const problem = data?.problem;

	patch(root, form({ data, title: "New account", lead: "With an organization of your own.",
		fields: [field({ name: "name", word: "Name", type: "text", complete: "name", problem, needed: false, arrive: true }),
			 field({ name: "email", word: "E-mail", type: "email", complete: "username", problem }),
			 password_new(problem, { word: "Password" })],
		word: ["Make the account", "Making it"],
		foot: h("a", { href: "/sign-in" }, "I have an account"),
		call: async ({ name, email, password }) => {
			const { body } = await api_open("register", { name: name.trim(), email: email.trim(), password });
			await page.signed_in(body, "/");
		} }));
}
