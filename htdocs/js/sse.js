/* SPDX-License-Identifier: MIT */
/*
 * Reads a text/event-stream as it arrives. EventSource hides the answer's status and every
 * heartbeat; with fetch and this reader the page sees both: a comment proves that the stream is
 * alive, a 401 is not tried again.
 *
 *	const read = sse_reader({ message: (text, id) => …, alive: () => … });
 *	read("id: 7\ndata: {}\n\n");
 *
 * Lines end in LF, CR or CRLF; a frame that the end of the stream cut off is dropped; a frame
 * with an id and no data moves the cursor without a message.
 */
const LIMIT = 8 * 1024 * 1024;

export function sse_reader({ message, alive, retry }) {
	let rest = "";
	let data = [];
	let id = "";
	let started = false;

	function line_take(line) {
		if (line === "") {
			if (data.length)
				message(data.join("\n"), id);
			else
				alive(id);
			data = [];
			return;
		}
		const colon = line.indexOf(":");
		if (colon === 0) {
			alive(id);
			return;
		}
		const name = colon < 0 ? line : line.slice(0, colon);
		const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
		if (name === "data")
			data.push(value);
		else if (name === "id" && !value.includes("\0"))
			id = value;
		else if (name === "retry" && /^[0-9]+$/.test(value))
			retry?.(Number(value));
	}

	return function read(text) {
		let start = 0;

		rest += started ? text : text.replace(/^\ufeff/, "");
		started ||= text !== "";
		if (rest.length > LIMIT)
			throw new RangeError("a frame is over the limit");
		for (;;) {
			const end = rest.slice(start).search(/[\r\n]/);
			if (end < 0)
				break;
			const at = start + end;
			/* a CR at the very end may be half of a CRLF */
			if (rest[at] === "\r" && at + 1 === rest.length)
				break;
			line_take(rest.slice(start, at));
			start = at + (rest[at] === "\r" && rest[at + 1] === "\n" ? 2 : 1);
		}
		rest = rest.slice(start);
	};
}
