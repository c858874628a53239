/* SPDX-License-Identifier: MIT */
/*
 * What a person would type to put a repository in order, for each status: the page shows it, it
 * runs nothing. Paths and addresses come from repositories, so each is one quoted word, and is
 * never taken for an option.
 *
 *	command_list({ status: "missing", clone_url: "https://host/a.git" })
 *	// [{ action: "clone", text: "…", command: "git clone -- https://host/a.git" }]
 */
const PLAIN = /^[A-Za-z0-9_./:@%+=,-]+$/;

export function shell_quote(text) {
	return PLAIN.test(text) ? text : `'${String(text).replaceAll("'", "'\\''")}'`;
}

function git(path, ...words) {
	return ["git", "-C", path, ...words].map(shell_quote).join(" ");
}

/* Where the folder would lie if it were named after its remote; null when no name can be told. */
function path_renamed(path, remote) {
	const name = (remote ?? "").replace(/\/+$/, "").split(/[/:]/).pop().replace(/\.git$/, "");
	const renamed = path.replace(/[^/]*\/*$/, name);

	return name === "" || name === "." || name === ".." || renamed === path ? null : renamed;
}

export function command_list(repo) {
	const path = repo.path ?? repo.local_path;
	const url = repo.clone_url ?? repo.remote;
	const rows = [];

	switch (repo.status) {
	case "missing":
		if (url)
			rows.push({ action: "clone", text: "Clone it, below the folder that is watched",
				    command: `git clone -- ${shell_quote(url)}` });
		break;
	case "dirty":
		if (!path)
			break;
		rows.push({ action: "diff", text: "Look at what changed", command: git(path, "status") });
		rows.push({ action: "commit", text: "Commit it", command: `${git(path, "add", "--all")} && ${git(path, "commit")}` });
		rows.push({ action: "discard", text: "Or put it aside; “git stash pop” brings it back",
			    command: git(path, "stash", "push", "--include-untracked") });
		break;
	case "mismatched":
		if (path && repo.expected_url && repo.expected_url !== repo.remote)
			rows.push({ action: "fix_remote", text: "Point the remote at the repository of this name",
				    command: git(path, "remote", "set-url", "origin", repo.expected_url) });
		if (path) {
			const renamed = path_renamed(path, repo.remote);
			rows.push(renamed ? { action: "review", text: `${rows.length > 0 ? "Or rename" : "Rename"} the folder after its remote`,
					      command: `mv -T -n -- ${shell_quote(path)} ${shell_quote(renamed)}` }
				: { action: "review", text: "See which remotes it has", command: git(path, "remote", "--verbose") });
		}
		break;
	case "extra":
		if (path)
			rows.push({ action: "review", text: "See what it is and whether it is still wanted",
				    command: git(path, "log", "--oneline", "--decorate", "-5") });
		break;
	default:
		break;
	}
	if (path && repo.ahead > 0)
		rows.push({ action: "push", text: "Push what is only here", command: git(path, "push") });
	return rows;
}
