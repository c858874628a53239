/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/git/commit.h"

#include <string.h>

#define TEXT_BYTES 200

static void text_check(const struct commit *commit, const struct commit_text *text)
{
	g_autofree char *shown = commit_text_format(commit, text, TEXT_BYTES);

	fuzz_require(strlen(shown) <= TEXT_BYTES);
	fuzz_require(g_utf8_validate(shown, -1, NULL));
	for (const char *at = shown; *at != '\0'; at = g_utf8_next_char(at))
		fuzz_require(!g_unichar_iscntrl(g_utf8_get_char(at)));
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	/* An exact copy, so that a byte read too far is seen. */
	g_autofree char *copy = g_memdup2(data, len);
	struct commit commit;
	struct oid oid;

	if (!commit_parse(&commit, copy, len))
		return 0;
	for (gsize i = 0; i < commit.parent_count; i++)
		commit_parent(&commit, i, &oid);
	text_check(&commit, &commit.subject);
	text_check(&commit, &commit.author_name);
	text_check(&commit, &commit.author_mail);
	return 0;
}
