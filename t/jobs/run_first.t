#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# From a folder that somebody names to what is wrong in it: nothing else is asked for.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test;

my $dir = audit_folder();
my $stand = Muster::Test->new;
my $db = $stand->database;
$db->sql(q{select muster.organization_add('default')});
spew($stand->state_dir . '/key', pack 'C32', map { int rand 256 } 1 .. 32);
chmod 0600, $stand->state_dir . '/key';
my %env = (MUSTER_CONF => $stand->conf($db, 'server.host' => 'here'), HOME => $stand->dir);
my $runs = q{select r.name || ' ' || x.status from muster.run x join muster.repo r on r.id = x.repo_id where x.kind = 'scan' order by 1};
sub runs { return join ', ', map { $_->[0] } $db->rows($runs) }

leaky_history("$dir/leaky");
my ($code, undef, $err) = run_program([program('muster'), 'repo', 'add', $dir], env => \%env);
is $code, 0, 'a folder is watched' or diag $err;
my $runner = $stand->start('runner', [program('muster'), 'run', '--for', 120], env => \%env);
wait_for { runs() =~ /completed|failed/ } 'the first scan, which compiles the rules', 90;
is runs(), 'leaky completed', 'what the first audit finds is scanned at once';
cmp_ok $db->value('select count(*) from muster.finding'), '>', 0, 'and what is wrong is known';

leaky_history("$dir/later");
($code, undef, $err) = run_program([program('muster'), 'repo', 'audit'], env => \%env);
is $code, 0, 'an audit is asked for' or diag $err;
wait_for { runs() =~ /later (?:completed|failed)/ } 'its scan', 60;
is runs(), 'later completed, leaky completed', 'and brings the scan of what came since, and of nothing else';
$runner->stop;

done_testing;
