#!/usr/bin/env node
/* SPDX-License-Identifier: MIT */
"use strict";
const { page, tests } = require("./lib/tap.js");

const PLAIN = {
	"* * * * *": "every minute",
	"*/5 * * * *": "every 5 minutes",
	"0 * * * *": "every hour, on the hour",
	"@hourly": "every hour, on the hour",
	"15,45 * * * *": "every hour, at :15 and :45",
	"5 */6 * * *": "every 6 hours, at :05",
	"0 3 * * *": "every day at 03:00",
	" 0  3 * * * ": "every day at 03:00",
	"@daily": "every day at 00:00",
	"0 9,17 * * *": "every day at 09:00 and 17:00",
	"30 4 * * mon-fri": "Monday to Friday at 04:30",
	"30 4 * * 1-5": "Monday to Friday at 04:30",
	"0 6 * * SUN": "Sundays at 06:00",
	"0 6 * * 7": "Sundays at 06:00",
	"0 6 * * 0,7": "Sundays at 06:00",
	"0 6 * * sat,tue": "Tuesdays and Saturdays at 06:00",
	"@weekly": "Sundays at 00:00",
	"*/10 * * * fri": "every 10 minutes, Fridays",
	"0 0 1,15 * *": "on the 1st and 15th of the month at 00:00",
	"0 0 2,3,11,22 * *": "on the 2nd, 3rd, 11th and 22nd of the month at 00:00",
	"@yearly": "on the 1st of January at 00:00",
	"0 12 * jan,7 *": "in January and July at 12:00",
	"0 12 * 6 1": "Mondays in June at 12:00",
};
const OTHER = ["", "0 3 * *", "0 3 * * * *", "*/7 * * * *", "0 */5 * * *", "1-5 * * * *", "0 3 1 * mon", "0 3 */2 * *",
	"0 3 * * mon-wed/2", "60 3 * * *", "0 24 * * *", "0 3 0 * *", "0 3 * 13 *", "0 3 * * 8", "0 3 * * fri-mon", "0 1,2,3,4,5 * * *",
	"@reboot", "0 3 * * monday", "* 3 * * *"];

tests(async (test, assert) => {
	const { cron_words } = await page("js/cron.js");

	for (const [cron, words] of Object.entries(PLAIN))
		await test(`${cron} is said in words`, () => assert.equal(cron_words(cron), words));
	await test("what is not plain is left as it is written", () => {
		for (const cron of OTHER)
			assert.equal(cron_words(cron), null, cron);
	});
});
