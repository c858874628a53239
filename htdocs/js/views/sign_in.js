/* SPDX-License-Identifier: MIT */
/* Signing in; afterwards the page goes on where the person wanted to be. */
import { api_open } from "../api.js";
import { h, patch } from "../dom.js";
import { page } from "../page.js";
import { FORM, code_asked, code_field, field, form } from "../parts/form.js";
import { vouch_buttons, vouch_load } from "../parts/vouch.js";
import { next_parse } from "../url.js";

export function title() {
	return "Sign in";
}

/* what is typed already stays, whatever else is found out about the session */
export function is_same() {
	return true;
}

export async function load(params, signal, before) {
	return { data: { ...before ?? FORM, methods: await vouch_load(signal) }, position: null };
}

export function merge(data) {
	return data;
}

export function draw(root, data, params) {
	const { problem, methods } = data ?? FORM;
	const next = next_parse(params.next ?? "") + location.hash;

	patch(root, form({ data, title: "Muster", lead: "Do your repositories pass muster?",
		fields: [field({ name: "email", word: "E-mail", type: "email", complete: "username", problem, arrive: true }),
			 field({ name: "password", word: "Password", type: "password", complete: "current-password", problem }),
			 code_field(data)],
		word: ["Sign in", "Signing in"],
		more: vouch_buttons(data ?? FORM, methods, { next }),
		foot: [h("a", { href: "/forgot" }, "Forgot the password?"),
		       methods?.register === "open" && h("a", { href: "/register" }, "Make an account")],
		call: ({ email, password, code = "" }) => code_asked(data, async () => {
			const { body } = await api_open("login", { email: email.trim(), password, ...code && { code } });
			await page.signed_in(body, next);
		}) }));
}
