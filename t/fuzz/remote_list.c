/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/audit/remote.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	g_autofree char *copy = g_malloc(len + 1);
	g_autoptr(audit_remote) remote = audit_remote_new();

	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	gboolean is_read = audit_remote_parse(remote, copy, len, "list", NULL);
	for (guint i = 0; i < audit_remote_count(remote); i++) {
		const struct audit_expected *row = audit_remote_get(remote, i);
		g_autofree char *stripped = remote_url_strip(row->url);
		fuzz_require(*row->name != '\0' && g_utf8_validate(row->name, -1, NULL));
		fuzz_require(audit_remote_find_name(remote, row->name) == row);
		fuzz_require(*row->key == '\0' || audit_remote_find_key(remote, row->key) != NULL);
		fuzz_require(!is_read || !strcmp(stripped, row->url));
	}
	/* Any text may be the address in a repository's configuration. */
	g_autofree char *key = remote_url_key(copy);
	g_autofree char *name = remote_url_name(copy);
	g_autofree char *once = remote_url_strip(copy);
	g_autofree char *twice = remote_url_strip(once);
	g_autofree char *key_once = remote_url_key(once);
	fuzz_require(!strcmp(once, twice));
	fuzz_require(!strcmp(key, key_once));
	fuzz_require(strchr(name, '/') == NULL);
	return 0;
}
