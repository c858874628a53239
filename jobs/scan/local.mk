# jobs/scan: what muster scan asks of bytes: objects, rules, matches, hits.
noinst_LIBRARIES += jobs/libscan.a
jobs_libscan_a_CFLAGS = $(AM_CFLAGS) $(HS_CFLAGS) $(PCRE2_CFLAGS) $(DEFLATE_CFLAGS)
jobs_libscan_a_SOURCES = \
	jobs/scan/archive_head.c \
	jobs/scan/archive_head.h \
	jobs/scan/baseline.c \
	jobs/scan/baseline.h \
	jobs/scan/budget.c \
	jobs/scan/budget.h \
	jobs/scan/char_run.c \
	jobs/scan/char_run.h \
	jobs/scan/checksum.c \
	jobs/scan/checksum.h \
	jobs/scan/checksum_pem.c \
	jobs/scan/checksum_pem.h \
	jobs/scan/commit_graph.c \
	jobs/scan/commit_graph.h \
	jobs/scan/content.c \
	jobs/scan/content.h \
	jobs/scan/content_inherit.c \
	jobs/scan/content_inherit.h \
	jobs/scan/content_place.c \
	jobs/scan/content_place.h \
	jobs/scan/content_text.c \
	jobs/scan/content_text.h \
	jobs/scan/decode.c \
	jobs/scan/decode.h \
	jobs/scan/decode_text.c \
	jobs/scan/depot.c \
	jobs/scan/depot.h \
	jobs/scan/depot_entry.c \
	jobs/scan/depot_entry.h \
	jobs/scan/depot_folder.c \
	jobs/scan/depot_forest.c \
	jobs/scan/depot_forest.h \
	jobs/scan/depot_idx.c \
	jobs/scan/depot_idx.h \
	jobs/scan/depot_inside.h \
	jobs/scan/depot_maker.c \
	jobs/scan/depot_maker.h \
	jobs/scan/depot_number.c \
	jobs/scan/depot_read.c \
	jobs/scan/depot_read.h \
	jobs/scan/depot_stamp.c \
	jobs/scan/depot_walk.c \
	jobs/scan/depot_walk.h \
	jobs/scan/depot_worker.c \
	jobs/scan/entropy.c \
	jobs/scan/entropy.h \
	jobs/scan/example.c \
	jobs/scan/example.h \
	jobs/scan/example_random.c \
	jobs/scan/example_random.h \
	jobs/scan/filter.c \
	jobs/scan/filter.h \
	jobs/scan/filter_name.c \
	jobs/scan/filter_password.c \
	jobs/scan/finding.c \
	jobs/scan/finding.h \
	jobs/scan/finding_id.c \
	jobs/scan/finding_id.h \
	jobs/scan/finding_make.c \
	jobs/scan/finding_make.h \
	jobs/scan/finding_path.c \
	jobs/scan/finding_path.h \
	jobs/scan/finding_sample.c \
	jobs/scan/finding_sample.h \
	jobs/scan/git_bytes.c \
	jobs/scan/git_bytes.h \
	jobs/scan/history.c \
	jobs/scan/history.h \
	jobs/scan/history_commit.c \
	jobs/scan/history_finish.c \
	jobs/scan/history_hold.c \
	jobs/scan/history_inside.h \
	jobs/scan/history_new.c \
	jobs/scan/history_path.c \
	jobs/scan/history_range.c \
	jobs/scan/history_refs.c \
	jobs/scan/history_sight.c \
	jobs/scan/history_sight.h \
	jobs/scan/history_tree.c \
	jobs/scan/history_tree.h \
	jobs/scan/hit.h \
	jobs/scan/holding.c \
	jobs/scan/holding.h \
	jobs/scan/ignore.c \
	jobs/scan/ignore.h \
	jobs/scan/judge.c \
	jobs/scan/judge.h \
	jobs/scan/matcher.c \
	jobs/scan/matcher.h \
	jobs/scan/matcher_inside.h \
	jobs/scan/matcher_sieve.c \
	jobs/scan/oid_map.c \
	jobs/scan/oid_map.h \
	jobs/scan/pair_map.c \
	jobs/scan/pair_map.h \
	jobs/scan/pattern_path.c \
	jobs/scan/pattern_path.h \
	jobs/scan/rule.c \
	jobs/scan/rule.h \
	jobs/scan/rule_allowlist.c \
	jobs/scan/rule_builtin.c \
	jobs/scan/rule_builtin.h \
	jobs/scan/rule_check.c \
	jobs/scan/rule_check.h \
	jobs/scan/rule_check_cost.c \
	jobs/scan/rule_file.h \
	jobs/scan/rule_filter.c \
	jobs/scan/rule_hash.c \
	jobs/scan/rule_hash.h \
	jobs/scan/rule_keyword.c \
	jobs/scan/rule_pattern.c \
	jobs/scan/rule_pattern.h \
	jobs/scan/rule_read.c \
	jobs/scan/rule_regex.c \
	jobs/scan/rule_set.c \
	jobs/scan/rule_set.h \
	jobs/scan/rule_sieve.c \
	jobs/scan/scan.c \
	jobs/scan/scan.h \
	jobs/scan/scan_coverage.c \
	jobs/scan/secret_table.c \
	jobs/scan/secret_table.h \
	jobs/scan/seen.c \
	jobs/scan/seen.h \
	jobs/scan/sieve.c \
	jobs/scan/sieve.h \
	jobs/scan/sieve_cache.c \
	jobs/scan/sieve_cache.h \
	jobs/scan/sieve_reach.c \
	jobs/scan/sieve_shape.c \
	jobs/scan/sieve_shape.h \
	jobs/scan/state.c \
	jobs/scan/state.h \
	jobs/scan/state_file.c \
	jobs/scan/state_file.h \
	jobs/scan/state_load.c \
	jobs/scan/state_order.c \
	jobs/scan/state_order.h \
	jobs/scan/state_sample.c \
	jobs/scan/state_store.h \
	jobs/scan/text_pool.c \
	jobs/scan/text_pool.h \
	jobs/scan/toml.c \
	jobs/scan/toml.h \
	jobs/scan/toml_reader.h \
	jobs/scan/toml_value.c \
	jobs/scan/word_arena.c \
	jobs/scan/word_arena.h

# In the order in which a program is linked.
SCAN_LIBS = jobs/libscan.a lib/libmuster.a $(HS_LIBS) $(PCRE2_LIBS) $(DEFLATE_LIBS) $(JSON_LIBS) \
	$(SODIUM_LIBS) $(GLIB_LIBS) -lm

# The findings of a scan as text.
noinst_LIBRARIES += jobs/libscanoutput.a
jobs_libscanoutput_a_SOURCES = \
	jobs/output/scan.c \
	jobs/output/scan.h \
	jobs/output/scan_csv.c \
	jobs/output/scan_html.c \
	jobs/output/scan_json.c \
	jobs/output/scan_junit.c \
	jobs/output/scan_markdown.c \
	jobs/output/scan_sarif.c \
	jobs/output/scan_table.c

# Every family in the folder, one behind the other, goes into the library as it is.
EXTRA_DIST += jobs/scan/rules
rule_families = $(wildcard $(srcdir)/jobs/scan/rules/*.toml)
jobs/scan/libscan_a-rule_builtin.$(OBJEXT): jobs/scan/rules.all jobs/scan/sample.all
jobs/scan/rules.all: $(srcdir)/jobs/scan/rules $(rule_families)
	$(AM_V_GEN)$(MKDIR_P) jobs/scan && for f in $(rule_families); do \
		echo "#@ $${f##*/}" && cat "$$f" || exit 1; done >$@.tmp && mv $@.tmp $@
# Ordinary text, for what `muster rules check` measures.
rule_sample = README.md jobs/muster.c htdocs/js/shell.js sql/api/report.sql t/harness/Muster/Test.pm
jobs/scan/sample.all: $(rule_sample:%=$(srcdir)/%)
	$(AM_V_GEN)$(MKDIR_P) jobs/scan && cat $(rule_sample:%=$(srcdir)/%) >$@.tmp && mv $@.tmp $@
CLEANFILES += jobs/scan/rules.all jobs/scan/rules.all.tmp jobs/scan/sample.all jobs/scan/sample.all.tmp

dist_man_MANS += jobs/muster-rule.5 jobs/muster-rules.1
