/* SPDX-License-Identifier: MIT */
/*
 * The one way to the server. Every answer comes with the stream position that was read before its
 * query, so that events after it can be added without a gap. A refusal is a Problem.
 *
 *	const { body, position } = await api_get("/api/v1/repos", { q: "lib" }, signal);
 *	await api_send("POST", "/api/v1/audits", {});
 *
 * Writes carry the session's CSRF token (csrf_set); one that is asked for before the session is known
 * waits for it. Whoever is signed out is told through api_on_sign_out, once for each refusal.
 */
let csrf = null;
let csrf_come = null;
const csrf_known = new Promise((done) => {
	csrf_come = done;
});
let sign_out = () => {};

export class Problem extends Error {
	constructor({ title, status, detail, request_id, errors }) {
		super(title || "The request failed");
		this.name = "Problem";
		this.status = status ?? 0;
		this.detail = detail ?? "";
		this.request_id = request_id ?? "";
		this.errors = Array.isArray(errors) ? errors : [];
	}
}

export function csrf_set(token) {
	csrf = token ?? null;
	csrf_come();
}

export function api_on_sign_out(call) {
	sign_out = call;
}

export function api_url(path, query = {}) {
	const search = new URLSearchParams();

	for (const [name, value] of Object.entries(query)) {
		if (value !== null && value !== undefined && value !== "")
			search.set(name, value);
	}
	return search.size ? `${path}?${search}` : path;
}

async function problem_read(response) {
	const fallback = { status: response.status, title: `The server answered ${response.status}`,
			   request_id: response.headers.get("X-Request-Id") };

	try {
		const body = await response.json();
		return new Problem({ ...fallback, ...body, status: response.status });
	} catch {
		return new Problem(fallback);
	}
}

async function request(method, path, { body, signal } = {}) {
	const headers = { Accept: "application/json" };
	const mine = csrf;
	let response;

	if (body !== undefined)
		headers["Content-Type"] = "application/json";
	if (method !== "GET" && mine)
		headers["X-CSRF-Token"] = mine;
	try {
		/* "no-cache" asks again with the ETag; an unchanged answer costs no body */
		response = await fetch(path, { method, headers, signal, cache: "no-cache",
			credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body) });
	} catch (error) {
		if (error.name === "AbortError")
			throw error;
		throw new Problem({ title: "The server cannot be reached",
			detail: "There was no answer. It is tried again as soon as there is a connection." });
	}
	if (!response.ok) {
		const problem = await problem_read(response);
		/* a refusal of what was asked before signing in says nothing of who is here now */
		if (response.status === 401 && mine === csrf)
			sign_out(problem);
		throw problem;
	}
	return { body: response.status === 204 ? null : await response.json(),
		 position: response.headers.get("Stream-Position") };
}

export function api_get(path, query, signal) {
	return request("GET", api_url(path, query), { signal });
}

export async function api_send(method, path, body, signal) {
	await csrf_known;
	return request(method, path, { body, signal });
}

/* What somebody who is not signed in may ask below /api/v1/auth. */
export function api_open(path, body, signal) {
	return request("POST", `/api/v1/auth/${path}`, { body, signal });
}
