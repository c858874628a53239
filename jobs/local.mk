# jobs: muster, the program a person runs; muster-server, its second half.
bin_PROGRAMS += jobs/muster

jobs_muster_SOURCES = jobs/muster.c
jobs_muster_CFLAGS = $(AM_CFLAGS) $(GIT2_CFLAGS)
jobs_muster_LDADD = lib/libmuster.a $(GIT2_LIBS) $(ZLIB_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)

include jobs/git/local.mk

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
