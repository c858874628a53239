# t/bench: speed beside peers, as ratios in one run; not part of the tests.
check_PROGRAMS += t/bench/live_bare t/bench/live_load
t_bench_live_bare_LDADD = $(GLIB_LIBS)
t_bench_live_load_LDADD = $(GLIB_LIBS)

# Parts of a scan, and libgit2 beside it.
check_PROGRAMS += t/bench/scan_engine t/bench/scan_libgit2
t_bench_scan_engine_LDADD = $(SCAN_LIBS)
t_bench_scan_libgit2_CFLAGS = $(AM_CFLAGS) $(GIT2_CFLAGS)
t_bench_scan_libgit2_LDADD = $(GIT2_LIBS)
