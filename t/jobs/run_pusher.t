#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The runner beside the pusher: both hand each report to the database.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Path qw(make_path);
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database;
$db->sql(q{select muster.organization_add('default')});
# What is seen for the first time is scanned, which is not waited for.
my $conf = $stand->conf($db, 'server.host' => 'named', 'job.drain_s' => 0);
my $src = $stand->dir . '/src';
make_path("$src/one");
system('git', '-c', 'init.defaultBranch=main', 'init', '-q', "$src/one") == 0 or die 'git';
my ($code, $out, $err) = run_program([program('muster'), 'repo', 'add', $src, '--conf', $conf]);
is $code, 0, 'a folder is watched' or diag $err;

spew($stand->state_dir . '/key', 'k' x 32);
chmod 0600, $stand->state_dir . '/key';
my $pusher = $stand->start('pusher', [program('muster-pusher'), '--conf', $conf]);
wait_for { -S $stand->run_dir . '/wake.sock' } 'the pusher';
my $runner = $stand->start('runner', [program('muster'), 'run', '--forever', '--conf', $conf]);
for my $n (1 .. 4) {
	wait_for {
		$db->sql(q{update muster.schedule set next_at = now() where kind = 'audit' and next_at > now()
			and not exists (select from muster.job where state in ('queued', 'running') and kind = 'audit')});
		$db->value('select count(*) from muster.audit') >= $n;
	} "audit $n", 60;
}
is_deeply [map { $_->[0] } $db->rows('select host from muster.root')], ['named'], 'both know the report by the host\'s configured name';
is $db->value('select count(*) from muster.repo'), 1, 'no repository is there twice';
is $db->value('select count(*) - count(distinct report_id) from muster.audit'), 0, 'no report was stored twice, whoever came first';
is $db->value(q{select count(*) from muster.event where type = 'audit-update'}), 1, 'and nothing was told twice';
is $db->value(q{select count(*) from muster.job where state = 'dead'}), 0, 'no job failed over it';
is $runner->stop, 0, 'the runner ends well';
is $pusher->stop, 0, 'so does the pusher';
unlike $runner->output, qr/level=(?:warning|error)/, 'without a complaint';

done_testing;
