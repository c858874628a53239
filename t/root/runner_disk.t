#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The runner on a disk that is full: a small file system of its own, which needs root.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Path qw(make_path);
use Test::More;
use Muster::Test;
use Muster::Test::Namespace;

plan skip_all => 'mounting needs root' unless $> == 0;
namespace_enter('mount');
my $stand = Muster::Test->new;
my $disk = $stand->dir . '/disk';
make_path($disk);
plan skip_all => 'nothing can be mounted here'
	if system("mount -t tmpfs -o size=400k muster-test $disk 2>/dev/null") != 0;

eval {
	my $db = $stand->database;
	$db->sql(q{select muster.organization_add('default');
		insert into muster.setting (key, value) values ('scan.first', '"no"')});
	my $conf = $stand->conf($db, 'paths.state' => $disk);
	my $src = $stand->dir . '/src';
	for my $name (map { "repo$_" } 1 .. 3) {
		make_path("$src/$name");
		system('git', '-c', 'init.defaultBranch=main', 'init', '-q', "$src/$name") == 0 or die;
	}
	my ($code, $out, $err) = run_program([program('muster'), 'repo', 'add', $src, '--conf', $conf]);
	is $code, 0, 'a folder is watched' or diag $err;
	($code) = run_program([program('muster'), 'run', '--once', '--conf', $conf]);
	is $code, 0, 'and audited while there is room';
	my $report = slurp("$disk/reports/default/default/GitRepoReport.json");

	open my $fill, '>', "$disk/fill" or die;
	1 while syswrite $fill, 'x' x 4096;
	close $fill;
	make_path("$src/another");
	$db->sql(q{update muster.schedule set next_at = now() where kind = 'audit'});
	($code, $out, $err) = run_program([program('muster'), 'run', '--once', '--conf', $conf]);
	is $code, 1, 'on a full disk the job fails';
	like $db->value(q{select error from muster.job where kind = 'audit' order by id desc limit 1}), qr/No space left on device/, 'with the reason';
	is slurp("$disk/reports/default/default/GitRepoReport.json"), $report, 'the report that was there is whole';
	is_deeply [grep { /\.tmp$/ } glob "$disk/reports/default/default/.* $disk/reports/default/default/*/.*"], [], 'and no half of a new one is left';

	unlink "$disk/fill";
	$db->sql(q{update muster.job set run_at = now() where state = 'queued'});
	($code, $out, $err) = run_program([program('muster'), 'run', '--once', '--conf', $conf]);
	is $code, 0, 'with room again the next try does it' or diag $err;
	isnt slurp("$disk/reports/default/default/GitRepoReport.json"), $report, 'and writes the report';
	1;
} or fail("died: $@");
system('umount', '-l', $disk);
done_testing;
