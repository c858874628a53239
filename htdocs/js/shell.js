/* SPDX-License-Identifier: MIT */
/*
 * The page around the views: which address shows which view, loading and loading again, what an
 * event does to what is shown, problems, the header.
 *
 * A view is a module that exports
 *	load(params, signal, before)  → its data; `before` is the data shown until now, or null
 *	draw(root, data, params)      → draws it; with data null, its skeleton
 *	title(data, params)           → the document's title
 *	merge(data, event, params)    → the data after an event; the same object when nothing changed,
 *	                                null to load again (optional: without it, every event does)
 *	is_followed(event, data)      → whether the data must also be loaded again (optional)
 *	is_same(params, others)       → whether other params keep what is shown until theirs is there
 *	every_ms(data)                → load again so often while the page is looked at (optional)
 * load() answers { data, position }. Events that came while it was under way are added after it.
 */
import { api_get, api_on_sign_out, api_send, csrf_set } from "./api.js";
import { backoff_delay } from "./backoff.js";
import { h, patch } from "./dom.js";
import { id_is_after } from "./event.js";
import { ago_format, count_format, until_format } from "./format.js";
import { Live } from "./live.js";
import { link_follow, page } from "./page.js";
import { header } from "./parts/header.js";
import { problem_part, stale_notice } from "./parts/notice.js";
import { toast_add } from "./parts/toast.js";
import { pref_get } from "./pref.js";
import { next_parse, url_format, url_parse, view_is_outside } from "./url.js";

const VIEW = {
	overview: () => import("./views/overview.js"),
	repo_list: () => import("./views/repo_list.js"),
	repo: () => import("./views/repo.js"),
	audit_list: () => import("./views/audit_list.js"),
	audit: () => import("./views/audit.js"),
	job_list: () => import("./views/job_list.js"),
	job: () => import("./views/job.js"),
	schedule_list: () => import("./views/schedule_list.js"),
	schedule: () => import("./views/schedule.js"),
	credential_list: () => import("./views/credential_list.js"),
	run: () => import("./views/run.js"),
	account: () => import("./views/account.js"),
	sign_in: () => import("./views/sign_in.js"),
	sign_in_return: () => import("./views/sign_in_return.js"),
	forgot: () => import("./views/forgot.js"),
	register: () => import("./views/register.js"),
	reset: () => import("./views/reset.js"),
	invitation: () => import("./views/invitation.js"),
	missing: () => import("./views/missing.js"),
};
const RECENT = 500;
const SOON_MS = 300;
const SPACING_MS = 2000;
const STALE_MS = 90000;
const SKELETON_MS = 80;
const AGAIN_MS = 5000;

/* what is shown: { view, params, module, root, data, position, problem, loading, abort } */
let shown = null;
let began = null;         /* the position from which on events come */
let recent = [];          /* events, for data that was asked for before they came */
let reload_timer = null;
let reloaded_at = 0;
let draw_wanted = false;
let changes = new Set();  /* names, to be said to screen readers together */

const main = () => document.getElementById("main");

function header_draw() {
	const state = page.live.state();

	/* before it is known who is here, nothing is connected, but it will be */
	if (page.session === undefined && state.enabled)
		state.mode = "reconnecting";
	patch(document.getElementById("header"), header({
		view: shown?.view, state, now: Date.now(), busy: shown?.loading ?? false,
		session: page.session, sign_out,
	}));
}

/* Only when it is not current although it should be: a problem, or nothing heard for long. */
function notice() {
	const { mode, at } = page.live.state();

	if (!shown?.data || view_is_outside(shown.view) || shown.view === "missing")
		return null;
	if (!shown.problem && (mode === "off" || mode === "live" || at === null || Date.now() - at < STALE_MS))
		return null;
	return stale_notice({ problem: shown.problem, at: shown.problem ? shown.at : at, retry: () => page.refresh() });
}

function view_draw() {
	if (!shown?.module || !shown.root.isConnected)
		return;
	const { module, root, data, params, problem } = shown;
	if (data === null && problem)
		patch(root, problem_part(problem, () => page.refresh()));
	else
		module.draw(root, data, params);
	root.setAttribute("aria-busy", shown.loading ? "true" : "false");
	root.classList.toggle("loading", shown.loading && data !== null);
	document.title = `${module.title(data, params)} · Muster`;
	patch(main().firstChild, notice());
}

function draw() {
	if (draw_wanted)
		return;
	draw_wanted = true;
	requestAnimationFrame(() => {
		draw_wanted = false;
		header_draw();
		view_draw();
	});
}

function event_apply(target, event) {
	const { module, data, params } = target;

	if (data === null || (target.position && event.event_id && !id_is_after(event.event_id, target.position)))
		return;
	const after = module.merge ? module.merge(data, event, params) : null;
	if (after === null) {
		reload_soon();
		return;
	}
	target.data = after;
	if (module.is_followed?.(event, target.data))
		reload_soon();
}

function event_take(event) {
	recent = [...recent.slice(1 - RECENT), event];
	run_take(event);
	if (event.type === "repo-status-change" && event.data?.repo?.name) {
		if (!changes.size)
			setTimeout(changes_say, 1500);
		changes.add(`${event.data.repo.name} is ${event.data.repo.status}`);
	}
	if (shown)
		event_apply(shown, event);
	draw();
}

function changes_say() {
	page.say(changes.size > 3 ? `${changes.size} repositories changed` : [...changes].join(", "));
	changes = new Set();
}

function reload_soon() {
	if (reload_timer)
		return;
	const wait = Math.max(SOON_MS, reloaded_at + SPACING_MS - Date.now());
	reload_timer = setTimeout(() => {
		reload_timer = null;
		if (document.hidden)
			document.addEventListener("visibilitychange", reload_soon, { once: true });
		else
			load(shown);
	}, wait);
}

/* What happened between the data and the first event was told to nobody. */
function gap_close(target) {
	if (target?.position && began && id_is_after(began, target.position))
		reload_soon();
}

/* Loads what `target` shows; an older load of the same target is given up. */
async function load(target) {
	target.abort?.abort();
	clearTimeout(target.again);
	const abort = new AbortController();
	target.abort = abort;
	target.loading = true;
	reloaded_at = Date.now();
	draw();
	try {
		target.module ??= await VIEW[target.view]();
		const { data, position } = await target.module.load(target.params, abort.signal, target.data);
		if (abort.signal.aborted)
			return;
		Object.assign(target, { data, position, problem: null, failures: 0, at: Date.now() });
		if (position)
			page.live.seen(position);
		for (const event of recent)
			event_apply(target, event);
		gap_close(target);
	} catch (error) {
		if (error.name === "AbortError" || abort.signal.aborted)
			return;
		if (error.name !== "Problem")
			console.error(error);
		target.problem = error;
		/* a server that was away is asked again without anybody's doing */
		if (error.name === "Problem" && (error.status === 0 || error.status >= 500)) {
			target.failures = (target.failures ?? 0) + 1;
			target.again = setTimeout(() => target === shown && !document.hidden && load(target),
				backoff_delay(target.failures));
		}
	} finally {
		if (target.abort === abort)
			target.loading = false;
		if (target === shown)
			draw();
	}
}

async function show(url, { scroll = 0, focus = true } = {}) {
	const { view, params } = url_parse(url);

	if (page.session === null && !view_is_outside(view)) {
		await page.go(url_format("sign_in", { next: url === "/" ? "" : url }), { replace: true });
		return;
	}
	if (page.session && view === "sign_in") {
		await page.go(next_parse(params.next) + location.hash, { replace: true });
		return;
	}
	const again = shown?.view === view && shown.module?.is_same?.(shown.params, params);
	shown?.abort?.abort();
	if (again) {
		shown.params = params;
		draw();
		await load(shown);
		if (scroll)
			scrollTo(0, scroll);
		return;
	}
	const root = document.createElement("div");
	root.className = `view view-${view}`;
	const target = { view, params, module: null, root, data: null, position: null, problem: null, loading: true };
	shown = target;
	target.module = await VIEW[view]();
	if (shown !== target)
		return;
	const place = () => {
		if (root.isConnected || shown !== target)
			return;
		patch(main(), h("div", { class: "notices" }));
		main().append(root);
		view_draw();
	};
	const skeleton = setTimeout(place, SKELETON_MS);
	await load(target);
	clearTimeout(skeleton);
	place();
	if (shown !== target)
		return;
	view_draw();
	header_draw();
	if (scroll)
		scrollTo(0, scroll);
	else if (focus)
		arrive(root);
}

/* A screen reader and the keyboard go on from the new heading. */
function arrive(root) {
	scrollTo(0, 0);
	const heading = root.querySelector("[data-arrive]") ?? root.querySelector("h1");
	if (!heading)
		return;
	if (!heading.matches("input"))
		heading.tabIndex = -1;
	heading.focus({ preventScroll: true });
}

page.go = (url, { replace = false } = {}) => {
	if (replace) {
		history.replaceState(history.state, "", url);
	} else {
		history.replaceState({ ...history.state, scroll: scrollY }, "");
		history.pushState(null, "", url);
	}
	return show(url);
};

page.draw = draw;

page.update = (data) => {
	shown.data = data;
	draw();
};

page.refresh = async () => {
	if (!shown)
		return;
	page.live.retry();
	if (!shown.module) {
		await show(location.pathname + location.search);
		return;
	}
	await load(shown);
};

page.toast = toast_add;

page.say = (text) => {
	document.getElementById("say").textContent = text;
};

const ASKED = {
	audit: { ask: (repo) => api_send("POST", "/api/v1/audits", repo ? { repo: repo.id } : {}), noun: "audit", done: "was audited" },
	scan: { ask: (repo) => api_send("POST", "/api/v1/scans", repo ? { repo: repo.id } : {}), noun: "scan", done: "was scanned" },
	fetch: { ask: (repo) => api_send("POST", `/api/v1/repos/${repo.id}/fetch`, {}), noun: "fetch", done: "was fetched" },
};

/* An audit, a scan or a fetch now, shown at once as pending and taken back when the server refuses. */
page.run = async (repo = null, kind = "audit") => {
	const mine = { kind, repo: repo?.id ?? null, name: repo?.name ?? null, status: "pending", at: Date.now() };
	const key = Symbol("asked");

	page.runs.set(key, mine);
	draw();
	try {
		const { body, position } = await ASKED[kind].ask(repo);
		page.runs.delete(key);
		if (body.run_id)
			page.runs.set(String(body.run_id), { ...mine, status: body.status === "in_progress" ? body.status : "pending" });
		else
			page.toast(`${count_format(body.repositories, "repository", "repositories")} will be scanned. Jobs shows how far that is.`,
				{ tone: "clean" });
		for (const event of recent)
			run_take(event);
		if (position)
			page.live.seen(position);
		reload_soon();
	} catch (problem) {
		page.runs.delete(key);
		page.toast(`The ${ASKED[kind].noun} was not started. ${problem.message}. ${problem.detail ?? ""}`
			+ (problem.request_id ? ` (request ${problem.request_id})` : ""), { tone: "error" });
	}
	draw();
};

function run_take(event) {
	const { data, type } = event;
	const id = String(data?.run_id ?? data?.id ?? "");
	const run = page.runs.get(id);

	if (type !== "status_change" || !run)
		return;
	const { noun, done } = ASKED[run.kind];
	run.status = data.status;
	if (data.status === "completed") {
		page.toast(run.name ? `${run.name} ${done}` : `The ${noun} is complete`, { tone: "clean" });
		page.runs.delete(id);
		reload_soon();
	} else if (data.status === "failed" || data.status === "cancelled") {
		page.toast(`The ${noun} ${data.status === "failed" ? "failed" : "was cancelled"}. ${data.error ?? ""}`,
			{ tone: "error" });
		page.runs.delete(id);
	}
}

function session_set(session, position = null) {
	page.session = session;
	csrf_set(session?.csrf_token);
	if (session) {
		began = position;
		page.live.start(position);
		gap_close(shown);
	}
	draw();
}

page.signed_in = ({ account, csrf_token }, next) => {
	session_set({ account, csrf_token });
	return page.go(next, { replace: true });
};

function signed_out() {
	if (page.session === null)
		return;
	session_set(null);
	page.live.stop();
	page.live.cursor = null;
	began = null;
	recent = [];
	page.runs.clear();
	if (!view_is_outside(shown?.view))
		show(location.pathname + location.search);
}

async function sign_out() {
	try {
		await api_send("POST", "/api/v1/auth/logout");
	} catch (problem) {
		if (problem.status !== 401) {
			page.toast(`Not signed out. ${problem.message}`, { tone: "error" });
			return;
		}
	}
	history.replaceState(null, "", "/");
	signed_out();
}

/* ages move on without anything being drawn again */
function clock_tick() {
	if (document.hidden)
		return;
	const now = Date.now();
	for (const time of document.querySelectorAll("time[data-ago], time[data-until]")) {
		const text = (time.dataset.until === undefined ? ago_format : until_format)(time.dateTime, now);
		if (time.firstChild && time.firstChild.data !== text)
			time.firstChild.data = text;
	}
	header_draw();
	if (!shown?.module || !shown.root.isConnected)
		return;
	patch(main().firstChild, notice());
	const every = shown.data && shown.module.every_ms?.(shown.data);
	if (every && !shown.loading && page.live.state().mode !== "off" && now - reloaded_at > every)
		load(shown);
}

export async function shell_start() {
	page.live = new Live({ event: event_take, reset: reload_soon, change: draw,
			       denied: () => session_check() });
	page.live.enabled = pref_get("live") === "on";
	page.live.interval_s = Number(pref_get("interval"));
	api_on_sign_out(signed_out);
	document.addEventListener("click", link_follow);
	addEventListener("popstate", (event) => show(location.pathname + location.search,
		{ scroll: event.state?.scroll ?? 0, focus: false }));
	document.addEventListener("visibilitychange", () => !document.hidden && page.live.wake());
	for (const name of ["online", "pageshow", "resume"])
		addEventListener(name, () => page.session && page.live.wake());
	addEventListener("offline", () => draw());
	history.scrollRestoration = "manual";
	addEventListener("pagehide", () => history.replaceState({ ...history.state, scroll: scrollY }, ""));
	header_draw();
	setInterval(clock_tick, 1000);
	session_check();
	await show(location.pathname + location.search, { scroll: history.state?.scroll ?? 0 });
}

/* Who is signed in. The view does not wait for it: most often somebody is. */
async function session_check() {
	try {
		const { body, position } = await api_get("/api/v1/auth/me");
		session_set({ account: body, csrf_token: body.csrf_token }, position);
		if (shown?.view === "sign_in")
			await show(location.pathname + location.search);
	} catch (problem) {
		/* signed out: the api said so already; else the view has the same problem and shows it */
		if (problem.status !== 401)
			setTimeout(() => page.session === undefined && session_check(), AGAIN_MS);
	}
}
