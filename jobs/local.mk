# jobs: muster, the program a person runs; muster-server, its second half.
bin_PROGRAMS += jobs/muster

jobs_muster_SOURCES = \
	jobs/audit.c \
	jobs/diff.c \
	jobs/landlock.c jobs/landlock.h \
	jobs/muster.c jobs/muster.h \
	jobs/program.c jobs/program.h \
	jobs/repo_clone.c jobs/repo_clone.h \
	jobs/rules.c jobs/rules.h \
	jobs/rules_json.c \
	jobs/rules_print.c \
	jobs/scan.c
jobs_muster_CFLAGS = $(AM_CFLAGS) $(GIT2_CFLAGS)
jobs_muster_LDADD = jobs/libmuster-scan.a jobs/libscanoutput.a jobs/libscan.a $(AUDIT_LIBS) $(HS_LIBS) $(PCRE2_LIBS) $(DEFLATE_LIBS) -lm

# A scan without its command line: jobs of the runner are scans too.
noinst_LIBRARIES += jobs/libmuster-scan.a
jobs_libmuster_scan_a_SOURCES = \
	jobs/scan_archive.c jobs/scan_archive.h \
	jobs/scan_bare.c jobs/scan_bare.h \
	jobs/scan_files.c \
	jobs/scan_flags.c jobs/scan_flags.h \
	jobs/scan_history.c jobs/scan_history.h \
	jobs/scan_items.c \
	jobs/scan_job.c jobs/scan_job.h \
	jobs/scan_message.c jobs/scan_message.h \
	jobs/scan_meter.c \
	jobs/scan_name.c jobs/scan_name.h \
	jobs/scan_owner.c jobs/scan_owner.h \
	jobs/scan_repo.c \
	jobs/scan_report.c \
	jobs/scan_reread.c jobs/scan_reread.h \
	jobs/scan_sample.c jobs/scan_sample.h \
	jobs/scan_shortened.c jobs/scan_shortened.h \
	jobs/scan_tips.c jobs/scan_tips.h \
	jobs/scan_unpack.c jobs/scan_unpack.h \
	jobs/scan_walk.c jobs/scan_walk.h

dist_man_MANS += jobs/muster-scan.1
nobase_dist_pkgdata_DATA += schema/scan-1.json

include jobs/git/local.mk
include jobs/audit/local.mk
include jobs/scan/local.mk

# What muster scan --archives has archives opened by: a program without rights.
pkglibexec_PROGRAMS += jobs/muster-unpack
jobs_muster_unpack_SOURCES = \
	jobs/scan/archive_head.c jobs/scan/archive_head.h \
	jobs/unpack.c jobs/unpack.h \
	jobs/unpack_walk.c jobs/unpack_walk.h
jobs_muster_unpack_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS) $(SECCOMP_CFLAGS)
jobs_muster_unpack_LDADD = lib/libmuster.a $(ARCHIVE_LIBS) $(SECCOMP_LIBS) $(GLIB_LIBS)

pkglibexec_PROGRAMS += jobs/muster-server

jobs_muster_server_SOURCES = \
	jobs/account.c jobs/account.h \
	jobs/backup.c jobs/backup.h \
	jobs/backup_file.c \
	jobs/conf.c \
	jobs/credential.c \
	jobs/demo.c \
	jobs/doctor.c jobs/doctor.h \
	jobs/doctor_database.c \
	jobs/doctor_host.c \
	jobs/doctor_service.c \
	jobs/dump.c jobs/dump.h \
	jobs/forge.c jobs/forge.h \
	jobs/job_audit.c \
	jobs/job_clone.c \
	jobs/job_kinds.c \
	jobs/job_reconcile.c \
	jobs/job_remediate.c \
	jobs/job_scan.c \
	jobs/key.c \
	jobs/job.c \
	jobs/login.c jobs/login.h \
	jobs/migrate.c jobs/migrate.h \
	jobs/muster_server.c \
	jobs/organization.c \
	jobs/place.c jobs/place.h \
	jobs/program.c jobs/program.h \
	jobs/repo.c \
	jobs/repo_clone.c jobs/repo_clone.h \
	jobs/repo_finding.c jobs/repo_finding.h \
	jobs/repo_tidy.c jobs/repo_tidy.h \
	jobs/restore.c \
	jobs/rows.c jobs/rows.h \
	jobs/schedule.c \
	jobs/token.c \
	jobs/trash.c jobs/trash.h \
	jobs/verb.c jobs/verb.h
jobs_muster_server_CFLAGS = $(AM_CFLAGS) $(GIT2_CFLAGS) $(ARCHIVE_CFLAGS)
jobs_muster_server_LDADD = jobs/libmuster-scan.a jobs/libscanoutput.a jobs/libscan.a jobs/libmuster-run.a \
	lib/libmuster-db.a lib/libmuster-http.a $(AUDIT_LIBS) $(HS_LIBS) $(PCRE2_LIBS) $(DEFLATE_LIBS) -lm $(PQ_LIBS) $(CURL_LIBS) $(SECCOMP_LIBS) $(ARCHIVE_LIBS)
dist_man_MANS += jobs/muster.1 jobs/muster-account.1 jobs/muster-backup.1 jobs/muster-credential.1 jobs/muster-demo.1 jobs/muster-doctor.1 jobs/muster-job.1 jobs/muster-key.1 jobs/muster-migrate.1 jobs/muster-repo.1 jobs/muster-run.1 jobs/muster-schedule.1

# The runner without its table of kinds: the tests have a table of their own.
noinst_LIBRARIES += jobs/libmuster-run.a
jobs_libmuster_run_a_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)
jobs_libmuster_run_a_SOURCES = \
	jobs/job_kind.c \
	jobs/job_kinds.h \
	jobs/landlock.c \
	jobs/landlock.h \
	jobs/muster_server.h \
	jobs/muster_server_start.c \
	jobs/run.c \
	jobs/run.h \
	jobs/run_child.c \
	jobs/run_child.h \
	jobs/run_frame.c \
	jobs/run_frame.h \
	jobs/run_helper.c \
	jobs/run_helper.h \
	jobs/run_helper_main.c \
	jobs/run_job.c \
	jobs/run_loop.c \
	jobs/run_letter.c \
	jobs/run_notify.c \
	jobs/run_protocol.h \
	jobs/run_queue.c \
	jobs/run_queue.h \
	jobs/run_reports.c \
	jobs/run_sandbox.c \
	jobs/run_sandbox.h \
	jobs/run_say.c \
	jobs/run_claim.c \
	jobs/run_settle.c \
	jobs/run_slot.c \
	jobs/run_slot.h \
	jobs/run_watch.c \
	jobs/run_watch.h \
	jobs/run_worker.c
