/* SPDX-License-Identifier: MIT */
/* What opens other hosts, and what was fetched from them: kept and seen by whom, and what is never seen again. */
import { ask, repos, until, visitor } from "./browser.mjs";

const LOOKS = [["light", { width: 1280, height: 900 }], ["dark", { width: 1280, height: 900 }], ["light", { width: 390, height: 840 }]];

export default async function (test, assert) {
	const sql = (text) => ask("sql", text);
	const org = "(select id from muster.organization where slug = 'default')";
	const secret = Array.from({ length: 24 }, () => "abcdefghij0123456789"[Math.floor(Math.random() * 20)]).join("");
	await ask("account", "dev@example.org", "developer");
	await sql(`select muster.job_kind_set('[{"name": "fetch", "queue": "fetch", "help": "bring what is kept up to date"}]')`);
	await ask("report", repos(3, { r003: { remote: "ssh://git@git.example.org/r003.git" } }));

	/* A job that fetches repo from its host, as a runner does it; answers its id and lease. */
	async function fetch_begin(repo) {
		/* the page says that it waits before the server knows */
		const job = await until(() => sql(`select max(j.id) from muster.job j join muster.repo r on j.key = 'repo:' || r.id
			where j.kind = 'fetch' and j.state = 'queued' and r.name = '${repo}'`), "a job");
		await sql(`select lease_id from muster.job_claim('far-1', '{fetch}', 1, 30)`);
		await sql(`select muster.worker_renew(gen_random_uuid(), 'far-1', 4711, '0.1.0', 'claiming', 4, null, array[${job}])`);
		const lease = await sql(`select lease_id from muster.job where id = ${job}`);
		await sql(`select muster.job_login(${job}, '${lease}')`);
		return [job, lease];
	}

	/* No more tries: what fails has failed. */
	async function fetch_fail(repo, error) {
		const [job, lease] = await fetch_begin(repo);
		await sql(`update muster.job set attempts_max = 1 where id = ${job}`);
		await sql(`select muster.job_fail(${job}, '${lease}', '${error}', true, false, '{}')`);
		return job;
	}

	await test("nobody but an administrator is shown what is kept", async () => {
		const dev = await visitor("dev@example.org");
		await dev.go("/schedules");
		await dev.sees("Nothing is scheduled");
		assert.equal(await dev.tab.getByRole("link", { name: "Credentials" }).count(), 0);
		await dev.go("/credentials?add=1");
		await dev.sees("For administrators");
		assert.equal(await dev.count("#main form"), 0);
		assert.deepEqual(dev.trouble, []);
		await dev.close();
	});

	await test("one is kept for a host, and what it is is not shown again", async () => {
		const ann = await visitor("ann@example.org");
		await ann.go("/jobs");
		await ann.tab.getByRole("link", { name: "Credentials" }).click();
		await ann.sees("No credentials yet");
		await ann.tab.getByRole("link", { name: "New credential" }).click();
		assert.equal(await ann.tab.locator("[name=password]").getAttribute("type"), "password");
		assert.equal(await ann.tab.locator("[name=password]").getAttribute("autocomplete"), "new-password");
		await ann.tab.getByLabel("Host", { exact: true }).fill("no host");
		await ann.tab.getByLabel("Token or password", { exact: true }).fill(secret);
		await ann.tab.getByRole("button", { name: "Add it" }).click();
		await ann.until(async () => await ann.count("[name=host][aria-invalid]") === 1, "what is wrong is marked");
		await ann.sees("is no name of a host", "#host-problem");
		await ann.tab.getByLabel("Host", { exact: true }).fill("Git.Example.org");
		await ann.tab.getByLabel("Name", { exact: true }).fill("robot");
		await ann.tab.getByRole("button", { name: "Add it" }).click();
		await ann.sees("Kept for git.example.org.", "#toast");
		await ann.sees("Not used git.example.org robot by ann", "tbody");
		assert.equal(await ann.path(), "/credentials");
		await ann.tab.getByRole("link", { name: "New credential" }).click();
		await ann.until(async () => await ann.tab.locator("[name=password]").inputValue() === "", "the next form is empty");
		assert.equal((await ann.tab.content()).includes(secret), false);
		assert.equal((await ann.tab.evaluate(async () => JSON.stringify(await (await fetch("/api/v1/credentials")).json()))).includes(secret), false);
		assert.equal(await sql(`select count(*) from muster.credential c where to_jsonb(c)::text like '%${secret}%'`), "0");
		await ann.tab.getByRole("button", { name: "Leave it" }).click();
		await ann.until(async () => await ann.path() === "/credentials", "the list alone");
		assert.deepEqual(ann.trouble, []);
		await ann.close();
	});

	await test("a key is kept for ssh, with those of its host", async () => {
		const ann = await visitor("ann@example.org");
		await ann.go("/credentials?add=1");
		await ann.tab.getByLabel("Host", { exact: true }).fill("ssh.example.org:2222");
		await ann.tab.getByLabel("What", { exact: true }).selectOption("ssh-key");
		await ann.until(async () => await ann.count("[name=private_key]") === 1, "another form");
		assert.equal(await ann.count("[name=password]"), 0);
		assert.equal(await ann.tab.getByLabel("Host", { exact: true }).inputValue(), "ssh.example.org:2222");
		await ask("run", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "key");
		const key = await ask("run", "cat", "key");
		await ann.tab.getByLabel("Private key", { exact: true }).fill(`${key.slice(0, 150)}\n`);
		await ann.tab.getByLabel("Keys of the host", { exact: true }).fill(await ask("run", "cat", "key.pub"));
		await ann.tab.getByRole("button", { name: "Add it" }).click();
		await ann.sees("is cut off", "#private_key-problem");
		await ann.shot("credential-key-light-1280");
		await ann.tab.getByLabel("Private key", { exact: true }).fill(key);
		await ann.tab.getByRole("button", { name: "Add it" }).click();
		await ann.sees("Kept for ssh.example.org:2222.", "#toast");
		await ann.sees("Not used ssh.example.org:2222 ssh git by ann", "tbody");
		assert.equal((await ann.tab.content()).includes(key.split("\n")[2]), false);
		await ann.tab.getByRole("link", { name: "Replace what opens ssh.example.org:2222 over ssh" }).click();
		await ann.sees("Replace what opens ssh.example.org:2222");
		assert.equal(await ann.tab.getByLabel("Private key", { exact: true }).inputValue(), "");
		await ann.tab.getByRole("button", { name: "Leave it" }).click();
		await ann.tab.getByRole("button", { name: "Remove what opens ssh.example.org:2222 over ssh" }).click();
		await ann.tab.getByRole("button", { name: "Yes, remove it" }).click();
		await ann.sees("1 credential");
		assert.deepEqual(ann.trouble, []);
		await ann.close();
	});

	await test("a press fetches, and says how far that is and what came of it", async () => {
		const dev = await visitor("dev@example.org");
		await dev.go("/audit/r001");
		await dev.sees("Mirror Fetch now Nothing of it was fetched yet.", "[aria-labelledby=fetch-head]");
		await dev.tab.getByRole("button", { name: "Fetch now" }).click();
		await dev.sees("Fetch is waiting", "[aria-labelledby=fetch-head]");
		const [job, lease] = await fetch_begin("r001");
		await dev.sees("Fetching", "[aria-labelledby=fetch-head]");
		await dev.sees(`job ${job}`, "[aria-labelledby=fetch-head]");
		await sql(`select muster.fetch_done(${job}, '${lease}', '{"message": "Fetched.", "size_bytes": 5242880}')`);
		await dev.sees("r001 was fetched", "#toast");
		await dev.sees("Size 5.0 MiB", "[aria-labelledby=fetch-head]");
		await dev.sees("Lies on far-1", "[aria-labelledby=fetch-head]");
		await dev.sees("Completed fetch", ".rows:has(.run)");
		await dev.tab.getByRole("button", { name: "Fetch now" }).waitFor();
		await dev.go("/audit/r003");
		await dev.sees("Facts");
		assert.equal(await dev.tab.getByRole("button", { name: "Fetch now" }).count(), 0, "by ssh nothing is fetched");
		assert.deepEqual(dev.trouble, []);
		await dev.close();
		const vic = await visitor("vic@example.org");
		await vic.go("/audit/r001");
		await vic.until(async () => await vic.tab.getByRole("button", { name: "Fetch now" }).isDisabled(), "not a viewer's");
		await vic.close();
	});

	await test("whether one works is told, and where to mend it", async () => {
		const ann = await visitor("ann@example.org");
		await ann.go("/credentials");
		await ann.sees("Works git.example.org", "tbody");
		const dev = await visitor("dev@example.org");
		await dev.go("/audit/r002");
		await dev.tab.getByRole("button", { name: "Fetch now" }).click();
		await dev.sees("Fetch is waiting", "[aria-labelledby=fetch-head]");
		const job = await fetch_fail("r002", "it cannot be fetched: git.example.org does not take the credential that is kept for it");
		await dev.sees("The fetch failed.", "#toast");
		await dev.sees("does not take the credential", "[aria-labelledby=fetch-head]");
		await dev.sees("An administrator of the organization can keep one for git.example.org.", "[aria-labelledby=fetch-head]");
		await dev.close();
		await ann.go("/credentials");
		await ann.sees("Failed git.example.org", "tbody");
		await ann.sees(`does not take the credential that is kept for it (job ${job})`, "tbody");
		for (const [colorScheme, viewport] of LOOKS) {
			const other = await visitor("ann@example.org", { colorScheme, viewport });
			await sql(`insert into muster.credential (id, organization_id, host, username, sealed, used_at, worked_at)
				select gen_random_uuid(), ${org}, h, 'git', 'x', u, u from (values ('gitlab.example.com:8443', now() - interval '3 hours'),
				('forge.with-a-very-long-name.engineering.example.net', null)) x (h, u) on conflict do nothing`);
			for (const [name, path, text] of [["credentials", "/credentials", "3 credentials"], ["credential-new", "/credentials?add=1", "Best a token"],
				["credential-replace", "/credentials?add=1&host=git.example.org", "Replace it"], ["mirror", "/audit/r001", "Lies on"],
				["mirror-failed", "/audit/r002", "Keep a credential"]]) {
				await other.go(path);
				await other.sees(text);
				assert.equal(await other.tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${name} ${viewport.width}`);
				if (name.startsWith("mirror"))
					await other.tab.locator("[aria-labelledby=fetch-head]").scrollIntoViewIfNeeded();
				await other.shot(`${name}-${colorScheme}-${viewport.width}`);
			}
			assert.deepEqual(other.trouble, []);
			await other.close();
		}
		await sql(`delete from muster.credential where sealed = 'x'`);
		await ann.go("/audit/r002");
		await ann.tab.getByRole("link", { name: "Keep a credential for git.example.org" }).click();
		await ann.sees("Replace what opens git.example.org");
		assert.notEqual(await ann.tab.getByLabel("Host", { exact: true }).getAttribute("readonly"), null, "its host stays");
		assert.equal(await ann.tab.getByLabel("Name", { exact: true }).inputValue(), "robot");
		assert.equal(await ann.tab.getByLabel("Token or password", { exact: true }).inputValue(), "");
		await ann.tab.getByLabel("Token or password", { exact: true }).fill(`${secret}2`);
		await ann.tab.getByRole("button", { name: "Replace it" }).click();
		await ann.sees("Not used git.example.org robot", "tbody");
		await ann.tab.getByRole("button", { name: "Remove what opens git.example.org" }).click();
		await ann.tab.getByRole("button", { name: "Keep it" }).click();
		await ann.tab.getByRole("button", { name: "Remove what opens git.example.org" }).click();
		await ann.tab.getByRole("button", { name: "Yes, remove it" }).click();
		await ann.sees("No credentials yet");
		assert.equal(await sql(`select count(*) from muster.credential`), "0");
		assert.deepEqual(ann.trouble, []);
		await ann.close();
	});
}
