/* SPDX-License-Identifier: MIT */
/*
 * The page's drawings of numbers. They carry no axes: the figures stand beside them as text, and
 * each has its numbers in words for a screen reader. What is unknown is a gap in a line and an
 * empty slot in a row of bars.
 */
import { h } from "../dom.js";
import { clock_format, count_format, number_format, score_format } from "../format.js";
import { score_tone } from "../state.js";

const HEIGHT = 100;

function plot(attrs, ...kids) {
	return h("svg", { viewBox: `0 0 1000 ${HEIGHT}`, preserveAspectRatio: "none", ...attrs,
			  class: `plot ${attrs.class ?? ""}` }, kids);
}

function level(name, y) {
	return h("line", { class: name, x1: "0", x2: "1000", y1: String(y), y2: String(y) });
}

/* Parts of a whole in one bar: [{ tone, word, count }]; a count of 0 or null has no part. */
export function share_bar(parts) {
	const shown = parts.filter((part) => part.count > 0);
	const total = shown.reduce((sum, part) => sum + part.count, 0);
	let x = 0;

	return h("svg", { class: "share", viewBox: "0 0 1000 10", preserveAspectRatio: "none", role: "img",
			  "aria-label": shown.map((part) => `${part.count} ${part.word.toLowerCase()}`).join(", ") },
		shown.map((part) => {
			const width = (part.count / total) * 1000;
			const at = x;
			x += width;
			return h("rect", { class: `fill-${part.tone}`, x: String(at), y: "0", height: "10",
					   width: String(Math.max(width - 2, 1.5)) });
		}));
}

/* The health scores' distribution: buckets of { from, to, count }. */
export function histogram(buckets) {
	const most = Math.max(1, ...buckets.map((bucket) => bucket.count));
	const width = 1000 / Math.max(1, buckets.length);
	const words = buckets.filter((bucket) => bucket.count).map((bucket) =>
		`${count_format(bucket.count, "repository", "repositories")} from ${bucket.from} to ${bucket.to}`);

	return h("div", { class: "histogram" },
		plot({ role: "img", "aria-label": `Health scores: ${words.join(", ") || "none known"}` },
			level("base", 99.5),
			buckets.map((bucket, i) => {
				const height = bucket.count ? Math.max(3, (bucket.count / most) * (HEIGHT - 2)) : 0;
				return h("rect", { class: `fill-${score_tone(bucket.from)}`, x: String(i * width + 8),
						   y: String(HEIGHT - height), width: String(width - 16),
						   height: String(height) });
			})),
		h("ol", { class: "ticks", "aria-hidden": "true" }, buckets.map((bucket) =>
			h("li", { title: `${bucket.from} to ${bucket.to}` },
				h("b", { class: bucket.count ? null : "quiet" }, number_format(bucket.count)),
				h("span", null, String(bucket.from))))));
}

/* Known values next to one another, as lists of [index, value]: a gap stays a gap. */
export function runs_of(values) {
	const runs = [];
	let run = [];

	for (const [i, value] of values.entries()) {
		if (Number.isFinite(value)) {
			run.push([i, value]);
		} else if (run.length) {
			runs.push(run);
			run = [];
		}
	}
	return run.length ? [...runs, run] : runs;
}

function lines(values, width, y) {
	return runs_of(values).map((run) => {
		/* a line of one point would not be seen */
		const points = run.length > 1 ? run : [[run[0][0] - 0.3, run[0][1]], [run[0][0] + 0.3, run[0][1]]];
		return h("polyline", { class: "line",
				       points: points.map(([i, value]) => `${(i + 0.5) * width},${y(value)}`).join(" ") });
	});
}

/*
 * The last audits: a bar each for the repositories that were not clean, and the average score as
 * a line over them. pick() is told which audit is pointed at or reached by the arrow keys, null
 * when none is.
 */
export function trend(audits, { picked, pick }) {
	const width = 1000 / Math.max(1, audits.length);
	const counts = audits.map((audit) => Math.max(0, (audit.total ?? 0) - (audit.clean ?? audit.total ?? 0)));
	const most = Math.max(1, ...counts);
	const at = Math.min(picked ?? audits.length - 1, audits.length - 1);
	const text = [clock_format(audits[at].timestamp), `${number_format(counts[at])} of `
		+ `${number_format(audits[at].total)} not clean`, `average score ${score_format(audits[at].average)}`];
	const clamp = (i) => Math.max(0, Math.min(audits.length - 1, i));
	const point = (event) => {
		const box = event.currentTarget.getBoundingClientRect();
		pick(clamp(Math.floor(((event.clientX - box.left) / box.width) * audits.length)));
	};
	const keys = (event) => {
		const step = { ArrowLeft: -1, ArrowRight: 1, Home: -audits.length, End: audits.length }[event.key];
		if (step === undefined)
			return;
		event.preventDefault();
		pick(clamp(at + step));
	};

	return h("div", { class: "trend" },
		h("div", { class: "trend-plot", role: "slider", tabindex: "0", "aria-label": "Audit",
			   "aria-valuemin": "1", "aria-valuemax": String(audits.length),
			   "aria-valuenow": String(at + 1), "aria-valuetext": text.join(", "),
			   onpointermove: point, onpointerleave: () => pick(null), onkeydown: keys,
			   onblur: () => pick(null) },
			plot({ "aria-hidden": "true" }, level("base", 99.5),
				counts.map((count, i) => {
					const height = count ? Math.max(3, (count / most) * 46) : 0;
					return h("rect", { class: i === picked ? "fill-dirty picked" : "fill-dirty",
							   x: String(i * width + width * 0.15), y: String(HEIGHT - height),
							   width: String(width * 0.7), height: String(height) });
				}),
				lines(audits.map((audit) => audit.average), width,
					(value) => HEIGHT - 4 - (value / 100) * (HEIGHT - 8)),
				picked !== null && h("line", { class: "cursor", x1: String((at + 0.5) * width),
							       x2: String((at + 0.5) * width), y1: "0", y2: "100" }))),
		h("p", { class: "facts" }, text.map((part) => h("span", null, part))));
}

/* One repository's scores over its audits; the line across is where attention begins. */
export function score_line(scores) {
	const known = scores.filter((score) => Number.isFinite(score));
	const width = 1000 / Math.max(1, scores.length);

	return plot({ class: "score-line", role: "img", "aria-label": known.length
			? `Health score, from ${score_format(known[0])} to ${score_format(known.at(-1))}`
			: "Health score not known" },
		level("base", 99.5), level("limit", HEIGHT - 70),
		lines(scores, width, (value) => HEIGHT - 1 - value * 0.98));
}
