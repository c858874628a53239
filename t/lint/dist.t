#!/usr/bin/perl
# What is tracked is in the tarball, or listed here as not.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Tree;

my $build = $ENV{MUSTER_BUILDDIR} // '.';
plan skip_all => 'nothing is configured here' unless -e "$build/Makefile";
# In a copy of a checkout all that is there was tracked.
my @tracked = -e tree_top() . '/.git' ? split /\0/, qx(git -c safe.directory='*' -C '@{[tree_top()]}' ls-files -z) : tree_files();
@tracked = grep { -e tree_top() . "/$_" } @tracked;
my %distributed = map { $_ => 1 } split /\s+/, qx(make -s --no-print-directory -C '$build' print-dist);
my $not = qr{^(?:\.gitignore|\.gitattributes|\.ci/.*)$};

sub is_distributed {
	my ($path) = @_;
	# A folder in EXTRA_DIST brings all that is below it.
	for (my $at = $path; $at ne ''; $at =~ s{/?[^/]*$}{}) {
		return 1 if $distributed{$at};
	}
	return 0;
}
none([grep { $_ !~ $not && !is_distributed($_) } @tracked], 'every tracked file is distributed');
my %tracked = map { $_ => 1 } @tracked;
my $made = qr{^(?:aclocal\.m4|configure|config\.h\.in|Makefile\.in|build-aux/.*)$};
none([grep { $_ !~ $made && !-e tree_top() . "/$_" } sort keys %distributed], 'what is distributed exists');
done_testing;
