#!/usr/bin/perl
# Each target over its corpus and a few seconds of changes of it; with MUSTER_TEST_ALL=yes also a
# minute under libFuzzer and the sanitizers, in a build of its own. Any other target is found by
# its file: t/fuzz/<stem>.c and t/fuzz/corpus/<stem>/.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Cwd qw(abs_path getcwd);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use POSIX ();
use Test::More;
use Muster::Tree;

my $source = tree_top();
my $build = abs_path($ENV{MUSTER_BUILDDIR} // '.');
my $is_all = ($ENV{MUSTER_TEST_ALL} // '') eq 'yes';
my @stems = map { m{/([a-z_]+)\.c$} } grep { $_ ne 't/fuzz/replay.c' } tree_files(qr{^t/fuzz/[a-z_]+\.c$});
my $folder = tempdir('muster-fuzz.XXXXXX', TMPDIR => 1);
my $here = getcwd();
chdir $folder or die "$folder: $!";

sub run {
	my ($log, @argv) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDOUT, '>', $log;
		open STDERR, '>&', \*STDOUT;
		{ no warnings 'exec'; exec @argv; }
		POSIX::_exit(127);
	}
	waitpid $pid, 0;
	return $?;
}

sub tail {
	my ($log) = @_;
	open my $in, '<', $log or return '';
	my @lines = <$in>;
	splice @lines, 0, @lines - 40 if @lines > 40;
	return join '', @lines;
}

sub is_libfuzzer { return qx('$_[0]' -help=1 2>&1) =~ /libFuzzer/ }

cmp_ok(scalar @stems, '>', 0, 'there are fuzz targets');
for my $stem (@stems) {
	my $program = "$build/t/fuzz/$stem";
	my $corpus = "$source/t/fuzz/corpus/$stem";
	ok(-d $corpus, "$stem has a corpus") or next;
	my @argv = is_libfuzzer($program) ? ($program, '-max_total_time=3', "-artifact_prefix=$folder/", "$folder/new-$stem", $corpus)
		: ($program, 2, $corpus);
	mkdir "$folder/new-$stem";
	is(run("$folder/$stem.log", @argv), 0, "$stem withstands its corpus and changes of it") or diag(tail("$folder/$stem.log"));
}

SKIP: {
	skip 'a minute of libFuzzer for each target: MUSTER_TEST_ALL=yes', 1 unless $is_all;
	skip 'clang is not here', 1 unless qx(clang --version 2>/dev/null);
	mkdir 'build' or die $!;
	my $made = run("$folder/build.log", 'sh', '-c', "cd build && '$source/configure' --quiet --enable-fuzzing CC=clang CFLAGS='-O1 -g' && make -j2 fuzz-programs");
	is($made, 0, 'the targets are built with libFuzzer') or diag(tail("$folder/build.log")), next;
	for my $stem (@stems) {
		mkdir "found-$stem";
		is(run("$folder/$stem.fuzz.log", "$folder/build/t/fuzz/$stem", '-max_total_time=60', '-rss_limit_mb=2048', '-max_len=65536',
			"-artifact_prefix=$folder/", "$folder/found-$stem", "$source/t/fuzz/corpus/$stem"), 0,
			"$stem withstands a minute of libFuzzer") or diag(tail("$folder/$stem.fuzz.log"));
	}
}

chdir $here;
if (Test::More->builder->is_passing) {
	remove_tree($folder);
} else {
	diag("kept for you to look at: $folder");
}
done_testing;
