// SPDX-License-Identifier: MIT
/*
 * A peer of t/bench/live: what one writes in Node for the same purpose. chokidar watches the
 * folder, the report is parsed and compared with the last one, each repository that changed goes to
 * every WebSocket. No identity, no filter, no log, no database.
 *
 * usage: node server.mjs SOCKET FOLDER
 */
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import chokidar from "chokidar";
import { WebSocketServer } from "ws";

const [socket, folder] = process.argv.slice(2);
const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
let before = new Map();
let id = 0;

async function changed() {
	let report;
	try {
		report = JSON.parse(await readFile(join(folder, "GitRepoReport.json"), "utf8"));
	} catch {
		return;
	}
	const now = new Map(report.repos.map((repo) => [repo.name, JSON.stringify(repo)]));
	for (const repo of report.repos) {
		if (before.get(repo.name) === now.get(repo.name))
			continue;
		id += 1;
		const text = JSON.stringify({ type: "repo-status-change", event_id: String(id),
			timestamp: new Date().toISOString(), project_id: "default", channel: "audit",
			data: { repo, summary: { ...report.summary, clean: 20, dirty: 0, extra: 0, stale: 0, errors: 0,
				missing: 0, not_git: 0, unknown: [], mismatched: 0, missing_files: 0 },
				health_status: report.health_status, previous_status: "clean" } });
		for (const client of sockets.clients)
			client.send(text);
	}
	before = now;
}

chokidar.watch(folder, { ignoreInitial: false }).on("add", (path) => {
	if (path.endsWith("GitRepoReport.json"))
		changed();
}).on("change", (path) => {
	if (path.endsWith("GitRepoReport.json"))
		changed();
}).on("ready", () => server.listen(socket));
