/* SPDX-License-Identifier: MIT */
/* What opens other hosts: who may say it, whether it does, and the form that takes it, which shows nothing again. */
import { h } from "../dom.js";
import { page } from "../page.js";
import { field, field_lines, field_select, form_part } from "./form.js";

const MAY_KEEP = ["org_admin", "platform_admin"];
const USER = "git";

export function credential_may() {
	return MAY_KEEP.includes(page.session?.account?.role);
}

/* What opens the host of an address, { host, kind } as credentials name them; null: nothing does. */
export function credential_of(url) {
	const scp = /^(?:[^/:@]+@)?([^\]/:@[]+):(?!:|\/\/)/.exec(url ?? "");

	if (scp)
		return { host: scp[1].toLowerCase(), kind: "ssh-key" };
	try {
		const { protocol, host } = new URL(url);
		if (protocol === "ssh:" && host !== "")
			return { host: host.toLowerCase().replace(/:22$/, ""), kind: "ssh-key" };
		return protocol === "https:" && host !== "" ? { host, kind: "" } : null;
	} catch {
		return null;
	}
}

const KINDS = [["", "a token or password, over https"], ["ssh-key", "a key, over ssh"]];

function secret_fields(is_key, { problem, arrive }) {
	if (!is_key)
		/* not the password that opens this page: "off" would let the browser fill that in */
		return field({ name: "password", word: "Token or password", type: "password", complete: "new-password", problem, arrive,
			more: { maxlength: "1024" }, help: "Best a token that may read only." });
	return [
		field_lines({ name: "private_key", word: "Private key", problem, rows: 5, more: { maxlength: "8000", "data-arrive": arrive, class: "code" },
			help: "The file that ssh-keygen wrote, without a passphrase: nobody would be there to type it." }),
		field_lines({ name: "host_keys", word: "Keys of the host", problem, rows: 3, more: { maxlength: "8000", class: "code" },
			help: "As ssh-keyscan prints them. A host that shows none of these is not spoken to." }),
	];
}

/*
 * of: the one whose place it takes, or null; host, kind: what stands in it before; kind_set(kind) shows the form for
 * another, call(values) sends it: null to leave it.
 */
export function credential_form({ data, of = null, host = "", kind = "", kind_set, call }) {
	const { problem } = data;
	const is_key = kind === "ssh-key";

	return form_part({ data, word: of ? ["Replace it", "Replacing it"] : ["Add it", "Adding it"], second: ["not", "Leave it"],
		lead: "What a job shows to this one host, to clone and fetch what is not public. It is sealed, and nobody sees it again.",
		call: (values) => call(values.press ? null : { host: values.host.trim(), username: values.username.trim() || USER,
			...is_key ? { kind, private_key: values.private_key, host_keys: values.host_keys } : { password: values.password } }),
		fields: [
			!of && field_select({ name: "kind", word: "What", choices: KINDS, begin: kind,
				more: { onchange: (event) => kind_set(event.currentTarget.value) } }),
			field({ name: "host", word: "Host", type: "text", complete: "off", problem, fixed: of?.host ?? null, begin: of ? null : host,
				more: { maxlength: "300", inputmode: "url", ...!of && { placeholder: "git.example.org" } },
				help: of ? null : `With a port where that is not ${is_key ? 22 : 443}.` }),
			field({ name: "username", word: "Name", type: "text", complete: "off", problem, needed: false, begin: of?.username ?? USER,
				more: { maxlength: "200" }, help: is_key ? "Where the address of a repository names nobody." : `Most forges take any name beside a token; without one it is ${USER}.` }),
			secret_fields(is_key, { problem, arrive: of !== null || host !== "" }),
		] });
}
