#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# contrib/quickstart started as root: it writes nothing where another user could have put a link or
# a program in its place. What it does after that is in t/root/chroot.t.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use Test::More;

plan skip_all => 'needs root' if $>;
my $other = getpwnam 'nobody';
plan skip_all => 'needs another user' unless $other;

my $quickstart = abs_path(($ENV{MUSTER_SRCDIR} // '.') . '/contrib/quickstart');
# Short: PostgreSQL's socket would lie below it.
my $work = tempdir('mq.XXXXXX', DIR => '/tmp', CLEANUP => 1);
mkdir "$work/repositories";
mkdir "$work/victim", 0700;

sub refused {
	my ($state) = @_;
	# Should it go on, it is to go no further than to building.
	open my $pipe, '-|', 'sh', '-c', 'exec timeout 20 "$@" 2>&1 </dev/null', 'sh', $quickstart,
		'--no-install', '--port', '0', '--state', $state, "$work/repositories" or die $!;
	local $/;
	my $output = <$pipe> // '';
	close $pipe;
	return ($? >> 8, $output);
}

mkdir "$work/theirs";
chown $other, -1, "$work/theirs";
my ($code, $output) = refused("$work/theirs");
is $code, 4, "a state folder of another user's is refused";
like $output, qr/belongs to nobody, and must be root's.*--state/, 'in one sentence';
is_deeply [glob "$work/theirs/*"], [], 'and nothing is written into it';

mkdir "$work/open";
chmod 0777, "$work/open";
($code, $output) = refused("$work/open");
is $code, 4, 'one that anybody may write into is refused';
like $output, qr/writable for others/, 'and why';

for my $name (qw(reports log)) {
	mkdir "$work/$name", 0755;
	symlink "$work/victim", "$work/$name/$name";
	($code, $output) = refused("$work/$name");
	is $code, 4, "a link in the place of its folder $name is refused";
	like $output, qr/$name is a link/, 'by name';
}
my @stat = stat "$work/victim";
is $stat[4], 0, 'what the link leads to keeps its owner';
is $stat[2] & 0777, 0700, 'and its mode';

mkdir "$work/log2", 0755;
mkdir "$work/log2/log";
chown $other, -1, "$work/log2/log";
($code, $output) = refused("$work/log2");
is $code, 4, "a log folder of another user's is refused";
like $output, qr/log belongs to nobody/, 'by name';
done_testing;
