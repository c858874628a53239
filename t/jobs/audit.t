#!/usr/bin/perl
# muster audit on a folder of every sort of repository, with git as the oracle.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Audit;

my $dir = audit_folder();
repo("$dir/clean", remote => 'https://github.com/me/clean.git');
repo("$dir/dirty");
put("$dir/dirty/README.md", "changed\n");
put("$dir/dirty/new file", "x\n");
repo("$dir/wrongname", remote => 'git@github.com:me/other.git');
git($dir, 'init', '-q', 'empty');
git($dir, 'init', '-q', '--bare', 'bare.git');
repo("$dir/a name\nwith a newline");
repo("$dir/latin-\xe9");
repo("$dir/group/clean", remote => 'https://example.org/clean');
mkdir "$dir/plain" or die $!;
put("$dir/plain/file", "x\n");
mkdir "$dir/.hidden" or die $!;
mkdir "$dir/node_modules" or die $!;
repo("$dir/node_modules/not-looked-at");
symlink $dir, "$dir/loop" or die $!;
symlink '/', "$dir/dirty/root" or die $!;
git($dir, 'init', '-q', 'broken');
put("$dir/broken/.git/HEAD", "garbage\n");
git($dir, 'init', '-q', '--object-format=sha256', 'sha256');

my $report = audit_json($dir);
my %row = rows($report);
is(audit_exit(), 3, 'a repository that cannot be read makes the exit code 3');

is($row{'group/clean'}{status}, 'clean', 'a name that two folders have becomes the path below the root');
is($row{clean}{status}, 'clean', 'a clean repository is clean');
ok(!exists $row{clean}{mitigation}, 'a clean repository needs no mitigation');
is($row{dirty}{status}, 'dirty', 'changes make a repository dirty');
is($row{dirty}{mitigation}, 'commit_or_discard', 'a dirty repository is to be committed or discarded');
is($row{wrongname}{status}, 'mismatched', 'another name at origin than the folder has is a mismatch');
like($row{wrongname}{recommendations}[0]{description}, qr/^origin is .*; the folder has another name$/, 'which is said');
is($row{empty}{status}, 'clean', 'a repository without commits is clean');
is($row{empty}{head}, 'unborn', 'and its HEAD is unborn');
is($row{'bare.git'}{status}, 'clean', 'a bare repository is never dirty');
is($row{'a name%0Awith a newline'}{status}, 'clean', 'a newline in a name is quoted');
like($row{'a name%0Awith a newline'}{dashboard_link}, qr{^/audit/[0-9a-f-]{36}\?action=view$}, 'and its link uses the id');
is($row{'latin-%E9'}{status}, 'clean', 'a name that is no UTF-8 is quoted');
is($row{plain}{status}, 'not_git', 'a direct child without a repository is not_git');
ok(!$row{group}, 'a folder with a repository below it is no row');
ok(!$row{'.hidden'}, 'hidden folders are no rows');
ok(!$row{'not-looked-at'}, 'skipped names are not searched');
ok(!$row{node_modules}, 'and are no rows');
is($row{broken}{status}, 'error', 'a broken HEAD is an error');
is($row{sha256}{status}, 'error', 'SHA-256 is an error');
like($row{sha256}{error}, qr/SHA-256/, 'that names the cause');
is($report->{health_status}, 'red', 'a broken repository makes the health red');
is_deeply($report->{summary}{unknown}, ['missing', 'extra'], 'without a list missing and extra are unknown');
is($report->{summary}{total}, scalar @{ $report->{repos} }, 'total is the number of rows');
is($report->{summary}{$_}, count_status($report, $_), "the counter $_ is right")
	for qw(missing extra dirty mismatched clean not_git);
is($report->{summary}{errors}, 2, 'errors are counted');

is_deeply([grep { !defined } @{ $report->{repos} }], [], 'rows are objects');
my @order = map { $_->{status} } @{ $report->{repos} };
my %rank = map { (qw(missing extra dirty mismatched clean not_git error))[$_] => $_ } 0 .. 6;
is_deeply(\@order, [sort { $rank{$a} <=> $rank{$b} } @order], 'rows are sorted by status');

for my $row (grep { $_->{local_path} && $_->{status} =~ /^(?:clean|dirty|mismatched)$/ } @{ $report->{repos} }) {
	agrees_with_git($row);
}

system("rm -rf '$dir/broken' '$dir/sha256'");
audit_json($dir);
is(audit_exit(), 1, 'something dirty makes the exit code 1');
git($dir, 'init', '-q', '--object-format=sha256', 'sha256');
is(audit_json("$dir/sha256", "$dir/clean")->{health_status}, 'green', 'SHA-256 alone is not red');
audit_json("$dir/clean");
is(audit_exit(), 0, 'all clean makes the exit code 0');
audit_run('--format', 'json', "$dir/none");
is(audit_exit(), 2, 'a path that is not there is a usage error');
audit_run('--format', 'nonsense', $dir);
is(audit_exit(), 2, 'so is a format that does not exist');

done_testing;
