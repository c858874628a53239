/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/git/gitconfig.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	g_autoptr(Gitconfig) c = gitconfig_new();
	g_autoptr(GError) error = NULL;
	gboolean is_fine = gitconfig_parse(c, (const char *)data, len, &error);

	g_assert(is_fine == (error == NULL));
	for (guint i = 0; i < c->entries->len; i++) {
		const struct gitconfig_entry *e =
			&g_array_index(c->entries, struct gitconfig_entry, i);
		g_assert_nonnull(gitconfig_find(c, e->section, e->subsection, e->key));
	}
	return 0;
}
