# What jobs/git says, for tests to hold beside git.
check_PROGRAMS += t/jobs/git-status-dump
t_jobs_git_status_dump_SOURCES = t/jobs/git-status-dump.c
t_jobs_git_status_dump_LDADD = jobs/libgitread.a lib/libmuster.a $(ZLIB_LIBS) $(GLIB_LIBS)

# The runner with kinds of job that misbehave.
check_PROGRAMS += t/jobs/runner
t_jobs_runner_SOURCES = t/jobs/runner.c jobs/repo_clone.c t/jobs/runner_escape.c t/jobs/runner_escape.h
t_jobs_runner_LDADD = jobs/libmuster-run.a lib/libmuster-db.a $(AUDIT_LIBS) $(PQ_LIBS) $(SECCOMP_LIBS) $(JSON_LIBS) \
	$(SODIUM_LIBS) $(GLIB_LIBS)

# A kernel whose Landlock is older, for the programs that it runs.
check_PROGRAMS += t/jobs/old_kernel
t_jobs_old_kernel_SOURCES = t/jobs/old_kernel.c
t_jobs_old_kernel_LDADD = $(GLIB_LIBS)

# What is inherited over deltas beside what is read in full, with a matcher of the test's own.
check_PROGRAMS += t/jobs/scan_content
t_jobs_scan_content_SOURCES = t/jobs/scan_content.c t/jobs/scan_content_double.c t/jobs/scan_content_double.h
t_jobs_scan_content_LDADD = t/unit/libcheck.a $(SCAN_LIBS)

# What a depot reads, for tests to hold beside git cat-file.
check_PROGRAMS += t/jobs/scan-depot-dump
t_jobs_scan_depot_dump_SOURCES = t/jobs/scan-depot-dump.c
t_jobs_scan_depot_dump_LDADD = $(SCAN_LIBS)

check_PROGRAMS += t/jobs/scan_property
t_jobs_scan_property_SOURCES = t/jobs/scan_property.c
t_jobs_scan_property_LDADD = $(SCAN_LIBS)

# Who introduced what, for tests to hold beside git.
check_PROGRAMS += t/jobs/scan-history-dump
t_jobs_scan_history_dump_SOURCES = t/jobs/scan-history-dump.c
t_jobs_scan_history_dump_LDADD = $(SCAN_LIBS)
