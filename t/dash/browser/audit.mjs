/* SPDX-License-Identifier: MIT */
/* Real repositories, real audits: what the page says is what git says. */
import { ask, visitor } from "./browser.mjs";

const git = (repo, ...words) => ask("run", "git", "-C", repo, ...words);

export default async function (test, assert) {
	const folder = await ask("folder");
	await ask("root", folder);
	for (const repo of ["alpha", "beta"]) {
		await ask("run", "git", "init", "-q", "-b", "main", repo);
		await ask("spew", `${repo}/README.md`, "# It\n\nFirst line\nSecond line\n");
		await git(repo, "add", ".");
		await git(repo, "commit", "-q", "-m", `Begin ${repo}`);
	}
	await git("beta", "branch", "spare");
	await ask("audit");
	const ann = await visitor("ann@example.org");

	await test("after an audit the page shows what git says of each repository", async () => {
		await ann.go("/repos");
		await ann.until(async () => (await ann.names()).join() === "alpha,beta", "both");
		await ann.sees("Begin alpha", "tr:has(a[href='/audit/alpha'])");
		assert.equal(await ann.count(".badge.tone-clean"), 2);
		await ann.go("/audit/beta");
		await ann.sees("spare", ".branch:nth-child(2)");
		await ann.sees("no upstream", ".branch:nth-child(2)");
	});

	await test("a changed file turns the repository dirty on the open page after the next audit", async () => {
		await ann.go("/repos");
		await ann.until(async () => (await ann.names()).length === 2, "both");
		await ask("spew", "alpha/README.md", "# It\n\nFirst line, changed\nSecond line\n<script>alert(1)</script>\n");
		await ask("spew", "alpha/new file.txt", "new\n");
		await ask("audit");
		await ann.sees("Dirty", "tr:has(a[href='/audit/alpha'])");
		await ann.sees("1 changed 1 new", "tr:has(a[href='/audit/alpha'])");
	});

	await test("its changes are shown side by side and unified, and the choice is in the address", async () => {
		await ann.go("/audit/alpha?action=diff");
		await ann.sees("First line, changed", ".diff.split");
		assert.equal(await ann.text(".diff mark"), ", changed");
		await ann.sees("<script>alert(1)</script>", ".diff");
		assert.equal(await ann.count("#main script"), 0);
		await ann.tab.getByRole("link", { name: "Unified" }).click();
		await ann.until(() => ann.count(".diff.unified"), "unified");
		assert.equal(await ann.path(), "/audit/alpha?action=diff&diff=unified");
		assert.deepEqual(ann.trouble, []);
	});

	await test("the checks of a real report are all drawn, the failed ones first", async () => {
		await ann.go("/audit/alpha");
		await ann.until(async () => (await ann.count(".check")) > 15, "checks");
		assert.match(await ann.text(".check .badge"), /Fail/);
	});
	await ann.close();
}
