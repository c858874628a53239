# The audit, and how a report is written: linked by muster and by the runner's children.
noinst_LIBRARIES += jobs/libaudit.a
jobs_libaudit_a_CFLAGS = $(AM_CFLAGS) $(GIT2_CFLAGS) $(ZLIB_CFLAGS)
jobs_libaudit_a_SOURCES = \
	jobs/audit/audit.c jobs/audit/audit.h \
	jobs/audit/cache.c jobs/audit/cache.h \
	jobs/audit/checks.c jobs/audit/checks.h \
	jobs/audit/facts.c jobs/audit/facts.h \
	jobs/audit/find.c jobs/audit/find.h \
	jobs/audit/inspect.c jobs/audit/inspect.h \
	jobs/audit/member.c jobs/audit/member.h \
	jobs/audit/past.c jobs/audit/past.h \
	jobs/audit/remote.c jobs/audit/remote.h \
	jobs/audit/report.c jobs/audit/report.h \
	jobs/audit/row.c jobs/audit/row.h \
	jobs/audit/score.c jobs/audit/score.h \
	jobs/git/change.c jobs/git/change.h \
	jobs/git/commit.c jobs/git/commit.h \
	jobs/git/diff.c jobs/git/diff.h \
	jobs/git/head.c jobs/git/head.h \
	jobs/git/history.c jobs/git/history.h \
	jobs/git/odb.c jobs/git/odb.h \
	jobs/output/cell.c jobs/output/cell.h \
	jobs/output/csv.c \
	jobs/output/html.c \
	jobs/output/json.c \
	jobs/output/markdown.c \
	jobs/output/output.c jobs/output/output.h \
	jobs/output/table.c \
	jobs/output/terminal.c jobs/output/terminal.h
# In the order in which a linker needs them.
AUDIT_LIBS = jobs/libaudit.a jobs/libgitread.a lib/libmuster.a \
	$(GIT2_LIBS) $(ZLIB_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)

nobase_dist_pkgdata_DATA += schema/report-1.json
dist_man_MANS += jobs/muster-audit.1 jobs/muster-diff.1 jobs/muster-forge.1
