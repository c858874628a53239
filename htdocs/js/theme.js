/* SPDX-License-Identifier: MIT */
/* The chosen theme, before the first paint: a classic script in <head>, so that nothing flashes. */
(function () {
	let theme = null;

	try {
		theme = localStorage.getItem("muster.theme");
	} catch (error) {
		return; /* storage is refused: the system decides */
	}
	if (theme === "light" || theme === "dark")
		document.documentElement.dataset.theme = theme;
})();
