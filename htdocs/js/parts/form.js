/* SPDX-License-Identifier: MIT */
/*
 * The small forms of those who are not inside yet: signing in, a new password, an invitation. Their
 * data is { problem, busy } and what they know besides.
 */
import { Problem } from "../api.js";
import { h } from "../dom.js";
import { page } from "../page.js";
import { problem_facts } from "./notice.js";
import { shape } from "./shape.js";

export const FORM = { problem: null, busy: false };

function field_problem(problem, name) {
	return problem?.errors.find((error) => error.field === name)?.message ?? null;
}

/*
 * With `fixed` it shows that and can't be changed; else what is typed into it is left alone. begin: what stands
 * in it before; more: other attributes; help: a line below it.
 */
export function field({ name, word, type, complete, problem = null, arrive = false, needed = true, fixed = null, begin = null,
			more = {}, help = null }) {
	const message = field_problem(problem, name);
	const told = [help && `${name}-help`, message && `${name}-problem`].filter(Boolean);

	/* what is told of it is no part of its name */
	return h("label", { class: "field" }, h("span", { id: told.length ? `${name}-label` : null }, word),
		h("input", { maxlength: "320", ...more, ...fixed && { value: fixed, readonly: true }, ...begin !== null && { defaultValue: String(begin) }, name, type, required: needed,
			     autocomplete: complete, spellcheck: "false", autocapitalize: "none",
			     "data-arrive": arrive, "aria-invalid": message ? "true" : null,
			     "aria-labelledby": told.length ? `${name}-label` : null, "aria-describedby": told.join(" ") || null }),
		help && h("span", { class: "field-help", id: `${name}-help` }, help),
		message && h("span", { class: "field-problem", id: `${name}-problem` }, message));
}

/* Several lines; as field(). */
export function field_lines({ name, word, problem = null, rows = 4, more = {}, help = null }) {
	const message = field_problem(problem, name);
	const told = [help && `${name}-help`, message && `${name}-problem`].filter(Boolean);

	return h("label", { class: "field" }, h("span", { id: `${name}-label` }, word),
		h("textarea", { ...more, name, rows: String(rows), required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "none",
				"aria-invalid": message ? "true" : null, "aria-labelledby": `${name}-label`, "aria-describedby": told.join(" ") || null }),
		help && h("span", { class: "field-help", id: `${name}-help` }, help),
		message && h("span", { class: "field-problem", id: `${name}-problem` }, message));
}

/* choices: [value, word]; begin: the value that stands in it before. */
export function field_select({ name, word, choices, begin = null, more = {} }) {
	return h("label", { class: "field" }, h("span", { id: `${name}-label` }, word),
		h("select", { ...more, name, "aria-labelledby": `${name}-label` }, choices.map(([value, text]) =>
			h("option", { value, selected: value === begin }, text))));
}

export function password_new(problem, options = {}) {
	return field({ name: "password", word: "New password", type: "password", complete: "new-password", problem, ...options });
}

/* Sends the form's values by `call`; a refusal is shown in the form, which can be sent again. */
async function form_send(event, data, call) {
	event.preventDefault();
	const form = event.currentTarget;
	const values = Object.fromEntries(new FormData(form, event.submitter));

	page.update({ ...data, problem: null, busy: true });
	try {
		await call(values);
	} catch (problem) {
		if (!(problem instanceof Problem))
			throw problem;
		page.update({ ...data, problem, busy: false });
		const named = problem.errors.find((error) => form.elements[error.field]);
		form.elements[named?.field ?? "password"]?.select();
	}
}

/* The password was right, and is not enough: a code is asked for, which is no mistake of anybody's. */
function needs_code(problem) {
	return problem instanceof Problem && problem.errors.some(({ field: name, message }) =>
		name === "code" && message === "is needed");
}

/* The field for a code, once it is known that one is needed; null before. */
export function code_field(data) {
	return data?.code ? field({ name: "code", word: "Code of your app, or one on paper", type: "text",
		complete: "one-time-code", problem: data.problem }) : null;
}

/* Does call(), and shows the field when that is what was missing. */
export async function code_asked(data, call) {
	try {
		await call();
	} catch (problem) {
		if (!needs_code(problem))
			throw problem;
		page.update({ ...data, problem: null, busy: false, code: true });
		/* behind the drawing, which waits for the frame too */
		requestAnimationFrame(() => document.querySelector(".sign-in [name=code]")?.focus());
	}
}

function problem_box(problem) {
	return problem && h("div", { class: "form-problem", role: "alert" }, shape("error"),
		h("div", null, h("b", null, problem.detail || problem.message), problem_facts(problem)));
}

/*
 * A form within a page. second: [value, word] of another button, told to call() as `press`; with "not" nothing
 * that was typed matters.
 */
export function form_part({ data, lead, fields, word, second = null, call }) {
	const { problem, busy } = data;

	/* another form is another element: what was typed into this one is not shown in the next */
	return h("form", { class: "form-part", key: word[0], method: "post", onsubmit: (event) => form_send(event, data, call) },
		h("p", { class: "quiet" }, lead), fields, problem_box(problem),
		h("p", { class: "form-buttons" },
			h("button", { type: "submit", class: "button primary", disabled: busy }, busy ? word[1] : word[0]),
			second && h("button", { type: "submit", class: "button", name: "press", value: second[0], disabled: busy,
				formnovalidate: second[0] === "not" },
				second[1])));
}

/* { title, lead, fields, word: the button's and while it is busy, more: below it, foot, call(values) } */
export function form({ data, title, lead, fields, word, more = null, foot = null, call }) {
	const { problem, busy } = data ?? FORM;
	const insecure = location.protocol === "http:" && !/^(localhost|127\.|\[::1\])/.test(location.hostname);

	return h("form", { class: "sign-in", method: "post", onsubmit: (event) => form_send(event, data, call) },
		h("div", { class: "sign-in-mark" }, shape("mark")),
		h("h1", null, title), h("p", { class: "quiet" }, lead),
		insecure && h("p", { class: "warning" }, shape("dirty"), h("span", null,
			"This connection is not encrypted: others on the network can read the password.")),
		fields,
		problem_box(problem),
		h("button", { type: "submit", class: "button primary", disabled: busy }, busy ? word[1] : word[0]),
		more,
		foot && h("p", { class: "quiet foot-links" }, foot));
}

/* What a letter's link carries behind '#', which no server gets to see. */
export function link_token() {
	return location.hash.slice(1);
}
