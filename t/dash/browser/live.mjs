/* SPDX-License-Identifier: MIT */
import { createRequire } from "node:module";
import { ask, dirty, has_pusher, repos, visitor } from "./browser.mjs";

const { skip } = createRequire(import.meta.url)("../lib/tap.js");

export default async function (test, assert) {
	const LIVE = has_pusher ? "Live" : "Polling";

	await ask("report", repos(40));
	const ann = await visitor("ann@example.org");
	const fast = async () => {
		await ann.tab.locator(".connection").click();
		await ann.tab.locator("#connection label", { hasText: "5 s" }).first().click();
		await ann.tab.keyboard.press("Escape");
	};

	await test("the header says how the page is connected and how old its data is", async () => {
		await ann.go("/");
		await ann.until(async () => (await ann.mode()) === LIVE, LIVE);
		assert.match(await ann.text(".connection .age"), /^(now|\d+ s)$/);
		await fast();
	});

	await test("a change appears by itself: counters, list of changes, title", async () => {
		await ann.tab.evaluate(() => {
			window.mark = "not loaded again";
		});
		await ann.sees("40 Clean 0 Dirty", ".figures");
		await ask("report", repos(40, { r005: dirty }));
		await ann.sees("39 Clean 1 Dirty", ".figures");
		await ann.sees("r005 Clean → Dirty", ".feed");
		await ann.sees("r005", ".attention");
		await ann.until(async () => (await ann.tab.title()).startsWith("(1)"), "the title");
		assert.equal(await ann.tab.evaluate(() => window.mark), "not loaded again");
	});

	await test("in the list focus, scroll and selection survive a change", async () => {
		await ann.go("/repos");
		await ann.until(async () => (await ann.names()).length === 40, "rows");
		await ann.until(async () => (await ann.mode()) === LIVE, LIVE);
		const link = ann.tab.locator(".c-name a", { hasText: "r030" });
		await link.focus();
		await ann.tab.evaluate(() => {
			scrollTo(0, 300);
			getSelection().selectAllChildren([...document.querySelectorAll("tbody .c-name a")].find((a) => a.textContent === "r020"));
		});
		await ask("report", repos(40, { r005: dirty, r031: dirty, r019: null }));
		await ann.until(async () => (await ann.names()).length === 39, "one row fewer");
		await ann.sees("Dirty", "tr:has(a[href='/audit/r031'])");
		assert.deepEqual(await ann.tab.evaluate(() => [document.activeElement.textContent, scrollY, String(getSelection())]),
			["r030", 300, "r020"]);
	});

	await test("a filtered list lets in what now matches and out what does not", async () => {
		await ann.go("/repos?status=dirty");
		await ann.until(async () => (await ann.names()).join() === "r005,r031", "two");
		await ann.until(async () => (await ann.mode()) === LIVE, LIVE);
		await ask("report", repos(40, { r012: dirty, r031: dirty }));
		await ann.until(async () => (await ann.names()).join() === "r012,r031", "one came, one went");
	});

	await test("a repository's page follows its repository", async () => {
		await ann.go("/audit/r012");
		await ann.sees("Dirty", "h1");
		await ann.until(async () => (await ann.mode()) === LIVE, LIVE);
		await ask("report", repos(40, { r031: dirty }));
		await ann.sees("Clean", "h1");
	});

	await test("many changes at once arrive too", async () => {
		await ann.go("/");
		await ann.sees("1 Dirty", ".figures");
		await ann.until(async () => (await ann.mode()) === LIVE, LIVE);
		await ask("report", repos(40, Object.fromEntries(Array.from({ length: 30 }, (_, i) =>
			[`r${String(i + 1).padStart(3, "0")}`, dirty]))));
		await ann.sees("30 Dirty", ".figures");
		await ask("report", repos(40));
		await ann.sees("0 Dirty", ".figures");
	});

	await test("switched off nothing moves but by hand; the choice holds over a reload", async () => {
		await ann.tab.locator(".connection").click();
		await ann.tab.getByRole("switch", { name: "Real-time updates" }).click();
		await ann.until(async () => (await ann.mode()) === "Off", "off");
		await ann.tab.keyboard.press("Escape");
		await ask("report", repos(40, { r001: dirty }));
		await ann.tab.getByRole("button", { name: "Refresh", exact: true }).click();
		await ann.sees("1 Dirty", ".figures");
		await ann.tab.reload();
		await ann.sees("1 Dirty", ".figures");
		assert.equal(await ann.mode(), "Off");
		await ann.tab.locator(".connection").click();
		await ann.tab.getByRole("switch", { name: "Real-time updates" }).click();
		await ann.until(async () => (await ann.mode()) === LIVE, "on again");
		await ann.tab.keyboard.press("Escape");
	});

	await test("without the pusher the page polls, and is live again when it is back", async () => {
		if (!has_pusher)
			return skip("the pusher is not built");
		await ask("pusher_stop");
		await ann.until(async () => (await ann.mode()) === "Polling", "polling");
		await ask("report", repos(40, { r001: dirty, r002: dirty }));
		await ann.sees("2 Dirty", ".figures");
		await ask("pusher_start");
		await ann.tab.locator(".connection").click();
		/* it may be back by itself before the button is pressed, which then goes away */
		await Promise.any([ann.tab.getByRole("button", { name: "Reconnect now" }).click(),
			ann.until(async () => (await ann.mode()) === "Live", "live by itself")]);
		await ann.until(async () => (await ann.mode()) === "Live", "live");
		await ann.tab.keyboard.press("Escape");
		await ask("report", repos(40));
		await ann.sees("0 Dirty", ".figures");
	});

	await test("without WebSockets the stream carries the same events", async () => {
		if (!has_pusher)
			return skip("the pusher is not built");
		const old = await visitor("ann@example.org");
		await old.tab.addInitScript(() => {
			window.WebSocket = class {
				constructor() {
					setTimeout(() => this.onclose?.({ code: 1006, reason: "" }), 1);
				}

				close() {}
			};
		});
		await old.go("/");
		await old.until(async () => (await old.mode()) === "Live", "live");
		await old.tab.locator(".connection").click();
		await old.sees("Server-sent events", "#connection");
		await ask("report", repos(40, { r004: dirty }));
		await old.sees("1 Dirty", ".figures");
		assert.deepEqual(old.trouble, []);
		await old.close();
	});

	await test("when the server is away what was shown stays, says how old it is, and comes back", async () => {
		await ann.go("/repos");
		await ann.until(async () => (await ann.names()).length === 40, "rows");
		await ask("api_stop");
		await ann.tab.getByRole("button", { name: "Refresh", exact: true }).click();
		await ann.sees("Not current", ".stale");
		assert.equal((await ann.names()).length, 40);
		await ask("api_start");
		await ann.until(async () => (await ann.count(".stale")) === 0, "current again");
	});

	await test("a first load that fails says so and can be tried again", async () => {
		await ask("api_stop");
		await ann.go("/repos");
		await ann.until(() => ann.count(".problem"), "a problem");
		await ask("api_start");
		await ann.tab.getByRole("button", { name: "Try again" }).click();
		await ann.until(async () => (await ann.names()).length === 40, "rows");
	});

	await test("while it is not known who is here keys work, a change is not lost, and a write waits", async () => {
		await ask("root", "/srv/git");
		await ask("report", repos(40));
		let release = null;
		const held = new Promise((done) => {
			release = done;
		});
		await ann.tab.route("**/api/v1/auth/me", async (route) => {
			await held;
			await route.continue();
		});
		await ann.go("/");
		await ann.sees("40 Clean 0 Dirty", ".figures");
		await ann.tab.getByRole("button", { name: "Audit now" }).click();
		await ann.tab.keyboard.press("g");
		await ann.tab.keyboard.press("r");
		await ann.until(async () => (await ann.names()).length === 40, "rows");
		await ask("report", repos(40, { r007: dirty }));
		assert.equal(await ask("sql", "select count(*) from muster.job where kind = 'audit' and state = 'queued'"), "0");
		release();
		await ann.sees("Dirty", "tr:has(a[href='/audit/r007'])");
		await ann.until(async () => (await ask("sql",
			"select count(*) from muster.job where kind = 'audit' and state = 'queued'")) === "1", "one job");
		await ann.tab.unroute("**/api/v1/auth/me");
		await ask("sql", "update muster.run set status = 'completed', completed_at = now() returning 1");
		await ask("sql", "delete from muster.job returning 1");
	});

	await test("an audit can be asked for; the button says how far it is", async () => {
		await ask("root", "/srv/git");
		await ann.go("/");
		await ann.tab.getByRole("button", { name: "Audit now" }).click();
		await ann.until(async () => (await ann.text(".view-head .button")).includes("Audit is waiting"), "waiting");
		/* The button says so before the server has answered. */
		await ann.until(async () => (await ask("sql",
			"select count(*) from muster.job where kind = 'audit' and state = 'queued'")) === "1", "one job");
		await ask("sql", "update muster.run set status = 'completed', completed_at = now() returning 1");
		assert.deepEqual(ann.trouble, []);
	});
	await ann.close();
}
