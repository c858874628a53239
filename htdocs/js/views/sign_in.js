/* SPDX-License-Identifier: MIT */
/* Signing in; afterwards the page goes on where the person wanted to be. */
import { Problem, api_sign_in } from "../api.js";
import { h, patch } from "../dom.js";
import { page } from "../page.js";
import { problem_facts } from "../parts/notice.js";
import { shape } from "../parts/shape.js";
import { next_parse } from "../url.js";

export function title() {
	return "Sign in";
}

/* what is typed already stays, whatever else is found out about the session */
export function is_same() {
	return true;
}

export async function load(params, signal, before) {
	return { data: before ?? { problem: null, busy: false }, position: null };
}

export function merge(data) {
	return data;
}

async function submit(event, params) {
	event.preventDefault();
	const form = event.currentTarget;
	const email = form.elements.email.value.trim();
	const password = form.elements.password.value;

	page.update({ problem: null, busy: true });
	try {
		const { body } = await api_sign_in(email, password);
		form.elements.password.value = "";
		await page.signed_in({ account: body.account, csrf_token: body.csrf_token }, next_parse(params.next ?? ""));
	} catch (problem) {
		if (!(problem instanceof Problem))
			throw problem;
		page.update({ problem, busy: false });
		form.elements.password.select();
	}
}

function field_problem(problem, name) {
	return problem?.errors.find((error) => error.field === name)?.message ?? null;
}

function field({ name, word, type, complete, problem, arrive }) {
	const message = field_problem(problem, name);

	return h("label", { class: "field" }, h("span", null, word),
		h("input", { name, type, required: true, autocomplete: complete, maxlength: "320", spellcheck: "false",
			     autocapitalize: "none", "data-arrive": arrive, "aria-invalid": message ? "true" : null,
			     "aria-describedby": message ? `${name}-problem` : null }),
		message && h("span", { class: "field-problem", id: `${name}-problem` }, message));
}

export function draw(root, data, params) {
	const { problem = null, busy = false } = data ?? {};
	const insecure = location.protocol === "http:" && !/^(localhost|127\.|\[::1\])/.test(location.hostname);

	patch(root, h("form", { class: "sign-in", method: "post", onsubmit: (event) => submit(event, params) },
		h("div", { class: "sign-in-mark" }, shape("mark")),
		h("h1", null, "Muster"), h("p", { class: "quiet" }, "Do your repositories pass muster?"),
		insecure && h("p", { class: "warning" }, shape("dirty"), h("span", null,
			"This connection is not encrypted: others on the network can read the password.")),
		field({ name: "email", word: "E-mail", type: "email", complete: "username", problem, arrive: true }),
		field({ name: "password", word: "Password", type: "password", complete: "current-password", problem }),
		problem && h("div", { class: "form-problem", role: "alert" }, shape("error"),
			h("div", null, h("b", null, problem.detail || problem.message), problem_facts(problem))),
		h("button", { type: "submit", class: "button primary", disabled: busy }, busy ? "Signing in" : "Sign in")));
}
