/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/event.h"

#include <string.h>

#include "t/unit/check.h"

static void test_table(void)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	for (gsize i = 0; i < event_kinds_len; i++) {
		const struct event_kind *kind = &event_kinds[i];
		g_assert_true(g_hash_table_add(seen, (gpointer)kind->type));
		g_assert_cmpint(kind->channel, !=, EVENT_CHANNEL_UNSET);
		g_assert_nonnull(event_channel_name(kind->channel));
		g_assert_true(g_str_has_suffix(kind->help, "."));
		g_assert_true(event_kind_find(kind->type) == kind);
		/* What no client may see is no news for people. */
		g_assert_false(kind->is_hidden && kind->is_feed);
	}
	g_assert_cmpint(g_hash_table_size(seen), >, 0);
}

static void test_unknown(void)
{
	g_assert_null(event_kind_find(""));
	g_assert_null(event_kind_find("audit"));
	g_assert_null(event_kind_find("audit-update "));
	g_assert_null(event_kind_find("Audit-Update"));
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func(
		"/event/each kind is named once and has a channel and a sentence", test_table);
	g_test_add_func("/event/a type that is not in the table is not found", test_unknown);
	return check_run();
}
