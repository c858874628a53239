#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The order of event ids is the order in which readers can see them: a reader that asks for what is
# behind its cursor never misses a late commit.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Time::HiRes qw(time);
use Muster::Test;
use Muster::Test::Seed;

my $stand = Muster::Test->new;
my $db = $stand->database;
my $organization = $db->value(q{select muster.organization_add('acme')});
my $other = $db->value(q{select muster.organization_add('other')});

sub add_sql {
	my ($type, $n) = @_;
	return "insert into muster.outbox (organization_id, channel, type, subject, data)
		values ('$organization', 'audit', '$type', '$n', '{\"n\": $n}')";
}

sub subjects {
	my ($after) = @_;
	return map { $_->[0] } $db->rows('select subject from muster.event_feed($1, 1000) where id is not null', $after);
}

# What organization_add wrote is not our subject.
$db->sql('select muster.sequence_events()');
my $cursor = $db->value('select head from muster.event_bounds()');

# --- two overlapping transactions
my $early = $db->session;
my $late = $db->session;
$early->ask('begin');
$early->ask(add_sql('test', 1)); # draws its outbox id first …
$late->ask('begin');
$late->ask(add_sql('test', 2));
$late->ask('commit');            # … and the other commits first
is $db->value('select muster.sequence_events()'), 1, 'what is committed is numbered';
is_deeply [subjects($cursor)], [2], 'the reader sees the transaction that committed first';
my $seen = $db->value('select head from muster.event_bounds()');
is $db->value('select muster.sequence_events()'), 0, 'nothing else can be numbered yet';
$early->ask('commit');
is $db->value('select muster.sequence_events()'), 1, 'the late commit is numbered';
is_deeply [subjects($seen)], [1], 'and lies behind the cursor of a reader that saw the other one';

# The mistake that this prevents: ids drawn by the writers would lose it.
$db->sql(q{create table public.naive (id bigint generated always as identity, n int)});
$early->ask('begin');
$early->ask('insert into public.naive (n) values (1)');
$late->ask('insert into public.naive (n) values (2)');
my $naive = $db->value('select max(id) from public.naive');
$early->ask('commit');
is $db->value('select count(*) from public.naive where id > $1', $naive), 0,
	'(an id from a sequence loses the late commit)';

# --- the lane
$cursor = $db->value('select head from muster.event_bounds()');
$early->ask('begin');
$early->ask(add_sql('test', 3));
is $early->ask('select muster.sequence_events()'), 1, 'a writer may number its own event';
$db->sql(add_sql('test', 4));
my $begin = time;
is $db->value('select muster.sequence_events()'), 0,
	'while another holds the lane nothing is numbered';
cmp_ok time - $begin, '<', 5, 'and nobody waits for it';
is_deeply [subjects($cursor)], [], 'a number that is not committed is not seen';
is $db->value('select head from muster.event_bounds()'), $cursor, 'nor counted in the head';
$early->ask('rollback');
is $db->value('select muster.sequence_events()'), 1, 'a rollback gives the lane back';
is_deeply [$db->rows('select id, subject from muster.event_feed($1, 10) where id is not null', $cursor)],
	[[$cursor + 1, 4]], 'and its number, so that there is no hole';

is $early->ask('begin; set local synchronous_commit = off; ' . add_sql('test', 5)
	. '; select muster.sequence_events(); show synchronous_commit; commit'), "1\0on",
	'numbering always commits synchronously';
like $early->ask('begin isolation level repeatable read; ' . add_sql('test', 6)
	. '; select muster.sequence_events()'), qr/MU503/,
	'it refuses a transaction that cannot see what was numbered meanwhile';
$early->ask('rollback');

# --- limits and notifications
$cursor = $db->value('select head from muster.event_bounds()');
$db->sql("insert into muster.outbox (organization_id, channel, type, subject, data)
	select '$organization', 'audit', 'test', i, '{}' from generate_series(1, 2500) i");
is_deeply [map { $db->value('select muster.sequence_events(5000)') } 1 .. 4], [1000, 1000, 500, 0],
	'at most 1000 a call, whatever is asked for';
is_deeply [subjects($cursor)], [1 .. 1000], 'in the order of the outbox';

my $listener = $db->session;
$listener->ask('listen data_changes; listen muster_wake');
sub heard {
	my $text = $listener->ask('select 1');
	return $text =~ /Asynchronous notification "(\w+)"(?: with payload "(.*?)")? received/g;
}
$db->sql("insert into muster.run (organization_id, project_id, kind)
	select organization_id, id, 'audit' from muster.project where organization_id = '$organization'");
is_deeply [heard()], [], 'a writer notifies nobody';
$db->sql('select muster.sequence_events()');
my $run = $db->value('select max(id) from muster.run');
my $text = join ' ', map { $_ // '' } heard();
like $text, qr/data_changes \{"table" : "runs", "operation" : "INSERT", "id" : "$run"\}/,
	'the lane tells which row of which table changed, in the names of the wire';
like $text, qr/muster_wake/, 'and wakes whoever listens';
$db->sql("insert into muster.run (organization_id, project_id, kind)
	select p.organization_id, p.id, 'audit' from muster.project p, generate_series(1, 101)
	 where p.organization_id = '$organization'");
$db->sql('select muster.sequence_events()');
my @told = grep { ($_ // '') =~ /runs/ } heard();
is scalar @told, 1, 'more than a hundred rows are one notification';
like $told[0], qr/"id" : null/, 'of the table';
for (1 .. 3) {
	$db->sql("insert into muster.run (organization_id, project_id, kind)
		select p.organization_id, p.id, 'audit' from muster.project p, generate_series(1, 40)
		 where p.organization_id = '$organization'");
}
$db->sql('select muster.sequence_events()');
is scalar(grep { ($_ // '') =~ /runs/ } heard()), 1, 'several statements of one batch count together';

# --- under load: four writers, two numberers, one reader that only ever asks "behind my cursor"
$cursor = $db->value('select head from muster.event_bounds()');
my ($writers, $each) = (4, 150);
my @sessions = map { $db->session } 1 .. $writers;
for my $w (0 .. $#sessions) {
	my $sql = '';
	for my $i (1 .. $each) {
		my $n = $w * 1000 + $i;
		# Every third transaction stays open for a while after it drew its id.
		$sql .= 'begin; ' . add_sql('load', $n) . '; '
			. ($i % 3 ? '' : 'select pg_sleep(0.004); ') . 'commit;';
	}
	$sessions[$w]->send($sql);
}
my @numberers = map { $db->session } 1, 2;
my $loop = q{do $$ begin for i in 1 .. 400 loop perform muster.sequence_events(50); commit;
	perform pg_sleep(0.002); end loop; end $$};
$_->send($loop) for @numberers;
my (@got, @ids);
my $reader = $db->session;
my $end = time + 60;
while (@got < $writers * $each && time < $end) {
	my $answer = $reader->ask('select id, subject from muster.event_feed($1, 1000) where id is not null', $cursor);
	for my $row (split /\0/, $answer) {
		my ($id, $subject) = split /\x1f/, $row;
		push @ids, $id;
		push @got, $subject;
		$cursor = $id;
	}
	$reader->ask('select muster.sequence_events()');
}
$_->read for @sessions, @numberers;
is scalar @got, $writers * $each, 'under load every event reaches the reader';
is scalar(keys %{ { map { $_ => 1 } @got } }), $writers * $each, 'and none twice';
is_deeply \@ids, [sort { $a <=> $b } @ids], 'in the order of the ids';
is_deeply [grep { $_ < 1000 } @got], [1 .. $each], 'which is the order in which one writer wrote';
is $ids[-1] - $ids[0] + 1, scalar @ids, 'without a hole';

# --- partitions, bounds, retention
$db->sql('update muster.stream set span = 1000');
my $before = $db->value(q{select count(*) from pg_inherits where inhparent = 'muster.event'::regclass});
$db->sql('update muster.stream set head = ceiling - 10, floor = 0');
$db->sql("insert into muster.outbox (organization_id, channel, type, subject, data)
	select '$organization', 'audit', 'test', i, '{}' from generate_series(1, 100) i");
is $db->value('select muster.sequence_events()'), 100, 'numbers pass into a new partition';
cmp_ok $db->value(q{select count(*) from pg_inherits where inhparent = 'muster.event'::regclass}), '>',
	$before, 'that was made ahead of them';
is $db->value(q{select count(distinct tableoid) from muster.event where type = 'test'
	and id > (select head - 100 from muster.stream)}), 2, 'and lie in both';

$db->sql(q{update muster.event set at = now() - interval '40 days' where id < 3000});
my $floor = $db->value('select max(id) from muster.event where id < 3000');
$db->sql('select muster.prune()');
is $db->value('select floor from muster.event_bounds()'), $floor, 'what is too old is below the floor';
is $db->value('select count(*) from muster.event where id = $1', $floor), 1,
	'but is not dropped in the same call';
$db->sql(q{update muster.stream set floor = 1000000});
is $db->json('select muster.prune()')->{partitions}, 1, 'a partition below the floor is dropped later';
cmp_ok $db->value('select min(id) from muster.event'), '>', 1000000, 'and its events are gone';
isnt $db->json('select muster.prune_hourly()'), undef, 'what is too old is forgotten';
is $db->json('select muster.prune_hourly()'), undef, 'once an hour';
my ($head) = $db->value('select head from muster.event_bounds()');
cmp_ok $db->value('select muster.stream_raise(5000)'), '==', $head + 5000,
	'after a restore the numbers jump past what may have been seen';
is join(' ', @{ ($db->rows('select * from muster.event_bounds()'))[0] }),
	($head + 5000) . ' ' . ($head + 5000), 'and older cursors are below the floor';
$db->sql(add_sql('test', 77));
is $db->value('select muster.sequence_events()'), 1, 'the log goes on from there';
is_deeply [subjects($head)], [77], 'and is read';

done_testing;
