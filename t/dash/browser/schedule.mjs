/* SPDX-License-Identifier: MIT */
/* Schedules and single jobs: what is seen of them, what may be done about them, and by whom. */
import { ask, repos, visitor } from "./browser.mjs";

const LOOKS = [["light", { width: 1280, height: 900 }], ["dark", { width: 1280, height: 900 }], ["light", { width: 360, height: 740 }]];

export default async function (test, assert) {
	const sql = (text) => ask("sql", text);
	const org = "(select id from muster.organization where slug = 'default')";
	await ask("account", "pat@example.org", "platform_admin");
	await sql(`select muster.job_kind_set('[{"name": "audit", "queue": "audit", "help": "look at every repository"},
		{"name": "scan", "queue": "scan", "help": "search for secrets"}]')`);
	await ask("report", repos(3));
	await sql(`update muster.root set watched = true, path = '/srv/git', scan_from = null where organization_id = ${org}`);
	await sql(`delete from muster.schedule`);
	await sql(`delete from muster.job`);

	await test("a schedule is made, and shows when it comes before it is kept", async () => {
		const ann = await visitor("ann@example.org");
		await ann.go("/jobs");
		await ann.tab.getByRole("link", { name: "Schedules" }).click();
		await ann.sees("Nothing is scheduled");
		await ann.tab.getByRole("link", { name: "New schedule" }).click();
		await ann.tab.locator("[name=kind]").selectOption("scan");
		await ann.tab.locator("[name=cron]").fill("0 25 * * *");
		await ann.sees("cron", ".field-problem");
		await ann.tab.getByRole("button", { name: "Weekdays" }).click();
		await ann.sees("That is Monday to Friday at 06:00.", ".preview");
		await ann.until(async () => await ann.count(".preview li") === 3, "three times");
		await ann.tab.locator("[name=timezone]").fill("Europe/Nowhere");
		await ann.tab.getByRole("button", { name: "Add it" }).click();
		await ann.until(async () => await ann.count("[name=timezone][aria-invalid]") === 1, "what is wrong is marked");
		assert.equal(await ann.tab.locator("[name=cron]").inputValue(), "0 6 * * mon-fri");
		await ann.tab.locator("[name=timezone]").fill("Europe/Berlin");
		await ann.tab.locator("[name=repo]").fill("r002");
		await ann.tab.getByRole("button", { name: "Add it" }).click();
		await ann.sees("1 schedule");
		assert.equal(await ann.path(), "/schedules");
		await ann.sees("On scan r002 Monday to Friday at 06:00 Europe/Berlin in", "tbody");
		assert.deepEqual(ann.trouble, []);
		await ann.close();
	});

	await test("it is done now, paused, changed and removed", async () => {
		const ann = await visitor("ann@example.org");
		await ann.go("/schedules");
		await ann.tab.getByRole("button", { name: "Run now" }).click();
		await ann.sees("1 job queued", "#toast");
		assert.equal(await sql(`select count(*) from muster.job where kind = 'scan'`), "1");
		await ann.tab.getByRole("button", { name: "Run now" }).click();
		await ann.sees("The last time is not done yet.", "#toast");
		await ann.tab.getByRole("button", { name: "Pause" }).click();
		await ann.sees("Paused scan r002", "tbody");
		await ann.sees("not while it is paused", "tbody");
		await ann.tab.getByRole("link", { name: "scan", exact: true }).click();
		await ann.sees("scan of r002 Paused");
		await ann.sees("It is paused, and does not come.");
		await ann.tab.getByRole("button", { name: "Go on" }).click();
		await ann.until(async () => await ann.count(".time") === 5, "the next five times");
		await ann.tab.getByRole("button", { name: "Change when" }).click();
		assert.equal(await ann.tab.locator("[name=cron]").inputValue(), "0 6 * * mon-fri");
		await ann.tab.locator("[name=cron]").fill("*/20 * * * *");
		await ann.tab.getByRole("button", { name: "Keep it so" }).click();
		await ann.sees("every 20 minutes", ".view-head");
		await sql(`update muster.job set state = 'done', finished_at = now()`);
		await sql(`update muster.schedule set next_at = now() - interval '1 second'`);
		await sql(`select count(*) from muster.schedule_tick()`);
		await ann.sees("Queued", "tbody");
		await ann.tab.getByRole("button", { name: "Remove this schedule" }).click();
		await ann.tab.getByRole("button", { name: "Yes, remove it" }).click();
		await ann.sees("Nothing is scheduled");
		assert.deepEqual(ann.trouble, []);
		await ann.close();
	});

	await test("what is of the whole organization is of no repository", async () => {
		const ann = await visitor("ann@example.org");
		await ann.go("/schedules?add=1");
		await ann.tab.locator("[name=kind]").selectOption("report");
		await ann.tab.locator("[name=repo]").fill("r002");
		await ann.tab.getByRole("button", { name: "Add it" }).click();
		await ann.sees("is of the whole organization");
		await ann.tab.locator("[name=repo]").fill("");
		await ann.tab.getByRole("button", { name: "Add it" }).click();
		await ann.sees("report the organization every day at 03:00", "tbody");
		await sql(`delete from muster.schedule`);
		await ann.close();
	});

	await test("who may not change it sees it", async () => {
		await sql(`update muster.organization set scheduled_at = null where slug = 'default'`);
		await sql(`select muster.schedule_begin(${org})`);
		const vic = await visitor("vic@example.org");
		await vic.go("/schedules");
		await vic.sees("every hour, on the hour");
		await vic.sees("every day at 03:00");
		assert.equal(await vic.count("#main button"), 0);
		await vic.tab.getByRole("link", { name: "audit", exact: true }).click();
		await vic.sees("by itself, with the first folder");
		assert.equal(await vic.count("#main button"), 0);
		assert.deepEqual(vic.trouble, []);
		await vic.close();
	});

	await test("a job says what it is for, why it waits, and what became of its tries", async () => {
		await sql(`delete from muster.job`);
		await sql(`select muster.scan_add('r001') from (select set_config('muster.organization', ${org}::text, false)) x`);
		const job = await sql(`select id from muster.job where kind = 'scan'`);
		const ann = await visitor("ann@example.org");
		await ann.go("/jobs");
		await ann.sees("r001", ".jobs");
		await ann.tab.getByRole("link", { name: `scan ${job}` }).click();
		await ann.sees("for r001");
		await ann.sees("no runner of queue scan lives.");
		await sql(`select lease_id from muster.job_claim((select host from muster.job where id = ${job}), '{scan}', 1, 30)`);
		const lease = await sql(`select lease_id from muster.job where id = ${job}`);
		await sql(`select muster.worker_renew(gen_random_uuid(), (select host from muster.job where id = ${job}), 4711, '0.1.0', 'claiming', 4, null, array[${job}])`);
		await sql(`select muster.job_progress(${job}, '${lease}', 40, 'Reading packs')`);
		await ann.sees("40 % Reading packs", ".progress");
		await sql(`select muster.job_fail(${job}, '${lease}', 'the disk is full', true, false, '{"log": "looked at 3 packs\\n", "cpu_ms": 1234, "rss_kib": 20480, "exit_status": 1}')`);
		await ann.sees("the disk is full", "tbody");
		await ann.sees("looked at 3 packs", ".log");
		await ann.sees("1.2 s", "tbody");
		await ann.sees("20 MiB", "tbody");
		for (const [colorScheme, viewport] of LOOKS) {
			const other = await visitor("pat@example.org", { colorScheme, viewport });
			for (const [name, path, text] of [["job", `/jobs/${job}`, "What it was given"], ["schedules", "/schedules", "every hour, on the hour"],
				["schedule-new", "/schedules?add=1", "Add it"], ["jobs-list", "/jobs", "r001"]]) {
				await other.go(path);
				await other.sees(text);
				assert.equal(await other.tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${name} ${viewport.width}`);
				await other.shot(`${name}-${colorScheme}-${viewport.width}`);
			}
			await other.go("/schedules");
			await other.tab.getByRole("link", { name: "audit", exact: true }).click();
			await other.sees("Change when");
			await other.shot(`schedule-${colorScheme}-${viewport.width}`);
			assert.deepEqual(other.trouble, []);
			await other.close();
		}
		await ann.tab.getByRole("button", { name: "Cancel" }).click();
		await ann.sees("Cancelled", "h1");
		await ann.tab.getByRole("button", { name: "Retry" }).click();
		await ann.sees("Waiting", "h1");
		assert.deepEqual(ann.trouble, []);
		await ann.close();
	});
}
