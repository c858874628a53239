/* SPDX-License-Identifier: MIT */
/* Signing in; afterwards the page goes on where the person wanted to be. */
import { api_open } from "../api.js";
import { h, patch } from "../dom.js";
import { page } from "../page.js";
import { FORM, field, form } from "../parts/form.js";
import { next_parse } from "../url.js";

export function title() {
	return "Sign in";
}

/* what is typed already stays, whatever else is found out about the session */
export function is_same() {
	return true;
}

export async function load(params, signal, before) {
	return { data: before ?? FORM, position: null };
}

export function merge(data) {
	return data;
}

export function draw(root, data, params) {
	const problem = data?.problem;

	patch(root, form({ data, title: "Muster", lead: "Do your repositories pass muster?",
		fields: [field({ name: "email", word: "E-mail", type: "email", complete: "username", problem, arrive: true }),
			 field({ name: "password", word: "Password", type: "password", complete: "current-password", problem })],
		word: ["Sign in", "Signing in"],
		foot: h("a", { href: "/forgot" }, "Forgot the password?"),
		call: async ({ email, password }) => {
			const { body } = await api_open("login", { email: email.trim(), password });
			await page.signed_in(body, next_parse(params.next ?? "") + location.hash);
		} }));
}
