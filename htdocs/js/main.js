/* SPDX-License-Identifier: MIT */
import { key_start } from "./key.js";
import { shell_start } from "./shell.js";

key_start();
shell_start().catch(() => {
	/* what went wrong is on the page */
});
