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
done_testing;
