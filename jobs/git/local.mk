# jobs/git: reading git repositories without libgit2, what muster audit asks of every one of them.
noinst_LIBRARIES += jobs/libgitread.a
jobs_libgitread_a_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS)
jobs_libgitread_a_SOURCES = \
	jobs/git/attr.c jobs/git/attr.h \
	jobs/git/convert.c jobs/git/convert.h \
	jobs/git/gitconfig.c jobs/git/gitconfig.h \
	jobs/git/ignore.c jobs/git/ignore.h \
	jobs/git/index.c jobs/git/index.h \
	jobs/git/index_expand.c \
	jobs/git/index_split.c \
	jobs/git/index_tree.c jobs/git/index_tree.h \
	jobs/git/object.c jobs/git/object.h \
	jobs/git/operation.c \
	jobs/git/pack.c jobs/git/pack.h \
	jobs/git/packed_refs.c jobs/git/packed_refs.h \
	jobs/git/readfile.c jobs/git/readfile.h \
	jobs/git/refs.c jobs/git/refs.h \
	jobs/git/repo.c jobs/git/repo.h \
	jobs/git/repo_config.c \
	jobs/git/status.c jobs/git/status.h \
	jobs/git/status_digest.c \
	jobs/git/status_file.c \
	jobs/git/status_folder.c \
	jobs/git/status_head.c \
	jobs/git/status_submodule.c \
	jobs/git/status_threads.c \
	jobs/git/status_walk.c \
	jobs/git/wildmatch.c \
	jobs/git/status_run.h
