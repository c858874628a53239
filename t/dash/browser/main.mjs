/* SPDX-License-Identifier: MIT */
/* Runs one file of this folder, named in the arguments; started by t/dash/page.t. */
import { createRequire } from "node:module";
import { browser_close, browser_open } from "./browser.mjs";

const { tests } = createRequire(import.meta.url)("../lib/tap.js");

await tests(async (test, assert) => {
	await browser_open();
	try {
		await (await import(`./${process.argv[2]}.mjs`)).default(test, assert);
	} finally {
		await browser_close();
	}
});
process.exit();
