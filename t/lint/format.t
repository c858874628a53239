#!/usr/bin/perl
# C is formatted by clang-format 14, tables fenced from it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Tree;

my ($tool) = grep { (qx($_ --version 2>/dev/null) // '') =~ /version 14\./ } qw(clang-format-14 clang-format);
plan skip_all => 'clang-format 14 is not here' unless $tool;
chdir tree_top() or die $!;
my @files = tree_files(qr{^(?:lib|jobs|cgi|pusher|t)/.*\.[ch]$});
my $said = qx($tool --dry-run --style=file @files 2>&1);
my %bad = map { $_ => 1 } $said =~ /^([^:\n]+):\d+:\d+: warning/mg;
none([sort keys %bad], 'every C file is as clang-format leaves it')
	and diag("run: $tool -i @{[sort keys %bad]}");
my @wide;
for my $path (@files) {
	my $text = tree_read($path);
	$text =~ s{/\* clang-format off \*/.*?/\* clang-format on \*/}{}gs;
	for my $line (split /\n/, $text) {
		(my $shown = $line) =~ s/\t/        /g;
		utf8::decode($shown);
		# A message is not broken, so that it can be searched for; nor is an example.
		push @wide, "$path: $line" if length($shown) > 100 && $line !~ /"|^ \*\t/;
	}
}
none(\@wide, 'lines have at most 100 columns, tables, messages and examples apart');
done_testing;
