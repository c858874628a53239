#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# /ws/run/{id}: how one run stands, what it printed, and what happens to it, to everybody who watches it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Live;

my $live = Muster::Test::Live->new(Muster::Test->new, 'pusher.ring_events' => 64);
my $db = $live->db;
my $jobs = $db->as('muster_jobs');

sub numbered { $live->wake; wait_for { $db->value('select count(*) from muster.outbox') == 0 } 'numbered'; return }
# What is told of it so far is behind whoever comes now.
sub run_add {
	my ($organization) = @_;
	my $id = $db->value(q{insert into muster.run (organization_id, project_id, kind)
		select organization_id, id, 'scan' from muster.project where organization_id = $1 limit 1 returning id},
		$organization // $live->{default}{id});
	numbered();
	return $id;
}
sub say_it { my ($run, $text) = @_; $db->sql('select muster.run_log_add($1, $2)', $run, $text); $live->wake; return }
sub change { my ($run, $set) = @_; $db->sql("update muster.run set $set where id = \$1", $run); $live->wake; return }
sub lines { return join '', map { $_->{text} } @_ }

subtest 'from its beginning to its end' => sub {
	my $run = run_add();
	my $other = run_add();
	my @ws = map { $live->ws("/ws/run/$run") } 1 .. 2;
	for my $ws (@ws) {
		my $first = $ws->next;
		is $first->{type}, 'status_change', 'the first message says how it stands';
		is_deeply [@$first{qw(run_id status total_results)}], [$run, 'pending', undef], 'in members of its own';
	}
	change($other, q{status = 'in_progress'});
	say_it($other, "not this one's\n");
	change($run, q{status = 'in_progress', started_at = now()});
	for my $ws (@ws) {
		my $next = $ws->next;
		is_deeply [@$next{qw(type run_id status)}], ['status_change', $run, 'in_progress'], 'each is told what happens to it alone';
		ok $next->{started_at}, 'and since when';
	}
	change($run, q{progress = 25, message = 'Cloning repository...'});
	my $progress = $ws[0]->next;
	is_deeply [@$progress{qw(type run_id progress_percentage message)}], ['progress_update', $run, 25, 'Cloning repository...'],
		'how far it is';
	say_it($run, "one\ntwo\n");
	my $said = $ws[0]->next;
	is_deeply [@$said{qw(type run_id number text)}], ['run_log', $run, 1, "one\ntwo\n"], 'what it says';
	$db->sql(q{begin; select muster.run_log_add($1, 'last words'); update muster.run set status = 'completed', total_results = 28,
		completed_at = now() where id = $1; commit} =~ s/\$1/$run/gr);
	$live->wake;
	is $ws[0]->next->{text}, 'last words', 'its last words';
	my $end = $ws[0]->next;
	is_deeply [@$end{qw(type status total_results)}], [qw(status_change completed 28)], 'come before its end';
	$ws[0]->send_text('anything');
	is_deeply $ws[0]->next, { type => 'pong', run_id => $run }, 'whatever one says is answered';
	is $ws[1]->next(type => 'status_change', status => 'completed')->{run_id}, $run, 'the other heard all that, too';
	$_->close for @ws;
};

subtest 'who comes late' => sub {
	my $run = run_add();
	say_it($run, "piece $_\n") for 1 .. 40;
	change($run, q{status = 'failed', error = 'broken', completed_at = now()});
	my $ws = $live->ws("/ws/run/$run");
	is_deeply [@{ $ws->next }{qw(status error)}], [qw(failed broken)], 'hears how it ended';
	my @got = map { $ws->next } 1 .. 40;
	is lines(@got), join('', map { "piece $_\n" } 1 .. 40), 'and what it printed, from the beginning';
	is_deeply [map { $_->{number} } @got], [1 .. 40], 'in order';
	my $again = $live->ws("/ws/run/$run?log_after=38");
	$again->next;
	is lines(map { $again->next } 1 .. 2), "piece 39\npiece 40\n", 'or from where one was';
	$_->close for $ws, $again;
};

subtest 'while the database cannot just now' => sub {
	my $run = run_add();
	my $is = $db->value(q{select pg_get_functiondef('muster.push_run'::regproc)});
	$db->sql('create sequence muster.asked; grant all on sequence muster.asked to public');
	$db->sql($is =~ s/AS \$function\$.*\z/AS \$f\$ begin perform nextval('muster.asked'); raise lock_not_available; end \$f\$/sr);
	my $ws = $live->ws("/ws/run/$run");
	my $asked = wait_for { my $n = $db->value('select case when is_called then last_value else 0 end from muster.asked'); $n >= 2 && $n };
	cmp_ok $asked, '<', 50, 'it is asked again, but not without a pause';
	$db->sql($is);
	is $ws->next->{status}, 'pending', 'until it can';
	$ws->close;
	$db->sql('drop sequence muster.asked');
};

subtest 'who comes back' => sub {
	my $run = run_add();
	my $ws = $live->ws("/ws/run/$run");
	my $at = $ws->next->{event_id};
	$ws->close;
	change($run, q{status = 'in_progress'});
	say_it($run, "meanwhile\n");
	$live->events('repo-status-change', 200); # beyond the ring
	change($run, q{status = 'completed', completed_at = now()});
	numbered();
	my $back = $live->ws("/ws/run/$run?last_event_id=$at&log_after=0");
	my @got = map { $back->next } 1 .. 3;
	is_deeply [map { $_->{status} // $_->{text} } @got], ["meanwhile\n", 'in_progress', 'completed'], 'is given what followed';
	ok $got[1]{is_replay}, 'marked as such';
	change($run, q{status = 'cancelled'});
	ok !$back->next->{is_replay}, 'and then what happens';
	my $lost = $live->ws("/ws/run/$run?last_event_id=999999999");
	is $lost->next(type => 'status_change')->{status}, 'cancelled', 'a place that is not known: how it stands';
	$_->close for $back, $lost;
};

subtest 'what one may not see' => sub {
	my $other = $live->organization('other');
	my $run = run_add($other->{id});
	for my $what ($run, 999_999) {
		my $ws = $live->ws("/ws/run/$what");
		is $ws->next->{type}, 'error', 'is not there';
		is +($ws->closed)[0], 1008, 'and not to be asked for again';
	}
	is $live->ws('/ws/run/1', Cookie => '')->status, 401, 'nobody watches without signing in';
	is $live->ws("/ws/run/$_")->status, 404, "'$_' is no run" for '', '0', 'abc', '1/2', '99999999999999999999';
	is $live->http('/ws/run/1', Cookie => $live->cookie)->status, 426, 'it speaks WebSocket';
};

subtest 'a job says what it does' => sub {
	my $run = run_add();
	my $id = $jobs->value(q{select muster.job_add($1, 'scan', 'x', p_run => $2)}, $live->{default}{id}, $run);
	my $ws = $live->ws("/ws/run/$run");
	$ws->next;
	my ($claimed) = $jobs->rows(q{select id, lease_id from muster.job_claim('here', '{scan}', 1, 30)});
	is $jobs->value('select muster.job_log($1, $2, $3)', @$claimed, "hello\n"), 't', 'whose it is may';
	is $jobs->value('select muster.job_log($1, $2, $3)', $id, $live->{default}{id}, "no\n"), 'f', 'nobody else';
	$live->wake;
	is $ws->next(type => 'run_log')->{text}, "hello\n", 'who watches the run hears it';
	$jobs->value('select muster.job_complete($1, $2, $3)', @$claimed, '{"total_results": 3}');
	$live->wake;
	is $ws->next(status => 'completed')->{total_results}, 3, 'and what came of it';
};

subtest 'a database that goes away' => sub {
	my $run = run_add();
	my $ws = $live->ws("/ws/run/$run");
	$ws->next;
	$db->sql(q{select pg_terminate_backend(pid) from pg_stat_activity where usename = 'muster_push'});
	say_it($run, "still here\n");
	is $ws->next->{text}, "still here\n", 'is asked again when it is back';
};

done_testing;
