/* SPDX-License-Identifier: MIT */
/* The pictures themselves; started by take, which has the server ready. */
import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../../t/dash/package.json", import.meta.url))("playwright-core");
const [folder] = process.argv.slice(2);
const { MUSTER_PASSWORD, MUSTER_URL } = process.env;
const PICTURES = [
	{ name: "overview", path: "/" },
	{ name: "repositories", path: "/repos?sort=status", colorScheme: "dark" },
	{ name: "changes", path: "/audit/libpacket?action=diff&diff=split" },
	{ name: "phone", path: "/repos?sort=status", viewport: { width: 390, height: 820 }, colorScheme: "dark" },
];
const WIDE = { width: 1280, height: 820 };
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--headless", "--no-sandbox",
	"--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
	"--disable-component-update", "--disable-sync"] });

for (const { name, path, viewport = WIDE, colorScheme = "light" } of PICTURES) {
	const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
	const tab = await context.newPage();
	await tab.goto(`${MUSTER_URL}/sign-in?next=${encodeURIComponent(path)}`);
	await tab.locator("[name=email]").fill("ada@example.org");
	await tab.locator("[name=password]").fill(MUSTER_PASSWORD);
	await tab.locator("[type=submit]").click();
	await tab.locator(".view:not(.view-sign_in)[aria-busy=false] h1").waitFor();
	await tab.locator(".connection.live").waitFor();
	await tab.mouse.move(0, 0);
	await tab.evaluate(() => document.activeElement.blur());
	await tab.screenshot({ path: `${folder}/${name}.png` });
	await context.close();
}
await browser.close();
