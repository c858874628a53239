/* SPDX-License-Identifier: MIT */
/* Runs the browser tests of this folder, started by t/dash/page.t. */
import { createRequire } from "node:module";
import { readdirSync } from "node:fs";
import { browser_close, browser_open } from "./browser.mjs";

const { tests } = createRequire(import.meta.url)("../lib/tap.js");
const given = process.argv.slice(2);
const names = readdirSync(new URL(".", import.meta.url))
	.filter((name) => /^[a-z_]+\.mjs$/.test(name) && !["main.mjs", "browser.mjs"].includes(name))
	.filter((name) => !given.length || given.includes(name.replace(/\.mjs$/, "")));

await tests(async (test, assert) => {
	await browser_open();
	try {
		for (const name of names.sort())
			await (await import(`./${name}`)).default(test, assert);
	} finally {
		await browser_close();
	}
});
process.exit();
