/* SPDX-License-Identifier: MIT */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, password, visitor } from "./browser.mjs";

/* What a camera reads in a picture of the page; null where there is no program for it. */
function camera(picture) {
	const file = join(process.env.MUSTER_SHOTS, "camera.png");

	writeFileSync(file, picture);
	try {
		return execFileSync("zbarimg", ["--quiet", "--raw", "--nodbus", file], { encoding: "utf8" }).trim();
	} catch (error) {
		if (error.code === "ENOENT")
			return null;
		throw error;
	}
}

export default async function (test, assert) {
	let codes = [];

	await test("a second factor is set up with an app, and its codes are for paper", async () => {
		const ann = await visitor("ann@example.org");
		await ann.tab.getByRole("button", { name: "Account and settings" }).click();
		await ann.tab.getByRole("link", { name: "Account", exact: true }).click();
		await ann.sees("It is off.");
		await ann.tab.locator("[name=password]").fill("wrong");
		await ann.tab.getByRole("button", { name: "Set it up" }).click();
		await ann.sees("The current password is wrong.", ".form-problem");
		await ann.tab.locator("[name=password]").fill(password);
		await ann.tab.getByRole("button", { name: "Set it up" }).click();
		await ann.sees("Show this to the camera of an app for codes");
		await ann.shot("account-qr");
		const read = camera(await ann.tab.screenshot());
		if (read !== null)
			assert.equal(read, await ann.tab.getByRole("link", { name: "open it on this device" }).getAttribute("href"));
		const secret = (await ann.text(".secret")).replaceAll(" ", "");
		await ann.tab.locator("[name=code]").fill(await ask("code", secret));
		await ann.tab.getByRole("button", { name: "Turn it on" }).click();
		await ann.sees("Write these down");
		await ann.shot("account-codes");
		codes = await ann.tab.locator(".codes code").allInnerTexts();
		assert.equal(codes.length, 10);
		await ann.tab.getByRole("button", { name: "I have them" }).click();
		await ann.sees("10 codes on paper are left");
		assert.equal((await ann.text("#main")).includes(codes[0]), false);
		assert.deepEqual(ann.trouble, []);
		await ann.close();
	});

	await test("it is asked for from then on, and turned off with the password", async () => {
		const ann = await visitor();
		await ann.go("/sign-in?next=/account");
		await ann.sign_in("ann@example.org");
		await ann.until(() => ann.tab.evaluate(() => document.activeElement.name === "code"), "the code's field");
		await ann.tab.keyboard.type(codes[0]);
		await ann.tab.keyboard.press("Enter");
		await ann.sees("9 codes on paper are left");
		await ann.shot("account");
		await ann.tab.locator("[name=password]").fill(password);
		await ann.tab.getByRole("button", { name: "Turn it off" }).click();
		await ann.sees("It is off.");
		await ann.close();
	});

	await test("where one is signed in is listed, and ended from here", async () => {
		const here = await visitor("vic@example.org");
		const there = await visitor("vic@example.org");
		await here.go("/account");
		await here.until(async () => await here.count("tbody tr") === 2, "two sessions");
		await here.sees("this one");
		await here.tab.getByRole("button", { name: "End" }).click();
		await here.until(async () => await here.count("tbody tr") === 1, "one is left");
		assert.equal(await there.tab.evaluate(async () => (await fetch("/api/v1/auth/me")).status), 401);
		for (const colorScheme of ["light", "dark"]) {
			const phone = await visitor("vic@example.org", { viewport: { width: 360, height: 740 }, colorScheme });
			await phone.go("/account");
			await phone.sees("this one");
			await phone.shot(`account-phone-${colorScheme}`);
			assert.equal(await phone.tab.evaluate(() => document.documentElement.scrollWidth), 360);
			await phone.close();
		}
		await here.close();
		await there.close();
	});

	await test("an issuer is connected to an account that one has, and taken off", async () => {
		await ask("account", "lin@example.org", "developer");
		const lin = await visitor("lin@example.org", { colorScheme: "light" });
		await lin.go("/account");
		await lin.sees("Nobody yet.");
		await ask("vouch", { sub: "lin-1", email: "lin@elsewhere.example", email_verified: true });
		await lin.tab.getByRole("button", { name: "Connect The lab" }).click();
		await lin.sees("lin@elsewhere.example");
		assert.equal(await lin.path(), "/account");
		await lin.shot("account-issuer");

		const again = await visitor();
		await again.go("/sign-in?next=/account");
		await again.tab.getByRole("button", { name: "Continue with The lab" }).click();
		await again.sees("lin@elsewhere.example");
		assert.equal(await again.tab.evaluate(async () => (await (await fetch("/api/v1/auth/me")).json()).email), "lin@example.org");
		await again.close();

		await ask("session_age");
		await lin.tab.getByRole("button", { name: "Remove" }).click();
		await lin.sees("You signed in a while ago.");
		await lin.tab.locator(".account-part").last().locator("[name=password]").fill("wrong");
		await lin.tab.locator(".account-part").last().getByRole("button", { name: "Remove" }).last().click();
		await lin.sees("The current password is wrong.", ".form-problem");
		await lin.shot("account-issuer-asked");
		await lin.tab.locator(".account-part").last().locator("[name=password]").fill(password);
		await lin.tab.locator(".account-part").last().getByRole("button", { name: "Remove" }).last().click();
		await lin.sees("Nobody yet.");

		await lin.tab.getByRole("button", { name: "Connect The lab" }).click();
		await lin.sees("You signed in a while ago.");
		await lin.tab.getByRole("button", { name: "Leave it" }).click();
		await lin.until(async () => await lin.tab.getByRole("button", { name: "Leave it" }).count() === 0, "it is left");
		await lin.go("/sign-in/lab?code=x&state=link.x");
		await lin.sees("was not begun here", ".form-problem");
		await lin.tab.getByRole("button", { name: "Begin again" }).click();
		await lin.sees("Who vouches for you");
		await lin.close();
		for (const colorScheme of ["light", "dark"]) {
			const phone = await visitor("lin@example.org", { viewport: { width: 360, height: 740 }, colorScheme });
			await phone.go("/account");
			await phone.sees("Who vouches for you");
			if (colorScheme === "light")
				await phone.tab.getByRole("button", { name: "Connect The lab" }).click();
			await phone.sees("lin@elsewhere.example");
			await phone.tab.locator(".account-part").last().scrollIntoViewIfNeeded();
			await phone.shot(`account-issuer-phone-${colorScheme}`);
			assert.equal(await phone.tab.evaluate(() => document.documentElement.scrollWidth), 360);
			await phone.close();
		}
	});

	await test("the picture for a telephone is read in the dark and on a small screen, too", async () => {
		await ask("account", "quinn@example.org", "developer");
		for (const [name, options] of [["dark", { colorScheme: "dark" }],
				["phone", { colorScheme: "dark", viewport: { width: 360, height: 740 } }]]) {
			const quinn = await visitor("quinn@example.org", options);
			await quinn.go("/account");
			await quinn.tab.locator("[name=password]").fill(password);
			await quinn.tab.getByRole("button", { name: "Set it up" }).click();
			await quinn.sees("Show this to the camera");
			assert.equal(await quinn.tab.locator("[name=code]").inputValue(), "", "the password is not left in it");
			await quinn.shot(`account-qr-${name}`);
			const read = camera(await quinn.tab.screenshot());
			if (read !== null)
				assert.match(read, /^otpauth:\/\/totp\/Muster:quinn%40example\.org\?secret=[A-Z2-7]{32}&/);
			assert.equal(await quinn.tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
			await quinn.close();
		}
	});
}
