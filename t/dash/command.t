#!/usr/bin/env node
/* SPDX-License-Identifier: MIT */
"use strict";
const { page, tests } = require("./lib/tap.js");

tests(async (test, assert) => {
	const { command_list, shell_quote } = await page("js/command.js");
	const { diff_common, diff_pairs } = await page("js/parts/diff.js");
	const { history_states } = await page("js/views/repo.js");
	const { audit_compare } = await page("js/views/audit.js");
	const { runs_of } = await page("js/parts/chart.js");

	await test("what a repository is named never runs in a shell", () => {
		assert.equal(shell_quote("/srv/git/a"), "/srv/git/a");
		assert.equal(shell_quote("a b"), "'a b'");
		assert.equal(shell_quote("$(rm -rf ~)"), "'$(rm -rf ~)'");
		assert.equal(shell_quote("it's"), "'it'\\''s'");
		assert.equal(shell_quote(""), "''");
	});
	await test("an address that looks like an option is none", () =>
		assert.match(command_list({ status: "missing", clone_url: "--upload-pack=x" })[0].command, /clone -- --upload/));
	await test("each state has what helps, and clean has nothing", () => {
		const of = (repo) => command_list({ path: "/r", ...repo }).map((row) => row.action);
		assert.deepEqual(of({ status: "clean" }), []);
		assert.deepEqual(of({ status: "dirty" }), ["diff", "commit", "discard"]);
		assert.deepEqual(of({ status: "mismatched", expected_url: "https://x/y" }), ["fix_remote", "review"]);
		assert.deepEqual(of({ status: "extra" }), ["review"]);
		assert.deepEqual(of({ status: "clean", ahead: 2 }), ["push"]);
		assert.deepEqual(command_list({ status: "missing" }), []);
	});
	await test("a mismatched folder is renamed after its remote, and nothing is said to come second alone", () => {
		const of = (repo) => command_list({ status: "mismatched", path: "/src/mini flux", ...repo }).map((row) => [row.text, row.command]);
		assert.deepEqual(of({ remote: "https://x/mini/v2.git" }),
			[["Rename the folder after its remote", "mv -T -n -- '/src/mini flux' /src/v2"]]);
		assert.match(of({ remote: "git@x:v2.git", expected_url: "https://x/y" })[1][0], /^Or rename/);
		assert.equal(of({ remote: "https://x/v2.git", expected_url: "https://x/v2.git" }).length, 1);
		for (const remote of ["", null, "https://x/..", "/"])
			assert.deepEqual(of({ remote }), [["See which remotes it has", "git -C '/src/mini flux' remote --verbose"]]);
	});
	await test("nothing that is offered throws work away", () => {
		for (const status of ["dirty", "extra", "mismatched", "missing"]) {
			for (const { command } of command_list({ status, path: "/r", clone_url: "https://x/y", expected_url: "https://x/z" }))
				assert.doesNotMatch(command, /\brm\b|reset --hard|clean -|push --force|checkout --/);
		}
	});
	await test("deleted and added lines stand beside one another", () => {
		const line = (kind, text) => ({ kind, text });
		const pairs = diff_pairs([line("context", "a"), line("delete", "b"), line("delete", "c"), line("add", "d"), line("context", "e")]);
		assert.deepEqual(pairs.map(({ left, right }) => [left?.text ?? null, right?.text ?? null]),
			[["a", "a"], ["b", "d"], ["c", null], ["e", "e"]]);
	});
	await test("only the differing part of a pair is marked", () => {
		assert.deepEqual(diff_common("if (n > 4096)", "if (n > limit)"), { start: 8, end: 1 });
		assert.deepEqual(diff_common("aa", "aaa"), { start: 2, end: 0 });
		assert.equal(diff_common("abcdefgh", "zyxwvuts"), null);
		assert.equal(diff_common("x".repeat(5000), "x"), null);
	});
	await test("equal audits in a row are one state", () => {
		const at = (status, timestamp) => ({ status, timestamp });
		assert.deepEqual(history_states([at("clean", "1"), at("clean", "2"), at("dirty", "3")]),
			[{ status: "dirty", since: "3", until: "3", count: 1 }, { status: "clean", since: "1", until: "2", count: 2 }]);
		assert.deepEqual(history_states([]), []);
	});
	await test("two audits are compared by repository: changed, new and gone", () => {
		const repo = (id, status, healthScore = 90) => ({ id, name: id, status, healthScore });
		const rows = audit_compare({ repos: [repo("a", "clean"), repo("b", "clean"), repo("c", "dirty")] },
			{ repos: [repo("a", "dirty"), repo("b", "clean", 80), repo("d", "clean")] });
		assert.deepEqual(rows.map(({ name, from, to }) => [name, from, to]),
			[["a", "clean", "dirty"], ["b", "clean", "clean"], ["d", null, "clean"], ["c", "dirty", null]]);
	});
	await test("an unknown value is a gap in a line, not a zero", () =>
		assert.deepEqual(runs_of([1, null, 3, 4, undefined]), [[[0, 1]], [[2, 3], [3, 4]]]));
});
