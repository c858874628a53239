/* SPDX-License-Identifier: MIT */
/* Coming back from an issuer with what it gave: one is signed in, or told why not. */
import { Problem, api_open, api_send } from "../api.js";
import { h, patch } from "../dom.js";
import { page } from "../page.js";
import { FORM, form } from "../parts/form.js";
import { next_parse } from "../url.js";

/* The issuer's own words stay out of the page: they are an address's, and anybody can make one. */
const REFUSED = { access_denied: "You did not let it." };

/* Begun by somebody who was signed in already, to be known by the issuer as well (views/account.js). */
function is_link(query) {
	return (query.get("state") ?? "").startsWith("link.");
}

export function title() {
	return "Sign in";
}

async function finish(issuer, query) {
	const given = Object.fromEntries(["code", "state", "iss"].filter((name) => query.has(name))
		.map((name) => [name, query.get(name)]));

	if (query.has("error") || !query.has("code"))
		throw new Problem({ title: "The sign-in was not finished",
			detail: `The sign-in was not finished. ${REFUSED[query.get("error")] ?? ""}`.trim() });
	const path = `openid/${encodeURIComponent(issuer)}`;
	return is_link(query) ? api_send("POST", `/api/v1/auth/${path}/link`, given) : api_open(path, given);
}

export async function load(params) {
	const query = new URLSearchParams(location.search);

	try {
		const { body } = await finish(params.issuer, query);
		if (is_link(query))
			page.go("/account", { replace: true });
		else
			await page.signed_in(body, next_parse(body.next ?? ""));
		return { data: null, position: null };
	} catch (problem) {
		if (!(problem instanceof Problem))
			throw problem;
		return { data: { ...FORM, problem, back: is_link(query) ? "/account" : "/sign-in" }, position: null };
	}
}

export function merge(data) {
	return data;
}

export function draw(root, data) {
	if (data)
		patch(root, form({ data, title: "Muster", lead: "Do your repositories pass muster?", fields: null,
			word: ["Begin again", "Begin again"], call: () => page.go(data.back, { replace: true }) }));
	else
		patch(root, h("p", { class: "quiet sign-in" }, "Signing in"));
}
