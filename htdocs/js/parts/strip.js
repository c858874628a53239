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

export function strip(history, { length = LENGTH } = {}) {
	const last = (history ?? []).slice(-length);
	const skip = length - last.length;
	const text = strip_text(last);

	return h("svg", { class: "strip", viewBox: `0 0 ${length * 5 - 1} 16`, role: "img",
			  "aria-label": text },
		Array.from({ length: skip }, (_, i) =>
			h("rect", { class: "none", x: String(i * 5 + 1), y: "14", width: "2", height: "1" })),
		last.map((status, i) => {
			const height = HEIGHT[status];
			const x = (skip + i) * 5;
			if (status === null)
				return h("rect", { class: "none", x: String(x + 1), y: "14", width: "2", height: "1" });
			if (height === undefined)
				return h("rect", { class: "unknown", x: String(x + 0.5), y: "8.5", width: "3",
						   height: "7" });
			return h("rect", { class: `fill-${status_get(status).tone}`, x: String(x),
					   y: String(16 - height), width: "4", height: String(height) });
		}));
}
