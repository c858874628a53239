/* SPDX-License-Identifier: MIT */
/*
 * The page /docs: the OpenAPI document of this very server, drawn. Nothing comes from elsewhere.
 * What OpenAPI has no words for, the live connections, is told here; their events are in the
 * document's webhooks.
 */
import { h, patch } from "./dom.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const LIVE = [
	["WebSocket", "/ws", "The audit's dialect: the whole report first, then each repository that changes. "
		+ "Send ping, request-update or get-status."],
	["WebSocket", "/api/v1/dashboard/ws", "Subscribe to types of events, of one project if you like: "
		+ "{\"type\": \"subscribe\", \"event_types\": [\"status_change\"], \"project_id\": \"default\"}."],
	["SSE", "/api/v1/sse/events", "The same as a stream for EventSource: ?event_types=a,b&project_id=p; "
		+ "Last-Event-ID goes on where you were. /api/v1/events/stream is the same stream."],
	["Long poll", "/api/v1/events/wait", "Answers when something happens after ?after=, or in half a minute."],
	["GET", "/api/ws/status", "Whether the live connections work, and how many there are."],
];

/* A schema's short name: "text, 1 to 200", "list of Repo". */
function kind(schema) {
	if (!schema)
		return "anything";
	if (schema.$ref)
		return name_of(schema.$ref);
	if (schema.const !== undefined)
		return JSON.stringify(schema.const);
	if (schema.enum)
		return schema.enum.join(" | ");
	const types = [schema.type].flat().filter(Boolean);
	const words = types.map((type) => (type === "array" ? `list of ${kind(schema.items)}` : schema.format ?? type));
	return [words.join(" or ") || "anything", bounds(schema)].filter(Boolean).join(", ");
}

function bounds(schema) {
	const low = schema.minLength ?? schema.minimum ?? schema.minItems;
	const high = schema.maxLength ?? schema.maximum ?? schema.maxItems;

	if (low === undefined && high === undefined)
		return "";
	if (high === undefined)
		return `from ${low}`;
	return `${low ?? 0} to ${high === Number.MAX_SAFE_INTEGER || high > 1e15 ? "…" : high}`;
}

function name_of(ref) {
	return ref.split("/").pop();
}

function anchor(text) {
	return text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

function resolve(document_, thing) {
	return thing.$ref ? thing.$ref.slice(2).split("/").reduce((at, part) => at[part], document_) : thing;
}

function schema_link(schema) {
	const text = kind(schema);
	const inner = schema?.$ref ?? schema?.items?.$ref;

	return inner ? h("a", { href: `#schema-${anchor(name_of(inner))}` }, text) : text;
}

function rows(head, list) {
	if (!list.length)
		return null;
	return h("div", { class: "scroll" }, h("table", null,
		h("thead", null, h("tr", null, head.map((word) => h("th", { scope: "col" }, word)))),
		h("tbody", null, list.map((cells) => h("tr", null, cells.map((cell) => h("td", null, cell)))))));
}

function inputs(operation) {
	const body = operation.requestBody?.content?.["application/json"]?.schema;
	const needed = new Set(body?.required ?? []);
	const list = (operation.parameters ?? []).filter((one) => one.name)
		.map((one) => [one, one.in, Boolean(one.required), one.schema]);

	for (const [name, schema] of Object.entries(body?.properties ?? {}))
		list.push([{ name }, "body", needed.has(name), schema]);
	return rows(["Input", "Where", "What"], list.map(([one, place, must, schema]) => [
		h("code", null, one.name), must ? `${place}, needed` : place,
		[kind(schema), schema.description ? h("div", { class: "quiet" }, schema.description) : null]]));
}

function answers(document_, operation) {
	return rows(["Status", "Answer"], Object.entries(operation.responses).map(([status, answer]) => {
		const full = resolve(document_, answer);
		const content = Object.values(full.content ?? {})[0]?.schema;
		const list = content?.properties?.items?.items;

		return [h("code", null, status), [full.description,
			content && Number(status) < 300
				? h("div", { class: "quiet" }, list ? ["A page of ", schema_link(list)] : schema_link(content))
				: null]];
	}));
}

function who(operation) {
	if (operation["x-role"] === "nobody")
		return "Anybody";
	const role = operation["x-role"].replace("_", " ");
	return `A ${role} or above; tokens with scope ${operation["x-scope"]}`
		+ (operation["x-platform"] ? "; works across organizations" : "");
}

function operation_draw(document_, path, method, operation) {
	return h("article", { class: "operation", id: anchor(`${method} ${path}`) },
		h("h3", null, h("span", { class: `method ${method}` }, method.toUpperCase()), " ", h("code", null, path)),
		h("p", null, operation.summary),
		h("p", { class: "quiet" }, who(operation)),
		inputs(operation),
		h("details", null, h("summary", null, "Answers"), answers(document_, operation)));
}

function tags(document_) {
	const found = new Map();

	for (const [path, item] of Object.entries(document_.paths)) {
		for (const method of METHODS.filter((word) => item[word])) {
			const [tag] = item[method].tags;
			if (!found.has(tag))
				found.set(tag, []);
			found.get(tag).push([path, method, item[method]]);
		}
	}
	return found;
}

function events_draw(document_) {
	return rows(["Type", "Channel", "Meaning"], Object.entries(document_.webhooks ?? {}).map(([type, { post }]) => [
		h("code", null, type), post.tags[0].replace("events: ", ""), post.summary]));
}

function schema_draw([name, schema]) {
	return h("article", { class: "schema", id: `schema-${anchor(name)}` }, h("h3", null, h("code", null, name)),
		schema.description ? h("p", { class: "quiet" }, schema.description) : null,
		h("pre", null, JSON.stringify(schema, null, 2)));
}

function draw(document_) {
	const found = tags(document_);

	patch(document.getElementById("contents"),
		h("a", { class: "home", href: "/" }, "Muster"),
		h("ul", null,
			[...found.keys()].map((tag) => h("li", null, h("a", { href: `#tag-${anchor(tag)}` }, tag))),
			h("li", null, h("a", { href: "#live" }, "live connections")),
			h("li", null, h("a", { href: "#events" }, "events")),
			h("li", null, h("a", { href: "#schemas" }, "schemas"))));
	patch(document.getElementById("main"),
		h("h1", null, `The API of ${document_.info.title} ${document_.info.version}`),
		h("p", null, document_.info.description),
		h("p", null, "As a file for programs: ", h("a", { href: "/api/v1/openapi.json" }, "/api/v1/openapi.json"), "."),
		[...found].map(([tag, list]) => h("section", { id: `tag-${anchor(tag)}` }, h("h2", null, tag),
			list.map(([path, method, operation]) => operation_draw(document_, path, method, operation)))),
		h("section", { id: "live" }, h("h2", null, "live connections"),
			h("p", null, "All speak the same event ids: a client may change the way and lose nothing. The session's "
				+ "cookie opens them; so does Authorization, or ?token= with a stream token."),
			rows(["How", "Where", "What"], LIVE.map(([how, where, what]) => [how, h("code", null, where), what]))),
		h("section", { id: "events" }, h("h2", null, "events"), events_draw(document_)),
		h("section", { id: "schemas" }, h("h2", null, "schemas"),
			Object.entries(document_.components.schemas).map(schema_draw)));
	/* the address may name a place that was not there yet */
	if (location.hash)
		document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

async function start() {
	try {
		const response = await fetch("/api/v1/openapi.json");
		if (!response.ok)
			throw new Error(`the server answered ${response.status}`);
		draw(await response.json());
	} catch (error) {
		patch(document.getElementById("main"), h("h1", null, "The API of Muster"),
			h("p", { role: "alert" }, `The document could not be loaded: ${error.message}. Reload to try again.`));
	}
}

start();
