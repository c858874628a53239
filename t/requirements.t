#!/usr/bin/perl
# What was asked for and which test shows it: t/requirements.tsv, a line each of id, feature, and
# the test file or the word later.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/harness";
use Test::More;
use Muster::Tree;

my @rows = map { [split /\t/, $_, -1] } grep { !/^#/ } split /\n/, tree_read('t/requirements.tsv');
is(scalar @rows, 190, 'there are 190 features');
none([map { join ' ', @$_ } grep { @$_ != 3 || $_->[0] !~ /^[A-Z]+-\d\d$/ || length $_->[1] < 8 } @rows], 'each line has an id, a feature and its test');
my %seen;
none([grep { $seen{$_}++ } map { $_->[0] } @rows], 'each id is there once');
my %exists = map { $_ => 1 } tree_files(qr{^t/.*\.t$});
none([map { "$_->[0]: $_->[2]" } grep { $_->[2] ne 'later' && !grep { $exists{$_} } $_->[2] } @rows], 'each test that is named exists');
my $shown = grep { $_->[2] ne 'later' } @rows;
cmp_ok($shown, '>', 0, 'some are shown');
note("$shown of 190 features are shown by a test");
done_testing;
