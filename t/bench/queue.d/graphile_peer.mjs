// SPDX-License-Identifier: MIT
/*
 * A peer of t/bench/queue: graphile-worker with a task that does nothing but, when it is told to,
 * say when it was entered. Of its options those that its documentation names for speed, or none.
 *
 * usage: node graphile_peer.mjs CONCURRENCY plain|batch STAMPS
 *
 * BENCH names a JSON file with "host", "database", "user". STAMPS: where lines "NUMBER SECONDS" go.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { run } from "graphile-worker";
import pg from "pg";

const bench = JSON.parse(readFileSync(process.env.BENCH));
const [concurrency, way, stamps] = process.argv.slice(2);
const jobs = Number(concurrency);
const pgPool = new pg.Pool({ host: bench.host, database: bench.database, user: bench.user, max: jobs + 4 });

const runner = await run({
	pgPool,
	preset: {
		worker: {
			concurrentJobs: jobs,
			...(way === "batch" && { localQueue: { size: 64 }, completeJobBatchDelay: 1, failJobBatchDelay: 1 }),
		},
	},
	noHandleSignals: true,
	taskList: {
		nothing: async (payload) => {
			if (payload.stamp !== undefined)
				appendFileSync(stamps, `${payload.stamp} ${(performance.timeOrigin + performance.now()) / 1000}\n`);
		},
	},
});
process.on("SIGTERM", () => runner.stop().then(() => process.exit(0)));
console.log("ready");
