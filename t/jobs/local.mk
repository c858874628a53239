# What jobs/git says, for tests to hold beside git.
check_PROGRAMS += t/jobs/git-status-dump
t_jobs_git_status_dump_SOURCES = t/jobs/git-status-dump.c
t_jobs_git_status_dump_LDADD = jobs/libgitread.a lib/libmuster.a $(ZLIB_LIBS) $(GLIB_LIBS)
