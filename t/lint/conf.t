#!/usr/bin/perl
# The sample file and the manual page say what the table of settings says.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Tree;

my $server = ($ENV{MUSTER_BUILDDIR} // '.') . '/jobs/muster-server';
delete @ENV{grep { /^MUSTER_/ } keys %ENV};
$ENV{MUSTER_CONF} = '/dev/null';
my $update = 'run: make update-conf';

ok(tree_read('contrib/muster.conf') eq qx('$server' conf --sample), 'the sample has every setting, its default and its help')
	or diag($update);
my ($list) = tree_read('lib/muster.conf.5') =~ /^\.\\" Made by.*?\n(.*)^\.\\" end of settings/ms;
ok($list eq qx('$server' conf --manual), 'the manual page has every setting, its default and its help') or diag($update);

my %table = map { $_ => 1 } tree_read('lib/conf_keys.c') =~ /^\t\{ "([a-z_.]+)"/mg;
cmp_ok(scalar keys %table, '>', 20, 'the table is found');
my @unknown;
for my $path (tree_files(qr{^(?:lib|jobs|cgi|pusher)/.*\.c$})) {
	my $text = tree_read($path);
	push @unknown, "$path: $1" while $text =~ /\bconf_(?:get|get_int|get_bool|get_source|set)\(\s*[^,()]+,\s*"([^"]+)"/g and !$table{$1};
}
none(\@unknown, 'programs ask for settings that exist');
my $all = join '', map { tree_read($_) } tree_files(qr{^(?:lib|jobs|cgi|pusher)/.*\.c$}, ) , tree_files(qr{^contrib/quickstart$});
none([grep { my $key = $_; my $text = $all =~ s/^\t\{ "\Q$key\E".*//mr; index($text, $key) < 0 } sort keys %table], 'every setting is asked for by a program');
done_testing;
