/* SPDX-License-Identifier: MIT */
/*
 * The page's few drawings, as paths in a box of 16. A state has a shape of its own, so that it is
 * told apart without its colour. All are decoration: the word stands beside.
 */
import { h } from "../dom.js";

const RING = "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z";

/* name: [path, how it is painted] */
const SHAPE = {
	/* states */
	clean: ["M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Zm-.9 8.8 4.2-4.4-1.1-1-3.2 3.4-1.4-1.4-1 1Z", "fill"],
	dirty: ["M8 1.5 14.5 8 8 14.5 1.5 8Z", "fill"],
	missing: [`${RING}M4.2 4.2l7.6 7.6`, "line"],
	extra: ["M8 2.5v11M2.5 8h11", "line"],
	mismatched: ["M2.5 6h11M2.5 10.5h11M10.5 2.5l-5 11", "line"],
	not_git: ["M3 3h10v10H3Z", "line"],
	error: ["M8 1.5 15 14H1Zm-.8 4.5v4h1.6V6Zm0 5v1.6h1.6V11Z", "fill"],
	unknown: [RING, "dash"],
	/* the connection */
	live: ["M8 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8Z", "fill"],
	reconnecting: ["M8 3a5 5 0 1 1-4.3 2.5M3 2.5v3.5h3.5", "line"],
	polling: [`${RING}M8 5v3.2l2.2 1.5`, "line"],
	off: ["M4 8h8", "line"],
	/* things to press */
	refresh: ["M13 8a5 5 0 1 1-1.5-3.6L13 6M13 2.5V6H9.5", "line"],
	play: ["M4.5 2.8v10.4L13 8Z", "fill"],
	search: ["M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9ZM10.3 10.3l3.7 3.7", "line"],
	light: ["M8 5.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6ZM8 1v1.8M8 13.2V15M1 8h1.8M13.2 8H15"
		+ "M3 3l1.3 1.3M11.7 11.7 13 13M13 3l-1.3 1.3M4.3 11.7 3 13", "line"],
	dark: ["M13.2 9.8A5.7 5.7 0 0 1 6.2 2.8a5.7 5.7 0 1 0 7 7Z", "line"],
	system: ["M2 3h12v8H2ZM6 14h4M8 11v3", "line"],
	account: ["M8 2.5a2.7 2.7 0 1 1 0 5.4 2.7 2.7 0 0 1 0-5.4ZM2.5 14c.4-3 2.6-4.6 5.5-4.6"
		+ "s5.1 1.6 5.5 4.6", "line"],
	branch: ["M4.5 2.5a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3ZM4.5 10.5a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1"
		+ " 0-3ZM11.5 3.5a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3ZM4.5 5.5v5M11.5 6.5c0 2.5-7 1.5-7 4",
		"line"],
	up: ["M8 13V3.5M4 7l4-3.8L12 7", "line"],
	down: ["M8 3v9.5M4 9l4 3.8L12 9", "line"],
	close: ["M4 4l8 8M12 4l-8 8", "line"],
	copy: ["M5.5 5.5h8v8h-8ZM3.5 10.5h-1v-8h8v1", "line"],
	mark: ["M1.5 1.5H5V5H1.5ZM6.25 1.5h3.5V5h-3.5ZM11 1.5h3.5V5H11ZM1.5 6.25H5v3.5H1.5ZM11 6.25h3.5v3.5H11Z"
		+ "M1.5 11H5v3.5H1.5ZM6.25 11h3.5v3.5h-3.5ZM11 11h3.5v3.5H11Z", "fill"],
};

export function shape(name) {
	const [path, paint] = SHAPE[name] ?? SHAPE.unknown;

	return h("svg", { class: `shape ${paint}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
		h("path", { d: path, "fill-rule": "evenodd" }));
}
