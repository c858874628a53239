# t: tests, all run by prove.
#
#	make check			everything
#	make check T=t/unit		one folder or file
#
# Programs that tests need go into check_PROGRAMS; a test in C prints TAP and has a line in
# t/unit/*.t that runs it.
T = t

# Unit tests in C: GLib's test framework, printing TAP; t/unit/<stem>.t runs t/unit/<stem>.
check_LIBRARIES += t/unit/libcheck.a
t_unit_libcheck_a_SOURCES = t/unit/check.c t/unit/check.h
LDADD = t/unit/libcheck.a lib/libmuster.a $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)

check_PROGRAMS += \
	t/unit/audit_remote \
	t/unit/audit_run \
	t/unit/conf \
	t/unit/db \
	t/unit/error \
	t/unit/event \
	t/unit/file \
	t/unit/http \
	t/unit/input \
	t/unit/json \
	t/unit/log \
	t/unit/mapped \
	t/unit/quote \
	t/unit/repo_clone \
	t/unit/report \
	t/unit/run_frame \
	t/unit/scan_engine \
	t/unit/scan_example \
	t/unit/scan_filter \
	t/unit/scan_finding \
	t/unit/scan_rule \
	t/unit/scan_seen \
	t/unit/scan_sieve \
	t/unit/scan_toml \
	t/unit/secret \
	t/unit/totp \
	t/unit/wake

t_unit_scan_finding_LDADD = t/unit/libcheck.a jobs/libscanoutput.a jobs/libaudit.a $(SCAN_LIBS)
t_unit_scan_example_LDADD = t/unit/libcheck.a $(SCAN_LIBS)
t_unit_scan_filter_LDADD = t/unit/libcheck.a $(SCAN_LIBS)
t_unit_scan_rule_LDADD = t/unit/libcheck.a $(SCAN_LIBS)
t_unit_scan_toml_LDADD = t/unit/libcheck.a $(SCAN_LIBS)
t_unit_scan_engine_LDADD = t/unit/libcheck.a $(SCAN_LIBS)
t_unit_scan_seen_LDADD = t/unit/libcheck.a $(SCAN_LIBS)
t_unit_scan_sieve_LDADD = t/unit/libcheck.a $(SCAN_LIBS)
t_unit_run_frame_LDADD = jobs/libmuster-run.a $(LDADD)
t_unit_audit_run_LDADD = t/unit/libcheck.a $(AUDIT_LIBS)
t_unit_audit_remote_LDADD = t/unit/libcheck.a $(AUDIT_LIBS)
t_unit_repo_clone_SOURCES = t/unit/repo_clone.c jobs/repo_clone.c
t_unit_input_LDADD = t/unit/libcheck.a cgi/libmuster-api.a lib/libmuster.a $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)
t_unit_mapped_LDADD = t/unit/libcheck.a cgi/libmuster-api.a lib/libmuster.a $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)
t_unit_http_LDADD = t/unit/libcheck.a lib/libmuster-http.a lib/libmuster.a $(CURL_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)
t_unit_db_LDADD = t/unit/libcheck.a lib/libmuster-db.a lib/libmuster.a $(PQ_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)

# Fuzz targets (t/fuzz/target.h). With --enable-fuzzing libFuzzer has the main function.
fuzz_programs = \
	t/fuzz/git_attr \
	t/fuzz/git_commit \
	t/fuzz/git_config \
	t/fuzz/git_ignore \
	t/fuzz/git_index \
	t/fuzz/git_pack \
	t/fuzz/git_packed_refs \
	t/fuzz/json \
	t/fuzz/jwk \
	t/fuzz/remote_list \
	t/fuzz/request \
	t/fuzz/run_frame \
	t/fuzz/scan_commit \
	t/fuzz/scan_decode \
	t/fuzz/scan_delta \
	t/fuzz/scan_example \
	t/fuzz/scan_idx \
	t/fuzz/scan_pack \
	t/fuzz/scan_state \
	t/fuzz/scan_toml \
	t/fuzz/scan_tree \
	t/fuzz/unpack
check_PROGRAMS += $(fuzz_programs)
if FUZZING
FUZZ_MAIN =
else
check_LIBRARIES += t/fuzz/libreplay.a
t_fuzz_libreplay_a_SOURCES = t/fuzz/replay.c
FUZZ_MAIN = t/fuzz/libreplay.a
endif
t_fuzz_json_SOURCES = t/fuzz/json.c t/fuzz/target.h
t_fuzz_json_LDADD = $(FUZZ_MAIN) lib/libmuster.a $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)
t_fuzz_json_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_jwk_SOURCES = t/fuzz/jwk.c t/fuzz/target.h
t_fuzz_jwk_LDADD = $(FUZZ_MAIN) lib/libmuster-jwk.a lib/libmuster.a $(CRYPTO_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) \
	$(GLIB_LIBS)
t_fuzz_jwk_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_git_libs = $(FUZZ_MAIN) jobs/libgitread.a lib/libmuster.a $(ZLIB_LIBS) $(GLIB_LIBS)
t_fuzz_git_attr_SOURCES = t/fuzz/git_attr.c t/fuzz/target.h
t_fuzz_git_attr_LDADD = $(fuzz_git_libs)
t_fuzz_git_attr_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_git_commit_SOURCES = t/fuzz/git_commit.c t/fuzz/target.h
t_fuzz_git_commit_LDADD = $(FUZZ_MAIN) $(AUDIT_LIBS)
t_fuzz_git_commit_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_remote_list_SOURCES = t/fuzz/remote_list.c t/fuzz/target.h
t_fuzz_remote_list_LDADD = $(FUZZ_MAIN) $(AUDIT_LIBS)
t_fuzz_remote_list_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_git_config_SOURCES = t/fuzz/git_config.c t/fuzz/target.h
t_fuzz_git_config_LDADD = $(fuzz_git_libs)
t_fuzz_git_config_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_git_ignore_SOURCES = t/fuzz/git_ignore.c t/fuzz/target.h
t_fuzz_git_ignore_LDADD = $(fuzz_git_libs)
t_fuzz_git_ignore_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_git_index_SOURCES = t/fuzz/git_index.c t/fuzz/target.h
t_fuzz_git_index_LDADD = $(fuzz_git_libs)
t_fuzz_git_index_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_git_pack_SOURCES = t/fuzz/git_pack.c t/fuzz/target.h
t_fuzz_git_pack_LDADD = $(fuzz_git_libs)
t_fuzz_git_pack_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_git_packed_refs_SOURCES = t/fuzz/git_packed_refs.c t/fuzz/target.h
t_fuzz_git_packed_refs_LDADD = $(fuzz_git_libs)
t_fuzz_git_packed_refs_LDFLAGS = $(FUZZ_LDFLAGS)

t_fuzz_request_SOURCES = t/fuzz/request.c t/fuzz/target.h
t_fuzz_request_LDADD = $(FUZZ_MAIN) cgi/libmuster-api.a lib/libmuster-db.a lib/libmuster-http.a lib/libmuster-jwk.a \
	lib/libmuster.a $(PQ_LIBS) $(CURL_LIBS) $(CRYPTO_LIBS) $(QRENCODE_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)
t_fuzz_request_LDFLAGS = $(FUZZ_LDFLAGS)

t_fuzz_run_frame_SOURCES = t/fuzz/run_frame.c t/fuzz/target.h
t_fuzz_run_frame_LDADD = $(FUZZ_MAIN) jobs/libmuster-run.a lib/libmuster.a $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)
t_fuzz_run_frame_LDFLAGS = $(FUZZ_LDFLAGS)

t_fuzz_scan_example_SOURCES = t/fuzz/scan_example.c t/fuzz/target.h
t_fuzz_scan_example_LDADD = $(FUZZ_MAIN) $(SCAN_LIBS)
t_fuzz_scan_example_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_scan_state_SOURCES = t/fuzz/scan_state.c t/fuzz/target.h
t_fuzz_scan_state_LDADD = $(FUZZ_MAIN) $(SCAN_LIBS)
t_fuzz_scan_state_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_scan_toml_SOURCES = t/fuzz/scan_toml.c t/fuzz/target.h
t_fuzz_scan_toml_LDADD = $(FUZZ_MAIN) $(SCAN_LIBS)
t_fuzz_scan_toml_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_scan_libs = $(FUZZ_MAIN) $(SCAN_LIBS)
t_fuzz_scan_commit_SOURCES = t/fuzz/scan_commit.c t/fuzz/target.h
t_fuzz_scan_commit_LDADD = $(fuzz_scan_libs)
t_fuzz_scan_commit_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_scan_decode_SOURCES = t/fuzz/scan_decode.c t/fuzz/target.h
t_fuzz_scan_decode_LDADD = $(fuzz_scan_libs)
t_fuzz_scan_decode_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_scan_delta_SOURCES = t/fuzz/scan_delta.c t/fuzz/target.h
t_fuzz_scan_delta_LDADD = $(fuzz_scan_libs)
t_fuzz_scan_delta_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_scan_idx_SOURCES = t/fuzz/scan_idx.c t/fuzz/target.h
t_fuzz_scan_idx_LDADD = $(fuzz_scan_libs)
t_fuzz_scan_idx_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_scan_pack_SOURCES = t/fuzz/scan_pack.c t/fuzz/target.h
t_fuzz_scan_pack_LDADD = $(fuzz_scan_libs)
t_fuzz_scan_pack_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_scan_tree_SOURCES = t/fuzz/scan_tree.c t/fuzz/target.h
t_fuzz_scan_tree_LDADD = $(fuzz_scan_libs)
t_fuzz_scan_tree_LDFLAGS = $(FUZZ_LDFLAGS)
t_fuzz_unpack_SOURCES = t/fuzz/unpack.c t/fuzz/target.h jobs/scan/archive_head.c jobs/unpack_walk.c
t_fuzz_unpack_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS)
t_fuzz_unpack_LDADD = $(FUZZ_MAIN) $(ARCHIVE_LIBS) $(GLIB_LIBS)
t_fuzz_unpack_LDFLAGS = $(FUZZ_LDFLAGS)

.PHONY: fuzz-programs
fuzz-programs: $(fuzz_programs)

# For those who write rules: recall, precision and speed; no test runs it.
check_PROGRAMS += t/harness/match_cases
t_harness_match_cases_LDADD = jobs/libscan.a lib/libmuster.a $(JSON_LIBS) $(SCAN_LIBS)

# Tests bring themselves along; t/lint/dist.t says what this misses.
EXTRA_DIST += \
	$(wildcard $(srcdir)/t/*.t $(srcdir)/t/*.tsv) \
	$(foreach kind,t pl pm py sh mjs json,$(wildcard $(srcdir)/t/*/*.$(kind))) \
	$(srcdir)/t/bench \
	$(srcdir)/t/fuzz/corpus \
	$(srcdir)/t/fuzz/replay.c \
	$(srcdir)/t/harness

TEST_ENV = MUSTER_BUILDDIR=$(abs_top_builddir) MUSTER_SRCDIR=$(abs_top_srcdir)

.PHONY: check-programs check-only
check-programs: all $(check_LIBRARIES) $(check_PROGRAMS)

check-only:
	cd $(srcdir) && $(TEST_ENV) $(PROVE) --recurse --ext=.t $(PROVEFLAGS) $(T)

check-local: check-programs
	$(MAKE) $(AM_MAKEFLAGS) check-only

include t/bench/local.mk
include t/chaos/local.mk
include t/jobs/local.mk
