/* SPDX-License-Identifier: MIT */
/* Small things that tables and headings share: a state, an age, a health score. */
import { h } from "../dom.js";
import { ago_format, score_format, time_format, time_parse, until_format } from "../format.js";
import { score_tone } from "../state.js";
import { shape } from "./shape.js";

/* A row of js/state.js: shape, word and tone together, never one alone. */
export function badge(row, { word = row.word, title = row.help } = {}) {
	return h("span", { class: `badge tone-${row.tone}`, title }, shape(row.shape), h("span", null, word));
}

/* How long ago, kept current by the shell's clock; the exact time is in the title. */
export function ago(at, { none = "never" } = {}) {
	const ms = time_parse(at);

	if (ms === null)
		return h("span", { class: "quiet" }, none);
	return h("time", { datetime: new Date(ms).toISOString(), "data-ago": true, title: time_format(ms) },
		ago_format(ms, Date.now()));
}

/* How long until then, kept current likewise. */
export function until(at, { none = "never" } = {}) {
	const ms = time_parse(at);

	if (ms === null)
		return h("span", { class: "quiet" }, none);
	return h("time", { datetime: new Date(ms).toISOString(), "data-until": true, title: time_format(ms) },
		until_format(ms, Date.now()));
}

/* A health score with its bar; an unknown one is a dash in a dashed frame. */
export function score(value) {
	const known = Number.isFinite(value);
	const digits = score_format(value);

	return h("span", { class: `score tone-${score_tone(value)}`,
			   title: known ? `Health score ${digits} of 100` : "Health score not known" },
		h("svg", { class: known ? "score-bar" : "score-bar none", viewBox: "0 0 40 6",
			   preserveAspectRatio: "none", "aria-hidden": "true" },
			known && h("rect", { class: "fill", width: String(value * 0.4), height: "6" })),
		h("span", { class: "digits" }, digits),
		!known && h("span", { class: "sr" }, "unknown"));
}
