#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What every command that lists something prints for a program: rows without titles, or JSON.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Stack;
use Muster::Test;

my $stack = Muster::Stack->new(front => 'none');
my $db = $stack->db;
my %env = (env => { PGUSER => 'postgres', MUSTER_CONF => $stack->conf });
sub muster { return run_program([program('muster'), @_], %env) }

$stack->account('ann@example.org', 'org_admin');
is +(muster(qw(token add ann@example.org one)))[0], 0, 'a token';
my $token = $stack->stand->dir . '/token';
spew($token, join('', map { ('a' .. 'z')[rand 26] } 1 .. 20) . "\n");
is +(muster(qw(credential add git.example.org --password-file), $token))[0], 0, 'a credential';
is +(muster('schedule', 'add', 'audit', '0 3 * * *'))[0], 0, 'a schedule';
mkdir $stack->stand->dir . '/src';
is +(muster('repo', 'add', $stack->stand->dir . '/src'))[0], 0, 'a folder';
is +(muster('job', 'pause', '--reason', "a\ttab"))[0], 0, 'a pause';
$db->sql(q{select muster.worker_renew(gen_random_uuid(), 'here', 4711, '0.1.0', 'claiming', 4, null, '{}')});

my %wanted = (
	'account list' => [qw(email name organization role state signed_in)],
	'organization list' => [qw(slug name owner members projects repositories)],
	'project list' => [qw(organization slug name)],
	'token list' => [qw(id begins name account organization scopes made expires used)],
	'credential list' => [qw(id organization host username account made used worked error kind)],
	'schedule list' => [qw(id organization kind of cron timezone state next last outcome message)],
	'schedule next @daily' => ['next'],
	'repo list' => [qw(organization host root repos last_audit path)],
	'job list' => [qw(id organization kind key state when host try progress message)],
	'job paused' => [qw(queue kind organization since reason)],
	'job queues' => [qw(queue kind wait paused run oldest_s done dead p50_s p95_s p99_s)],
	'job workers' => [qw(host pid state slots queues since seen jobs)],
	'key list' => [qw(name does sealed)],
);
my %list;
for my $command (sort keys %wanted) {
	my @words = split / /, $command;
	my ($code, $out, $err) = muster(@words, '--json');
	is $code, 0, "$command --json" or diag $err;
	$list{$command} = eval { JSON::PP->new->utf8->decode($out) } // [];
	cmp_ok scalar @{ $list{$command} }, '>', 0, 'is an array of something' or diag $out;
	is_deeply [sort keys %{ $list{$command}[0] }], [sort @{ $wanted{$command} }], 'each called as its title';
	my @lines = split /\n/, (muster(@words))[1], -1;
	pop @lines;
	is scalar @lines, scalar @{ $list{$command} }, 'in a pipe there is a line for each, and no titles';
	is scalar(grep { (() = /\t/g) != $#{ $wanted{$command} } } @lines), 0, 'with a tab between the fields';
}
is $list{'account list'}[0]{signed_in}, undef, 'what is not there is null';
like +(muster(qw(account list)))[1], qr/\t-$/m, 'or a dash';
like +(muster(qw(job workers --json)))[1], qr/"pid":\s?4711,/, 'a number is a number';
is $list{'job paused'}[0]{reason}, "a\ttab", 'text is what it is';
like +(muster(qw(job paused)))[1], qr/\ta%09tab$/m, 'and cannot be taken for two';
is $list{'repo list'}[0]{last_audit}, undef, 'words for people are none for programs';
my ($code, $out) = muster(qw(run --status --json));
is ref eval { JSON::PP->new->utf8->decode($out)->{workers} }, 'ARRAY', 'the state of the queue is one object';
is +(muster(@$_))[0], 2, "@$_ is refused" for [qw(job show 1 --json)], [qw(account enable ann@example.org --json)],
	[qw(repo audit --json)], [qw(run --once --json)];
done_testing;
