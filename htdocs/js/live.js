/* SPDX-License-Identifier: MIT */
/*
 * Keeps the page's cursor moving: WebSocket, else a server-sent stream, else polling, all with
 * the same event ids, so that changing the transport loses nothing and repeats nothing.
 *
 *	const live = new Live({ event: (e) => …, reset: (why) => …, change: () => …, denied: () => … });
 *	live.start(position);        // the Stream-Position of the data that is shown
 *	live.state().mode            // "live", "reconnecting", "polling" or "off"
 *
 * A lost connection is tried again after backoff_delay(), never while the page is hidden or
 * offline, and never after a refusal (close 1008 or 4401, status 401 or 403). After two failures
 * in a row the next transport is used, and the better ones are tried again while polling. A ping
 * that is not answered counts as a loss. What proves that the data is current (a message, a pong,
 * a heartbeat, an answer) moves state().at; when an answer tells of a head beyond our cursor and
 * nothing comes, what is missing is asked for. Of several tabs one has the stream, the others
 * poll: a browser opens six connections to a server, and the seventh tab would hang.
 *
 * `reset` means that events were missed or may have been: whoever shows data loads it again.
 */
import { backoff_delay } from "./backoff.js";
import { id_is_after, id_later, message_parse } from "./event.js";
import { sse_reader } from "./sse.js";

const PING_MS = 15000;
const PONG_MS = 8000;
const GAP_MS = 2000;
const QUIET_MS = 75000; /* a stream without even a heartbeat for so long is dead */
const STABLE_MS = 10000;
const TRIES = 2;
const PAGE = 500;
const REFUSED = new Set([1008, 4401]);
const TRANSPORT = ["websocket", "stream", "poll"];

const browser = {
	socket: (url) => new WebSocket(url),
	fetch: (url, options) => fetch(url, options),
	later: (call, ms) => setTimeout(call, ms),
	cancel: (timer) => clearTimeout(timer),
	now: () => Date.now(),
	random: () => Math.random(),
	is_hidden: () => document.hidden,
	is_online: () => navigator.onLine,
	origin: () => location.origin,
	/* a function that gives the stream back, or null while another tab has it */
	stream_take: () => new Promise((resolve) => {
		if (!navigator.locks) {
			resolve(() => {});
			return;
		}
		navigator.locks.request("muster-stream", { ifAvailable: true }, (lock) => {
			if (lock)
				return new Promise((release) => resolve(release));
			resolve(null);
			return null;
		}).catch(() => resolve(() => {}));
	}),
};

export class Live {
	constructor(hooks, env = browser) {
		this.hooks = hooks;
		this.env = env;
		this.cursor = null;
		this.enabled = true;
		this.interval_s = 10;
		this.mode = "off";
		this.level = 0;
		this.refused = false;
		this.attempt = 0;
		this.failures = 0;
		this.generation = 0;
		this.transport = null;
		this.timers = new Map();
		this.snapshot = false;
		this.pinged_at = null;
		this.facts = { at: null, latency_ms: null, received: 0, drops: 0, since: null, retry_at: null,
			       reason: "", clients: null, uptime_s: null, degraded: false };
	}

	state() {
		return { mode: this.mode, transport: this.mode === "off" ? null : TRANSPORT[this.level],
			 cursor: this.cursor, interval_s: this.interval_s, enabled: this.enabled, ...this.facts };
	}

	/* From here on; called again after signing in. */
	start(position) {
		this.cursor = id_later(position, this.cursor);
		this.refused = false;
		this.#begin();
	}

	stop() {
		this.#close();
		this.#mode_set("off", "");
	}

	enable(on) {
		this.enabled = on;
		if (on)
			this.#begin();
		else
			this.stop();
	}

	interval_set(seconds) {
		this.interval_s = seconds;
		if (this.mode === "polling")
			this.#timer("poll", () => this.#poll(), seconds * 1000);
		this.hooks.change();
	}

	/* At once, whatever the delay would have been: the button, a page that is visible again. */
	retry() {
		if (!this.enabled)
			return;
		if (this.mode === "live")
			this.#ping();
		else
			this.#begin();
	}

	/* A page that is put away keeps its socket open but tries nothing new. */
	wake() {
		if (!this.enabled || this.mode === "off")
			return;
		if (this.mode !== "polling") {
			this.retry();
			return;
		}
		this.#poll();
		if (!this.timers.has("upgrade"))
			this.#upgrade_later();
	}

	/* An answer of the server outside of the stream: it proves freshness and tells the head. */
	seen(position) {
		this.#fresh();
		this.#head(position);
	}

	#begin() {
		this.level = this.refused ? 2 : 0;
		this.attempt = 0;
		this.failures = 0;
		this.#connect();
	}

	#timer(name, call, ms) {
		this.env.cancel(this.timers.get(name));
		this.timers.set(name, this.env.later(() => {
			this.timers.delete(name);
			call();
		}, ms));
	}

	#close() {
		this.generation += 1;
		for (const timer of this.timers.values())
			this.env.cancel(timer);
		this.timers.clear();
		this.transport?.close();
		this.transport = null;
		this.facts.retry_at = null;
	}

	#mode_set(mode, reason) {
		if (this.mode !== mode)
			this.facts.since = this.env.now();
		this.mode = mode;
		this.facts.reason = reason;
		this.hooks.change();
	}

	#fresh() {
		this.facts.at = this.env.now();
	}

	#connect() {
		this.#close();
		if (!this.enabled) {
			this.#mode_set("off", "");
			return;
		}
		if (!this.env.is_online()) {
			this.#mode_set("reconnecting", "This device is offline");
			return; /* the "online" event calls wake() */
		}
		if (this.env.is_hidden() && this.mode !== "off") {
			this.#mode_set("reconnecting", "Waiting until this page is visible");
			return; /* becoming visible calls wake() */
		}
		if (this.level === 2) {
			this.#poll();
			this.#upgrade_later();
			return;
		}
		if (this.mode !== "reconnecting")
			this.#mode_set("reconnecting", this.facts.reason || "Connecting");
		this.transport = this.#open(this.level, {
			opened: () => this.#opened(),
			lost: (loss) => this.#lost(loss),
		});
	}

	/* Opens one transport; what an old one still says is ignored. */
	#open(level, { opened, lost }) {
		const generation = this.generation;
		const mine = (call) => (value) => {
			if (generation === this.generation)
				call(value);
		};
		const calls = { opened: mine(opened), lost: mine(lost), alive: mine(() => this.#fresh()),
				message: mine((text) => this.#take(message_parse(text))) };

		return level === 0 ? this.#socket_open(calls) : this.#stream_open(calls);
	}

	#socket_open({ opened, lost, message }) {
		const url = new URL("/ws", this.env.origin());
		let ended = false;
		let socket = null;
		const end = (loss) => {
			if (!ended)
				lost(loss);
			ended = true;
		};

		url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
		if (this.cursor)
			url.searchParams.set("last_event_id", this.cursor);
		try {
			socket = this.env.socket(url.href);
		} catch (error) {
			this.env.later(() => end({ reason: error.message }), 0);
			return { close() {} };
		}
		socket.onopen = () => {
			this.snapshot = true; /* the first audit-update is where the server stands */
			opened();
		};
		socket.onmessage = (event) => message(event.data);
		socket.onclose = (event) => end({ refused: REFUSED.has(event.code),
			reason: event.reason || (event.code === 1006 ? "The connection was lost"
								     : `The server closed it (${event.code})`) });
		return {
			send: (text) => socket.readyState === 1 && socket.send(text),
			close: () => {
				ended = true;
				socket.close(1000);
			},
		};
	}

	#stream_open({ opened, lost, alive, message }) {
		const abort = new AbortController();
		const headers = { Accept: "text/event-stream" };
		let release = null;
		const run = async () => {
			release = await this.env.stream_take();
			if (!release)
				return { is_taken: true, reason: "Another tab has the stream" };
			const response = await this.env.fetch("/api/v1/sse/events", { headers, cache: "no-store",
				credentials: "same-origin", signal: abort.signal });
			if (!response.ok || !/^text\/event-stream/.test(response.headers.get("Content-Type") ?? "")) {
				abort.abort();
				return { refused: response.status === 401 || response.status === 403,
					 status: response.status, reason: `The server answered ${response.status}` };
			}
			const reader = response.body.getReader();
			const decoder = new TextDecoder();
			const read = sse_reader({ message: (text) => message(text), alive });
			opened();
			for (;;) {
				const { done, value } = await reader.read();
				if (done)
					return { reason: "The stream ended" };
				alive();
				read(decoder.decode(value, { stream: true }));
			}
		};

		if (this.cursor)
			headers["Last-Event-ID"] = this.cursor;
		run().catch((error) => ({ reason: error.name === "TypeError" ? "The connection was lost"
									      : error.message }))
			.then((loss) => {
				release?.();
				lost(loss);
			});
		return { close: () => abort.abort() };
	}

	#opened() {
		this.failures = 0;
		this.#fresh();
		this.#mode_set("live", "");
		this.#timer("stable", () => {
			this.attempt = 0;
		}, STABLE_MS);
		if (this.level === 0) {
			this.transport.send?.(JSON.stringify({ type: "get-status" }));
			this.#ping();
		} else {
			this.#quiet_watch();
			/* nothing of a stream tells the time since the cursor: ask once */
			this.#catch_up();
		}
	}

	#lost({ refused, reason, status, is_taken }) {
		const was_live = this.mode === "live";

		this.#close();
		this.facts.latency_ms = null;
		if (was_live)
			this.facts.drops += 1;
		if (refused) {
			this.#refuse(reason, status);
			return;
		}
		this.failures += 1;
		if ((is_taken || this.failures >= TRIES) && this.level < 2) {
			this.level += 1;
			this.failures = 0;
			this.#connect();
			return;
		}
		this.#mode_set("reconnecting", reason);
		const delay = backoff_delay(this.attempt, this.env.random);
		this.attempt += 1;
		this.facts.retry_at = this.env.now() + delay;
		this.#timer("connect", () => this.#connect(), delay);
		this.hooks.change();
	}

	/* Never tried again; while the session lives the data still comes by polling. */
	#refuse(reason, status) {
		this.refused = true;
		this.level = 2;
		this.#mode_set("reconnecting", reason || "The server refused the live connection");
		if (status === 401) {
			this.stop();
			this.hooks.denied();
			return;
		}
		this.#connect();
	}

	#upgrade_later() {
		if (this.refused)
			return;
		const delay = backoff_delay(this.attempt, this.env.random);
		this.attempt += 1;
		this.#timer("upgrade", () => this.#upgrade(), delay);
	}

	/* A better transport is tried beside the polling, which goes on until the other is open. */
	#upgrade() {
		const level = this.attempt % 2;

		if (this.env.is_hidden() || !this.env.is_online())
			return;
		const transport = this.#open(level, {
			opened: () => {
				for (const name of ["poll", "upgrade"]) {
					this.env.cancel(this.timers.get(name));
					this.timers.delete(name);
				}
				this.level = level;
				this.#opened();
			},
			lost: (loss) => {
				if (this.transport === transport && this.level === level && this.mode === "live") {
					this.#lost(loss);
					return;
				}
				this.transport = null;
				if (loss.refused)
					this.#refuse(loss.reason, loss.status);
				else
					this.#upgrade_later();
			},
		});
		this.transport = transport;
	}

	#ping() {
		if (this.level !== 0 || !this.transport?.send)
			return;
		this.pinged_at = this.env.now();
		this.transport.send(JSON.stringify({ type: "ping" }));
		this.#timer("pong", () => {
			/* timers of a hidden page are late: it is asked again when it is visible */
			if (!this.env.is_hidden())
				this.#lost({ reason: "The server does not answer" });
		}, PONG_MS);
	}

	#pong() {
		this.env.cancel(this.timers.get("pong"));
		this.timers.delete("pong");
		if (this.pinged_at)
			this.facts.latency_ms = this.env.now() - this.pinged_at;
		this.pinged_at = null;
		this.#timer("ping", () => this.#ping(), PING_MS);
	}

	#quiet_watch() {
		this.#timer("quiet", () => {
			if (this.env.now() - this.facts.at < QUIET_MS || this.env.is_hidden())
				this.#quiet_watch();
			else
				this.#lost({ reason: "The stream went silent" });
		}, QUIET_MS / 3);
	}

	/*
	 * The connection is one lane: all up to this id that is for us came before it. What is not
	 * for us moves the cursor too, so that coming back does not begin far behind.
	 */
	#delivered(id) {
		this.cursor = id_later(id, this.cursor);
	}

	/* The server knows of events beyond our cursor: they come by themselves, or they were lost. */
	#head(head) {
		if (!id_is_after(head, this.cursor) || this.mode !== "live" || this.timers.has("gap"))
			return;
		this.#timer("gap", () => {
			if (id_is_after(head, this.cursor))
				this.#catch_up();
		}, GAP_MS);
	}

	#take(message) {
		if (!message)
			return;
		this.#fresh();
		this.facts.received += 1;
		switch (message.type) {
		case "pong":
			this.#pong();
			this.#delivered(message.last_event_id);
			break;
		case "heartbeat":
			this.#delivered(message.last_event_id);
			break;
		case "status":
			this.facts.clients = message.data?.clients ?? null;
			this.facts.uptime_s = message.data?.uptime ?? null;
			break;
		case "connection-status":
			this.facts.degraded = message.data?.status === "degraded";
			break;
		case "error":
			this.facts.reason = String(message.message ?? "");
			break;
		default:
			this.#deliver(message);
		}
		this.hooks.change();
	}

	#deliver(message) {
		const id = message.event_id;
		const is_snapshot = this.snapshot && message.type === "audit-update";

		if (is_snapshot)
			this.snapshot = false;
		if (message.type === "reset" || message.gap === true) {
			this.cursor = id ?? message.last_event_id ?? this.cursor;
			this.hooks.reset("events were missed");
			return;
		}
		if (id !== undefined && !id_is_after(id, this.cursor))
			return; /* known already */
		this.cursor = id_later(id, this.cursor);
		if (is_snapshot)
			this.hooks.reset("the server is ahead");
		else
			this.hooks.event(message);
	}

	async #events_read() {
		for (;;) {
			const url = `/api/v1/events?limit=${PAGE}${this.cursor ? `&after=${this.cursor}` : ""}`;
			const response = await this.env.fetch(url, { cache: "no-store",
				credentials: "same-origin", headers: { Accept: "application/json" } });
			if (!response.ok)
				return { status: response.status, reason: `The server answered ${response.status}` };
			const answer = await response.json();
			this.#fresh();
			if (answer.reset) {
				this.cursor = String(answer.last_event_id);
				this.hooks.reset("events were missed");
				return null;
			}
			for (const event of answer.events)
				this.#take(message_parse(JSON.stringify(event)));
			this.cursor = id_later(String(answer.last_event_id), this.cursor);
			if (answer.events.length < PAGE)
				return null;
		}
	}

	async #catch_up() {
		const generation = this.generation;

		try {
			await this.#events_read();
		} catch {
			return; /* the connection itself says when it is lost */
		}
		if (generation === this.generation)
			this.hooks.change();
	}

	async #poll() {
		const generation = this.generation;
		const started = this.env.now();
		let loss = null;

		this.env.cancel(this.timers.get("poll"));
		this.timers.delete("poll");
		if (this.env.is_hidden())
			return; /* becoming visible calls wake() */
		try {
			loss = await this.#events_read();
		} catch {
			loss = { reason: "The server cannot be reached" };
		}
		if (generation !== this.generation || this.mode === "live")
			return;
		if (loss?.status === 401) {
			this.stop();
			this.hooks.denied();
			return;
		}
		this.facts.latency_ms = loss ? null : this.env.now() - started;
		this.#mode_set(loss ? "reconnecting" : "polling", loss?.reason ?? "");
		this.#timer("poll", () => this.#poll(), this.interval_s * 1000);
	}
}
