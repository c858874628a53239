/* SPDX-License-Identifier: MIT */
/* What opens other hosts: who may say it, whether it does, and the form that takes it, which shows nothing again. */
import { h } from "../dom.js";
import { page } from "../page.js";
import { field, form_part } from "./form.js";

const MAY_KEEP = ["org_admin", "platform_admin"];
const USER = "git";

export function credential_may() {
	return MAY_KEEP.includes(page.session?.account?.role);
}

/* The host of an address as credentials name it; null: they open no such address. */
export function credential_host(url) {
	try {
		const { protocol, host } = new URL(url);
		return protocol === "https:" && host !== "" ? host : null;
	} catch {
		return null;
	}
}

/* of: the one whose place it takes, or null; host: what stands in it before; call(values) sends it. */
export function credential_form({ data, of = null, host = "", call }) {
	const { problem } = data;

	return form_part({ data, word: of ? ["Replace it", "Replacing it"] : ["Add it", "Adding it"], second: ["not", "Leave it"],
		lead: "What a job shows to this one host, to clone and fetch what is not public. It is sealed, and nobody sees it again.",
		call: (values) => call(values.press ? null : { host: values.host.trim(), username: values.username.trim() || USER,
			password: values.password }),
		fields: [
			field({ name: "host", word: "Host", type: "text", complete: "off", problem, fixed: of?.host ?? null, begin: of ? null : host,
				more: { maxlength: "300", inputmode: "url", ...!of && { placeholder: "git.example.org" } },
				help: of ? null : "With a port where that is not 443." }),
			field({ name: "username", word: "Name", type: "text", complete: "off", problem, needed: false, begin: of?.username ?? USER,
				more: { maxlength: "200" }, help: `Most forges take any name beside a token; without one it is ${USER}.` }),
			/* not the password that opens this page: "off" would let the browser fill that in */
			field({ name: "password", word: "Token or password", type: "password", complete: "new-password", problem, arrive: of !== null || host !== "",
				more: { maxlength: "1024" },
				help: "Best a token that may read only." }),
		] });
}
