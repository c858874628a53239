#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What the database does by itself: many jobs in one commit, and each for itself.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database;
my %organization = map { $_ => $db->value('select muster.organization_add($1)', $_) } qw(acme burrow);
my $jobs = $db->as('muster_jobs');
$jobs->sql(q{select muster.job_kind_set('[{"name": "nothing", "queue": "database", "help": "for a test"}]')});

# A kind that does as its payload says, and each piece that was committed.
$db->sql(q{create table public.piece (number bigint generated always as identity, job_id bigint, key text, at timestamptz);
	grant insert on public.piece to public});
$db->sql(q{alter function muster.job_piece(muster.job) rename to job_piece_real;
create function muster.job_piece(p_job muster.job) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v jsonb := p_job.payload;
begin
	if p_job.kind <> 'nothing' then
		return muster.job_piece_real(p_job);
	end if;
	insert into public.piece (job_id, key, at) values (p_job.id, p_job.key, now());
	perform pg_sleep((v ->> 'ms')::integer / 1000.0);
	if v ? 'fail' then
		raise exception 'it went wrong';
	elsif v ? 'locked' then
		raise lock_not_available;
	elsif v ? 'cancel' then
		perform muster.job_cancel((v ->> 'cancel')::bigint, 'by another');
	end if;
	update muster.job set payload = v || jsonb_build_object('pieces', (v ->> 'pieces')::integer - 1),
	       result = jsonb_build_object('left', (v ->> 'pieces')::integer - 1)
	 where id = p_job.id and v ? 'pieces';
	return coalesce((v ->> 'pieces')::integer > 1, false);
end
$$});

sub add {
	my ($key, $payload, %option) = @_;
	my $of = delete $option{of} // 'acme';
	my @names = sort keys %option;
	my $more = join '', map { ", p_$names[$_] => \$" . ($_ + 4) } 0 .. $#names;
	return $jobs->value("select muster.job_add(\$1, 'nothing', \$2, \$3$more)", $organization{$of}, $key, $payload // '{}',
		@option{@names});
}
sub step {
	my ($ms) = @_;
	return $jobs->value(q{select muster.job_step('here', '{nothing}', $1)}, $ms // 10_000);
}
sub job { return $db->json('select to_jsonb(j) from muster.job j where id = $1', $_[0]) }
sub states { return join ' ', map { "$_->[0]=$_->[1]" } $db->rows('select key, state from muster.job order by key') }
sub pieces { return join ' ', map { $_->[0] } $db->rows('select key from public.piece order by number') }
sub attempts { return $db->json('select muster.job_attempts($1)', $_[0]) }
sub begin { $db->sql('delete from muster.job; delete from public.piece'); return }

subtest 'one commit' => sub {
	is step(), 'f', 'there is nothing to do';
	my $gone = add('e');
	$db->sql('select muster.job_cancel($1)', $gone);
	my $f = add('f', undef, priority => -1);
	add('a', qq({"cancel": $f}));
	my $b = add('b', '{"fail": true}');
	add('c');
	my $d = add('d', '{"pieces": 3}');
	my $g = add('g', '{"locked": true}');
	is step(), 't', 'there was something to do';
	is states(), 'a=done b=queued c=done d=queued e=cancelled f=cancelled g=queued', 'each came to its end';
	is pieces(), 'a c d', 'what failed left nothing, and what was cancelled was not begun';
	is $db->value('select count(distinct at) from public.piece'), 1, 'the others are one commit';
	is_deeply [@{ job($b) }{qw(attempt error lease_id)}], [1, 'it went wrong', undef], 'who failed says why';
	is_deeply [map { "$_->{number} $_->{outcome} $_->{host} $_->{error}" } @{ attempts($b) }],
		['1 failed here it went wrong'], 'the try is kept';
	is_deeply [@{ job($g) }{qw(attempt error)}], [0, 'lock_not_available'], 'who found something locked has not failed';
	is step(), 't', 'the next piece';
	is step(), 't', 'and the last';
	is step(), 'f', 'nothing is tried again at once';
	is_deeply [@{ job($d) }{qw(state result error)}], ['done', { left => 0 }, undef], 'what comes in pieces is done';
	is pieces(), 'a c d d d', 'and nothing was done twice';
	$db->sql(q{update muster.job set run_at = now(), attempts_max = 2 where id = $1}, $b);
	step();
	is_deeply [@{ job($b) }{qw(state attempt)}], ['dead', 2], 'who fails as often as it may is given up';
	is_deeply [map { $_->{number} } @{ attempts($b) }], [1, 2], 'with both tries';
};

subtest 'a piece that goes well' => sub {
	begin();
	my $id = add('a', '{"pieces": 2, "fail": true}', attempts_max => 2);
	step();
	$db->sql(q{update muster.job set run_at = now(), payload = payload - 'fail' where id = $1}, $id);
	step();
	is job($id)->{attempt}, 0, 'lets the tries be counted anew';
	$db->sql(q{update muster.job set payload = payload || '{"fail": true}' where id = $1}, $id);
	step();
	is_deeply [@{ job($id) }{qw(state attempt)}], ['queued', 1], 'so that the next failure is the first';
	is_deeply [map { $_->{number} } @{ attempts($id) }], [1], 'and the only one that is told';
};

subtest 'whose turn it is' => sub {
	begin();
	add("a$_") for 1 .. 3;
	add('b1', undef, of => 'burrow');
	add('late', undef, priority => -10);
	add('urgent', undef, priority => 10);
	step();
	is pieces(), 'urgent b1 a1 a2 a3 late', 'as with others: what is urgent, and one of each organization';
	begin();
	my $first = add('first', undef, run_at => $db->value(q{select now() - interval '1 minute'}));
	add('then', undef, wait_for => "{$first}", priority => 10);
	add("k$_", undef, limit_key => 'k', limit_running => 1) for 1 .. 2;
	step();
	is pieces(), 'first k1', 'what waits or is limited is left out';
	step();
	is pieces(), 'first k1 then k2', 'until its turn comes';
	begin();
	$db->sql('update muster.organization set max_concurrent_runs = 1');
	$db->sql('select muster.job_add($1, $2, $2)', $organization{acme}, 'audit');
	$db->sql(q{select muster.job_claim('here', '{audit}', 1, 30)});
	$db->sql('select muster.job_pause(p_organization => $1)', $organization{acme});
	my $id = add('a');
	unlike $db->value('select muster.job_why($1)', $id) // '', qr/organization|Paused/, 'no organization';
	step();
	is pieces(), 'a', 'holds it back';
	$db->sql('update muster.organization set max_concurrent_runs = null; delete from muster.job_pause');
	begin();
	$id = $db->value('select muster.job_add($1, $2, $2)', $organization{acme}, 'unknown');
	$jobs->sql(q{select muster.job_step('here', '{unknown}')});
	is_deeply [@{ job($id) }{qw(state attempt)}], ['queued', 1], 'what nobody knows fails';
};

subtest 'time' => sub {
	begin();
	my @slow = map { add("s$_", '{"ms": 600}') } 1 .. 4;
	$db->sql(q{update muster.job set run_at = now() - id * interval '1 millisecond'});
	my %turn = map { $_ => job($_)->{turn} } @slow;
	add('quick', undef, priority => 10);
	is step(500), 't', 'a round';
	is pieces() =~ s/s\d/s/gr, 'quick s', 'ends when its time is over';
	my @left = grep { job($_)->{state} eq 'queued' } @slow;
	is_deeply [map { [@{ job($_) }{qw(attempt lease_id turn)}] } @left], [map { [0, undef, $turn{$_}] } @left],
		'the others wait as if nothing had been';
	is step(0), 't', 'one piece';
	is pieces() =~ s/s\d/s/gr, 'quick s s', 'is always done';
	begin();
	add("n$_") for 1 .. 70;
	step();
	is $db->value('select count(*) from public.piece'), 50, 'no round is too large';
	step();
	is $db->value(q{select count(*) from muster.job where state = 'done'}), 70, 'there is another';
};

subtest 'a connection that dies' => sub {
	begin();
	add("q$_") for 1 .. 3;
	add('slow', '{"ms": 60000}', priority => -1);
	my $session = $jobs->session;
	my $pid = $session->ask('select pg_backend_pid()');
	$session->send(q{select muster.job_step('here', '{nothing}', 10000)});
	wait_for { $db->value(q{select count(*) from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'}, $pid) } 'it is in the middle';
	my $other = $jobs->session;
	is $other->ask(q{select muster.job_step('there', '{nothing}', 10000)}), 'f', 'nobody else does the same meanwhile';
	$db->sql('select pg_terminate_backend($1)', $pid);
	wait_for { !$db->value('select count(*) from pg_stat_activity where pid = $1', $pid) } 'it is gone';
	is_deeply [$db->rows('select distinct state, attempt, lease_id from muster.job')], [['queued', 0, undef]], 'all wait as before';
	is pieces(), '', 'nothing is half done';
	$db->sql(q{update muster.job set payload = '{}'});
	step();
	is pieces(), 'q1 q2 q3 slow', 'and all is done once';
	is states(), 'q1=done q2=done q3=done slow=done', 'to its end';
};

done_testing;
