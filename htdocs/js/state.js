/* SPDX-License-Identifier: MIT */
/*
 * The states a repository, a report and a check can have, each with its word, its tone (a colour
 * of css/theme.css), its shape (js/parts/shape.js), how bad it is, and a line of help. What the
 * server says and this table does not know is drawn as unknown, with the server's word.
 *
 *	status_get("dirty").word        // "Dirty"
 */
export const STATUS = [
	{ id: "error", word: "Error", tone: "error", shape: "error", rank: 0,
	  help: "Could not be read" },
	{ id: "missing", word: "Missing", tone: "missing", shape: "missing", rank: 1,
	  help: "Only at the remote, not here" },
	{ id: "mismatched", word: "Mismatched", tone: "mismatched", shape: "mismatched", rank: 2,
	  help: "Remote of another repository" },
	{ id: "dirty", word: "Dirty", tone: "dirty", shape: "dirty", rank: 3,
	  help: "Changes are not committed" },
	{ id: "extra", word: "Extra", tone: "extra", shape: "extra", rank: 4,
	  help: "Only here, not at the remote" },
	{ id: "not_git", word: "Not git", tone: "plain", shape: "not_git", rank: 5,
	  help: "A folder without a repository" },
	{ id: "clean", word: "Clean", tone: "clean", shape: "clean", rank: 6,
	  help: "Nothing to do" },
];

/* the order of counters, filters and shares: what is well first, then by how much is to do */
export const SHOWN = ["clean", "dirty", "extra", "mismatched", "missing", "error", "not_git"];

const HEALTH = {
	green: { word: "All in order", tone: "clean", shape: "clean" },
	yellow: { word: "Needs attention", tone: "dirty", shape: "dirty" },
	red: { word: "Needs action", tone: "error", shape: "error" },
};

const CHECK = {
	fail: { word: "Fail", tone: "error", shape: "error", rank: 0 },
	warn: { word: "Warn", tone: "dirty", shape: "dirty", rank: 1 },
	unknown: { word: "Unknown", tone: "plain", shape: "unknown", rank: 2 },
	pass: { word: "Pass", tone: "clean", shape: "clean", rank: 3 },
};

export const SEVERITY = ["critical", "high", "medium", "low", "info"];

function unknown_new(id) {
	return { id, word: id ? String(id) : "Unknown", tone: "plain", shape: "unknown", rank: 7,
		 help: "Not known" };
}

export function status_get(id) {
	return STATUS.find((row) => row.id === id) ?? unknown_new(id === "unknown" ? "" : id);
}

export function health_get(id) {
	return HEALTH[id] ?? { word: "Unknown", tone: "plain", shape: "unknown" };
}

export function check_get(id) {
	return CHECK[id] ?? { ...unknown_new(id), rank: 2 };
}

/* The counter of a status in a report's summary; null when the report could not judge it. */
export function summary_count(summary, id) {
	const name = id === "error" ? "errors" : id;

	if (!summary || summary.unknown?.includes(name))
		return null;
	return Number.isFinite(summary[name]) ? summary[name] : null;
}

/* A score's tone: the limits are the report's default alert thresholds. */
export function score_tone(score) {
	if (!Number.isFinite(score))
		return "plain";
	return score < 50 ? "error" : score < 70 ? "dirty" : "clean";
}
