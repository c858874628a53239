# t: tests, all run by prove.
#
#	make check			everything
#	make check T=t/unit		one folder or file
#
# Programs that tests need go into check_PROGRAMS; a test in C prints TAP and has a line in
# t/unit/*.t that runs it.
T = t

TEST_ENV = MUSTER_BUILDDIR=$(abs_top_builddir) MUSTER_SRCDIR=$(abs_top_srcdir)

.PHONY: check-programs check-only
check-programs: all $(check_PROGRAMS)

check-only:
	cd $(srcdir) && $(TEST_ENV) $(PROVE) --recurse --ext=.t $(PROVEFLAGS) $(T)

check-local: check-programs
	$(MAKE) $(AM_MAKEFLAGS) check-only
