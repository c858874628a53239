/* SPDX-License-Identifier: MIT */
/*
 * The changes of a working tree, side by side or unified. A line's kind is a sign and a colour;
 * inside a changed pair of lines the part that differs is marked. Text of a repository is text.
 */
import { h } from "../dom.js";
import { count_format, number_format } from "../format.js";
import { shape } from "./shape.js";

const STATUS = { added: "Added", modified: "Changed", deleted: "Deleted", renamed: "Renamed", copied: "Copied",
		 untracked: "New", typechange: "Another type", unmerged: "Conflict" };
const MARK_MAX = 600;

/* Deleted and added lines of one block beside one another: [{ left, right }], null for nothing. */
export function diff_pairs(lines) {
	const pairs = [];
	let left = [];
	let right = [];
	const flush = () => {
		for (let i = 0; i < Math.max(left.length, right.length); i += 1)
			pairs.push({ left: left[i] ?? null, right: right[i] ?? null });
		left = [];
		right = [];
	};

	for (const line of lines) {
		if (line.kind === "delete") {
			left.push(line);
		} else if (line.kind === "add") {
			right.push(line);
		} else {
			flush();
			pairs.push({ left: line, right: line });
		}
	}
	flush();
	return pairs;
}

/* Where two lines differ: how many characters both begin and both end with; null when nothing of note is common. */
export function diff_common(a, b) {
	const most = Math.min(a.length, b.length);
	let start = 0;
	let end = 0;

	if (a.length > MARK_MAX || b.length > MARK_MAX)
		return null;
	while (start < most && a[start] === b[start])
		start += 1;
	while (end < most - start && a[a.length - 1 - end] === b[b.length - 1 - end])
		end += 1;
	return start + end >= most * 0.3 && start + end > 0 ? { start, end } : null;
}

function marked(text, common) {
	if (!common)
		return text;
	const end = text.length - common.end;
	return [text.slice(0, common.start), common.start < end && h("mark", null, text.slice(common.start, end)),
		text.slice(end)];
}

const SIGN = { add: "+", delete: "−", context: " " };

function half(line, side, common) {
	const kind = line?.kind ?? "none";

	return [h("td", { class: `no ${kind}` }, line ? String(line[side] ?? "") : ""),
		h("td", { class: `text ${kind}` }, line && [h("span", { class: "sign" }, SIGN[line.kind]),
			marked(line.text, kind === "context" ? null : common)])];
}

function split(lines) {
	return diff_pairs(lines).map(({ left, right }) => {
		const common = left && right && left !== right ? diff_common(left.text, right.text) : null;
		return h("tr", null, half(left, "old", common), half(right, "new", common));
	});
}

function unified(lines) {
	return lines.map((line) => h("tr", null, h("td", { class: `no ${line.kind}` }, String(line.old ?? "")),
		h("td", { class: `no ${line.kind}` }, String(line.new ?? "")),
		h("td", { class: `text ${line.kind}` }, h("span", { class: "sign" }, SIGN[line.kind]), line.text)));
}

function file_part(file, mode) {
	const wide = mode === "split" ? 4 : 3;
	const name = file.old_path && file.old_path !== file.path ? `${file.old_path} → ${file.path}` : file.path;

	return h("details", { key: file.path, class: "diff-file", ref: (element) => {
		/* open at first; afterwards as the person left it */
		if (element.dataset.seen === undefined)
			element.open = true;
		element.dataset.seen = "";
	} },
		h("summary", null, h("span", { class: "code diff-name" }, name),
			h("span", { class: "quiet" }, STATUS[file.status] ?? file.status),
			h("span", { class: "tally" },
				h("span", { class: "tone-clean" }, `+${number_format(file.additions)}`),
				h("span", { class: "tone-error" }, `−${number_format(file.deletions)}`))),
		file.binary ? h("p", { class: "diff-note" }, "A binary file: its content is not shown.")
			: (file.hunks ?? []).length === 0 ? h("p", { class: "diff-note" }, "Only its mode or name changed.")
			: h("table", { class: `diff ${mode}`, "aria-label": `Changes of ${file.path}` },
				h("colgroup", null, mode === "split"
					? [h("col", { class: "no" }), h("col"), h("col", { class: "no" }), h("col")]
					: [h("col", { class: "no" }), h("col", { class: "no" }), h("col")]),
				file.hunks.map((hunk) => h("tbody", { key: `${hunk.old_start}:${hunk.new_start}` },
					h("tr", { class: "hunk" }, h("td", { colspan: String(wide), class: "code" }, hunk.header)),
					mode === "split" ? split(hunk.lines) : unified(hunk.lines)))),
		file.truncated && h("p", { class: "diff-note" }, shape("dirty"), "Cut off here: the rest is too long to show."));
}

export function diff_part(diff, mode, links) {
	const files = diff.files ?? [];
	const sum = (name) => files.reduce((total, file) => total + (file[name] ?? 0), 0);

	return h("div", { class: "diffs" },
		h("div", { class: "diff-head" },
			h("p", { class: "facts" }, h("span", null, count_format(files.length, "file")),
				h("span", null, h("b", { class: "tone-clean" }, `+${number_format(sum("additions"))}`), " ",
					h("b", { class: "tone-error" }, `−${number_format(sum("deletions"))}`), " lines")),
			h("nav", { class: "segments", "aria-label": "Layout" }, links.map(({ mode: of, word, href }) =>
				h("a", { href, "aria-current": of === mode ? "true" : null }, word)))),
		files.map((file) => file_part(file, mode)),
		diff.truncated && h("p", { class: "diff-note" }, shape("dirty"), "There are more changes than can be shown here."));
}
