#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A queue full of jobs that kill their process, fail, or send garbage, and some that only want to work.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Chaos;

my $stand = Muster::Test->new;
my $chaos = Muster::Test::Chaos->new($stand);
my $db = $chaos->db;
my $poison = chaos_is_long() ? 1000 : 120;

$chaos->load(crash => $poison / 2, fail => $poison / 2, good => 50);
my $runner = $chaos->runner('first');
$chaos->settled("$poison poison jobs", seconds => 300);
is $db->value(q{select count(*) from muster.job where kind = 'mark' and state = 'done'}), 50, 'those that want to work have';
is $db->value(q{select count(*) from muster.job where kind <> 'mark' and state = 'dead' and attempt = 2}), $poison,
	'the others were tried as often as they may, and are dead';
is_deeply [map { $_->[0] } $db->rows(q{select distinct error from muster.job where kind <> 'mark' order by 1})],
	['The job\'s process was ended by signal 9 (Killed).', 'it went wrong, as it was asked to'], 'each with its reason';
is $db->value(q{select count(*) from muster.job_attempt}), $poison, 'and with its first attempt';
ok $runner->is_running, 'the runner lives';

my ($helper) = children_of($runner->pid);
my @files = map { scalar(() = glob "/proc/$_/fd/*") } $runner->pid, $helper;
cmp_ok $files[0], '<', 40, 'and holds few descriptors';
cmp_ok $files[1], '<', 20, 'nor does its helper';

# Mended before anybody sees them.
is $db->value(q{begin; select muster.job_redrive();
	update muster.job set payload = '{"ms": 1}', kind = 'sleep' where state = 'queued'; truncate public.ending; commit}), $poison,
	'all of them can be tried again';
$chaos->settled('redriven', seconds => 300);
is $db->value(q{select count(*) from muster.job where state <> 'done'}), 0, 'and once they are mended all are done';
$chaos->finish;
done_testing;
