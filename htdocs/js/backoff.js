/* SPDX-License-Identifier: MIT */
/*
 * How long to wait before the n-th attempt (from 0) to connect again: 1 s · 2ⁿ, and up to half as
 * much again by chance, so that the clients of a restarted server do not come back all at once.
 * Never more than 30 s, never more than 1.5 s the first time.
 */
const FIRST_MS = 1000;
const LIMIT_MS = 30000;
const CHANCE = 0.5;

export function backoff_delay(attempt, random = Math.random) {
	const step = Math.min(FIRST_MS * 2 ** Math.min(attempt, 16), LIMIT_MS / (1 + CHANCE));
	return Math.round(step * (1 + random() * CHANCE));
}
