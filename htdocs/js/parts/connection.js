/* SPDX-License-Identifier: MIT */
/*
 * Says whether the page is live and how old its data is, always; opens the panel with the
 * switch, the polling interval and the connection's figures.
 */
import { h } from "../dom.js";
import { NONE, age_format, ago_format, duration_format, number_format } from "../format.js";
import { page } from "../page.js";
import { pref_set } from "../pref.js";
import { shape } from "./shape.js";

const MODE = {
	live: { word: "Live", tone: "clean", shape: "live" },
	reconnecting: { word: "Reconnecting", tone: "dirty", shape: "reconnecting" },
	polling: { word: "Polling", tone: "extra", shape: "polling" },
	off: { word: "Off", tone: "plain", shape: "off" },
};
const TRANSPORT = { websocket: "WebSocket", stream: "Server-sent events", poll: "Polling" };
const INTERVALS = ["5", "10", "30", "60"];

/* by the time of one question and its answer */
export function quality_word(latency_ms) {
	if (!Number.isFinite(latency_ms))
		return "Unknown";
	return latency_ms <= 100 ? "Excellent" : latency_ms <= 300 ? "Good" : "Poor";
}

function live_set(event) {
	pref_set("live", event.target.checked ? "on" : "off");
	page.live.enable(event.target.checked);
}

function interval_set(event) {
	pref_set("interval", event.target.value);
	page.live.interval_set(Number(event.target.value));
}

function fact(name, ...value) {
	return [h("dt", null, name), h("dd", null, value)];
}

export function connection_button(state, now) {
	const mode = MODE[state.mode];
	const word = state.degraded && state.mode === "live" ? "Live, degraded"
		: state.mode === "reconnecting" && state.at === null ? "Connecting" : mode.word;

	return h("button", { type: "button", class: `connection tone-${mode.tone} ${state.mode}`,
			     popovertarget: "connection", title: "Connection and updates" },
		shape(mode.shape), h("span", { class: "word" }, word),
		h("span", { class: "age" }, age_format(state.at, now)),
		h("span", { class: "sr" }, "since the data was last confirmed; connection settings"));
}

export function connection_panel(state, now) {
	const mode = MODE[state.mode];

	return h("div", { id: "connection", class: "panel", popover: "auto", role: "dialog",
			  "aria-label": "Connection" },
		h("p", { class: `panel-head tone-${mode.tone}` }, shape(mode.shape), h("b", null, mode.word),
			h("span", { class: "quiet" }, state.mode === "off" ? "Updates come with Refresh only"
				: TRANSPORT[state.transport])),
		state.reason && h("p", { class: "panel-reason" }, state.reason),
		state.degraded && h("p", { class: "panel-reason" }, "The server is up, its database is not. "
			+ "Changes arrive as soon as it is back."),
		h("label", { class: "switch" },
			h("input", { type: "checkbox", role: "switch", checked: state.enabled, onchange: live_set }),
			h("span", null, "Real-time updates")),
		h("fieldset", { class: "segments" }, h("legend", null, "When polling, ask every"),
			INTERVALS.map((seconds) => h("label", null,
				h("input", { type: "radio", name: "interval", value: seconds,
					     checked: String(state.interval_s) === seconds, onchange: interval_set }),
				h("span", null, `${seconds} s`)))),
		h("dl", { class: "pairs" },
			fact("Last heard", ago_format(state.at, now)),
			fact("Quality", Number.isFinite(state.latency_ms)
				? `${quality_word(state.latency_ms)}, ${duration_format(state.latency_ms)}` : "Unknown"),
			fact("State since", state.since ? ago_format(state.since, now) : NONE),
			state.retry_at && fact("Next attempt", `in ${Math.max(0, Math.ceil((state.retry_at - now) / 1000))} s`),
			fact("Messages", number_format(state.received)),
			fact("Lost connections", number_format(state.drops)),
			fact("Viewers", number_format(state.clients)),
			fact("Event", state.cursor ?? NONE)),
		h("div", { class: "buttons" },
			h("button", { type: "button", class: "button", onclick: () => page.refresh() }, "Refresh now"),
			state.enabled && state.mode !== "live" && h("button", { type: "button", class: "button",
				onclick: () => page.live.retry() }, "Reconnect now")));
}
