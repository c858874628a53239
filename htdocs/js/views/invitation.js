/* SPDX-License-Identifier: MIT */
/*
 * A letter's link to join an organization: with the account one is signed in with, by signing in
 * first, or with a new account.
 */
import { api_open, api_send } from "../api.js";
import { h, patch } from "../dom.js";
import { page } from "../page.js";
import { FORM, field, form, link_token, password_new } from "../parts/form.js";
import { vouch_buttons, vouch_load } from "../parts/vouch.js";

export function title(data) {
	return data ? `Join ${data.seen.organization.name}` : "Invitation";
}

export async function load(params, signal) {
	const [{ body }, methods] = await Promise.all([api_open("invitation", { token: link_token() }, signal), vouch_load(signal)]);
	return { data: { ...FORM, seen: body, methods }, position: null };
}

export function merge(data) {
	return data;
}

/* The whole page begins anew: all it shows belongs to the organization one was in. */
async function join({ organization }) {
	await api_send("POST", "/api/v1/auth/invitation/join", { token: link_token() });
	await api_send("POST", "/api/v1/auth/organization", { organization: organization.slug });
	location.assign("/");
}

async function accept({ name, password }) {
	const { body } = await api_open("invitation/accept", { token: link_token(), name: name.trim(), password });
	await page.signed_in(body, "/");
}

export function draw(root, data) {
	if (data === null || page.session === undefined) {
		patch(root, h("h1", { class: "sr" }, "Invitation"));
		return;
	}
	const { seen, problem, methods } = data;
	const more = vouch_buttons(data, methods, { next: "/", invitation: link_token() });
	const title = `Join ${seen.organization.name}`;
	const lead = `You are invited as ${seen.role.replaceAll("_", " ")}.`;
	const account = page.session?.account;

	if (account)
		patch(root, form({ data, title, lead: `${lead} You are signed in as ${account.email}.`, fields: null,
			word: ["Join", "Joining"], call: () => join(seen) }));
	else if (seen.known)
		patch(root, form({ data, title, lead: `${lead} ${seen.email} has an account here.`, fields: null,
			word: ["Sign in to join", "Sign in to join"], more,
			call: () => page.go(`/sign-in?next=/invitation${location.hash}`) }));
	else
		patch(root, form({ data, title, lead: `${lead} Choose a password for your new account.`,
			fields: [field({ name: "email", word: "E-mail", type: "email", complete: "username", fixed: seen.email }),
				 field({ name: "name", word: "Name", type: "text", complete: "name", problem, needed: false, arrive: true }),
				 password_new(problem, { word: "Password" })],
			word: ["Join", "Joining"], more, foot: h("a", { href: `/sign-in?next=/invitation${location.hash}` }, "I have another account"),
			call: accept }));
}
