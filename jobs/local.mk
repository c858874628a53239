# jobs: muster, the program a person runs; muster-server, its second half.
bin_PROGRAMS += jobs/muster

jobs_muster_SOURCES = jobs/muster.c
jobs_muster_CFLAGS = $(AM_CFLAGS) $(GIT2_CFLAGS)
jobs_muster_LDADD = lib/libmuster.a $(GIT2_LIBS) $(ZLIB_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)

# Reading git repositories without libgit2: what muster audit asks of every one of them.
noinst_LIBRARIES += jobs/libgitread.a
jobs_libgitread_a_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS)
jobs_libgitread_a_SOURCES = \
	jobs/git/gitconfig.c jobs/git/gitconfig.h \
	jobs/git/operation.c \
	jobs/git/packed_refs.c jobs/git/packed_refs.h \
	jobs/git/readfile.c jobs/git/readfile.h \
	jobs/git/refs.c jobs/git/refs.h \
	jobs/git/repo.c jobs/git/repo.h \
	jobs/git/repo_config.c

pkglibexec_PROGRAMS += jobs/muster-server

jobs_muster_server_SOURCES = \
	jobs/account.c jobs/account.h \
	jobs/conf.c \
	jobs/migrate.c jobs/migrate.h \
	jobs/muster_server.c \
	jobs/muster_server.h
jobs_muster_server_CFLAGS = $(AM_CFLAGS) $(GIT2_CFLAGS)
jobs_muster_server_LDADD = lib/libmuster-db.a lib/libmuster.a $(GIT2_LIBS) $(ZLIB_LIBS) $(PQ_LIBS) \
	$(CURL_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)
dist_man_MANS += jobs/muster-account.1 jobs/muster-migrate.1
