/* SPDX-License-Identifier: MIT */
/*
 * What views may ask of the page around them. js/shell.js fills it in; views and parts import it,
 * so that neither imports the other.
 */
export const page = {
	session: undefined,    /* { account, csrf_token }; null: nobody is signed in; undefined: not known yet */
	live: null,            /* js/live.js */
	runs: new Map(),       /* run id → { kind, repo, status }: runs asked for here that are not over */
	go() {},               /* (url, { replace }) → shows another address */
	draw() {},             /* () → draws the view again from the data it has */
	update() {},           /* (data) → replaces the view's data and draws it */
	refresh() {},          /* () → loads the view's data again; a promise */
	run() {},              /* (repo or null, "audit", "scan" or "fetch") → asks for it now */
	toast() {},            /* (text, { tone }) → a passing message */
	say() {},              /* (text) → for screen readers only */
	signed_in() {},        /* (the server's answer, url) → somebody signed in: go on there */
};

/* A link that stays inside: the address changes, the page does not load again. */
export function link_follow(event) {
	const link = event.target.closest("a[href]");

	if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey
	    || event.shiftKey || event.altKey || link.target || link.hasAttribute("download"))
		return;
	const url = new URL(link.href);
	if (url.origin !== location.origin || link.dataset.outside !== undefined)
		return;
	if (url.pathname === location.pathname && url.search === location.search && url.hash)
		return; /* a jump inside of the page is the browser's */
	event.preventDefault();
	page.go(url.pathname + url.search + url.hash);
}
