/* SPDX-License-Identifier: MIT */
/*
 * Signing in without a password of ours: by those who vouch for people (issuers of OpenID Connect,
 * GitHub), or because the web server has asked already. The browser goes to the issuer and comes back
 * to /sign-in/ISSUER, where views/sign_in_return.js ends what was begun here.
 *
 *	const methods = await vouch_load(signal);
 *	form({ …, more: vouch_buttons(data, methods, { next: "/repos" }) });
 */
import { Problem, api_get, api_open } from "../api.js";
import { h } from "../dom.js";
import { page } from "../page.js";

const NONE = { register: "closed", remote_user: null, issuers: [] };

/* Without an answer there is still the password. */
export async function vouch_load(signal) {
	try {
		return (await api_get("/api/v1/auth/methods", {}, signal)).body;
	} catch (problem) {
		if (!(problem instanceof Problem))
			throw problem;
		return NONE;
	}
}

async function press(data, call) {
	page.update({ ...data, problem: null, busy: true });
	try {
		await call();
	} catch (problem) {
		if (!(problem instanceof Problem))
			throw problem;
		page.update({ ...data, problem, busy: false });
	}
}

async function issuer_go(issuer, next, invitation) {
	const { body } = await api_open(`openid/${issuer.id}/start`, { next, ...invitation && { invitation } });
	location.assign(body.url);
}

async function remote_go(next) {
	const { body } = await api_open("remote", {});
	await page.signed_in(body, next);
}

/* invitation: the token of a link that one comes by. null when nobody vouches for anybody here. */
export function vouch_buttons(data, methods, { next, invitation = null }) {
	const { remote_user, issuers } = methods ?? NONE;
	const button = (word, call) => h("button", { type: "button", class: "button", disabled: data.busy,
		onclick: () => press(data, call) }, word);
	const buttons = issuers.map((issuer) => button(`Continue with ${issuer.name}`,
		() => issuer_go(issuer, next, invitation)));

	if (remote_user && !invitation)
		buttons.unshift(button(`Continue as ${remote_user}`, () => remote_go(next)));
	return buttons.length ? h("div", { class: "sign-in-more" }, buttons) : null;
}
