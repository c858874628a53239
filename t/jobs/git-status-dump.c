/* SPDX-License-Identifier: MIT */
/*
 * What jobs/git says about a working tree, for tests to hold beside `git status --porcelain=v2 -z`.
 *
 *	git-status-dump [-c] [-r] [-j THREADS] PATH…
 *
 * Records end in a zero byte: "1 XY sub path", "u XY sub path", "? path", "x path" (unverified).
 * -c prints counts alone, a line a path; -r refs, a line each. Exit 3 when a path could not be
 *read.
 */
#include "config.h"

#include "jobs/git/refs.h"
#include "jobs/git/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void entry_print(const struct status_entry *e)
{
	switch (e->kind) {
	case STATUS_KIND_CHANGED:
		printf("1 %c%c %s %s", e->x, e->y, e->submodule, e->path);
		break;
	case STATUS_KIND_UNMERGED:
		printf("u %c%c %s %s", e->x, e->y, e->submodule, e->path);
		break;
	case STATUS_KIND_UNTRACKED:
		printf("? %s", e->path);
		break;
	default:
		printf("x %s", e->path);
	}
	putchar('\0');
}

static gboolean refs_print(const struct repo *r, GError **error)
{
	char hex[OID_HEX + 1];
	const char *operation = refs_operation_name(refs_operation_get(r));
	g_autoptr(Refs) all = refs_read(r, error);

	if (all == NULL)
		return FALSE;
	oid_format(&all->head.oid, hex);
	printf("head %d %s %s\n", all->head.state, all->head.ref != NULL ? all->head.ref : "-",
		hex);
	printf("stash %" G_GUINT64_FORMAT "\n", refs_stash_count(r));
	printf("operation %s\n", operation != NULL ? operation : "-");
	printf("kind %d\n", r->kind);
	printf("tips %s\n", all->tips);
	for (gsize i = 0; i < all->count; i++) {
		oid_format(&all->list[i].oid, hex);
		printf("%s %s\n", hex, all->list[i].name);
	}
	return TRUE;
}

static gboolean status_print(
	const struct repo *r, unsigned threads, gboolean is_counting, GError **error)
{
	struct status_options options = {
		.threads = threads, .entries_max = is_counting ? 0 : 1000000};
	g_autoptr(Status) s = status_read(r, &options, error);

	if (s == NULL)
		return FALSE;
	if (is_counting)
		printf("staged %" G_GUINT64_FORMAT " unstaged %" G_GUINT64_FORMAT
		       " untracked %" G_GUINT64_FORMAT " unmerged %" G_GUINT64_FORMAT
		       " unverified %" G_GUINT64_FORMAT " tracked %" G_GUINT64_FORMAT "\n",
			s->counts.staged, s->counts.unstaged, s->counts.untracked,
			s->counts.unmerged, s->counts.unverified, s->tracked);
	for (gsize i = 0; i < s->entries_count; i++)
		entry_print(&s->entries[i]);
	return TRUE;
}

int main(int argc, char **argv)
{
	gboolean is_counting = FALSE, is_refs = FALSE;
	unsigned threads = 1;
	int option, code = 0;
	g_autoptr(Gitconfig) user = gitconfig_new_user();

	while ((option = getopt(argc, argv, "crj:")) != -1) {
		if (option == 'c')
			is_counting = TRUE;
		else if (option == 'r')
			is_refs = TRUE;
		else if (option == 'j')
			threads = (unsigned)atoi(optarg);
		else
			return 2;
	}
	for (; optind < argc; optind++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(Repo) r = repo_open(argv[optind], user, &error);
		if (r == NULL || !(is_refs ? refs_print(r, &error)
					   : status_print(r, threads, is_counting, &error))) {
			fprintf(stderr, "%s\n", error->message);
			code = 3;
		}
	}
	return code;
}
