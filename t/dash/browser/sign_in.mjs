/* SPDX-License-Identifier: MIT */
import { ask, dirty, repos, url, visitor } from "./browser.mjs";

export default async function (test, assert) {
	await ask("report", repos(12, { r003: dirty, r007: dirty }));

	await test("nobody sees the sign-in page, whatever was asked for", async () => {
		const nobody = await visitor();
		for (const path of ["/", "/repos", "/audit/r003?action=commit", "/audits"]) {
			await nobody.go(path);
			await nobody.sees("Do your repositories pass muster?");
			assert.equal(await nobody.count(".nav"), 0);
		}
		assert.deepEqual(nobody.trouble, []);
		await nobody.close();
	});

	await test("a wrong password is answered with a sentence and the request's id, and can be corrected", async () => {
		const ann = await visitor();
		await ann.go("/repos?status=dirty&sort=-name");
		await ann.tab.locator("[name=email]").fill("ann@example.org");
		await ann.tab.locator("[name=password]").fill("wrong");
		await ann.tab.locator("[type=submit]").click();
		await ann.sees("request ", ".form-problem");
		await ann.sign_in("ann@example.org");
		await ann.until(async () => (await ann.names()).length === 2, "the two dirty ones");
		assert.equal(await ann.path(), "/repos?status=dirty&sort=-name");
		assert.deepEqual(await ann.names(), ["r007", "r003"]);
		await ann.close();
	});

	await test("a link that would lead to another site after signing in leads to the overview", async () => {
		const ann = await visitor();
		await ann.go("/sign-in?next=//evil.example/x");
		await ann.sign_in("ann@example.org");
		await ann.sees("Repositories", ".figures");
		assert.equal(new URL(ann.tab.url()).origin, url);
		await ann.close();
	});

	await test("a session that ends brings the sign-in page, and back to where one was", async () => {
		const ann = await visitor("ann@example.org");
		await ann.go("/repos?q=r00");
		await ann.until(async () => (await ann.names()).length === 9, "nine rows");
		await ann.context.clearCookies();
		await ann.tab.getByRole("button", { name: "Refresh", exact: true }).click();
		await ann.sees("Do your repositories pass muster?");
		await ann.sign_in("ann@example.org");
		await ann.until(async () => (await ann.names()).length === 9, "nine rows again");
		assert.equal(await ann.path(), "/repos?q=r00");
		await ann.close();
	});

	await test("signing out ends the session", async () => {
		const ann = await visitor("ann@example.org");
		await ann.tab.getByRole("button", { name: "Account and settings" }).click();
		await ann.tab.getByRole("button", { name: "Sign out" }).click();
		await ann.sees("Do your repositories pass muster?");
		assert.equal(await ann.tab.evaluate(() => fetch("/api/v1/overview").then((answer) => answer.status)), 401);
		await ann.close();
	});

	await test("a viewer may look and not start an audit", async () => {
		const vic = await visitor("vic@example.org");
		await vic.sees("Repositories", ".figures");
		const button = vic.tab.getByRole("button", { name: "Audit now" });
		assert.equal(await button.isDisabled(), true);
		await vic.close();
	});
}
