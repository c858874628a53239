/* SPDX-License-Identifier: MIT */
/*
 * Tests in JavaScript that prove can run, whatever Node's own runner prints in its version.
 *
 *	const { tests, page } = require("./lib/tap.js");
 *	tests(async (test, assert) => {
 *		const { age_format } = await page("js/format.js");
 *		await test("an age is coarse", () => assert.equal(age_format(0, 90000), "1 min"));
 *	});
 *
 * A test is a behaviour in a sentence; it passes when its function returns and fails when it
 * throws. The next test runs whatever became of the one before.
 */
"use strict";

const assert = require("node:assert/strict");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const top = process.env.MUSTER_SRCDIR || path.resolve(__dirname, "../../..");
const skipped = Symbol("skipped");

/* A module of the page. */
function page(name) {
	return import(pathToFileURL(path.join(top, "htdocs", name)).href);
}

async function tests(body) {
	let number = 0;
	let failed = 0;
	const test = async (name, run) => {
		number += 1;
		try {
			const result = await run();
			if (result?.[skipped])
				console.log(`ok ${number} - ${name} # SKIP ${result[skipped]}`);
			else
				console.log(`ok ${number} - ${name}`);
		} catch (error) {
			failed += 1;
			console.log(`not ok ${number} - ${name}`);
			console.log(String(error?.stack ?? error).replace(/^/gm, "# "));
		}
	};

	try {
		await body(test, assert);
	} catch (error) {
		console.log(`Bail out! ${String(error?.stack ?? error).split("\n").slice(0, 4).join(" ")}`);
		process.exit(2);
	}
	console.log(`1..${number}`);
	process.exitCode = failed ? 1 : 0;
}

function skip(why) {
	return { [skipped]: why };
}

module.exports = { page, skip, tests, top };
