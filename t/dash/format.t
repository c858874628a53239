#!/usr/bin/env node
/* SPDX-License-Identifier: MIT */
"use strict";
const { page, tests } = require("./lib/tap.js");

tests(async (test, assert) => {
	const format = await page("js/format.js");
	const { pref_get, pref_set } = await page("js/pref.js");
	const { check_get, score_tone, status_get, summary_count } = await page("js/state.js");
	const { window_range } = await page("js/parts/window.js");
	const now = Date.parse("2026-11-21T12:00:00Z");

	await test("what is not known is a dash, never zero", () => {
		for (const name of ["number_format", "score_format", "percent_format", "bytes_format", "duration_format", "time_format"])
			assert.equal(format[name](null), "–", name);
		assert.equal(format.age_format(null, now), "–");
		assert.equal(format.age_format("no time", now), "–");
		assert.equal(format.number_format(undefined), "–");
	});
	await test("numbers have their thousands apart", () => assert.equal(format.number_format(1234567), "1,234,567"));
	await test("a count has its noun in the right number", () => {
		assert.equal(format.count_format(1, "repository", "repositories"), "1 repository");
		assert.equal(format.count_format(0, "audit"), "0 audits");
	});
	await test("ages step from seconds to years", () => {
		const at = (seconds) => format.age_format(now - seconds * 1000, now);
		assert.deepEqual([0, 5, 59, 60, 3599, 3600, 86400, 5 * 86400, 90 * 86400, 800 * 86400].map(at),
			["now", "5 s", "59 s", "1 min", "59 min", "1 h", "24 h", "5 d", "2 mo", "2 y"]);
	});
	await test("what is to come is that far away", () => {
		assert.equal(format.until_format(now + 12 * 60000, now), "in 12 min");
		assert.equal(format.until_format(now - 5000, now), "now");
		assert.equal(format.until_format(null, now), "–");
	});
	await test("a browser is called by its name and system", () => {
		const apple = "AppleWebKit/537.36 (KHTML, like Gecko)";
		assert.equal(format.agent_format(`Mozilla/5.0 (X11; Linux x86_64) ${apple} Chrome/140.0.0.0 Safari/537.36`), "Chrome 140, Linux");
		assert.equal(format.agent_format(`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${apple} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`),
			"Edge 140, Windows");
		assert.equal(format.agent_format("Mozilla/5.0 (Android 15; Mobile; rv:142.0) Gecko/142.0 Firefox/142.0"), "Firefox 142, Android");
		assert.equal(format.agent_format(`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${apple} Version/18.5 Safari/605.1.15`), "Safari 18, macOS");
		assert.equal(format.agent_format("curl/8.5.0 x"), "curl/8.5.0");
		assert.equal(format.agent_format(null), "–");
	});
	await test("a server's clock that is ahead is now", () => assert.equal(format.ago_format(now + 3000, now), "now"));
	await test("sizes keep a digit where it matters", () => {
		assert.equal(format.bytes_format(0), "0 B");
		assert.equal(format.bytes_format(1536), "1.5 KiB");
		assert.equal(format.bytes_format(12 * 1024 * 1024), "12 MiB");
	});
	await test("a counter that the report could not judge is null", () => {
		const summary = { missing: 0, dirty: 3, errors: 1, unknown: ["missing", "extra"] };
		assert.equal(summary_count(summary, "missing"), null);
		assert.equal(summary_count(summary, "dirty"), 3);
		assert.equal(summary_count(summary, "error"), 1);
		assert.equal(summary_count(null, "dirty"), null);
	});
	await test("a state that this page does not know keeps its word and looks unknown", () => {
		assert.equal(status_get("quarantined").word, "quarantined");
		assert.equal(status_get("quarantined").shape, "unknown");
		assert.equal(check_get("odd").shape, "unknown");
		assert.equal(status_get(null).word, "Unknown");
	});
	await test("a score's tone follows the report's alert limits", () =>
		assert.deepEqual([null, 0, 49, 50, 69, 70, 100].map(score_tone),
			["plain", "error", "error", "dirty", "dirty", "clean", "clean"]));
	await test("a choice that is not allowed is refused, storage or not", () => {
		assert.equal(pref_get("interval"), "10");
		assert.equal(pref_get("diff"), "split");
		pref_set("interval", "60");
		assert.equal(pref_get("interval"), "60");
		assert.throws(() => pref_set("interval", "7"), RangeError);
	});
	await test("a short list is drawn whole", () =>
		assert.deepEqual(window_range(100, { top: -900, height: 800, row: 35 }), { start: 0, end: 100 }));
	await test("of a long list only what is in sight and around it is drawn", () => {
		const { start, end } = window_range(10000, { top: -35 * 5000, height: 800, row: 35 });
		assert.ok(start <= 5000 - 8 && start >= 4970);
		assert.ok(end >= 5023 + 8 && end - start < 80);
	});
	await test("the window never leaves the list", () => {
		assert.deepEqual(window_range(10000, { top: 300, height: 800, row: 35 }).start, 0);
		const last = window_range(10000, { top: -35 * 10000, height: 800, row: 35 });
		assert.equal(last.end, 10000);
		assert.ok(last.start < 10000);
		const past = window_range(130, { top: -35 * 9000, height: 800, row: 35 });
		assert.ok(past.start <= 130 && past.end <= 130);
	});
});
