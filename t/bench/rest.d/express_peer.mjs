// SPDX-License-Identifier: MIT
/*
 * A peer of t/bench/rest: what one writes with Express and pg for the same routes. A pool, named
 * (so prepared) statements, one transaction a request: who asks, then the function, whose JSON is
 * the body as it comes.
 *
 * usage: node express_peer.mjs SOCKET WORKERS		BENCH names a JSON file, as for fastapi_peer.py
 */
import cluster from "node:cluster";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import express from "express";
import pg from "pg";

const bench = JSON.parse(readFileSync(process.env.BENCH));
const [socket, workers] = process.argv.slice(2);

if (cluster.isPrimary) {
	for (let i = 0; i < Number(workers); i++)
		cluster.fork();
	process.on("SIGTERM", () => process.exit(0));
} else {
	serve();
}

function serve() {
	const pool = new pg.Pool({ host: bench.host, database: bench.database, user: bench.user, max: bench.pool,
		min: bench.pool });
	const app = express();
	app.disable("x-powered-by");

	const token = (request) => /(?:^|; )muster_session=([^;]*)/.exec(request.headers.cookie ?? "")?.[1];
	const count = (value) => Number.isInteger(value) && value >= 0 && value <= 1000000;

	async function answer(request, response, role, csrf, scope, name, values, status = 200) {
		const who = token(request);
		if (!who)
			return response.status(401).type("application/problem+json").send('{"status":401}');
		const db = await pool.connect();
		try {
			await db.query("begin");
			const entered = await db.query({ name: "enter", text: bench.enter, values: ["session",
				createHash("sha256").update(who).digest(), null, role, csrf, scope,
				request.socket.remoteAddress ?? null] });
			const result = await db.query({ name, text: bench[name], values, rowMode: "array" });
			await db.query("commit");
			response.status(status).set("Stream-Position", entered.rows[0].stream_position)
				.type("application/json").send(result.rows[0][0]);
		} catch (error) {
			await db.query("rollback").catch(() => {});
			const code = error.code?.startsWith("MU") ? Number(error.code.slice(2)) : 500;
			response.status(code).type("application/problem+json").send(JSON.stringify({ status: code }));
		} finally {
			db.release();
		}
	}

	app.get("/api/v1/repos/:repo", (request, response) =>
		answer(request, response, "viewer", null, "read", "one", [request.params.repo]));
	app.get("/api/v1/repos", (request, response) => {
		const limit = Number(request.query.limit ?? 50);
		if (!Number.isInteger(limit) || limit < 1 || limit > 200)
			return response.status(400).send('{"status":400}');
		return answer(request, response, "viewer", null, "read", "list", [limit]);
	});
	app.post("/api/v1/test-runs", express.json({ limit: "32kb" }), (request, response) => {
		const { total, passed, failed, suite = null } = request.body ?? {};
		if (![total, passed, failed].every(count) || (suite !== null && typeof suite !== "string"))
			return response.status(400).send('{"status":400}');
		return answer(request, response, "developer", Buffer.from(request.get("X-CSRF-Token") ?? "", "hex"), "write",
			"write", [total, passed, failed, suite], 201);
	});
	app.listen(socket);
}
