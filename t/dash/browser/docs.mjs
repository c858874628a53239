/* SPDX-License-Identifier: MIT */
/* The page that shows the API. */

import { visitor } from "./browser.mjs";

export default async function (test, assert) {
	const nobody = await visitor();

	await test("the API's page draws every route of the document, for anybody", async () => {
		await nobody.go("/docs");
		await nobody.sees("The API of Muster");
		const paths = await nobody.tab.evaluate(async () => {
			const document_ = await (await fetch("/api/v1/openapi.json")).json();
			return Object.entries(document_.paths).flatMap(([path, item]) => Object.keys(item)
				.map((method) => `${method.toUpperCase()} ${path}`));
		});
		const drawn = await nobody.tab.locator(".operation h3").allInnerTexts();
		assert.deepEqual(drawn.map((text) => text.replace(/\s+/g, " ").trim()).sort(), paths.sort());
		assert.deepEqual(nobody.trouble, []);
	});

	await test("a link into it leads to its place, and links to schemas lead somewhere", async () => {
		await nobody.go("/docs#get-api-v1-repos");
		await nobody.until(() => nobody.tab.evaluate(() => {
			const box = document.getElementById("get-api-v1-repos")?.getBoundingClientRect();
			return box && box.top >= -1 && box.top < innerHeight;
		}), "the place");
		const dangling = await nobody.tab.evaluate(() => [...document.querySelectorAll("a[href^='#']")]
			.map((link) => link.getAttribute("href").slice(1)).filter((id) => !document.getElementById(id)));
		assert.deepEqual(dangling, []);
	});

	await test("it fits a phone, light and dark", async () => {
		for (const colorScheme of ["light", "dark"]) {
			const phone = await visitor(null, { viewport: { width: 360, height: 720 }, colorScheme });
			await phone.go("/docs");
			await phone.sees("schemas");
			assert.ok(await phone.tab.evaluate(() => document.documentElement.scrollWidth <= 360));
			await phone.shot(`docs-phone-${colorScheme}`);
			await phone.close();
			const desk = await visitor(null, { colorScheme });
			await desk.go("/docs");
			await desk.sees("schemas");
			await desk.shot(`docs-desk-${colorScheme}`);
			await desk.close();
		}
	});
	await nobody.close();
}
