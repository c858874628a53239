/* SPDX-License-Identifier: MIT */
/*
 * What a file's bytes become on their way into a blob: line endings and $Id$, as attributes and
 * core.autocrlf say. Filters and encodings are programs' work and are not done here.
 *
 *	struct convert_plan plan = convert_plan_make(&values, r->autocrlf);
 *	if (convert_is_needed(&plan)) …
 */
#ifndef MUSTER_JOBS_GIT_CONVERT_H
#define MUSTER_JOBS_GIT_CONVERT_H

#include "jobs/git/attr.h"
#include "jobs/git/repo.h"

enum convert_eol {
	CONVERT_EOL_NONE,
	CONVERT_EOL_TEXT, /* always to LF */
	CONVERT_EOL_AUTO, /* if it looks like text, and its blob has no CRLF already */
};

struct convert_plan {
	enum convert_eol eol;
	bool has_ident;
	const char *filter; /* name of the filter attribute, NULL without */
	bool has_encoding;  /* another encoding than UTF-8 in the working tree */
};

struct convert_plan convert_plan_make(
	const struct attr_values *values, enum repo_autocrlf autocrlf);

/* Does git take these bytes for binary? And do they hold CRLF? */
struct convert_facts {
	bool is_binary;
	bool has_crlf;
};
struct convert_facts convert_look(const char *data, gsize len);

/* In place, returns the new length. `is_auto`: every CR goes (a lone one makes it binary before).
 */
gsize convert_to_lf(char *data, gsize len, bool is_auto);
/* $Id: …$ to $Id$, in place. */
gsize convert_ident(char *data, gsize len);

#endif
