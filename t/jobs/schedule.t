#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# muster schedule: what is done again and again, in a terminal; and what the runner says of it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database;
$db->value('select muster.organization_add($1)', $_) for qw(default burrow);
my $conf = $stand->conf($db, 'server.host' => 'here');
my %env = (PGUSER => 'postgres', MUSTER_CONF => $conf, HOME => $stand->dir);
sub muster { return run_program([program('muster'), @_], env => \%env) }
sub out { my ($code, $out, $err) = muster('schedule', @_); return $code == 0 ? $out : "$code: $err" }
sub ids { return map { /^(\S+)/ } split /\n/, out('list', @_) }

my $src = $stand->dir . '/src';
mkdir $src;
my ($code, undef, $err) = muster('repo', 'add', $src);
is $code, 0, 'a folder is watched' or diag $err;
like out('list'), qr/\A(\S+)\tdefault\taudit\t-\t0 \* \* \* \*\tUTC\ton\t20\S+Z\t-\t-\t-\n\S+\tdefault\tscan\t-\t0 3 \* \* \*\tUTC\ton\t\S+\t-\t-\t-\n\S+\tdefault\treport\t-\t0 3 .*\n\S+\tdefault\treconcile\t-\t30 4 .*\n\z/,
	'what came with it is listed';
my ($audit, $scan) = ids();

my $id = out('add', 'audit', '30 4 * * mon-fri', '--organization', 'burrow', '--timezone', 'Europe/Berlin', '--jitter', 60,
	'--backfill', 7200);
chomp $id;
like $id, qr/^[0-9a-f-]{36}$/, 'one is added';
is_deeply [ids('--organization', 'burrow')], [$id], 'and listed with its organization';
like out('show', substr $id, 0, 8), qr/^cron\t30 4 \* \* mon-fri\ntimezone\tEurope\/Berlin\njitter\t60 s\nbackfill\t7200 s\nstate\ton\n(?:next\t\S+\n){5}/m,
	'shown by the beginning of its id, with the next five times';
is out('update', $id, '--cron', '@weekly', '--timezone', 'UTC'), '', 'changed';
is out('disable', $id), '', 'switched off';
like out('list', '--organization', 'burrow'), qr/\@weekly\tUTC\toff\t-\t/, 'and says so';
is out('enable', $id), '', 'and on';
like out('run', $id), qr/^4: .*(?:nothing|No runner)/i, 'one that has nothing to do says so';
is out('remove', $id), '', 'removed';
like out('show', $id), qr/^4: .*There is no schedule $id/, 'it is gone';
is_deeply [map { $_->[0] } $db->rows(q{select t.action from muster.trail t join muster.organization o
	on o.id = t.organization_id where o.slug = 'burrow' and action ~ '^schedule' order by t.id})],
	[qw(schedule.add schedule.update schedule.update schedule.update schedule.remove)], 'all of it is on the trail';
is scalar(() = out('next', '0 3 * * *') =~ /T03:00:00.000Z$/mg), 5, 'when an expression comes can be asked';
like out('next', '0 3 * *'), qr/^2: .*five fields/, 'what is none is said';
like out('add', 'audit', '@daily', '--jitter', 'much'), qr/^2: .*number of seconds/, 'seconds are a number';
like out('add', 'prune', '@daily'), qr/^2: .*kind must be/, 'a kind has to be one';
like out('add', 'audit', '@daily', '--organization', 'none'), qr/^4: .*no such organization/, 'an organization has to be there';
like out('list', '--cron', '@daily'), qr/^2: .*list does not take/, 'an option that would be for nothing is refused';
like out('show', "%"), qr/^4: .*There is no schedule %/, 'whatever was typed';

# ---- the runner ----

sub run_once { return (muster('run', '--once'))[2] }
like run_once(), qr/msg=done .*kind=audit/, 'the first audit comes with the folder';
$db->sql(q{update muster.schedule set next_at = now() + interval '1 day'});
my $before = $db->value(q{select count(*) from muster.job});
unlike run_once(), qr/scheduled/, 'then nothing is due';
is $db->value('select count(*) from muster.job'), $before, 'and nothing is queued';
is out('run', $audit), '', 'it can be done now';
is $db->value(q{select count(*) from muster.job where state = 'queued'}), 1, 'which queues it';
run_once();
$db->sql('update muster.schedule set next_at = now() where id = $1', $audit);
like run_once(), qr/msg=scheduled .*organization=default .*kind=audit .*jobs=1/, 'when its time comes the runner says so';
is $db->value('select count(*) from muster.audit'), 3, 'and it is done';
like out('show', $audit), qr/^20\S+\t20\S+\tqueued\t1\t0\t-$/m, 'what became of it is shown';
$db->sql(q{update muster.schedule set next_at = date_trunc('hour', now()) - interval '5 hours' where id = $1}, $audit);
like run_once(), qr/level=warning .*msg="times of a schedule were missed" .*times=[4-6]\b/, 'what was missed is a warning';
$db->sql(q{update muster.schedule set next_at = now(), timezone = 'Europe/Atlantis' where id = $1}, $audit);
like run_once(), qr/msg="a schedule cannot be followed".*Atlantis/, 'and so is one that cannot be followed';
like out('list'), qr/^\Q$audit\E\t.*Atlantis/m, 'which the list says, too';

done_testing;
