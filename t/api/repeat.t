#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Idempotency-Key: what is asked twice is done once, and answered twice.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use POSIX ();
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
$stack->account("$_\@example.org", 'developer') for qw(ann ben);
my %in = map { $_ => $stack->session("$_\@example.org") } qw(ann ben);
$stack->root('/srv/git');
$stack->report([map { { name => $_, status => 'clean', path => "/srv/git/$_" } } qw(a b)]);

sub ask {
	my ($who, $key, $body) = @_;
	return $stack->cgi(POST => '/api/v1/audits', session => $in{$who}, body => $body // '{}',
		header => { 'Idempotency-Key' => $key });
}
sub runs { return $stack->db->value('select count(*) from muster.run') }

subtest 'asked again with its key, the first answer comes back' => sub {
	my $first = ask(ann => 'one');
	is $first->{status}, 202, 'done';
	is $first->{head}{'idempotency-replayed'}, undef, 'for the first time';
	$stack->db->sql(q{update muster.job set state = 'done', finished_at = now()});
	my $again = ask(ann => 'one');
	is $again->{status}, 202, 'the status is the same';
	is $again->{body}, $first->{body}, 'the answer, too';
	is $again->{head}{'idempotency-replayed'}, 'true', 'and it says so';
	is runs(), 1, 'there is one run';
	ask(ann => 'two');
	is runs(), 2, 'another key is another request';
};

subtest 'a key belongs to one request of one account' => sub {
	my $other = ask(ann => 'one', '{"repo": "a"}');
	is $other->{status}, 422, "it is not another's";
	like $other->{json}{detail}, qr/Idempotency-Key/, 'which is said';
	is ask(ben => 'one')->{status}, 202, 'but somebody else may have the same';
};

subtest 'what failed was not done' => sub {
	is ask(ann => 'three', '{"repo": "nothing"}')->{status}, 404, 'nothing is there';
	is ask(ann => 'three', '{"repo": "nothing"}')->{status}, 404, 'it is tried again';
	is ask(ann => 'three', '{"repo": "b"}')->{status}, 202, 'and the key is still free';
	is ask(ann => 'four', '{"repo": 5}')->{status}, 400, 'nor was what is not acceptable';
	is ask(ann => 'four', '{"repo": "b"}')->{status}, 202, 'its key is free, too';
};

subtest 'two at the same moment are one' => sub {
	$stack->db->sql(q{update muster.job set state = 'done', finished_at = now() where state = 'queued'});
	my $before = runs();
	my @pids = map {
		my $pid = fork // die;
		if (!$pid) {
			my $answer = ask(ann => 'race');
			POSIX::_exit($answer->{status} == 202 ? 0 : 1);
		}
		$pid;
	} 1 .. 4;
	my $bad = 0;
	for (@pids) {
		waitpid $_, 0;
		$bad++ if $?;
	}
	is $bad, 0, 'all are answered well';
	is runs(), $before + 1, 'one was done';
};

subtest 'a key is a word' => sub {
	is ask(ann => 'x' x 201)->{status}, 400, 'too long';
	is ask(ann => 'with space')->{status}, 400, 'no word';
	is ask(ann => '"quoted"')->{status}, 202, 'quotes are fine';
};

subtest 'it is forgotten after a day' => sub {
	$stack->db->sql(q{update muster.idempotency set created_at = now() - interval '25 hours'});
	$stack->db->sql('select muster.prune()');
	is $stack->db->value('select count(*) from muster.idempotency'), 0, 'nothing is left';
};

done_testing;
