#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Schedules over the API: who may say when, and what is refused.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Stack;
use Muster::Test;

my $stack = Muster::Stack->new(front => 'fastcgi');
my %who;
for my $role (qw(viewer developer team_lead)) {
	$stack->account("$role\@example.org", $role);
	$who{$role} = $stack->session("$role\@example.org");
}
my $root = $stack->stand->dir . '/src';
mkdir $root;
$stack->root($root);
$stack->report([ { name => 'a', status => 'clean', path => "$root/a" } ]);
$stack->db->sql(q{insert into muster.job_kind (name, queue, help) values ('audit', 'audit', 'x'), ('scan', 'scan', 'x')});

sub ask {
	my ($role, $method, $path, $body, %more) = @_;
	return $stack->cgi($method, "/api/v1/schedules$path", session => $who{$role},
		defined $body ? (body => JSON::PP->new->encode($body)) : (), %more);
}

my $list = ask(viewer => GET => '')->{json}{items};
is_deeply [map { $_->{kind} } @$list], [qw(reconcile report scan audit)], 'a viewer sees what came with the first folder';
is scalar @{ ask(viewer => GET => '?kind=scan&enabled=true')->{json}{items} }, 1, 'or those of a kind';
is ask($_ => POST => '', { kind => 'audit', cron => '@daily' })->{status}, 403, "a $_ adds none" for qw(viewer developer);
my $answer = ask(team_lead => POST => '', { kind => 'scan', cron => '15 2 * * sat', timezone => 'America/New_York', repo => 'a',
	jitter_s => 0, backfill_s => 3600 });
is $answer->{status}, 201, 'a team lead does';
my $it = $answer->{json};
is $it->{repository}{name}, 'a', 'of one repository';
is $it->{account}{email}, 'team_lead@example.org', 'and it is known who did';
is_deeply [map { scalar @{ $it->{$_} } } qw(occurrences ticks)], [5, 0], 'it says when it will come, and nothing came yet';
is $it->{next_at}, $it->{occurrences}[0], 'the next time is the first of these';
my $shown = ask(viewer => GET => "/$it->{id}");
is_deeply $shown->{json}, $it, 'asked for it is the same';

my $tag = $shown->{head}{etag};
is ask(team_lead => PATCH => "/$it->{id}", { enabled => JSON::PP::false }, header => { 'If-Match' => '"another"' })->{status}, 412,
	'it is not changed by who saw another';
my $off = ask(team_lead => PATCH => "/$it->{id}", { enabled => JSON::PP::false }, header => { 'If-Match' => $tag })->{json};
ok !$off->{enabled} && !defined $off->{next_at} && !@{ $off->{occurrences} }, 'one that is off does not come';
is ask(team_lead => PATCH => "/$it->{id}", { cron => '@daily' })->{json}{cron}, '@daily', 'what is given changes';
for (['cron', { kind => 'audit', cron => 'often' }], ['timezone', { kind => 'audit', cron => '@daily', timezone => 'Mars/Olympus' }],
	['backfill_s', { kind => 'audit', cron => '@daily', backfill_s => 1 }], ['kind', { kind => 'coffee', cron => '@daily' }],
	['cron', { kind => 'audit' }]) {
	my ($field, $body) = @$_;
	my $refused = ask(team_lead => POST => '', $body);
	is_deeply [$refused->{status}, map { $_->{field} } @{ $refused->{json}{errors} }], [400, $field], "refused for its $field";
}
is_deeply ask(viewer => GET => '/preview?cron=0+0+29+2+*&timezone=UTC')->{json}{occurrences}[4] =~ /^20\d\d-02-29T00:00:00.000Z$/, 1,
	'when an expression comes can be seen before';
is ask(viewer => GET => '/preview?cron=0+0+30+2+*')->{status}, 400, 'or that it never does';
is ask(developer => POST => "/$it->{id}/run", {})->{status}, 403, 'a developer does not start it';
is_deeply [@{ ask(team_lead => POST => "/$it->{id}/run", {}) }{qw(status json)}], [202, { jobs => 1, going => JSON::PP::false }], 'a team lead does';
is ask(team_lead => POST => "/$it->{id}/run", {})->{status}, 409, 'once at a time';
is ask(developer => DELETE => "/$it->{id}")->{status}, 403, 'a developer does not remove it';
is ask(team_lead => DELETE => "/$it->{id}")->{status}, 200, 'a team lead does';
is ask(viewer => GET => "/$it->{id}")->{status}, 404, 'and it is gone';

done_testing;
