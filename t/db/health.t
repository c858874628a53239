#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What each organisation is told about its part of the queue: its own, when it has changed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $db = Muster::Test->new->database;
my ($acme, $other) = map { seed($db, $_) } qw(acme other);
my $jobs = $db->as('muster_jobs');
$db->sql('delete from muster.job');

# What is told when a runner says that it lives, after the minute that must lie between two.
sub told {
	my ($seconds) = @_;
	$db->sql("update muster.$_ set told_at = told_at - make_interval(secs => \$1)", $seconds // 61) for 'health', 'job_counted';
	my $head = $db->value('select head from muster.stream');
	$jobs->value(q{select muster.worker_renew('11111111-1111-4111-8111-111111111111', 'here', 1, '1', 'claiming', 2, null, '{}')});
	$db->sql('select muster.sequence_events()');
	return map { { organization => $_->[0], %{ JSON::PP->new->decode($_->[1]) } } }
		$db->rows(q{select o.slug, e.data from muster.event e join muster.organization o on o.id = e.organization_id
			where e.type = 'health-metrics-update' and e.id > $1 order by o.slug}, $head);
}
sub figures {
	return map { join ' ', map { $_ // '-' } @{$_}{qw(organization queue_length jobs_running job_failure_rate avg_task_seconds db)} } @_;
}

is_deeply [told()], [], 'where nothing is done there is nothing to tell';
$db->sql(q{insert into muster.job (organization_id, kind, key) select $1, 'audit', 'k' || g from generate_series(1, 3) g}, $acme->{id});
my @told = told();
is_deeply [figures(@told)], ['acme 3 0 - - ok'], 'who has jobs is told how many wait, and no other';
$db->sql(q{update muster.root set ingested_at = now() - interval '1 hour'});
$db->sql(q{update muster.job set state = 'done', started_at = now() - interval '4 seconds', finished_at = now(),
	attempt = 1 where organization_id = $1 and key in ('k1', 'k2')}, $acme->{id});
is_deeply [told(30)], [], 'once a minute';
@told = told(31);
is_deeply [figures(@told)], ['acme 1 0 0 4 ok'], 'then how many failed, and how long they took';
cmp_ok abs($told[0]{report_age_seconds} - 3600), '<', 600, 'and how old the newest report is';
is_deeply [told()], [], 'what has not changed is told once';
$db->sql(q{update muster.job set state = 'dead', started_at = now(), finished_at = now(), attempt = 1, error = 'x'
	where organization_id = $1 and key = 'k3'}, $acme->{id});
is_deeply [map { s/ [\d.]+ ok$//r } figures(told())], ['acme 0 0 0.33'], 'for good';
$db->sql(q{update muster.job set finished_at = now() - interval '2 hours'});
is_deeply [figures(told())], ['acme 0 0 - - ok'], 'an hour later nobody knows a rate';
is_deeply [told()], [], 'and that is all';

done_testing;
