/* SPDX-License-Identifier: MIT */
/*
 * Numbers, sizes and times as people read them. What is unknown is "unknown" or "–", never 0.
 * Times are RFC 3339 text or milliseconds; `now` is always given, so that a test can choose it.
 *
 *	age_format("2026-11-21T03:00:00Z", now)      // "4 min"
 */
export const NONE = "–";

const count = new Intl.NumberFormat("en", { useGrouping: true });
const SECOND = 1000;
const STEPS = [
	[60 * SECOND, SECOND, "s"],
	[60 * 60 * SECOND, 60 * SECOND, "min"],
	[36 * 60 * 60 * SECOND, 60 * 60 * SECOND, "h"],
	[60 * 24 * 60 * 60 * SECOND, 24 * 60 * 60 * SECOND, "d"],
	[730 * 24 * 60 * 60 * SECOND, 30.44 * 24 * 60 * 60 * SECOND, "mo"],
	[Infinity, 365.25 * 24 * 60 * 60 * SECOND, "y"],
];

export function number_format(value) {
	return Number.isFinite(value) ? count.format(value) : NONE;
}

/* "1 repository", "2 repositories", "1,204 audits" */
export function count_format(value, one, many = `${one}s`) {
	return `${number_format(value)} ${value === 1 ? one : many}`;
}

export function score_format(value) {
	return Number.isFinite(value) ? String(Math.round(value)) : NONE;
}

export function percent_format(share) {
	return Number.isFinite(share) ? `${Math.round(share * 100)} %` : NONE;
}

export function bytes_format(bytes) {
	if (!Number.isFinite(bytes))
		return NONE;
	let value = bytes;
	for (const unit of ["B", "KiB", "MiB", "GiB"]) {
		if (value < 1024 || unit === "GiB")
			return `${value < 10 && unit !== "B" ? value.toFixed(1) : Math.round(value)} ${unit}`;
		value /= 1024;
	}
	return NONE;
}

export function duration_format(ms) {
	if (!Number.isFinite(ms))
		return NONE;
	if (ms < 1000)
		return `${Math.round(ms)} ms`;
	if (ms < 60000)
		return `${(ms / 1000).toFixed(1)} s`;
	return `${Math.floor(ms / 60000)} min ${Math.round((ms % 60000) / 1000)} s`;
}

export function time_parse(at) {
	const ms = typeof at === "number" ? at : Date.parse(at ?? "");
	return Number.isFinite(ms) ? ms : null;
}

/* How long ago, coarsely; a clock that is a little ahead is "now". */
export function age_format(at, now) {
	const ms = time_parse(at);

	if (ms === null)
		return NONE;
	const age = now - ms;
	if (age < SECOND)
		return "now";
	for (const [limit, unit, name] of STEPS) {
		if (age < limit)
			return `${Math.floor(age / unit)} ${name}`;
	}
	return NONE;
}

export function ago_format(at, now) {
	const age = age_format(at, now);
	return age === NONE || age === "now" ? age : `${age} ago`;
}

/* How long until then; what has come is "now". */
export function until_format(at, now) {
	const ms = time_parse(at);

	if (ms === null)
		return NONE;
	const age = age_format(now, ms);
	return age === "now" ? age : `in ${age}`;
}

/* local time, to the second: "21 Nov 2026, 04:05:06" */
export function time_format(at) {
	const ms = time_parse(at);

	if (ms === null)
		return NONE;
	return new Date(ms).toLocaleString("en-GB", { day: "numeric", month: "short", year: "numeric",
		hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export function clock_format(at) {
	const ms = time_parse(at);
	return ms === null ? NONE : new Date(ms).toLocaleTimeString("en-GB");
}

/* The order matters: each of them also claims to be those below it. */
const BROWSER = [["Edge", /Edg(?:e|A|iOS)?\/(\d+)/], ["Opera", /OPR\/(\d+)/], ["Firefox", /(?:Firefox|FxiOS)\/(\d+)/],
	["Chrome", /(?:Chrome|CriOS)\/(\d+)/], ["Safari", /Version\/(\d+).* Safari\//]];
const SYSTEM = [["Android", /Android/], ["iPhone", /iPhone|iPad/], ["Windows", /Windows/], ["macOS", /Mac OS X/], ["Linux", /Linux/]];

/* What a browser calls itself, for people: "Firefox 140, Linux"; what is no browser in its own first word. */
export function agent_format(agent) {
	if (!agent)
		return NONE;
	const browser = BROWSER.find(([, pattern]) => pattern.test(agent));
	if (!browser)
		return agent.split(/\s/, 1)[0].slice(0, 60);
	const system = SYSTEM.find(([, pattern]) => pattern.test(agent));
	return [`${browser[0]} ${browser[1].exec(agent)[1]}`, system?.[0]].filter(Boolean).join(", ");
}
