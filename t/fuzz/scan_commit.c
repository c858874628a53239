/* SPDX-License-Identifier: MIT */
/* The same bytes as a commit and as a tag: what is found lies inside them. */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/scan/git_bytes.h"

static const char *begin, *end;

static void text_check(const struct bytes_text *text)
{
	fuzz_require(text->at == NULL ? text->len == 0
				      : text->at >= begin && text->at + text->len <= end);
}

static void person_check(const struct bytes_person *person)
{
	text_check(&person->name);
	text_check(&person->mail);
	fuzz_require(person->zone_minutes > -24 * 60 && person->zone_minutes < 24 * 60);
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	struct commit_bytes commit;
	struct tag_bytes tag;
	struct oid oid;

	begin = (const char *)data;
	end = begin + len;
	if (commit_bytes_parse(&commit, data, len)) {
		person_check(&commit.author);
		person_check(&commit.committer);
		text_check(&commit.encoding);
		text_check(&commit.message);
		for (guint i = 0; i < commit.parent_count; i++)
			commit_bytes_parent(&commit, i, &oid);
	}
	if (tag_bytes_parse(&tag, data, len)) {
		text_check(&tag.type);
		text_check(&tag.name);
		person_check(&tag.tagger);
	}
	return 0;
}
