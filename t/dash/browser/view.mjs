/* SPDX-License-Identifier: MIT */
import { ask, dirty, repos, visitor } from "./browser.mjs";

const odd = "<img src=x onerror=alert(1)>";

export default async function (test, assert) {
	await ask("report", repos(60, { r003: { ...dirty, isStale: true }, r007: dirty, r009: { status: "error", error: "It is broken", healthScore: null },
		[odd]: {}, "a b/c": dirty }));
	const ann = await visitor("ann@example.org");

	await test("the overview has the report's counters, and each leads to its list", async () => {
		await ann.go("/");
		await ann.sees("62 Repositories", ".figures");
		await ann.sees("58 Clean 3 Dirty", ".figures");
		await ann.sees("1 Error", ".figures");
		assert.equal(await ann.count(".histogram rect"), 10);
		await ann.tab.locator(".figure", { hasText: "Dirty" }).locator("a").click();
		await ann.until(async () => (await ann.names()).length === 3, "three rows");
		assert.equal(await ann.path(), "/repos?status=dirty");
	});

	await test("while data is on its way its outline is shown, and said to nobody", async () => {
		for (const path of ["/", "/repos", "/audit/r003", "/audits"]) {
			let release = null;
			const held = new Promise((done) => {
				release = done;
			});
			await ann.tab.route("**/api/v1/{overview,repos,repos/**,audits}*", async (route) => {
				await held;
				await route.continue();
			});
			await ann.go(path);
			await ann.until(() => ann.count(".skeletons[aria-hidden=true]"), path);
			assert.equal(await ann.tab.locator(".view").getAttribute("aria-busy"), "true");
			release();
			await ann.until(async () => (await ann.count(".skeleton")) === 0, path);
			await ann.tab.unroute("**/api/v1/{overview,repos,repos/**,audits}*");
		}
	});

	await test("what needs attention first is what is worst", async () => {
		await ann.go("/");
		await ann.until(() => ann.count(".attention"), "rows");
		assert.equal(await ann.text(".attention .name"), "r009");
		assert.match(await ann.text(".attention .badge"), /Error/);
	});

	await test("search, filter and order are in the address and survive a reload and the way back", async () => {
		await ann.go("/repos");
		await ann.until(async () => (await ann.names()).length === 62, "all rows");
		await ann.tab.locator("#search").fill("r00");
		await ann.until(async () => (await ann.names()).length === 9, "nine rows");
		await ann.tab.locator(".filter", { hasText: "Dirty" }).click();
		await ann.until(async () => (await ann.names()).length === 2, "two rows");
		await ann.tab.locator("th a", { hasText: "Name" }).click();
		await ann.until(async () => (await ann.path()).includes("sort=-name"), "the order");
		await ann.until(async () => (await ann.names())[0] === "r007", "the other way round");
		assert.equal(await ann.path(), "/repos?q=r00&status=dirty&sort=-name");
		await ann.tab.reload();
		await ann.until(async () => (await ann.names()).length === 2, "two rows again");
		assert.equal(await ann.tab.locator("#search").inputValue(), "r00");
		await ann.tab.goBack();
		await ann.until(async () => (await ann.names())[0] === "r003", "the order before");
		await ann.tab.goBack();
		await ann.until(async () => (await ann.names()).length === 9, "the filter before");
	});

	await test("nothing found is said with a way out", async () => {
		await ann.go("/repos?q=nothing-like-this");
		await ann.sees("No repository matches");
		await ann.tab.getByRole("button", { name: "Clear search and filter" }).click();
		await ann.until(async () => (await ann.names()).length === 62, "all rows");
		assert.equal(await ann.tab.locator("#search").inputValue(), "");
	});

	await test("stale ones can be listed", async () => {
		await ann.go("/repos?status=stale");
		await ann.until(async () => (await ann.names()).length === 1, "one row");
		assert.deepEqual(await ann.names(), ["r003"]);
	});

	await test("a repository's name is text, never markup", async () => {
		await ann.go(`/repos?q=${encodeURIComponent("<img")}`);
		await ann.until(async () => (await ann.names())[0] === odd, "the odd name");
		assert.equal(await ann.count("#main img"), 0);
		await ann.tab.locator("tbody .c-name a").click();
		await ann.sees(odd, "h1");
		assert.match(await ann.path(), /^\/audit\/[0-9a-f-]{36}$/);
	});

	await test("a deep link with an action survives a reload", async () => {
		await ann.go("/audit/r003?action=commit");
		await ann.sees("git -C /srv/git/r003 commit", ".commands .wanted");
		await ann.tab.reload();
		await ann.sees("git -C /srv/git/r003 commit", ".commands .wanted");
		await ann.sees("r003", "h1");
	});

	await test("a name with a slash works, percent-encoded or by id", async () => {
		await ann.go("/audit/a%20b%2Fc");
		await ann.sees("a b/c", "h1");
		await ann.sees("git -C '/srv/git/a b/c' status", ".commands");
	});

	await test("an unreadable repository says why, and its score is unknown, not zero", async () => {
		await ann.go("/audit/r009");
		await ann.sees("It is broken", "#todo");
		assert.equal((await ann.text(".view-head .score .digits")).trim(), "–");
	});

	await test("a repository that is not there is a problem with its request id, not an empty page", async () => {
		await ann.go("/audit/no-such-one");
		await ann.sees("There is no such repository.", ".problem");
		await ann.sees("request ", ".problem");
	});

	await test("an address that is none says so", async () => {
		await ann.go("/nowhere/at/all");
		await ann.sees("There is nothing at this address");
	});

	await test("audits are listed, and one is compared with the one before", async () => {
		await ask("report", repos(60, { r003: dirty, r010: dirty }));
		await ann.go("/audits");
		await ann.until(async () => (await ann.count(".audits tbody tr")) >= 2, "two audits");
		await ann.tab.locator(".audits tbody a").first().click();
		await ann.sees("Changed since the audit before");
		await ann.sees("r010", ".compare");
		await ann.tab.reload();
		await ann.sees("r010", ".compare");
	});

	await test("every view fits a phone of 360 pixels, light and dark", async () => {
		for (const colorScheme of ["light", "dark"]) {
			const phone = await visitor("ann@example.org", { viewport: { width: 360, height: 740 }, colorScheme });
			for (const path of ["/", "/repos", "/audit/r003", "/audit/r003?action=diff", "/audits", "/nowhere"]) {
				await phone.go(path);
				await phone.until(async () => (await phone.tab.locator(".view").getAttribute("aria-busy")) === "false", path);
				const [wide, width] = await phone.tab.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
				assert.ok(wide <= width, `${path} is ${wide} wide`);
			}
			assert.deepEqual(phone.trouble, []);
			await phone.close();
		}
	});

	await test("a chosen theme holds over a reload, before the first paint", async () => {
		await ann.go("/");
		await ann.tab.getByRole("button", { name: "Account and settings" }).click();
		await ann.tab.locator("#menu label", { hasText: "Dark" }).click();
		await ann.tab.reload();
		assert.equal(await ann.tab.evaluate(() => document.documentElement.dataset.theme), "dark");
		assert.equal(await ann.tab.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(18, 19, 20)");
	});

	await test("the keyboard alone searches, moves, opens and comes back", async () => {
		await ann.go("/repos");
		await ann.until(async () => (await ann.names()).length > 50, "rows");
		await ann.tab.keyboard.press("/");
		await ann.tab.keyboard.type("r01");
		await ann.until(async () => (await ann.names()).length === 10, "ten rows");
		await ann.tab.locator("h1").focus();
		await ann.tab.keyboard.press("j");
		await ann.tab.keyboard.press("j");
		assert.equal(await ann.tab.evaluate(() => document.activeElement.textContent), "r011");
		await ann.tab.keyboard.press("Enter");
		await ann.sees("r011", "h1");
		assert.equal(await ann.tab.evaluate(() => document.activeElement.tagName), "H1");
		await ann.tab.keyboard.press("g");
		await ann.tab.keyboard.press("o");
		await ann.sees("Repositories", ".figures");
	});

	await test("a screen reader finds landmarks, one heading, names for all controls, and words for pictures", async () => {
		for (const path of ["/", "/repos", "/audit/r003", "/audits"]) {
			await ann.go(path);
			await ann.until(async () => (await ann.tab.locator(".view").getAttribute("aria-busy")) === "false", path);
			const bad = await ann.tab.evaluate(() => {
				const name = (element) => element.getAttribute("aria-label") ?? (element.textContent.trim()
					|| element.closest("label")?.textContent.trim() || element.title);
				return [
					...[...document.querySelectorAll("a, button, input, [role=slider]")].filter((element) => !name(element)),
					...[...document.querySelectorAll("svg")].filter((svg) => !svg.closest("[aria-hidden=true]") && !svg.getAttribute("aria-label")),
					...(document.querySelectorAll("h1").length === 1 ? [] : [document.body]),
					...(document.querySelector("main") && document.querySelector("nav[aria-label]") ? [] : [document.body]),
				].map((element) => element.outerHTML.slice(0, 120));
			});
			assert.deepEqual(bad, [], path);
		}
	});

	await test("of thousands of repositories only those around the window are elements", async () => {
		await ask("report", repos(3000));
		await ann.go("/repos");
		await ann.until(async () => (await ann.names()).length > 20, "rows");
		await ann.until(async () => {
			await ann.tab.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
			return (await ann.text(".foot")).includes("3,000 repositories");
		}, "all pages");
		await ann.until(async () => {
			await ann.tab.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
			return (await ann.names()).at(-1) === "r999"; /* by text, the last of 3000 */
		}, "the last row");
		assert.ok((await ann.count("tbody tr")) < 120);
		await ann.tab.locator("tbody .c-name a").last().click();
		await ann.sees("r999", "h1");
		await ann.tab.goBack();
		await ann.until(async () => (await ann.names()).at(-1) === "r999", "the same place again");
	});

	await test("the policy forbids markup from text and code from elsewhere, and nothing of ours trips over it", async () => {
		await ann.go("/");
		const refused = await ann.tab.evaluate(() => {
			try {
				document.body.innerHTML = "<b>x</b>";
				return "allowed";
			} catch (error) {
				return error.name;
			}
		});
		assert.equal(refused, "TypeError");
		assert.deepEqual(ann.trouble.filter((line) => !/innerHTML|TrustedHTML/.test(line)), []);
	});
	await ann.close();
}
