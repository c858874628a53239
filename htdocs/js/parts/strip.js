/* SPDX-License-Identifier: MIT */
/*
 * The last audits of one repository, oldest left: a bar each, whose height and colour say the
 * state; an unknown one is an outline. One picture for a screen reader, with the counts in words.
 */
import { h } from "../dom.js";
import { strip_text } from "../event.js";
import { status_get } from "../state.js";

const LENGTH = 20;
const HEIGHT = { clean: 5, not_git: 7, extra: 9, dirty: 11, mismatched: 13, missing: 16, error: 16 };

/* one path for all bars of a kind: a table of strips has a fifth of the elements */
function bar(x, width, height) {
	return `M${x} 16v${-height}h${width}v${height}z`;
}

export function strip(history, { length = LENGTH } = {}) {
	const last = (history ?? []).slice(-length);
	const skip = length - last.length;
	const paths = new Map();
	const add = (kind, path) => paths.set(kind, (paths.get(kind) ?? "") + path);

	for (let i = 0; i < length; i += 1) {
		const status = i < skip ? null : last[i - skip];
		if (status === null)
			add("none", `M${i * 5 + 1} 15v-1h2v1z`);
		else if (HEIGHT[status] === undefined)
			add("unknown", bar(i * 5 + 0.5, 3, 7.5));
		else
			add(`fill-${status_get(status).tone}`, bar(i * 5, 4, HEIGHT[status]));
	}
	return h("svg", { class: "strip", viewBox: `0 0 ${length * 5 - 1} 16`, role: "img",
			  "aria-label": strip_text(last) },
		[...paths].map(([kind, d]) => h("path", { key: kind, class: kind, d })));
}
