# t/bench: speed beside peers, as ratios in one run; not part of the tests.
check_PROGRAMS += t/bench/live_bare t/bench/live_load
t_bench_live_bare_LDADD = $(GLIB_LIBS)
t_bench_live_load_LDADD = $(GLIB_LIBS)
