#!/usr/bin/perl
# The long ones of the build: a tarball that builds, tests and installs itself, and the other
# compiler. Nothing is fetched. As an unprivileged user: a read-only source tree must be enough.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Cwd qw(abs_path);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use Test::More;
use Muster::Test;

plan skip_all => 'minutes: MUSTER_TEST_ALL=yes' unless ($ENV{MUSTER_TEST_ALL} // '') eq 'yes';
plan skip_all => 'root writes into read-only folders: run it as another user' if $> == 0;

my $source = abs_path(src_dir());
my $folder = tempdir('muster-dist.XXXXXX', TMPDIR => 1);

sub run_make {
	my ($name, $options, $target) = @_;
	mkdir "$folder/$name" or die $!;
	my ($code, $out, $err) = run_program(['sh', '-ec', "'$source/configure' --quiet $options && make -s $target"],
		cwd => "$folder/$name", timeout_s => 1800);
	is($code, 0, "$name: make $target") or diag(substr("$out$err", -4000));
	return $code;
}

my $ok = !run_make('distcheck', '', 'distcheck "T=t/unit t/lint"');
my @tarballs = glob "$folder/distcheck/*.tar.xz";
is(scalar @tarballs, 1, 'there is one tarball');
$ok = !run_make('clang', '--enable-werror CC=clang', 'all check-programs') && $ok;
$ok = !run_make('coverage', "--enable-coverage --enable-werror CFLAGS=-O0", 'check T=t/unit') && $ok;

if ($ok) {
	system('chmod', '-R', 'u+w', $folder);
	remove_tree($folder);
} else {
	diag("kept for you to look at: $folder");
}
done_testing;
