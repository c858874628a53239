/* SPDX-License-Identifier: MIT */
/*
 * What the browser tests share: the browser, a visitor (a page with its own cookies), the server's
 * side through ask(), and made-up repositories.
 *
 *	const ann = await visitor("ann@example.org");
 *	await ask("report", repos(3, { a1: { status: "dirty" } }));
 *	await ann.sees("1 Dirty");
 *
 * Every visitor notes what must not happen: an error on the page, a refused script, a CSP report.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const { MUSTER_CHROMIUM, MUSTER_HAS_PUSHER, MUSTER_PASSWORD, MUSTER_SHOTS, MUSTER_URL } = process.env;
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
	"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];
const DEADLINE_MS = (process.env.MUSTER_TEST_DEADLINE_S || 20) * 1000;
const out = createWriteStream(null, { fd: 3 });
const answers = createInterface({ input: createReadStream(null, { fd: 4 }) })[Symbol.asyncIterator]();
let browser = null;

export const has_pusher = MUSTER_HAS_PUSHER === "1";
export const password = MUSTER_PASSWORD;
export const url = MUSTER_URL;

export async function browser_open() {
	browser = await chromium.launch({ executablePath: MUSTER_CHROMIUM, args: FLAGS });
}

export async function browser_close() {
	await browser.close();
	await new Promise((done) => out.write('["end"]\n', done));
}

/* One of the commands of page.t; throws what it died of. */
export async function ask(...command) {
	out.write(`${JSON.stringify(command)}\n`);
	const { error, result } = JSON.parse((await answers.next()).value);
	if (error)
		throw new Error(error);
	return result;
}

/* Repositories r001, r002, … with the usual fields; `changes` by name overrides, null leaves one out. */
export function repos(count, changes = {}) {
	const made = Array.from({ length: count }, (_, i) => `r${String(i + 1).padStart(3, "0")}`);

	return [...made, ...Object.keys(changes).filter((name) => !made.includes(name))]
		.filter((name) => changes[name] !== null)
		.map((name, i) => ({ name, status: "clean", path: `/srv/git/${name}`, local_path: `/srv/git/${name}`,
			remote: `https://git.example.org/${encodeURIComponent(name)}.git`, branch: "main",
			lastCommit: "2026-01-01T00:00:00Z", lastCommitSubject: `Commit of ${name}`, ahead: 0, behind: 0,
			isStale: false, healthScore: 100 - (i % 7),
			counts: { staged: 0, unstaged: 0, untracked: 0, stashes: 0 }, checks: [], branches: [],
			recommendations: [], health_unknown: ["findings"], ...changes[name] }));
}

export const dirty = { status: "dirty", uncommittedChanges: true, healthScore: 88,
		       counts: { staged: 0, unstaged: 2, untracked: 1, stashes: 0 } };

/* Looks until `read` gives a true value. */
export async function until(read, what) {
	const end = Date.now() + DEADLINE_MS;
	let last = null;

	for (;;) {
		try {
			last = await read();
			if (last)
				return last;
		} catch (error) {
			last = error;
		}
		if (Date.now() > end)
			throw new Error(`waited in vain: ${what} (${last})`);
		await new Promise((done) => setTimeout(done, 25));
	}
}

/* A page of its own. Without an account it is nobody's. */
export async function visitor(email = null, options = {}) {
	const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce",
		...options });
	const tab = await context.newPage();
	const trouble = [];

	tab.setDefaultTimeout(DEADLINE_MS);
	tab.on("pageerror", (error) => trouble.push(String(error)));
	tab.on("console", (message) => {
		if (/Content Security Policy|Trusted|TypeError|ReferenceError/.test(message.text()))
			trouble.push(message.text());
	});
	const it = {
		tab, context, trouble,
		go: (path) => tab.goto(url + path),
		text: (selector) => tab.locator(selector).first().innerText(),
		count: (selector) => tab.locator(selector).count(),
		mode: () => tab.locator(".connection .word").innerText(),
		path: () => tab.evaluate(() => location.pathname + location.search),
		until: (read, what) => until(read, what ?? read),
		sees: (text, selector = "#main") => until(async () =>
			(await tab.locator(selector).first().innerText()).replace(/\s+/g, " ").includes(text), `“${text}” in ${selector}`),
		names: () => tab.locator("tbody .c-name a").allInnerTexts(),
		shot: (name) => tab.screenshot({ path: `${MUSTER_SHOTS}/${name}.png` }),
		async sign_in(as) {
			await tab.locator("[name=email]").fill(as);
			await tab.locator("[name=password]").fill(password);
			/* a button that moves between press and release, because something came above it, is not clicked */
			await tab.locator("[name=password]").press("Enter");
		},
		close: () => context.close(),
	};

	if (email) {
		await it.go("/sign-in");
		await it.sign_in(email);
		/* not the header: it is there as long as nobody knows who is here */
		await until(async () => !(await it.path()).startsWith("/sign-in"), "signed in");
	}
	return it;
}
