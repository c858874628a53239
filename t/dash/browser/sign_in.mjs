/* SPDX-License-Identifier: MIT */
import { ask, dirty, password, repos, url, visitor } from "./browser.mjs";

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

	await test("who asked for it shows a code beside the password", async () => {
		await ask("account", "tess@example.org", "viewer");
		const tess = await visitor("tess@example.org");
		const send = (path, body) => tess.tab.evaluate(async ([to, what]) => {
			const me = await (await fetch("/api/v1/auth/me")).json();
			const answer = await fetch(`/api/v1/auth/${to}`, { method: "POST", body: JSON.stringify(what),
				headers: { "Content-Type": "application/json", "X-CSRF-Token": me.csrf_token } });
			return answer.json();
		}, [path, body]);
		const { secret } = await send("totp", { password });
		const { recovery_codes } = await send("totp/confirm", { code: await ask("code", secret) });

		await tess.context.clearCookies();
		await tess.go("/sign-in");
		assert.equal(await tess.count("[name=code]"), 0);
		await tess.sign_in("tess@example.org");
		await tess.sees("Code of your app, or one on paper");
		assert.equal(await tess.count(".form-problem"), 0);
		await tess.until(() => tess.tab.evaluate(() => document.activeElement.name === "code"), "the code's field");
		await tess.tab.keyboard.type("000000x");
		await tess.tab.keyboard.press("Enter");
		await tess.sees("The code is wrong", ".form-problem");
		await tess.tab.keyboard.type(recovery_codes[0]);
		await tess.tab.keyboard.press("Enter");
		await tess.sees("Repositories", ".figures");

		/* nor is a letter a way around it */
		await tess.context.clearCookies();
		await tess.go("/forgot");
		await tess.tab.locator("[name=email]").fill("tess@example.org");
		await tess.tab.locator("[type=submit]").click();
		await tess.go(await ask("letter"));
		await tess.tab.locator("[name=password]").fill(`${password} anew`);
		await tess.tab.locator("[type=submit]").click();
		await tess.sees("Code of your app, or one on paper");
		await tess.tab.locator("[name=code]").fill(recovery_codes[1]);
		await tess.tab.locator("[type=submit]").click();
		await tess.sees("Repositories", ".figures");
		assert.deepEqual(tess.trouble, []);
		await tess.close();
	});

	await test("whom an issuer vouches for comes in without a password, and back to where they wanted to be", async () => {
		const ann = await visitor();
		await ask("vouch", { sub: "1", email: "ann@example.org", email_verified: true });
		await ann.go("/repos?status=dirty");
		await ann.tab.getByRole("button", { name: "Continue with The lab" }).click();
		await ann.until(async () => (await ann.names()).length === 2, "the two dirty ones");
		assert.equal(await ann.path(), "/repos?status=dirty");
		assert.deepEqual(ann.trouble, []);
		await ann.close();
	});

	await test("whom an issuer vouches for in vain is told why, and can begin again", async () => {
		const eve = await visitor();
		await ask("vouch", { sub: "2", email: "eve@example.org", email_verified: true });
		await eve.go("/sign-in");
		await eve.tab.getByRole("button", { name: "Continue with The lab" }).click();
		await eve.sees("There is no account for you here", ".form-problem");
		await eve.tab.getByRole("button", { name: "Begin again" }).click();
		await eve.sees("Forgot the password?");
		await eve.go("/sign-in/lab?error=access_denied&error_description=Call+this+number");
		await eve.sees("You did not let it.", ".form-problem");
		assert.equal((await eve.text("#main")).includes("number"), false);
		await eve.go("/sign-in/lab?code=x&state=x");
		await eve.sees("was not begun here", ".form-problem");
		await eve.close();
	});

	await test("who comes by invitation may come by an issuer, too", async () => {
		await ask("organization", "guests");
		await ask("account", "host@example.org", "org_admin", "guests");
		const host = await visitor("host@example.org");
		const link = await host.tab.evaluate(async () => {
			const me = await (await fetch("/api/v1/auth/me")).json();
			const answer = await fetch("/api/v1/invitations", { method: "POST",
				body: JSON.stringify({ email: "guest@example.org", role: "viewer" }),
				headers: { "Content-Type": "application/json", "X-CSRF-Token": me.csrf_token } });
			return (await answer.json()).link;
		});
		await host.close();
		await ask("vouch", { sub: "3", name: "Gus" });
		const guest = await visitor();
		await guest.tab.goto(link);
		await guest.tab.getByRole("button", { name: "Continue with The lab" }).click();
		await guest.until(async () => await guest.path() === "/", "the overview");
		assert.equal(await guest.tab.evaluate(async () => (await (await fetch("/api/v1/auth/me")).json()).email),
			"guest@example.org");
		await guest.close();
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

	/* By the page's own session, as a script on it would. */
	const send = (who, path, body) => who.tab.evaluate(async ([to, what]) => {
		const me = await (await fetch("/api/v1/auth/me")).json();
		const answer = await fetch(to, { method: "POST", body: JSON.stringify(what),
			headers: { "Content-Type": "application/json", "X-CSRF-Token": me.csrf_token } });
		return { status: answer.status, body: await answer.json() };
	}, [path, body]);

	await test("a forgotten password is replaced by a letter's link, which works once", async () => {
		const old = await visitor("vic@example.org");
		const vic = await visitor();
		await vic.go("/sign-in");
		await vic.tab.getByRole("link", { name: "Forgot the password?" }).click();
		await vic.tab.locator("[name=email]").fill("vic@example.org");
		await vic.tab.locator("[type=submit]").click();
		await vic.sees("Look into your mail");
		await vic.shot("forgot");
		const link = await ask("letter");
		assert.match(link, /^\/reset#/);
		await vic.go(link);
		await vic.tab.locator("[name=password]").fill("short");
		await vic.tab.locator("[type=submit]").click();
		await vic.sees("request ", ".form-problem");
		await vic.shot("reset");
		await vic.tab.locator("[name=password]").fill(`${password} and more`);
		await vic.tab.locator("[type=submit]").click();
		await vic.sees("Repositories", ".figures");
		assert.equal(vic.tab.url(), `${url}/`);
		await old.go("/");
		await old.sees("Do your repositories pass muster?");
		await old.go(link);
		await old.tab.locator("[name=password]").fill(password);
		await old.tab.locator("[type=submit]").click();
		await old.sees("request ", ".form-problem");
		assert.deepEqual([...vic.trouble, ...old.trouble], []);
		await vic.close();
		await old.close();
	});

	await test("whoever is invited makes an account, or joins with the one they have", async () => {
		const ann = await visitor("ann@example.org");
		const invite = async (email) => {
			const { status } = await send(ann, "/api/v1/invitations", { email, role: "developer" });
			assert.equal(status, 201);
			return ask("letter");
		};
		const link = await invite("neu@example.org");
		const neu = await visitor();
		await neu.go(link);
		await neu.sees("Join", "h1");
		await neu.sees("You are invited as developer.");
		assert.equal(await neu.tab.locator("[name=email]").inputValue(), "neu@example.org");
		await neu.shot("invitation");
		await neu.tab.locator("[name=name]").fill("Neu");
		await neu.tab.locator("[name=password]").fill(password);
		await neu.tab.locator("[type=submit]").click();
		await neu.sees("Repositories", ".figures");
		await neu.go(link);
		await neu.sees("used up or has expired", ".problem");

		/* one of another organization, signed out: signing in leads back to the invitation */
		await ask("organization", "far");
		await ask("account", "far@example.org", "developer", "far");
		const far = await visitor();
		await far.go(await invite("far@example.org"));
		await far.sees("has an account here");
		await far.tab.locator("[type=submit]").click();
		await far.sees("Do your repositories pass muster?");
		await far.sign_in("far@example.org");
		await far.sees("You are signed in as far@example.org.");
		await far.shot("join");
		await far.tab.locator("[type=submit]").click();
		await far.sees("12 Repositories", ".figures");
		assert.deepEqual([...ann.trouble, ...neu.trouble, ...far.trouble], []);
		for (const who of [ann, neu, far])
			await who.close();
	});

	await test("an account of one's own is made where the server allows it, and refused with a sentence where not", async () => {
		const eve = await visitor();
		await eve.go("/sign-in");
		await eve.sees("Forgot the password?");
		assert.equal(await eve.count("a[href='/register']"), 0);
		await eve.go("/register");
		await eve.tab.locator("[name=name]").fill("Eve");
		await eve.tab.locator("[name=email]").fill("eve@example.org");
		await eve.tab.locator("[name=password]").fill(password);
		await eve.tab.locator("[type=submit]").click();
		await eve.sees("Ask for an invitation", ".form-problem");
		assert.equal(await eve.tab.locator("[name=email]").inputValue(), "eve@example.org");
		await eve.shot("register");
		await ask("sql", "insert into muster.setting (organization_id, key, value) values (null, 'auth.register', '\"open\"') returning 1");
		await eve.go("/sign-in");
		await eve.shot("sign-in");
		await eve.tab.getByRole("link", { name: "Make an account" }).click();
		await eve.tab.locator("[name=email]").fill("eve@example.org");
		await eve.tab.locator("[name=password]").fill(password);
		await eve.tab.locator("[type=submit]").click();
		await eve.until(async () => (await eve.path()) === "/", "the overview");
		assert.deepEqual(eve.trouble, []);
		await eve.close();
	});
}
