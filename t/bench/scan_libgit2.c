/* SPDX-License-Identifier: MIT */
/*
 * A peer of t/bench/scan: libgit2 reads every object of a repository, one by one, and nothing is
 * done with it. In the order in which the objects lie in their packs, as far as libgit2 lists them
 * so: by name it takes twice as long.
 *
 * usage: scan_libgit2 REPOSITORY
 */
#include "config.h"

#include <git2.h>
#include <stdio.h>

struct sums {
	git_odb *odb;
	unsigned long long objects, bytes;
};

static int read_one(const git_oid *oid, void *data)
{
	struct sums *sums = data;
	git_odb_object *object;
	if (git_odb_read(&object, sums->odb, oid) != 0)
		return 0;
	sums->objects++;
	sums->bytes += git_odb_object_size(object);
	git_odb_object_free(object);
	return 0;
}

int main(int argc, char **argv)
{
	struct sums sums = {0};
	git_repository *repository = NULL;
	if (argc != 2) {
		fprintf(stderr, "usage: %s REPOSITORY\n", argv[0]);
		return 2;
	}
	git_libgit2_init();
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	if (git_repository_open(&repository, argv[1]) != 0 ||
		git_repository_odb(&sums.odb, repository) != 0 ||
		git_odb_foreach(sums.odb, read_one, &sums) != 0) {
		const git_error *error = git_error_last();
		fprintf(stderr, "%s\n", error != NULL ? error->message : "failed");
		return 1;
	}
	printf("%llu objects, %llu bytes\n", sums.objects, sums.bytes);
	git_odb_free(sums.odb);
	git_repository_free(repository);
	git_libgit2_shutdown();
	return 0;
}
