#!/usr/bin/env node
/* SPDX-License-Identifier: MIT */
"use strict";
const { page, tests } = require("./lib/tap.js");

tests(async (test, assert) => {
	const event = await page("js/event.js");
	const repo = (name, more = {}) => ({ id: `id-${name}`, name, status: "clean", health_score: 90, path: `/src/${name}`,
		history: ["clean"], changes: { staged: 0, unstaged: 0, untracked: 0 }, stale: false, ...more });
	const change = (name, status, more = {}, id = "7") => ({ type: "repo-status-change", event_id: id,
		timestamp: "2026-11-21T03:00:00Z", data: { repo: { id: `id-${name}`, name, status, ...more },
			previous_status: "clean", summary: { total: 3 }, health_status: "yellow" } });
	const names = (list) => list.items.map((row) => row.name);
	const list = { items: ["a", "b", "c"].map((name) => repo(name)), next: null };
	const params = { q: "", status: "", sort: "name" };

	await test("ids are compared as numbers of any length", () => {
		assert.ok(event.id_is_after("10", "9"));
		assert.ok(event.id_is_after("9007199254740993", "9007199254740992"));
		assert.ok(!event.id_is_after("9", "10"));
		assert.ok(!event.id_is_after("9", "9"));
		assert.ok(event.id_is_after("1", null));
		assert.ok(!event.id_is_after(undefined, "1"));
		assert.equal(event.id_later("3", "12"), "12");
	});
	await test("what is no message is no message", () => {
		for (const text of ["", "{", "null", "3", "[]", "{}", '{"type":1}'])
			assert.equal(event.message_parse(text), null, text);
		assert.equal(event.message_parse('{"type":"x","event_id":5}').event_id, "5");
	});
	await test("a changed repository changes in place, its strip gets the new state", () => {
		const after = event.list_merge(list, change("b", "dirty", { counts: { unstaged: 2 }, healthScore: 88 }), params);
		assert.deepEqual(names(after), ["a", "b", "c"]);
		assert.equal(after.items[1].status, "dirty");
		assert.equal(after.items[1].changes.unstaged, 2);
		assert.equal(after.items[1].health_score, 88);
		assert.deepEqual(after.items[1].history, ["clean", "dirty"]);
		assert.equal(after.items[0], list.items[0]);
		assert.equal(list.items[1].status, "clean");
	});
	await test("the same event twice is once", () => {
		const once = event.list_merge(list, change("b", "dirty"), params);
		const twice = event.list_merge(once, change("b", "dirty"), params);
		assert.deepEqual(twice, once);
	});
	await test("a repository comes in where the order wants it", () =>
		assert.deepEqual(names(event.list_merge(list, change("bb", "dirty"), params)), ["a", "b", "bb", "c"]));
	await test("what sorts behind the loaded rows is left to its page", () => {
		const part = { ...list, next: "cursor" };
		assert.deepEqual(names(event.list_merge(part, change("d", "dirty"), params)), ["a", "b", "c"]);
		assert.deepEqual(names(event.list_merge(list, change("d", "dirty"), params)), ["a", "b", "c", "d"]);
	});
	await test("a filter lets in what now matches and out what no longer does", () => {
		const dirty = { items: [repo("b", { status: "dirty" })], next: null };
		const only = { ...params, status: "dirty" };
		assert.deepEqual(names(event.list_merge(dirty, change("a", "dirty"), only)), ["a", "b"]);
		assert.deepEqual(names(event.list_merge(dirty, change("b", "clean"), only)), []);
		assert.deepEqual(names(event.list_merge(dirty, change("x", "clean"), only)), ["b"]);
	});
	await test("a search is kept", () =>
		assert.deepEqual(names(event.list_merge(list, change("zz", "dirty"), { ...params, q: "a" })), ["a", "b", "c"]));
	await test("sorted by status, what became dirty moves up", () => {
		const by = { ...params, sort: "status" };
		assert.deepEqual(names(event.list_merge(list, change("c", "dirty"), by)), ["c", "a", "b"]);
		assert.deepEqual(names(event.list_merge(list, change("a", "clean"), by)), ["a", "b", "c"]);
	});
	await test("an unknown score is last, whichever way", () => {
		for (const sort of ["health", "-health"])
			assert.deepEqual(names(event.list_merge(list, change("a", "error", { healthScore: null }), { ...params, sort })),
				["b", "c", "a"], sort);
	});
	await test("a removed repository leaves the list", () =>
		assert.deepEqual(names(event.list_merge(list, change("b", "removed"), params)), ["a", "c"]));
	await test("an event without a repository changes nothing", () =>
		assert.equal(event.list_merge(list, { type: "repo-status-change", data: null }, params), list));
	await test("the list of changes is newest first, without doubles, and short", () => {
		let feed = [];
		for (let i = 1; i <= 20; i += 1)
			feed = event.feed_merge(feed, change(`r${i}`, "dirty", {}, String(i)));
		feed = event.feed_merge(feed, change("r20", "dirty", {}, "20"));
		assert.equal(feed.length, 12);
		assert.deepEqual(feed.slice(0, 2).map((row) => row.event_id), ["20", "19"]);
	});
	await test("the overview takes counters and state from an event", () => {
		const after = event.overview_merge({ summary: { total: 2 }, health_status: "green", feed: [] }, change("b", "dirty"));
		assert.equal(after.summary.total, 3);
		assert.equal(after.health_status, "yellow");
		assert.equal(after.feed[0].previous, "clean");
	});
	await test("a strip says in words what it shows", () => {
		assert.equal(event.strip_text([null, "clean", "clean", "dirty"]), "Last 3 audits: 2 clean, 1 dirty; now dirty");
		assert.equal(event.strip_text([]), "No audits yet");
		assert.equal(event.strip_text(["unknown"]), "Last audit: 1 unknown; now unknown");
	});
});
