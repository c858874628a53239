#!/usr/bin/env node
/* SPDX-License-Identifier: MIT */
"use strict";
const { page, tests } = require("./lib/tap.js");

tests(async (test, assert) => {
	const { next_parse, repo_key, repo_url, url_format, url_parse, view_is_outside } = await page("js/url.js");

	await test("the first page is the overview", () =>
		assert.deepEqual(url_parse("/"), { view: "overview", params: {} }));
	await test("search, filter and order of the list are read from the address", () =>
		assert.deepEqual(url_parse("/repos?q=lib&status=dirty&sort=-health"),
			{ view: "repo_list", params: { q: "lib", status: "dirty", sort: "-health" } }));
	await test("a value that is not allowed reads as the default", () =>
		assert.deepEqual(url_parse("/repos?status=bad&sort=drop").params, { q: "", status: "", sort: "name" }));
	await test("/audit is the list, as the report's links expect", () =>
		assert.equal(url_parse("/audit").view, "repo_list"));
	await test("a report's link opens the repository with its action", () =>
		assert.deepEqual(url_parse("/audit/muster?action=fix_remote"),
			{ view: "repo", params: { action: "fix_remote", diff: "", repo: "muster" } }));
	await test("a name with a slash or a space comes back whole", () => {
		const url = url_format("repo", { repo: "a b/c%20" });
		assert.equal(url, "/audit/a%20b%2Fc%2520");
		assert.equal(url_parse(url).params.repo, "a b/c%20");
	});
	await test("a broken escape is no address", () =>
		assert.equal(url_parse("/audit/%E0%A4%A").view, "missing"));
	await test("what is unknown is a missing page", () => assert.equal(url_parse("/nowhere/at/all").view, "missing"));
	await test("defaults are left out of an address", () => {
		assert.equal(url_format("repo_list", { q: "", status: "", sort: "name" }), "/repos");
		assert.equal(url_format("repo_list", { q: "x", status: "clean", sort: "status" }), "/repos?q=x&status=clean&sort=status");
	});
	await test("every address survives a round trip", () => {
		for (const url of ["/", "/repos?status=missing", "/repos?q=a+b", "/audit/x?action=diff&diff=unified", "/audits",
			"/audits/2026-11-21T03%3A00%3A00.000Z.json", "/jobs?state=dead", "/jobs/12", "/runs/7",
			"/schedules", "/schedules?add=1", "/schedules/01234567-89ab-cdef-0123-456789abcdef",
			"/credentials", "/credentials?add=1&host=git.example.org%3A8443&kind=ssh-key"]) {
			const { view, params } = url_parse(url);
			assert.equal(url_format(view, params), url);
		}
	});
	await test("a repository is addressed by id when its name could be mistaken", () => {
		assert.equal(repo_key({ id: "7", name: "muster" }), "muster");
		assert.equal(repo_key({ id: "7", name: "history" }), "7");
		assert.equal(repo_key({ id: "7", name: "a b" }), "7");
		assert.equal(repo_key({ id: "7", name: ".." }), "7");
		assert.equal(repo_url({ id: "7", name: "a/b" }, { action: "diff" }), "/audit/7?action=diff");
	});
	await test("whoever is not signed in comes to the forms alone", () => {
		for (const url of ["/sign-in?next=/repos", "/sign-in/lab?code=x", "/forgot", "/register", "/reset#token", "/invitation#token"])
			assert.ok(view_is_outside(url_parse(url).view), url);
		for (const url of ["/", "/repos", "/audit/x", "/audits", "/nowhere"])
			assert.ok(!view_is_outside(url_parse(url).view), url);
	});
	await test("signing in never leads to another site", () => {
		for (const next of ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "", "/\n/x"])
			assert.equal(next_parse(next), "/", next);
		assert.equal(next_parse("/repos?status=dirty"), "/repos?status=dirty");
		assert.equal(next_parse("/sign-in"), "/");
		assert.equal(next_parse("/sign-in/lab?code=x"), "/");
	});
});
