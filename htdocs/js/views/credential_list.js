/* SPDX-License-Identifier: MIT */
/* For which hosts there is something that opens them, whether it does, and who said it; never what it is. */
import { api_get, api_send } from "../api.js";
import { h, patch } from "../dom.js";
import { count_format } from "../format.js";
import { page } from "../page.js";
import { ago, badge } from "../parts/badge.js";
import { credential_form, credential_may } from "../parts/credential.js";
import { FORM } from "../parts/form.js";
import { job_tabs } from "../parts/job.js";
import { empty, skeleton } from "../parts/notice.js";
import { credential_get } from "../state.js";
import { url_format } from "../url.js";

const PAGE = 200;
const PAGES = 5; /* there are at most a thousand */

let shown = null;

export function title() {
	return "Credentials";
}

export function is_same() {
	return true;
}

/* items: null for those to whom it is not shown. */
export async function load(params, signal, before) {
	const items = [];
	let next = null;

	try {
		for (let pages = 0; pages === 0 || (next && pages < PAGES); pages++) {
			const { body } = await api_get("/api/v1/credentials", { limit: PAGE, cursor: next }, signal);
			items.push(...body.items);
			({ next } = body);
		}
	} catch (problem) {
		if (problem.name !== "Problem" || problem.status !== 403)
			throw problem;
		return { data: { ...FORM, items: null, removing: null }, position: null };
	}
	return { data: { ...FORM, removing: null, ...before, items }, position: null };
}

/* Whether one works, only the end of a run may have changed. */
export function merge(data, event) {
	return event.type === "status_change" ? null : data;
}

export function every_ms() {
	return 30000;
}

async function remove({ id, host }) {
	try {
		await api_send("DELETE", `/api/v1/credentials/${id}`);
		page.toast(`What opened ${host} is forgotten`, { tone: "clean" });
	} catch (problem) {
		page.toast(problem.detail || problem.message, { tone: "error" });
	}
	page.update({ ...shown, removing: null });
	await page.refresh();
}

/* As the address says it. */
const kind_of = (credential) => (credential.kind === "ssh-key" ? credential.kind : "");

function presses(data, credential) {
	const { id, host } = credential;
	const kind = kind_of(credential);

	/* what is removed is asked for twice */
	if (data.removing === id)
		return [h("button", { type: "button", class: "link", key: "yes", onclick: () => remove(credential) }, "Yes, remove it"),
			h("button", { type: "button", class: "link", key: "no", onclick: () => page.update({ ...data, removing: null }) }, "Keep it")];
	return [h("a", { key: "replace", class: "link", href: url_format("credential_list", { add: "1", host, kind }), "aria-label": `Replace what opens ${host}${kind && " over ssh"}` }, "Replace"),
		h("button", { type: "button", class: "link", key: "remove", "aria-label": `Remove what opens ${host}${kind && " over ssh"}`,
			      onclick: () => page.update({ ...data, removing: id }) }, "Remove")];
}

function said({ error, job_id, used_at, worked_at }) {
	const link = job_id && h("a", { href: url_format("job", { job: job_id }) }, `job ${job_id}`);

	if (error)
		return [error, link && [" (", link, ")"]];
	return used_at && !worked_at ? [link ? [link, " has it"] : "nothing says how that went"] : null;
}

function row(data, credential) {
	const { id, host, username, host_keys, account, created_at, used_at } = credential;

	return h("tr", { key: id },
		h("td", null, badge(credential_get(credential))),
		h("td", { class: "strong c-host" }, host, kind_of(credential) && [" ", h("span", { class: "tag", title: `It is known by ${count_format(host_keys.trim().split("\n").length, "key")}` }, "ssh")]),
		h("td", { class: "quiet cut", title: username }, username),
		h("td", { class: "quiet c-by" }, account ? `by ${account.name || account.email} ` : "at the terminal ", ago(created_at)),
		h("td", { class: "quiet c-used" }, ago(used_at, { none: "not yet" })),
		h("td", { class: "quiet c-says" }, said(credential)),
		h("td", { class: "presses" }, presses(data, credential)));
}

function table(data) {
	return [h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Credentials" },
		h("table", { class: "lined credentials" },
			h("thead", null, h("tr", null, ["State", "Host", "Name", "Kept", "Used", "Says", ""].map((word) => h("th", { scope: "col" }, word)))),
			h("tbody", null, data.items.map((credential) => row(data, credential))))),
	h("div", { class: "foot quiet" }, count_format(data.items.length, "credential"))];
}

function add(data, { host, kind }) {
	const of = data.items.find((credential) => credential.host === host.toLowerCase() && kind_of(credential) === kind) ?? null;
	const kind_set = (other) => page.go(url_format("credential_list", { add: "1", host, kind: other }), { replace: true });

	return h("section", { class: "card", key: `add ${of?.id ?? ""}` }, h("h2", null, of ? `Replace what opens ${of.host}` : "New credential"),
		credential_form({ data, of, host, kind, kind_set, call: async (values) => {
			if (values) {
				const { body } = await api_send("POST", "/api/v1/credentials", values);
				page.toast(`Kept for ${body.host}. The next job that clones or fetches from it shows whether it works.`, { tone: "clean" });
			}
			page.update({ ...shown, ...FORM });
			await page.go("/credentials", { replace: true });
		} }));
}

export function draw(root, data, params) {
	const button = h("a", { class: "button primary", href: url_format("credential_list", { add: "1" }) }, "New credential");

	if (data === null) {
		patch(root, h("div", { class: "view-head" }, h("h1", null, "Credentials")), job_tabs("/credentials"), skeleton(3, "row"));
		return;
	}
	if (data.items === null) {
		patch(root, h("div", { class: "view-head" }, h("h1", null, "Credentials")), job_tabs("/credentials"),
			empty({ title: "For administrators", mark: "off",
				text: "What opens other hosts is kept by the administrators of the organization. Ask one of them." }));
		return;
	}
	shown = data;
	const is_adding = params.add && credential_may();
	patch(root, h("div", { class: "view-head" }, h("h1", null, "Credentials"), !is_adding && data.items.length > 0 && button),
		job_tabs("/credentials"), is_adding && add(data, params),
		data.items.length > 0 ? table(data) : !is_adding && empty({ title: "No credentials yet", mark: "mark", action: button,
			text: "What is public is cloned and fetched without one. For what is not, keep a token here for its host." }));
}
