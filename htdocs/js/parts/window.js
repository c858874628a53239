/* SPDX-License-Identifier: MIT */
/*
 * Which rows of a long table are drawn: those in sight and some around them. Rows have one height
 * (--row in css/theme.css), so that place and number need no measuring; short lists are drawn
 * whole, so that the browser's own search finds everything.
 *
 *	window_range(10000, { top: -3800, height: 900, row: 38 })        // { start: 88, end: 136 }
 *
 * `top` is where the first row is in the viewport.
 */
const WHOLE = 120;
const AROUND = 12;
const STEP = 8;

export function window_range(count, { top, height, row }) {
	if (count <= WHOLE)
		return { start: 0, end: count };
	const first = Math.floor(-top / row) - AROUND;
	const last = Math.ceil((height - top) / row) + AROUND;
	const start = Math.min(Math.max(0, Math.floor(first / STEP) * STEP), count);
	return { start, end: Math.max(start, Math.min(count, Math.ceil(last / STEP) * STEP)) };
}

let height = null;

/* read once: asking for a style while scrolling costs a layout each time */
export function row_height() {
	height ??= parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
	return height;
}

/* the width of the window decides over --row */
export function row_forget() {
	height = null;
}
