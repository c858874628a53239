# A clock that can be set, for LD_PRELOAD: without the sanitizers, which want to be first.
check_PROGRAMS += t/chaos/clock.so
t_chaos_clock_so_SOURCES = t/chaos/clock.c
t_chaos_clock_so_CFLAGS = -fPIC
t_chaos_clock_so_LDFLAGS = -shared
t_chaos_clock_so_LDADD = -ldl
