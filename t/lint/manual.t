#!/usr/bin/perl
# Manual pages: mdoc without complaints, one for each program.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Tree;

plan skip_all => 'mandoc is not here' unless -x '/usr/bin/mandoc';
chdir tree_top() or die $!;
my @pages = tree_files(qr{^[a-z]+/.*\.[1-8]$});
cmp_ok(scalar @pages, '>', 0, 'there are manual pages');
# Debian's mandoc knows no pages of ours that are not installed, and no operating system version. What
# it says of its own index goes to standard error, in the middle of a line.
my @said = grep { !/referenced manual not found|input text line longer|operating system explicitly|Mdocdate|no blank before trailing/ } split /\n/, qx(mandoc -T lint -W style @pages 2>/dev/null);
none(\@said, 'mandoc finds nothing');

# Both halves say what commands they have.
my $build = $ENV{MUSTER_BUILDDIR} // '.';
my @commands = qx('$build/jobs/muster' --help) =~ /^  ([a-z]+) +\S/mg;
cmp_ok(scalar @commands, '>', 3, 'muster lists its commands');
my $page = tree_read('jobs/muster.1');
none([grep { $page !~ /^\.It Cm \Q$_\E$/m } @commands], 'muster.1 names each command');
none([grep { my ($name, $section) = /\A(.*)\.([1-8])\z/; my $found = $name eq 'muster' || $page =~ /^\.Xr \Q$name\E $section\b/m; !$found }
	map { m{([^/]+)\z} } @pages], 'and leads to each page');

# The kinds of jobs and what the manual says of them.
my $kinds = tree_read('jobs/job_kinds.c');
my %queue = map { $_ => 1 } $kinds =~ /\.queue = "(\w+)"/g;
my ($queues) = tree_read('jobs/muster-job.1') =~ /^Jobs of the kinds of this queue:\n(.*?)^\.It/ms;
is_deeply([sort $queues =~ /^\.Ql (\w+)/mg], [sort keys %queue, 'reconcile'], 'muster-job.1 names each queue');
my ($network, $others) = tree_read('jobs/muster-run.1') =~ /^\.Dl muster run --forever (--queue .*)\n\.Dl muster run --forever (.*)$/m;
is_deeply([sort "$network $others" =~ /--queue (\w+)/g], [sort keys %queue], 'the two runners of the example do all kinds');
my @limits;
push @limits, [map { my $s = 1; $s *= $_ for split / \* /; $s } $1, $2] while $kinds =~ /\.soft_s = ([\d *]+), \.hard_s = ([\d *]+),/g;
cmp_ok(scalar @limits, '>', 4, 'kinds have limits of time');
none([map { "@$_" } grep { my ($soft, $hard) = @$_; $soft >= $hard || $hard > 3600 } @limits],
	'each is told to end before it is killed, and killed within the hour');
done_testing;
