# jobs: muster, the program a person runs; muster-server, its second half.
bin_PROGRAMS += jobs/muster

jobs_muster_SOURCES = jobs/muster.c
jobs_muster_CFLAGS = $(AM_CFLAGS) $(GIT2_CFLAGS)
jobs_muster_LDADD = lib/libmuster.a $(GIT2_LIBS) $(ZLIB_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)
