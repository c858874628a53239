/* SPDX-License-Identifier: MIT */
/* One repository: its state, what to do about it, its checks, branches, history and changes. */
import { api_get } from "../api.js";
import { command_list } from "../command.js";
import { h, patch } from "../dom.js";
import { repo_merge } from "../event.js";
import { NONE, bytes_format, count_format, number_format, percent_format, score_format } from "../format.js";
import { page } from "../page.js";
import { ago, badge, score } from "../parts/badge.js";
import { score_line } from "../parts/chart.js";
import { credential_may, credential_of } from "../parts/credential.js";
import { diff_part } from "../parts/diff.js";
import { run_words } from "../parts/job.js";
import { empty, problem_part, skeleton } from "../parts/notice.js";
import { run_button } from "../parts/run.js";
import { shape } from "../parts/shape.js";
import { strip } from "../parts/strip.js";
import { pref_get, pref_set } from "../pref.js";
import { SEVERITY, check_get, run_get, status_get } from "../state.js";
import { repo_url, url_format } from "../url.js";

const STATES = 8;
const RUNS = 6;
const FOUND = 5;
const WHERE = new Map([[true, "In HEAD"], [false, "Earlier"]]);
/* terms of the health score that nothing has looked at yet, as people call them */
const UNKNOWN = { critical: "critical vulnerabilities", high: "high vulnerabilities", secrets: "secrets in the history" };

export function title(data, params) {
	const name = data?.repo.name ?? params.repo;
	return params.action === "diff" ? `Changes of ${name}` : name;
}

export function is_same(before, after) {
	return before.repo === after.repo;
}

async function diff_load(params, signal) {
	if (params.action !== "diff")
		return null;
	try {
		return (await api_get(`/audit/diff/${encodeURIComponent(params.repo)}`, {}, signal)).body;
	} catch (problem) {
		if (problem.name !== "Problem" || problem.status === 401)
			throw problem;
		return { problem };
	}
}

/* The last ones; without them it is still the repository. */
async function runs_load(params, signal) {
	try {
		return (await api_get("/api/v1/runs", { repository_id: params.repo, limit: RUNS }, signal)).body.items;
	} catch (problem) {
		if (problem.name !== "Problem" || problem.status === 401)
			throw problem;
		return null;
	}
}

/* The worst of what scans found and nobody decided about; one more says that there are more. */
async function found_load(params, signal) {
	try {
		return (await api_get("/api/v1/findings", { repo: params.repo, state: "open", limit: FOUND + 1 }, signal)).body.items;
	} catch (problem) {
		if (problem.name !== "Problem" || problem.status === 401)
			throw problem;
		return null;
	}
}

/* Where it is fetched from, and since when it is as it is there; the view is whole without. */
async function fetch_load(params, signal) {
	try {
		return (await api_get(`/api/v1/repos/${encodeURIComponent(params.repo)}/fetch`, {}, signal)).body;
	} catch (problem) {
		if (problem.name !== "Problem" || problem.status === 401)
			throw problem;
		return null;
	}
}

export async function load(params, signal) {
	const [{ body, position }, diff, runs, fetched, found] = await Promise.all([
		api_get(`/api/v1/repos/${encodeURIComponent(params.repo)}`, {}, signal), diff_load(params, signal),
		runs_load(params, signal), fetch_load(params, signal), found_load(params, signal)]);

	return { data: { repo: body, diff, runs, fetched, found }, position };
}

export function merge(data, event) {
	if (event.type === "repo-status-change")
		return event.data?.repo?.id === data.repo.id
			? { ...data, repo: repo_merge(data.repo, event.data.repo) } : data;
	if (event.type === "status_change")
		return event.data?.repository_id === data.repo.id ? null : data;
	return event.type === "audit-update" ? null : data;
}

export function is_followed(event, data) {
	return event.type === "repo-status-change" && event.data?.repo?.id === data.repo.id;
}

/* Neighbouring audits with one status as one row, newest first. */
export function history_states(history) {
	const states = [];

	for (const audit of history ?? []) {
		const last = states.at(-1);
		if (last?.status === audit.status) {
			last.count += 1;
			last.until = audit.timestamp;
		} else {
			states.push({ status: audit.status, since: audit.timestamp, until: audit.timestamp, count: 1 });
		}
	}
	return states.reverse();
}

function copy(text) {
	navigator.clipboard.writeText(text).then(() => page.toast("Copied", { tone: "clean" }),
		() => page.toast("The browser does not allow to copy", { tone: "error" }));
}

function command({ text, command: words, action }, params) {
	return h("li", { key: action, class: params.action === action ? "wanted" : null },
		h("span", null, text),
		h("span", { class: "command" }, h("code", null, words),
			navigator.clipboard && h("button", { type: "button", class: "icon", title: "Copy",
				"aria-label": `Copy: ${words}`, onclick: () => copy(words) }, shape("copy"))));
}

/* Advice that a check below does not give already. */
function advice(report) {
	const checks = new Set((report.checks ?? []).map((check) => check.id));
	return (report.recommendations ?? []).filter((row) => !checks.has(row.action));
}

function todo({ repo, found }, params) {
	const report = repo.report ?? {};
	const leaked = (found ?? []).filter((row) => row.kind === "secret");
	const commands = command_list({ ...repo, expected_url: report.expected_url, clone_url: report.clone_url });
	const rows = advice(report);
	const open = (report.checks ?? []).filter((check) => check.status === "fail" || check.status === "warn").length;
	const rest = commands.length === 0 && rows.length === 0 && !report.error && leaked.length === 0;

	return h("section", { class: "card", id: "todo" }, h("h2", null, "What to do"),
		report.error && h("p", { class: "said" }, shape(report.is_unsupported ? "unknown" : "error"), h("span", null, report.error)),
		repo.status === "mismatched" && report.expected_url && h("dl", { class: "pairs left" },
			h("dt", null, "Remote is"), h("dd", { class: "code" }, report.remote_url ?? repo.remote ?? NONE),
			h("dt", null, "Expected"), h("dd", { class: "code" }, report.expected_url)),
		commands.length > 0 && h("ul", { class: "commands" }, commands.map((row) => command(row, params))),
		leaked.length > 0 && h("ul", { class: "rows" }, h("li", { key: "leaked", class: "advice" },
			h("span", { class: `level ${leaked[0].severity}` }, leaked[0].severity),
			h("span", null, "Revoke what was leaked into its history, where it is valid; to remove it from the files is not enough."))),
		rows.length > 0 && h("ul", { class: "rows" }, rows.map((row) => h("li", { key: row.action, class: "advice" },
			h("span", { class: `level ${row.priority}` }, row.priority), h("span", null, row.description)))),
		rest && h("p", { class: "calm" }, shape("clean"), open
			? `Nothing urgent. ${count_format(open, "check asks", "checks ask")} for a look.` : "Nothing to do."));
}

function found_row(row) {
	return h("li", { key: String(row.id), class: "check" },
		badge(check_get("fail"), { word: WHERE.get(row.in_head) ?? "Found", title: null }),
		h("span", { class: "check-what" }, h("span", null, row.title),
			h("span", { class: "code quiet", title: row.path }, row.line ? `${row.path}:${row.line}` : row.path)),
		h("span", { class: `level ${row.severity}` }, row.severity));
}

function findings({ found }) {
	if (!found?.length)
		return null;
	return h("section", { class: "card", key: "found", "aria-labelledby": "found-head" }, h("div", { class: "card-head" },
		h("h2", { id: "found-head" }, "Found by scans"),
		h("p", { class: "quiet" }, found.length > FOUND ? `the worst ${number_format(FOUND)}` : count_format(found.length, "finding"))),
	h("ul", { class: "rows" }, found.slice(0, FOUND).map(found_row)));
}

function check_row(check) {
	return h("li", { key: check.id, class: "check" }, badge(check_get(check.status), { title: null }),
		h("span", { class: "check-what" }, h("span", null, check.message), h("span", { class: "code quiet" }, check.id)),
		h("span", { class: `level ${check.severity}` }, check.severity));
}

function checks(report) {
	const all = [...(report.checks ?? [])].sort((a, b) => check_get(a.status).rank - check_get(b.status).rank
		|| SEVERITY.indexOf(a.severity) - SEVERITY.indexOf(b.severity));
	const passed = all.filter((check) => check.status === "pass");
	const open = all.filter((check) => check.status !== "pass");

	return h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", null, "Checks"),
			h("p", { class: "quiet" }, all.length ? `${number_format(passed.length)} of ${number_format(all.length)} pass` : "")),
		all.length === 0 && h("p", { class: "calm quiet" }, "No check could look at this repository."),
		open.length > 0 && h("ul", { class: "rows" }, open.map(check_row)),
		passed.length > 0 && h("details", { class: "passed" },
			h("summary", null, shape("clean"), count_format(passed.length, "check passes", "checks pass")),
			h("ul", { class: "rows" }, passed.map(check_row))));
}

function tracking(branch) {
	const parts = [];

	if (branch.ahead > 0)
		parts.push(h("span", { title: "to push" }, shape("up"), number_format(branch.ahead)));
	if (branch.behind > 0)
		parts.push(h("span", { title: "to pull" }, shape("down"), number_format(branch.behind)));
	if (parts.length)
		return h("span", { class: "tracking" }, parts);
	if (branch.upstream_gone)
		return h("span", { class: "tone-dirty" }, "upstream is gone");
	if (branch.is_pushed === false)
		return h("span", { class: "tone-dirty" }, "never pushed");
	return h("span", { class: "quiet" }, branch.ahead === 0 && branch.behind === 0 ? "level" : NONE);
}

function branches(report) {
	const rows = report.branches ?? [];
	const total = report.branches_total ?? rows.length;

	if (!rows.length)
		return null;
	return h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", null, "Branches"),
			h("p", { class: "quiet" }, total > rows.length ? `${number_format(rows.length)} of ${number_format(total)}`
				: number_format(total))),
		h("ul", { class: "rows" }, rows.map((branch) => h("li", { key: branch.name, class: "branch" },
			h("span", { class: "branch-name" }, shape("branch"), h("span", { class: "code cut", title: branch.name }, branch.name),
				branch.is_head && h("span", { class: "tag" }, "current"),
				branch.is_stale && h("span", { class: "tag" }, "stale")),
			h("span", { class: "code quiet cut", title: branch.upstream }, branch.upstream ?? "no upstream"),
			tracking(branch), ago(branch.last_commit_at, { none: NONE })))));
}

function tree_list(name, rows, draw_row) {
	return rows?.length ? h("section", { class: "card" }, h("h2", null, name),
		h("ul", { class: "rows" }, rows.map((row, i) => h("li", { key: row.path ?? row.name ?? String(i) }, draw_row(row))))) : null;
}

const SUBMODULE = {
	clean: check_get("pass"),
	drifted: { ...check_get("warn"), word: "Another commit" },
	modified: { ...check_get("warn"), word: "Changed" },
	uninitialised: { ...check_get("unknown"), word: "Not checked out" },
};

function worktree(row) {
	const { staged, unstaged, untracked } = row.counts ?? {};
	const changed = (staged ?? 0) + (unstaged ?? 0) + (untracked ?? 0);
	const words = [row.branch ?? "detached", row.is_locked && "locked", row.is_missing && "its folder is missing",
		       row.is_outside && "not looked at", changed > 0 && count_format(changed, "change")];

	return [h("span", { class: "code cut", title: row.path }, row.path ?? row.name),
		h("span", { class: row.is_missing || changed ? "tone-dirty" : "quiet" }, words.filter(Boolean).join(", "))];
}

function file(row) {
	return [h("span", { class: "code cut", title: row.path }, row.path),
		h("span", { class: "quiet" }, [bytes_format(row.size_bytes), row.author && `by ${row.author}`,
			row.added_by && `in ${row.added_by.slice(0, 7)}`].filter(Boolean).join(", "))];
}

function trees(report) {
	return [
		tree_list("Tracked files that should not be", report.tracked_secrets, file),
		tree_list("Large files", report.large_blobs, file),
		tree_list("Worktrees", report.worktrees, worktree),
		tree_list("Submodules", report.submodules, (row) => [h("span", { class: "code cut", title: row.url }, row.path ?? row.name),
			badge(SUBMODULE[row.state] ?? check_get("unknown"), { word: row.state === "clean" ? "In step" : undefined, title: null })]),
	];
}

function word_of(text) {
	return String(text ?? NONE).replaceAll("_", " ");
}

function fact(name, value) {
	return value === null || value === undefined ? null : [h("dt", { key: `t${name}` }, name), h("dd", { key: name }, value)];
}

function known(value, format = number_format) {
	return Number.isFinite(value) ? format(value) : h("span", { class: "quiet" }, "unknown");
}

function facts(repo) {
	const report = repo.report ?? {};
	const place = fact("Watched as", [repo.host, repo.root].filter(Boolean).join(", ") || null);

	/* nothing was read: fifteen times "unknown" would say no more */
	if (["missing", "not_git", "error"].includes(repo.status) && !report.head && !repo.last_commit_at)
		return h("section", { class: "card" }, h("h2", null, "Facts"), h("p", { class: "quiet calm" },
			repo.status === "missing" ? "It is not here, so nothing is known of it." : "Nothing is known of what is inside."),
			h("dl", { class: "pairs" }, place));
	return h("section", { class: "card" }, h("h2", null, "Facts"), h("dl", { class: "pairs" },
		fact("Last commit", repo.last_commit_at ? ago(repo.last_commit_at) : h("span", { class: "quiet" }, "unknown")),
		fact("", report.lastCommitSubject && h("span", { class: "quiet" }, report.lastCommitSubject)),
		fact("Commit", report.lastCommitSha && h("span", { class: "code" }, report.lastCommitSha.slice(0, 10))),
		fact("Head", report.is_bare ? "bare repository"
			: report.head && report.head !== "branch" ? h("b", { class: "tone-dirty" }, report.head) : repo.branch),
		fact("In progress", report.operation ? h("b", { class: "tone-dirty" }, report.operation) : null),
		fact("To push / to pull", [known(repo.ahead), " / ", known(repo.behind)]),
		fact("Staged / changed / new", [known(repo.changes?.staged), " / ", known(repo.changes?.unstaged), " / ",
			known(repo.changes?.untracked)]),
		report.counts?.unverified > 0 && fact("Not verified", [known(report.counts.unverified), " (a filter is needed)"]),
		report.counts?.unmerged > 0 && fact("In conflict", h("b", { class: "tone-error" }, number_format(report.counts.unmerged))),
		fact("Stashes", known(repo.stashes)),
		fact("Fetched", known(report.fetch_age_days, (days) => (days < 1 ? "today" : `${count_format(Math.floor(days), "day")} ago`))),
		fact("Commits in 24 h / 30 d", [known(report.commits_24h), " / ", known(report.commits_30d)]),
		fact("Commits, contributors", [known(report.commits), ", ", known(report.contributors)]),
		fact("Signed commits", known(report.signed_share, percent_format)),
		fact("Stale tags", known(report.staleTags)),
		fact("Files", known(report.files)),
		fact("Objects on disk", known(report.disk, bytes_format)),
		place),
		report.health_unknown?.length > 0 && h("p", { class: "note" },
			`The score does not count what is unknown: ${report.health_unknown.map((term) => UNKNOWN[term] ?? word_of(term)).join(", ")}.`));
}

function history(repo) {
	const audits = repo.history ?? [];
	const states = history_states(audits);

	return h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", null, "History"),
			h("p", { class: "quiet" }, count_format(audits.length, "audit"))),
		audits.length === 0 ? h("p", { class: "calm quiet" }, "The first audit begins the history.") : [
			score_line(audits.map((audit) => audit.health_score)),
			strip(audits.map((audit) => audit.status), { length: 40 }),
			h("ol", { class: "rows states" }, states.slice(0, STATES).map((state, i) => h("li", { key: state.since },
				badge(status_get(state.status)),
				h("span", { class: "quiet" }, i === 0 ? "since " : "from ", ago(state.since)),
				h("span", { class: "quiet" }, count_format(state.count, "audit")))))]);
}

/* A credential that is missing or refused is somebody's to keep. */
function fetch_hint({ url, error }) {
	const of = /\b(?:credential|key)\b/.test(error) ? credential_of(url) : null;

	if (of === null)
		return null;
	const { host } = of;
	return credential_may() ? h("p", null, h("a", { href: url_format("credential_list", { add: "1", ...of }) }, `Keep a credential for ${host}`))
		: h("p", { class: "quiet" }, `An administrator of the organization can keep one for ${host}.`);
}

/* What is kept of one that lives elsewhere: a mirror, or a clone of ours. */
function fetched(data) {
	const { repo, fetched: of } = data;

	if (!of?.manner)
		return null;
	return h("section", { class: "card", key: "fetch", "aria-labelledby": "fetch-head" }, h("div", { class: "card-head" },
		h("h2", { id: "fetch-head" }, of.manner === "mirror" ? "Mirror" : "Clone"), run_button(repo, { kind: "fetch" })),
	of.error && h("div", { class: "said", role: "status", key: "said" }, shape("error"), h("div", null, h("p", null, of.error), fetch_hint(of))),
	!of.error && !of.fetched_at && h("p", { class: "calm quiet" }, "Nothing of it was fetched yet. A scan fetches it first."),
	h("dl", { class: "pairs" },
		fact("Fetched", ago(of.fetched_at)),
		of.job_id && fact("Just now", h("a", { href: url_format("job", { job: of.job_id }) }, `job ${of.job_id}`)),
		of.manner === "mirror" && fact("Size", known(of.size_bytes, bytes_format)),
		fact("Lies on", of.host ?? "no host yet"),
		fact("From", of.url && h("span", { class: "code" }, of.url))));
}

/* What was done to it because somebody or a schedule asked; each with its log behind the link. */
function runs(data) {
	if (data.runs === null)
		return null;
	return h("section", { class: "card", key: "runs" }, h("h2", null, "Runs"),
		data.runs.length === 0 ? h("p", { class: "calm quiet" }, "Nothing was asked for yet. What is, and what it says, appears here.")
			: h("ul", { class: "rows" }, data.runs.map((run) => h("li", { key: String(run.id), class: "run" },
				badge(run_get(run.status)),
				h("span", null, h("a", { href: url_format("run", { run: run.id }) }, run_words(run)),
					h("span", { class: "quiet" }, run.kind === "scan" && run.status === "completed" && Number.isFinite(run.total_results)
						&& `, ${count_format(run.total_results, "result")}`)),
				h("span", { class: "quiet" }, ago(run.completed_at ?? run.created_at))))));
}

function changes(data, params) {
	const { diff, repo } = data;
	const mode = params.diff || pref_get("diff");
	const links = [["split", "Side by side"], ["unified", "Unified"]].map(([of, word]) =>
		({ mode: of, word, href: repo_url(repo, { action: "diff", diff: of }) }));

	if (params.diff)
		pref_set("diff", params.diff);
	if (!diff)
		return skeleton(6);
	if (diff.problem)
		return problem_part(diff.problem, () => page.refresh());
	if (!diff.files?.length && diff.diff)
		return h("pre", { class: "code raw" }, diff.diff);
	if (!diff.files?.length)
		return empty({ title: "No changes", mark: "clean", text: "The working tree is as the last commit left it." });
	return diff_part(diff, mode, links);
}

function head(data, params) {
	const { repo } = data;
	const web = /^https:\/\/[^\s@]+$/.test(repo.remote ?? "") ? repo.remote.replace(/\.git$/, "") : null;

	return [
		h("nav", { class: "crumb", "aria-label": "Path" }, h("a", { href: "/repos" }, "Repositories")),
		h("div", { class: "view-head" },
			h("div", null, h("h1", null, h("span", null, repo.name), badge(status_get(repo.status))),
				h("p", { class: "facts" },
					repo.path && h("span", { class: "code" }, repo.path),
					web ? h("span", null, h("a", { href: web, rel: "noreferrer", "data-outside": true }, web.slice(8)))
						: repo.remote && h("span", { class: "code" }, repo.remote),
					repo.branch && h("span", { class: "code" }, repo.branch))),
			h("div", { class: "view-side" }, score(repo.health_score), run_button(repo, { kind: "scan" }), run_button(repo))),
		h("nav", { class: "tabs", "aria-label": "Parts" },
			h("a", { href: repo_url(repo), "aria-current": params.action === "diff" ? null : "page" }, "State"),
			h("a", { href: repo_url(repo, { action: "diff" }), "aria-current": params.action === "diff" ? "page" : null },
				"Changes")),
	];
}

export function draw(root, data, params) {
	if (data === null) {
		patch(root, h("div", { class: "view-head" }, h("h1", { class: "quiet" }, params.repo)), skeleton(3),
			h("div", { class: "cards" }, skeleton(2, "card")));
		return;
	}
	if (params.action === "diff") {
		patch(root, head(data, params), changes(data, params));
		return;
	}
	const { repo } = data;
	const report = repo.report ?? {};
	patch(root, head(data, params), h("div", { class: "columns" },
		h("div", { class: "column" }, todo(data, params), findings(data), checks(report), branches(report), trees(report)),
		h("div", { class: "column" }, facts(repo), fetched(data), runs(data), history(repo))));
}
