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

/* jobs of the queue, in the order of filters */
export const JOB = [
	{ id: "queued", word: "Waiting", tone: "plain", shape: "polling", help: "Waits for its turn" },
	{ id: "running", word: "Running", tone: "extra", shape: "play", help: "Is being done" },
	{ id: "done", word: "Done", tone: "clean", shape: "clean", help: "Was done" },
	{ id: "dead", word: "Given up", tone: "error", shape: "error", help: "Failed for good" },
	{ id: "cancelled", word: "Cancelled", tone: "plain", shape: "off", help: "Was ended, or a newer one took its place" },
];

const RUN = [
	{ id: "pending", word: "Waiting", tone: "plain", shape: "polling", help: "Waits for its turn" },
	{ id: "in_progress", word: "Running", tone: "extra", shape: "play", help: "Is being done" },
	{ id: "completed", word: "Completed", tone: "clean", shape: "clean", help: "Came to its end" },
	{ id: "failed", word: "Failed", tone: "error", shape: "error", help: "Did not come to its end" },
	{ id: "cancelled", word: "Cancelled", tone: "plain", shape: "off", help: "Was ended" },
];

const WORKER = [
	{ id: "claiming", word: "Works", tone: "clean", shape: "live", help: "Takes jobs" },
	{ id: "waiting", word: "Stands by", tone: "plain", shape: "polling", help: "Another runner of this host takes jobs" },
	{ id: "minding", word: "Ends", tone: "plain", shape: "off", help: "Takes no more jobs, and waits for those it has" },
	{ id: "draining", word: "Stops", tone: "dirty", shape: "off", help: "Was told to stop, and waits for its jobs" },
	{ id: "stopping", word: "Stops", tone: "dirty", shape: "off", help: "Was told to stop, as were its jobs" },
	{ id: "lost", word: "Lost", tone: "error", shape: "error", help: "Was not heard of for half a minute" },
];

/* what became of a time of a schedule */
const TICK = [
	{ id: "queued", word: "Queued", tone: "clean", shape: "clean", help: "Its jobs were queued" },
	{ id: "skipped", word: "Skipped", tone: "plain", shape: "off", help: "There was nothing to do, or the last time was not done yet" },
	{ id: "missed", word: "Missed", tone: "dirty", shape: "dirty", help: "Nobody looked when its time was there, and it was too long ago to be made up for" },
];

const SCHEDULE = {
	on: { word: "On", tone: "clean", shape: "live", help: "Is followed" },
	off: { word: "Paused", tone: "plain", shape: "off", help: "Is not followed" },
	error: { word: "Error", tone: "error", shape: "error", help: "Cannot be followed" },
};

/* whether what opens a host does */
const CREDENTIAL = {
	works: { word: "Works", tone: "clean", shape: "clean", help: "A job cloned or fetched with it" },
	error: { word: "Failed", tone: "error", shape: "error", help: "The last job that had it failed" },
	used: { word: "Unknown", tone: "plain", shape: "unknown", help: "A job has it or had it, and nothing says how that went" },
	unused: { word: "Not used", tone: "plain", shape: "off", help: "No job had it yet" },
};

const OUTCOME = [
	{ id: "done", word: "Done", tone: "clean", shape: "clean", help: "Was done" },
	{ id: "failed", word: "Failed", tone: "error", shape: "error", help: "Ended with an error" },
	{ id: "crashed", word: "Crashed", tone: "error", shape: "error", help: "Its process died" },
	{ id: "lost", word: "Lost", tone: "error", shape: "missing", help: "Its runner was not heard of any more" },
	{ id: "cancelled", word: "Cancelled", tone: "plain", shape: "off", help: "Was ended" },
];

export const SEVERITY = ["critical", "high", "medium", "low", "info"];

function unknown_new(id) {
	return { id, word: id ? String(id) : "Unknown", tone: "plain", shape: "unknown", rank: 7,
		 help: "Not known" };
}

export function status_get(id) {
	return STATUS.find((row) => row.id === id) ?? unknown_new(id === "unknown" ? "" : id);
}

export function job_get(id) {
	return JOB.find((row) => row.id === id) ?? unknown_new(id);
}

export function run_get(id) {
	return RUN.find((row) => row.id === id) ?? unknown_new(id);
}

export function tick_get(id) {
	return TICK.find((row) => row.id === id) ?? unknown_new(id);
}

export function schedule_get({ enabled, error }) {
	return SCHEDULE[!enabled ? "off" : error ? "error" : "on"];
}

export function credential_get({ error, worked_at, used_at }) {
	return CREDENTIAL[error ? "error" : worked_at ? "works" : used_at ? "used" : "unused"];
}

/* Of an attempt: null while it is under way. */
export function outcome_get(id) {
	return id === null ? job_get("running") : OUTCOME.find((row) => row.id === id) ?? unknown_new(id);
}

export function worker_get(id) {
	return WORKER.find((row) => row.id === id) ?? unknown_new(id);
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
