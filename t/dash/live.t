#!/usr/bin/env node
/* SPDX-License-Identifier: MIT */
/* The live connection against a scripted browser: its clock, its sockets and its answers. */
"use strict";
const { page, tests } = require("./lib/tap.js");

function world({ sockets = true, streams = true, polls = true } = {}) {
	const it = { now: 1000000, timers: [], sockets: [], requests: [], events: [], resets: [], denied: 0,
		     hidden: false, online: true, answers: [], head: "5", use: { sockets, streams, polls } };
	const settle = async () => {
		for (let i = 0; i < 20; i += 1)
			await Promise.resolve();
		await new Promise((done) => setImmediate(done));
	};

	it.env = {
		socket(url) {
			const socket = { url, readyState: 0, sent: [], close() {
				socket.readyState = 3;
			}, send: (text) => socket.sent.push(JSON.parse(text)) };
			socket.open = () => {
				socket.readyState = 1;
				socket.onopen();
			};
			socket.say = (message) => socket.onmessage({ data: JSON.stringify(message) });
			socket.lose = (code = 1006) => {
				socket.readyState = 3;
				socket.onclose({ code, reason: "" });
			};
			it.sockets.push(socket);
			if (!it.use.sockets)
				it.env.later(() => socket.lose(), 1);
			return socket;
		},
		async fetch(url, options) {
			it.requests.push({ url, options });
			if (url.startsWith("/api/v1/sse")) {
				if (!it.use.streams)
					return new Response("", { status: it.stream_status ?? 503 });
				const body = new ReadableStream({ start(controller) {
					it.stream = controller;
					options.signal.addEventListener("abort", () => controller.error(new Error("aborted")));
				} });
				return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
			}
			if (!it.use.polls)
				throw new TypeError("no network");
			if (it.poll_status)
				return new Response("{}", { status: it.poll_status });
			return Response.json ? Response.json(it.answers.shift() ?? { events: [], last_event_id: it.head, reset: false })
				: new Response(JSON.stringify(it.answers.shift() ?? { events: [], last_event_id: it.head, reset: false }));
		},
		later(call, ms) {
			const timer = { at: it.now + ms, call };
			it.timers.push(timer);
			return timer;
		},
		cancel(timer) {
			it.timers = it.timers.filter((other) => other !== timer);
		},
		now: () => it.now,
		random: () => 0.5,
		is_hidden: () => it.hidden,
		is_online: () => it.online,
		origin: () => "http://page.test",
		stream_take: async () => {
			if (it.taken)
				return null;
			it.taken = true;
			return () => {
				it.taken = false;
			};
		},
	};
	it.hooks = { event: (message) => it.events.push(message.event_id), reset: (why) => it.resets.push(why), change() {},
		     denied: () => {
			     it.denied += 1;
		     } };
	/* lets the clock run, and everything that it starts */
	it.pass = async (ms) => {
		const end = it.now + ms;
		await settle();
		for (;;) {
			const [next] = it.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
			if (!next)
				break;
			it.timers = it.timers.filter((timer) => timer !== next);
			it.now = Math.max(it.now, next.at);
			next.call();
			await settle();
		}
		it.now = end;
	};
	return it;
}

const change = (id) => ({ type: "repo-status-change", event_id: id, data: {} });

tests(async (test, assert) => {
	const { Live } = await page("js/live.js");
	const { backoff_delay } = await page("js/backoff.js");
	const { sse_reader } = await page("js/sse.js");
	const begin = async (options, position = "5") => {
		const it = world(options);
		const live = new Live(it.hooks, it.env);
		live.start(position);
		await it.pass(0);
		return { it, live };
	};

	await test("the delay doubles to 30 s, with chance, and is short the first time", () => {
		assert.equal(backoff_delay(0, () => 0), 1000);
		assert.equal(backoff_delay(0, () => 1), 1500);
		assert.equal(backoff_delay(3, () => 0), 8000);
		assert.equal(backoff_delay(50, () => 1), 30000);
		assert.ok(backoff_delay(9, () => 0) >= 20000);
	});
	await test("a socket is opened from the cursor of the data that is shown", async () => {
		const { it, live } = await begin();
		assert.equal(it.sockets[0].url, "ws://page.test/ws?last_event_id=5");
		assert.equal(live.state().mode, "reconnecting");
		it.sockets[0].open();
		assert.equal(live.state().mode, "live");
		assert.equal(live.state().transport, "websocket");
	});
	await test("an event arrives once and moves the cursor", async () => {
		const { it, live } = await begin();
		it.sockets[0].open();
		for (const id of ["6", "7", "7", "6", "10"])
			it.sockets[0].say(change(id));
		assert.deepEqual(it.events, ["6", "7", "10"]);
		assert.equal(live.state().cursor, "10");
	});
	await test("a snapshot that is not ahead of the data costs nothing", async () => {
		const { it } = await begin();
		it.sockets[0].open();
		it.sockets[0].say({ type: "audit-update", event_id: "5", data: {} });
		assert.deepEqual(it.resets, []);
		it.sockets[0].say({ type: "audit-update", event_id: "6", data: {} });
		assert.deepEqual(it.events, ["6"]);
	});
	await test("a snapshot ahead of the data loads it again", async () => {
		const { it, live } = await begin();
		it.sockets[0].open();
		it.sockets[0].say({ type: "audit-update", event_id: "9", data: {} });
		assert.equal(it.resets.length, 1);
		assert.equal(live.state().cursor, "9");
	});
	await test("a lost connection comes back from where it was", async () => {
		const { it, live } = await begin();
		it.sockets[0].open();
		it.sockets[0].say(change("8"));
		it.sockets[0].lose();
		assert.equal(live.state().mode, "reconnecting");
		assert.equal(live.state().drops, 1);
		await it.pass(1500);
		assert.equal(it.sockets.length, 2);
		assert.match(it.sockets[1].url, /last_event_id=8$/);
		it.sockets[1].open();
		assert.equal(live.state().mode, "live");
	});
	await test("after two failures the stream takes over, with the same cursor", async () => {
		const { it, live } = await begin({ sockets: false });
		await it.pass(3000);
		assert.equal(live.state().mode, "live");
		assert.equal(live.state().transport, "stream");
		const request = it.requests.find(({ url }) => url.startsWith("/api/v1/sse"));
		assert.equal(request.options.headers["Last-Event-ID"], "5");
		it.stream.enqueue(new TextEncoder().encode(`id: 6\ndata: ${JSON.stringify(change("6"))}\n\n`));
		await it.pass(1);
		assert.deepEqual(it.events, ["6"]);
	});
	await test("without either it polls, and asks in the chosen interval", async () => {
		const { it, live } = await begin({ sockets: false, streams: false });
		await it.pass(6000);
		assert.equal(live.state().mode, "polling");
		live.interval_set(5);
		it.answers.push({ events: [change("6"), change("7")], last_event_id: "7", reset: false });
		await it.pass(5001);
		assert.deepEqual(it.events, ["6", "7"]);
		assert.equal(live.state().cursor, "7");
	});
	await test("while polling, a better transport is tried and taken", async () => {
		const { it, live } = await begin({ sockets: false, streams: false });
		await it.pass(6000);
		it.use.streams = true;
		await it.pass(40000);
		assert.equal(live.state().mode, "live");
		const polls = it.requests.filter(({ url }) => url.startsWith("/api/v1/events")).length;
		await it.pass(15000);
		assert.equal(it.requests.filter(({ url }) => url.startsWith("/api/v1/events")).length, polls);
	});
	await test("a poll that says reset loads the data again and goes on from the new head", async () => {
		const { it, live } = await begin({ sockets: false, streams: false });
		it.answers.push({ events: [], last_event_id: "90", reset: true });
		await it.pass(6000);
		assert.equal(it.resets.length, 1);
		assert.equal(live.state().cursor, "90");
	});
	for (const code of [1008, 4401]) {
		await test(`close ${code} is not tried again; the data still comes by polling`, async () => {
			const { it, live } = await begin();
			it.sockets[0].open();
			it.sockets[0].lose(code);
			await it.pass(120000);
			assert.equal(it.sockets.length, 1);
			assert.equal(live.state().mode, "polling");
		});
	}
	await test("whoever is signed out is told and nothing goes on", async () => {
		const { it, live } = await begin({ sockets: false, streams: false });
		it.stream_status = 401;
		await it.pass(5000);
		assert.equal(it.denied, 1);
		const requests = it.requests.length;
		await it.pass(60000);
		assert.equal(it.requests.length, requests);
		assert.equal(live.state().mode, "off");
	});
	await test("a hidden page does not reconnect, a visible one does at once", async () => {
		const { it, live } = await begin();
		it.sockets[0].open();
		it.hidden = true;
		it.sockets[0].lose();
		await it.pass(300000);
		assert.equal(it.sockets.length, 1);
		it.hidden = false;
		live.wake();
		await it.pass(0);
		assert.equal(it.sockets.length, 2);
	});
	await test("a hidden page does not poll", async () => {
		const { it, live } = await begin({ sockets: false, streams: false });
		await it.pass(6000);
		it.hidden = true;
		await it.pass(30000);
		const requests = it.requests.length;
		await it.pass(300000);
		assert.equal(it.requests.length, requests);
		it.hidden = false;
		live.wake();
		await it.pass(1);
		assert.equal(it.requests.length, requests + 1);
		assert.equal(live.state().mode, "polling");
	});
	await test("offline it waits, without trying", async () => {
		const { it, live } = await begin();
		it.sockets[0].open();
		it.online = false;
		it.sockets[0].lose();
		await it.pass(60000);
		assert.equal(it.sockets.length, 1);
		assert.match(live.state().reason, /offline/);
		it.online = true;
		live.wake();
		assert.equal(it.sockets.length, 2);
	});
	await test("a ping that is not answered is a lost connection", async () => {
		const { it, live } = await begin();
		it.sockets[0].open();
		assert.deepEqual(it.sockets[0].sent.map(({ type }) => type), ["get-status", "ping"]);
		await it.pass(40);
		it.sockets[0].say({ type: "pong" });
		assert.equal(live.state().latency_ms, 40);
		await it.pass(15000 + 8001);
		assert.equal(live.state().mode, "reconnecting");
	});
	await test("a head that does not arrive by itself is fetched", async () => {
		const { it, live } = await begin();
		it.sockets[0].open();
		live.seen("8");
		it.answers.push({ events: [change("7"), change("8")], last_event_id: "8", reset: false });
		await it.pass(2100);
		assert.deepEqual(it.events, ["7", "8"]);
		assert.equal(live.state().cursor, "8");
	});
	await test("a head that does arrive costs no request", async () => {
		const { it, live } = await begin();
		it.sockets[0].open();
		live.seen("6");
		it.sockets[0].say(change("6"));
		await it.pass(2100);
		assert.equal(it.requests.length, 0);
	});
	await test("a heartbeat moves the cursor past what was for others, without a request", async () => {
		const { it, live } = await begin();
		it.sockets[0].open();
		it.sockets[0].say({ type: "heartbeat", last_event_id: "50" });
		await it.pass(3000);
		assert.equal(live.state().cursor, "50");
		assert.equal(it.requests.length, 0);
		assert.deepEqual(it.resets, []);
	});
	await test("while another tab has the stream this one polls, and gives it back when it ends", async () => {
		const { it, live } = await begin({ sockets: false });
		await it.pass(3000);
		assert.equal(live.state().transport, "stream");
		assert.equal(it.taken, true);
		live.enable(false);
		await it.pass(0);
		assert.equal(it.taken, false);
		it.taken = true;
		live.enable(true);
		await it.pass(3000);
		assert.equal(live.state().mode, "polling");
	});
	await test("switched off nothing is asked; switched on it goes on from the cursor", async () => {
		const { it, live } = await begin();
		it.sockets[0].open();
		it.sockets[0].say(change("6"));
		live.enable(false);
		assert.equal(live.state().mode, "off");
		await it.pass(300000);
		assert.equal(it.sockets.length, 1);
		assert.equal(it.requests.length, 0);
		live.enable(true);
		assert.match(it.sockets[1].url, /last_event_id=6$/);
	});
	await test("a server that is away for long is tried at most each 30 s", async () => {
		const { it, live } = await begin({ sockets: false, streams: false, polls: false });
		await it.pass(600000);
		assert.equal(live.state().mode, "reconnecting");
		assert.ok(it.sockets.length < 30, `${it.sockets.length} sockets`);
		it.use.sockets = true;
		await it.pass(61000);
		it.sockets.at(-1).open();
		assert.equal(live.state().mode, "live");
	});
	await test("garbage on the wire is ignored", async () => {
		const { it, live } = await begin();
		it.sockets[0].open();
		it.sockets[0].onmessage({ data: "{" });
		it.sockets[0].onmessage({ data: '{"type":"something-new","event_id":"6"}' });
		assert.equal(live.state().mode, "live");
	});
	await test("a stream is read whatever its line ends and however it is cut", () => {
		const text = "\ufeff: hello\r\nid: 4\r\ndata: one\r\ndata:two\r\n\r\nid: 5\rdata: three\r\rid: 6\n\nretry: 70\n\ndata: cut";
		for (const size of [1, 2, 3, 7, 1000]) {
			const got = [];
			let id = null;
			let retry = null;
			const read = sse_reader({ message: (data, of) => got.push([data, of]), alive: (of) => {
				id = of;
			}, retry: (ms) => {
				retry = ms;
			} });
			for (let i = 0; i < text.length; i += size)
				read(text.slice(i, i + size));
			assert.deepEqual(got, [["one\ntwo", "4"], ["three", "5"]], `in pieces of ${size}`);
			assert.equal(id, "6");
			assert.equal(retry, 70);
		}
	});
});
