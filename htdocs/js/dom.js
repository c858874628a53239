/* SPDX-License-Identifier: MIT */
/*
 * Describes elements as plain objects and makes a parent's children match them.
 *
 *	patch(root, h("ul", { class: "list" }, rows.map((row) => h("li", { key: row.id }, row.name))))
 *
 * An element that is still wanted is never replaced: only what differs is written, and children
 * with a `key` are found again wherever they went. That is what lets a live update leave focus,
 * scroll position and a text selection alone. Text is always text: there is no way to put markup
 * in. Attributes are strings or true; `onclick` and its like are functions; the names in
 * PROPERTIES are properties; `css` sets style properties through the object model, which the
 * strict policy allows; `ref` is called with the element each time it is drawn. patch() owns every
 * child of the parent it is given.
 */
const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "g", "path", "rect", "line", "circle", "polyline"]);
const PROPERTIES = new Set(["value", "defaultValue", "checked", "disabled", "selected", "open", "hidden"]);
const drawn = new WeakMap(); /* element → what it was drawn from */

export function h(tag, attrs, ...kids) {
	return { tag, attrs: attrs ?? {}, kids };
}

/* nested lists made flat; nothing for null, false and "" */
function flat(kids, out = []) {
	for (const kid of kids) {
		if (Array.isArray(kid))
			flat(kid, out);
		else if (kid !== null && kid !== undefined && kid !== false && kid !== "")
			out.push(typeof kid === "object" ? kid : String(kid));
	}
	return out;
}

function attr_write(element, name, value, before) {
	if (name === "key" || name === "ref")
		return;
	if (name === "css") {
		for (const [property, text] of Object.entries(value ?? {})) {
			if (before?.[property] !== text)
				element.style.setProperty(property, text);
		}
	} else if (name.startsWith("on")) {
		element[name] = value ?? null;
	} else if (PROPERTIES.has(name)) {
		const wanted = value ?? (name === "value" ? "" : false);
		/* what a person is typing is theirs */
		if (name === "value" && element === document.activeElement && before !== undefined)
			return;
		if (element[name] !== wanted)
			element[name] = wanted;
	} else if (value === null || value === undefined || value === false) {
		element.removeAttribute(name);
	} else {
		element.setAttribute(name, value === true ? "" : String(value));
	}
}

function attrs_patch(element, attrs, before) {
	for (const name of Object.keys(before)) {
		if (!(name in attrs))
			attr_write(element, name, null, before[name]);
	}
	for (const [name, value] of Object.entries(attrs)) {
		if (before[name] !== value || name === "value" || name === "checked")
			attr_write(element, name, value, before[name]);
	}
	attrs.ref?.(element);
}

function element_new(node) {
	const element = SVG_TAGS.has(node.tag)
		? document.createElementNS(SVG, node.tag)
		: document.createElement(node.tag);

	drawn.set(element, { tag: node.tag, attrs: {} });
	element_patch(element, node);
	return element;
}

function element_patch(element, node) {
	const before = drawn.get(element).attrs;

	drawn.set(element, { tag: node.tag, attrs: node.attrs });
	children_patch(element, node.kids);
	/* after the children: a <select> takes its value only when it has its options */
	attrs_patch(element, node.attrs, before);
}

function key_of(dom) {
	return drawn.get(dom)?.attrs.key;
}

function is_same(dom, node) {
	if (typeof node === "string")
		return dom.nodeType === Node.TEXT_NODE;
	return drawn.get(dom)?.tag === node.tag && key_of(dom) === node.attrs.key;
}

function children_patch(parent, list) {
	const kids = flat(list);
	const wanted = new Set(kids.map((kid) => kid.attrs?.key).filter((key) => key !== undefined));
	const keyed = new Map();
	let at = parent.firstChild;

	for (const element of parent.children) {
		if (key_of(element) !== undefined)
			keyed.set(key_of(element), element);
	}
	for (const kid of kids) {
		const key = kid.attrs?.key;
		let element = null;

		/* what is not wanted any more goes first, so that its neighbours need not move */
		while (at && key_of(at) !== undefined && !wanted.has(key_of(at))) {
			const gone = at;
			at = at.nextSibling;
			gone.remove();
		}
		if (key !== undefined)
			element = keyed.get(key) ?? null;
		else if (at)
			element = at;
		if (element && !is_same(element, kid))
			element = null;
		if (element === null) {
			element = typeof kid === "string" ? document.createTextNode(kid) : element_new(kid);
			parent.insertBefore(element, at);
			continue;
		}
		if (element === at)
			at = at.nextSibling;
		else
			parent.insertBefore(element, at);
		if (typeof kid === "object")
			element_patch(element, kid);
		else if (element.data !== kid)
			element.data = kid;
	}
	while (at) {
		const gone = at;
		at = at.nextSibling;
		gone.remove();
	}
}

export function patch(parent, ...kids) {
	const focused = document.activeElement;

	children_patch(parent, kids);
	/* moving an element drops its focus */
	if (focused && focused !== document.activeElement && focused.isConnected)
		focused.focus({ preventScroll: true });
}
