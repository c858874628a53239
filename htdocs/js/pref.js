/* SPDX-License-Identifier: MIT */
/*
 * What a person chose in this browser. Every value is checked when it is read back, because
 * storage is written by other versions and by hand; where storage is refused, a choice lives as
 * long as the page.
 *
 *	pref_get("interval")        // "10"
 *	pref_set("interval", "30")
 */
const is_narrow = () => Boolean(globalThis.matchMedia?.("(max-width: 44rem)").matches);
const PREF = {
	theme: { values: ["system", "light", "dark"], value: "system" },
	live: { values: ["on", "off"], value: "on" },
	interval: { values: ["5", "10", "30", "60"], value: "10" },
	diff: { values: ["split", "unified"], get value() { return is_narrow() ? "unified" : "split"; } },
};
const chosen = new Map();

export function pref_get(name) {
	let value = chosen.get(name);

	try {
		value ??= localStorage.getItem(`muster.${name}`);
	} catch {
		/* as if nothing had been stored */
	}
	return PREF[name].values.includes(value) ? value : PREF[name].value;
}

export function pref_set(name, value) {
	if (!PREF[name]?.values.includes(value))
		throw new RangeError(`no such choice: ${name}=${value}`);
	chosen.set(name, value);
	try {
		localStorage.setItem(`muster.${name}`, value);
	} catch {
		/* it holds for this page only */
	}
}
