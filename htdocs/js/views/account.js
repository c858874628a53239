/* SPDX-License-Identifier: MIT */
/* One's own account: the second factor, where one is signed in, and who vouches for one. */
import { Problem, api_get, api_send } from "../api.js";
import { h, patch } from "../dom.js";
import { agent_format } from "../format.js";
import { page } from "../page.js";
import { ago } from "../parts/badge.js";
import { FORM, field, form_part } from "../parts/form.js";
import { skeleton } from "../parts/notice.js";
import { vouch_load } from "../parts/vouch.js";

const AUTH = "/api/v1/auth/totp";

export function title() {
	return "Account";
}

async function everything(signal) {
	const [methods, totp, sessions, identities] = await Promise.all([vouch_load(signal),
		...["auth/totp", "sessions", "auth/identities"].map((path) => api_get(`/api/v1/${path}`, {}, signal))]);

	return { issuers: methods.issuers, totp: totp.body, sessions: sessions.body.items,
		 identities: identities.body.items };
}

/* What is told once (a secret, codes) stays until one is done with it. */
export async function load(params, signal, before) {
	return { data: { ...FORM, secret: null, codes: null, asked: null, ...before, ...await everything(signal) }, position: null };
}

export function merge(data) {
	return data;
}

async function again(data, changes) {
	page.update({ ...data, problem: null, busy: false, secret: null, codes: null, asked: null, ...await everything(), ...changes });
}

const password = (problem) => field({ name: "password", word: "Password", type: "password", complete: "current-password", problem });

/* Dark on white whatever the page is, or cameras do not read it. */
function qr_picture({ size, path }) {
	return h("svg", { class: "qr", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": "The address for the app, as a picture",
			  "shape-rendering": "crispEdges" },
		h("rect", { width: size, height: size, fill: "#fff" }), h("path", { d: path, fill: "#000" }));
}

function secret_part(data) {
	const { uri, secret, qr } = data.secret;

	return form_part({ data, word: ["Turn it on", "Turning it on"],
		lead: [qr ? "Show this to the camera of an app for codes, " : "Add this to an app for codes: ", h("a", { href: uri, "data-outside": true }, "open it on this device"),
		       ", or type ", h("code", { class: "secret" }, secret.replace(/.{4}(?=.)/g, "$& ")), "."],
		fields: [qr && qr_picture(qr), field({ name: "code", word: "The code that it shows", type: "text", complete: "one-time-code",
			problem: data.problem })],
		call: async ({ code }) => again(data, { codes: (await api_send("POST", `${AUTH}/confirm`, { code })).body.recovery_codes }) });
}

function codes_part(data) {
	return form_part({ data, word: ["I have them", "I have them"],
		lead: "Write these down, for the day on which the telephone is gone. Each is good once, and they are not shown again.",
		fields: [h("ul", { class: "codes" }, data.codes.map((code) => h("li", { key: code }, h("code", null, code))))],
		call: () => again(data, {}) });
}

function on_part(data) {
	const { confirmed_at, recovery_codes_left } = data.totp;

	return form_part({ data, word: ["Make other codes", "Making them"], second: ["off", "Turn it off"],
		lead: ["Turned on ", ago(confirmed_at), `; ${recovery_codes_left} codes on paper are left.`],
		fields: [password(data.problem)],
		call: async (values) => {
			if (values.press === "off")
				await again(data, { totp: (await api_send("POST", `${AUTH}/disable`, { password: values.password })).body });
			else
				await again(data, { codes: (await api_send("POST", `${AUTH}/recovery`,
					{ password: values.password })).body.recovery_codes });
		} });
}

function off_part(data) {
	return form_part({ data, word: ["Set it up", "Setting it up"],
		lead: "A code of an app on your telephone, asked for beside the password. It is off.",
		fields: [password(data.problem)],
		call: async (values) => again(data, { secret: (await api_send("POST", AUTH, { password: values.password })).body }) });
}

function factor(data) {
	if (data.codes)
		return codes_part(data);
	if (data.secret)
		return secret_part(data);
	return data.totp.enabled ? on_part(data) : off_part(data);
}

async function remove(data, path) {
	try {
		await api_send("DELETE", path);
	} catch (problem) {
		page.toast(problem.detail || problem.message, { tone: "error" });
	}
	page.update({ ...data, ...await everything() });
}

function session_row(data, { id, agent, address, created_at, current }) {
	return h("tr", { key: id },
		h("td", { title: agent }, agent_format(agent)), h("td", null, address ?? "–"), h("td", null, ago(created_at)),
		h("td", null, current ? "this one" : h("button", { type: "button", class: "link",
			onclick: () => remove(data, `/api/v1/sessions/${id}`) }, "End")));
}

/* Who may come in: for a sign-in that is a while ago the server wants the password, and it is asked for. */
async function change(data, word, call) {
	try {
		await call({});
	} catch (problem) {
		if (!(problem instanceof Problem))
			throw problem;
		if (problem.errors.some(({ field: name }) => name === "password"))
			page.update({ ...data, problem: null, busy: false, asked: { word, call } });
		else
			page.toast(problem.detail || problem.message, { tone: "error" });
	}
}

function asked_part(data) {
	const { word, call } = data.asked;

	return form_part({ data, word: [word, word], second: ["not", "Leave it"],
		lead: "You signed in a while ago. Enter your password.",
		fields: [field({ name: "password", word: "Password", type: "password", complete: "current-password",
			needed: false, problem: data.problem })],
		call: async (values) => (values.press === "not" ? again(data, {}) : call({ password: values.password })) });
}

function unlink(data, identity) {
	return change(data, "Remove", async (values) => {
		await api_send("DELETE", `/api/v1/auth/identities/${identity.id}`, values);
		await again(data, {});
	});
}

function link(data, issuer) {
	return change(data, `Connect ${issuer.name}`, async (values) => {
		const { body } = await api_send("POST", `/api/v1/auth/openid/${issuer.id}/link/start`, values);
		location.assign(body.url);
	});
}

function identity_row(data, identity) {
	const { id, issuer, email, used_at } = identity;

	return h("tr", { key: id }, h("td", { class: "long" }, issuer), h("td", { class: "long" }, email ?? "–"),
		h("td", null, used_at ? ago(used_at) : "never"),
		h("td", null, h("button", { type: "button", class: "link", onclick: () => unlink(data, identity) }, "Remove")));
}

function vouchers(data) {
	return h("section", { class: "account-part", key: "identities" }, h("h2", null, "Who vouches for you"),
		data.identities.length > 0
			? table(["Issuer", "E-mail", "Last used", ""], data.identities.map((row) => identity_row(data, row)))
			: h("p", { class: "quiet" }, "Nobody yet. Whom you connect signs you in without a password."),
		data.asked ? asked_part(data)
			: h("p", { class: "form-buttons" }, data.issuers.map((issuer) => h("button", { type: "button", class: "button",
				key: issuer.id, onclick: () => link(data, issuer) }, `Connect ${issuer.name}`))));
}

function table(heads, rows) {
	return h("table", null, h("thead", null, h("tr", null, heads.map((word) => h("th", { scope: "col" }, word)))),
		h("tbody", null, rows));
}

export function draw(root, data) {
	if (!data?.totp) {
		patch(root, [h("h1", null, "Account"), skeleton(6)]);
		return;
	}
	patch(root, [h("h1", null, "Account"),
		h("section", { class: "account-part", key: "factor" }, h("h2", null, "Second factor"),
			factor(data.asked ? { ...data, problem: null } : data)),
		h("section", { class: "account-part", key: "sessions" }, h("h2", null, "Where you are signed in"),
			table(["Browser", "Address", "Since", ""], data.sessions.map((row) => session_row(data, row)))),
		(data.identities.length > 0 || data.issuers.length > 0) && vouchers(data)]);
}
