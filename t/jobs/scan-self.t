#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# No file of this project holds anything that looks like a secret, not even a rule's example: tests
# put theirs together when they run.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Temp qw(tempdir);
use JSON::PP ();
use Test::More;
use Muster::Test;
use Muster::Tree;

my $folder = tempdir('muster-self.XXXXXX', TMPDIR => 1, CLEANUP => 1);
local $ENV{XDG_CACHE_HOME} = "$folder/cache";

# Tracked files only, in a folder of their own: what a build left beside them is nobody's text.
chdir tree_top() or die $!;
my @files = tree_files(qr{.});
cmp_ok(scalar @files, '>', 300, 'there are files');
my ($code, $out, $err) = run_program(['tar', '-cf', "$folder/tree.tar", '--', @files]);
is($code, 0, 'they are copied') or diag($err);
mkdir "$folder/tree" or die $!;
system('tar', '-xf', "$folder/tree.tar", '-C', "$folder/tree") == 0 or die 'tar';
($code, $out, $err) = run_program([build_dir() . '/jobs/muster', 'scan', '--worktree', '--strict', '--no-state',
	'--format', 'json', "$folder/tree"]);
my $report = JSON::PP->new->utf8->decode($out);
is_deeply([map { "$_->{path}:$_->{line}: $_->{rule}" } @{ $report->{findings} }], [], 'none looks like a secret');
is($code, 0, 'and everything was read') or diag($err);
cmp_ok($report->{coverage}{scanned}, '>', 300, 'each of them');
done_testing;
