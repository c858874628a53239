/* SPDX-License-Identifier: MIT */
/* The queue and one run: what is shown is what is there, and changes by itself. */
import { ask, repos, visitor } from "./browser.mjs";

const LOOKS = [["light", { width: 1280, height: 900 }], ["dark", { width: 1280, height: 900 }], ["light", { width: 360, height: 740 }]];

export default async function (test, assert) {
	const sql = (text) => ask("sql", text);
	const org = "(select id from muster.organization where slug = 'default')";
	await ask("account", "pat@example.org", "platform_admin");
	await sql(`select muster.job_kind_set('[{"name": "audit", "queue": "audit", "help": "look at every repository"},
		{"name": "scan", "queue": "scan", "help": "search for secrets"}]')`);
	await sql(`insert into muster.job (organization_id, kind, key, state, attempt, leased_by, created_at, started_at, finished_at, error)
		select ${org}, 'audit', 'root:' || n, case when n = 3 then 'dead' else 'done' end, 1, 'build-1', now() - n * interval '1 minute',
		       now() - n * interval '1 minute', now() - n * interval '1 minute' + n * interval '700 milliseconds',
		       case when n = 3 then 'cannot read /srv/git/ledger: Permission denied' end from generate_series(1, 12) n`);
	const run = await sql(`insert into muster.run (organization_id, project_id, kind, account_id)
		select organization_id, id, 'scan', (select id from muster.account where email = 'ann@example.org')
		from muster.project where organization_id = ${org} returning id`);
	const job = await sql(`select muster.job_add(${org}, 'scan', 'repo:ledger', p_run => ${run})`);
	const waits = await sql(`select muster.job_add(${org}, 'audit', 'root:after', p_wait_for => array[${job}])`);

	await test("the queue shows what waits and how it went, and says why", async () => {
		const ann = await visitor("ann@example.org");
		await ann.go("/jobs");
		await ann.sees("2 Waiting");
		await ann.sees("11 Done in an hour");
		await ann.sees("8 % Failed");
		await ann.sees("0 Runners");
		await ann.until(async () => await ann.count(".jobs tbody tr") === 14, "all jobs");
		assert.equal(await ann.count("[aria-label='Kinds of job'] tbody tr"), 2);
		await ann.tab.locator(`tr:has-text("audit ${waits}")`).getByRole("button", { name: "Why?" }).click();
		await ann.sees(`Waits for job ${job}, which is queued.`, ".jobs");
		await ann.tab.getByRole("link", { name: "Given up" }).click();
		await ann.until(async () => await ann.count(".jobs tbody tr") === 1, "one");
		assert.equal(await ann.path(), "/jobs?state=dead");
		await ann.sees("cannot read /srv/git/ledger: Permission denied", ".jobs");
		await ann.tab.getByRole("link", { name: "Running" }).click();
		await ann.sees("Nothing is running");
		assert.deepEqual(ann.trouble, []);
		await ann.close();
	});

	await test("an administrator holds it back, and takes up what was given up", async () => {
		const ann = await visitor("ann@example.org");
		await ann.go("/jobs?state=dead");
		await ann.tab.getByRole("button", { name: "Pause all" }).click();
		await ann.sees("All jobs are paused since");
		await ann.tab.getByRole("button", { name: "Go on" }).click();
		await ann.until(async () => await ann.count(".stale") === 0, "it goes on");
		await ann.tab.getByRole("button", { name: "Retry", exact: true }).click();
		await ann.sees("Nothing is given up");
		await ann.close();
		const vic = await visitor("vic@example.org");
		await vic.go("/jobs");
		await vic.sees("3 Waiting");
		assert.equal(await vic.count(".jobs button:not(:has-text('Why?'))"), 0);
		assert.equal(await vic.tab.getByRole("button", { name: "Pause all" }).count(), 0);
		await vic.close();
	});

	await test("a run is followed line by line to its end", async () => {
		const ann = await visitor("ann@example.org");
		await ann.go(`/runs/${run}`);
		await ann.sees("What it says appears here by itself.");
		await sql(`select lease_id from muster.job_claim('build-1', '{scan}', 1, 30)`);
		const lease = await sql(`select lease_id from muster.job where id = ${job}`);
		await sql(`select muster.worker_renew(gen_random_uuid(), 'build-1', 4711, '0.1.0', 'claiming', 4, null, array[${job}])`);
		await sql(`select muster.job_progress(${job}, '${lease}', 25, 'Cloning repository...')`);
		await ann.sees("25 % Cloning repository...", ".progress");
		for (let i = 1; i <= 60; i++)
			await sql(`select muster.job_log(${job}, '${lease}', E'looked at pack ${i} of 60\\n')`);
		await ann.sees("looked at pack 60 of 60", ".log");
		assert.equal((await ann.text(".log")).trim().split("\n").length, 60);
		for (const [colorScheme, viewport] of LOOKS) {
			const other = await visitor("pat@example.org", { colorScheme, viewport });
			await other.go(`/runs/${run}`);
			await other.sees("looked at pack 60 of 60", ".log");
			assert.equal(await other.tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
			await other.shot(`run-${colorScheme}-${viewport.width}`);
			await other.go("/jobs");
			await other.sees("build-1", ".worker");
			assert.equal(await other.tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
			await other.shot(`jobs-${colorScheme}-${viewport.width}`);
			assert.deepEqual(other.trouble, []);
			await other.close();
		}
		await sql(`select muster.job_log(${job}, '${lease}', 'last words')`);
		await sql(`select muster.job_complete(${job}, '${lease}', '{"total_results": 28}')`);
		await ann.sees("Completed", "h1");
		await ann.sees("28 results");
		await ann.sees("last words", ".log");
		assert.deepEqual(ann.trouble, []);
		await ann.close();
	});

	await test("a scan begins with a press, of one repository or of all", async () => {
		await ask("report", repos(3));
		await sql(`update muster.root set watched = true, path = '/srv/git', scan_from = null where organization_id = ${org}`);
		const ann = await visitor("ann@example.org");
		await ann.go("/audit/r002");
		await ann.sees("Nothing was asked for yet.");
		await ann.tab.getByRole("button", { name: "Scan now" }).click();
		await ann.sees("Scan is waiting", ".view-head");
		await ann.sees("Waiting scan", ".rows:has(.run)");
		const mine = await sql(`select r.id from muster.run r join muster.repo p on p.id = r.repo_id where p.name = 'r002'`);
		const its = await sql(`select id from muster.job where run_id = ${mine}`);
		await sql(`select lease_id from muster.job_claim((select host from muster.job where id = ${its}), '{scan}', 1, 30)`);
		await ann.sees("Scanning", ".view-head");
		const lease = await sql(`select lease_id from muster.job where id = ${its}`);
		await sql(`select muster.job_complete(${its}, '${lease}', '{"total_results": 7}')`);
		await ann.sees("r002 was scanned", "#toast");
		await ann.sees(`Completed scan ${mine}, 7 results`, ".rows:has(.run)");
		await ann.tab.getByRole("link", { name: `scan ${mine}` }).click();
		await ann.sees("7 results");
		await ann.go("/repos");
		await ann.tab.getByRole("button", { name: "Scan all" }).click();
		await ann.sees("3 repositories will be scanned.", "#toast");
		assert.equal(await sql(`select jobs from muster.schedule_tick() where kind = 'scan'`), "3");
		await ann.go(`/runs/${await sql(`select max(run_id) from muster.job where kind = 'scan'`)}`);
		await ann.sees("asked for by ann");
		assert.equal(await ann.tab.evaluate(() => getComputedStyle(document.querySelector(".crumb a"), "::after").content), "none", "nothing hangs behind it");
		assert.deepEqual(ann.trouble, []);
		await ann.close();
		const vic = await visitor("vic@example.org");
		await vic.go("/repos");
		await vic.until(async () => await vic.tab.getByRole("button", { name: "Scan all" }).isDisabled(), "not a viewer's");
		await vic.close();
	});

	await test("what scans found stands on the page of its repository", async () => {
		const found = (print, severity, more) => ({ fingerprint: print, rule: "github-token", title: "A GitHub token", severity, path: `conf/${print}`,
			line: 7, sample: "x****", in_head: true, occurrences: 1, places: [], ...more });
		const all = [found("one", "critical"), ...["two", "three", "four", "five", "six"].map((print) => found(print, "high", { in_head: false }))];
		const store = (list) => sql(`select muster.finding_store((select id from muster.repo where name = 'r002' and organization_id = ${org}), 'secret', null,
			'${JSON.stringify(list)}', true)`);
		await store(all);
		for (const [colorScheme, viewport] of LOOKS) {
			const ann = await visitor("ann@example.org", { colorScheme, viewport });
			await ann.go("/audit/r002");
			await ann.sees("the worst 5", "[aria-labelledby=found-head]");
			await ann.sees("In HEAD", "[aria-labelledby=found-head] li:first-of-type");
			await ann.sees("conf/one:7", "[aria-labelledby=found-head] li:first-of-type");
			assert.equal(await ann.count("[aria-labelledby=found-head] li"), 5);
			await ann.sees("Revoke what was leaked", "#todo");
			assert.equal(await ann.tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
			await ann.shot(`found-${colorScheme}-${viewport.width}`);
			await ann.close();
		}
		await store([]);
		const ann = await visitor("ann@example.org");
		await ann.go("/audit/r002");
		await ann.sees("Checks", ".column");
		assert.equal(await ann.count("[aria-labelledby=found-head]"), 0, "what is gone is no more");
		assert.deepEqual(ann.trouble, []);
		await ann.close();
	});

	await test("without a pusher it is asked for again", async () => {
		const other = await sql(`insert into muster.run (organization_id, project_id, kind) select organization_id, id, 'scan'
			from muster.project where organization_id = ${org} returning id`);
		await ask("pusher_stop");
		const ann = await visitor("ann@example.org");
		await ann.go(`/runs/${other}`);
		await ann.sees("What it says appears here by itself.");
		await sql(`select muster.run_log_add(${other}, 'said in silence')`);
		await ann.sees("said in silence", ".log");
		await ann.tab.getByRole("button", { name: "Cancel" }).click();
		await ann.sees("Cancelled", "h1");
		await ann.close();
		await ask("pusher_start");
	});
}
