#!/usr/bin/env node
/* SPDX-License-Identifier: MIT */
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { tests, top } = require("./lib/tap.js");

/* relative luminance and contrast: WCAG 2.2, 1.4.3 */
function luminance(hex) {
	const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
		.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
	const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
	return (light + 0.05) / (dark + 0.05);
}

tests(async (test, assert) => {
	const css = fs.readFileSync(path.join(top, "htdocs/css/theme.css"), "utf8");
	const colour = Object.fromEntries([...css.matchAll(/--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g)]
		.map(([, name, light, dark]) => [name, [light, dark]]));
	const check = (text, backs, least) => {
		for (const back of backs) {
			for (const i of [0, 1]) {
				const ratio = contrast(colour[text][i], colour[back][i]);
				assert.ok(ratio >= least, `${text} on ${back}, ${i ? "dark" : "light"}: ${ratio.toFixed(2)}`);
			}
		}
	};

	await test("every colour has a light and a dark value", () => {
		assert.ok(Object.keys(colour).length >= 25);
		assert.equal((css.match(/--[a-z0-9-]+: light-dark\(/g) || []).length, Object.keys(colour).length);
		assert.equal(css.replace(/light-dark\([^)]*\)/g, "").match(/#[0-9a-f]{3,8}\b/g), null);
	});
	await test("text has a contrast of 4.5 on every surface, light and dark", () => {
		for (const text of ["ink", "ink-2", "ink-3", "accent", "clean", "dirty", "missing", "extra", "mismatched", "error", "plain"])
			check(text, ["ground", "surface", "sunken"], 4.5);
	});
	await test("text on the accent and on changed lines has it too", () => {
		check("accent-ink", ["accent"], 4.5);
		for (const back of ["accent-soft", "add", "delete", "add-strong", "delete-strong"])
			check("ink", [back], 4.5);
		check("ink-3", ["add", "delete"], 4.5);
	});
	await test("areas that carry a state stand out from the surface by 1.9", () => {
		for (const name of ["clean", "dirty", "missing", "extra", "mismatched", "error", "plain"])
			check(`${name}-fill`, ["surface"], 1.9);
	});
	await test("every colour that a style uses is in the theme", () => {
		for (const file of ["base", "part", "view", "repo"]) {
			const text = fs.readFileSync(path.join(top, `htdocs/css/${file}.css`), "utf8");
			for (const [, name] of text.matchAll(/var\(--([a-z0-9-]+)\)/g))
				assert.ok(css.includes(`--${name}:`), `${file}.css: --${name}`);
			assert.equal(text.match(/#[0-9a-fA-F]{3,8}\b(?![^{]*\{)/), null, `${file}.css has a colour of its own`);
		}
	});
});
