#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The queue over the API: what waits and why, what was done and how long it took, who does it, and what
# may be done about it by whom.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none', conf => { 'api.rate_limit' => 'false' });
my $db = $stack->db;
my $jobs = $db->as('muster_jobs');
my %in;
for my $role (qw(viewer team_lead org_admin platform_admin)) {
	$stack->account("$role\@example.org", $role);
	$in{$role} = $stack->session("$role\@example.org");
}
$stack->organization('other');
my %org = map { $_->[0] => $_->[1] } $db->rows('select slug, id from muster.organization');
$jobs->value('select muster.job_kind_set($1)', '[{"name": "audit", "queue": "audit", "help": "look"},
	{"name": "clone", "queue": "network", "concurrency": 2, "help": "clone"},
	{"name": "prune", "queue": "database", "help": "prune"}, {"name": "remove", "queue": "database", "help": "remove"}]');

sub ask {
	my ($method, $uri, $body, $who) = @_;
	return $stack->cgi($method, $uri, session => $in{ $who // 'viewer' },
		defined $body ? (body => ref $body ? JSON::PP->new->utf8->encode($body) : $body) : ());
}
sub items { return @{ ask(GET => @_)->{json}{items} } }
sub add {
	my ($kind, $key, $of, %option) = @_;
	return $jobs->value('select muster.job_add($1, $2, $3, p_host => $4, p_wait_for => $5)', $org{ $of // 'default' }, $kind, $key,
		@option{qw(host wait_for)});
}
sub claim { return ($jobs->rows(q{select id, lease_id from muster.job_claim('here', '{audit,clone}', $1, 30)}, $_[0] // 1)) }
sub begin { $db->sql('delete from muster.job; delete from muster.job_pause; delete from muster.worker'); return }
sub ids { return [map { $_->{id} } @_] }
sub worker {
	my ($id, $state, @jobs) = @_;
	return $jobs->value('select muster.worker_renew($1, $2, 42, $3, $4, 4, $5, $6)', sprintf('%08d-0000-4000-8000-000000000000', $id),
		'here', '0.1', $state, undef, '{' . join(',', @jobs) . '}');
}

subtest 'what there is' => sub {
	my @id = (add('audit', 'a'), add('clone', 'b'), add('audit', 'c', 'other'), add('audit', 'd'));
	is_deeply ids(items('/api/v1/jobs')), [@id[3, 1, 0]], 'is listed, the newest first, of one organization';
	is_deeply ids(items('/api/v1/jobs?kind=clone')), [$id[1]], 'by kind';
	is_deeply ids(items('/api/v1/jobs?queue=audit')), [@id[3, 0]], 'by queue';
	is_deeply ids(items('/api/v1/jobs?queue=audit,network&kind=clone,prune')), [$id[1]], 'by both';
	is_deeply ids(items('/api/v1/jobs?queue=none')), [], 'of a queue that is not there is nothing';
	my ($claimed) = claim();
	is_deeply ids(items('/api/v1/jobs?state=running')), [$claimed->[0]], 'by state';
	my $page = ask(GET => '/api/v1/jobs?limit=2')->{json};
	is_deeply ids(@{ $page->{items} }, items("/api/v1/jobs?limit=2&cursor=$page->{next}")), [@id[3, 1, 0]], 'in pages';
	is ask(GET => "/api/v1/jobs/$id[2]")->{status}, 404, 'what is of others is missing';
	is_deeply ids(items('/api/v1/admin/jobs', undef, 'platform_admin')), [reverse @id], 'the server\'s administrator sees all';
	is_deeply ids(items('/api/v1/admin/jobs?organization=other', undef, 'platform_admin')), [$id[2]], 'or those of one';
	is ask(GET => '/api/v1/admin/jobs', undef, 'org_admin')->{status}, 403, 'an organization\'s does not';
	is $page->{items}[0]{organization}, 'default', 'each says whose it is';
	begin();
};

subtest 'why it waits' => sub {
	my $first = add('audit', 'a');
	my $second = add('audit', 'b', 'default', wait_for => "{$first}");
	my $why = sub { return ask(GET => "/api/v1/jobs/$_[0]")->{json}{why} };
	is $why->($second), "Waits for job $first, which is queued.", 'another comes first';
	is $why->($first), 'No runner of queue audit lives.', 'nobody is there';
	worker(1, 'claiming');
	is $why->($first), undef, 'it is its turn';
	like ask(GET => "/api/v1/jobs/$first")->{json}{$_}, qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, "$_ is a time in UTC" for qw(created_at run_at);
	my $elsewhere = add('audit', 'c', 'default', host => 'there');
	is $why->($elsewhere), 'Only there can do it, where no runner of queue audit lives.', 'its host is away';
	is ask(GET => "/api/v1/jobs/$first")->{json}{payload}, undef, 'what it was given is not for all';
	is_deeply ask(GET => "/api/v1/jobs/$first", undef, 'org_admin')->{json}{payload}, {}, 'but for administrators';
	begin();
};

subtest 'attempts and what they said' => sub {
	my $id = add('audit', 'a');
	my ($claimed) = claim();
	$jobs->value('select muster.job_fail($1, $2, $3, true, false, $4)', @$claimed, 'broken',
		'{"exit_status": 256, "cpu_ms": 7, "rss_kib": 900, "log": "one\ntwo\n"}');
	$db->sql('update muster.job set run_at = now()');
	($claimed) = claim();
	my @attempts = items("/api/v1/jobs/$id/attempts");
	is_deeply [map { [@$_{qw(number outcome error cpu_ms)}] } @attempts], [[1, 'failed', 'broken', 7], [2, undef, 'broken', undef]],
		'each is there, the one under way without an outcome';
	is_deeply [items("/api/v1/jobs/$id/log")], [{ attempt => 1, text => 'one' }, { attempt => 1, text => 'two' }], 'line by line';
	begin();
};

subtest 'what a person does about it' => sub {
	my $id = add('audit', 'a');
	is ask(POST => "/api/v1/jobs/$id/cancel", '{}')->{status}, 403, 'a viewer ends nothing';
	is ask(POST => "/api/v1/jobs/$id/cancel", '{}', 'team_lead')->{json}{state}, 'cancelled', 'a team lead does';
	is ask(POST => "/api/v1/jobs/$id/cancel", '{}', 'team_lead')->{status}, 409, 'once';
	is ask(POST => "/api/v1/jobs/$id/retry", '{}', 'team_lead')->{json}{state}, 'queued', 'and takes it up again';
	is ask(POST => "/api/v1/jobs/$id/retry", '{}', 'team_lead')->{status}, 409, 'once';
	my $behind = add('audit', 'behind', 'default', wait_for => "{$id}");
	$db->value('select muster.job_cancel($1)', $id);
	like ask(POST => "/api/v1/jobs/$behind/retry", '{}', 'team_lead')->{json}{detail}, qr/waits for job $id, which is cancelled: retry that/,
		'what would wait in vain is not, and why is said';
	ask(POST => "/api/v1/jobs/$id/retry", '{}', 'team_lead');
	$db->sql('delete from muster.job where id = $1', $behind);
	my $prune = add('prune', 'p');
	is ask(POST => "/api/v1/jobs/$prune/cancel", '{}', 'org_admin')->{status}, 403, 'what the server promised stays';
	is ask(POST => "/api/v1/jobs/$prune/cancel", '{}', 'platform_admin')->{status}, 200, 'but for its administrator';
	is ask(POST => "/api/v1/jobs/$_/cancel", '{}', 'team_lead')->{status}, 404, "there is no job $_" for add('audit', 'x', 'other'), 4711;
	$db->sql(q{update muster.job set state = 'dead', finished_at = now() where kind = 'audit'});
	is_deeply ask(POST => '/api/v1/jobs/redrive', '{"kind": "clone"}', 'team_lead')->{json}, { queued => 0 }, 'of one kind';
	is_deeply ask(POST => '/api/v1/jobs/redrive', '{}', 'team_lead')->{json}, { queued => 1 }, 'or all is taken up again, but of one organization';
	is_deeply ask(POST => '/api/v1/admin/jobs/redrive', '{}', 'platform_admin')->{json}, { queued => 1 }, 'or of all';
	is_deeply [map { $_->[0] } $db->rows(q{select action from muster.trail where action ~ '^job' order by id})],
		[qw(job.cancel job.retry job.retry job.cancel job.redrive job.redrive job.redrive)], 'which is on the trail';
	begin();
};

subtest 'pauses' => sub {
	my ($own, $other) = (add('audit', 'a'), add('audit', 'b', 'other'));
	is ask(POST => '/api/v1/jobs/pause', '{}', 'team_lead')->{status}, 403, 'are an administrator\'s';
	my $paused = ask(POST => '/api/v1/jobs/pause', '{"queue": "audit", "reason": "disk"}', 'org_admin');
	is_deeply [map { [@$_{qw(organization queue kind reason)}, $_->{account}{email}] } @{ $paused->{json}{items} }],
		[['default', 'audit', undef, 'disk', 'org_admin@example.org']], 'who paused what and why is said';
	is ask(POST => '/api/v1/jobs/pause', '{"queue": "audit"}', 'org_admin')->{status}, 409, 'once';
	is ask(POST => '/api/v1/jobs/pause', '{"queue": "nothing"}', 'org_admin')->{status}, 404, 'there must be such a queue';
	like ask(GET => "/api/v1/jobs/$own")->{json}{why}, qr/^Paused since \S+: disk$/, 'a job says so';
	is_deeply [map { $_->[0] } claim(5)], [$other], 'others are not held back by it';
	is_deeply ask(POST => '/api/v1/jobs/resume', '{"queue": "audit"}', 'org_admin')->{json}{items}, [], 'it goes on';
	is ask(POST => '/api/v1/jobs/resume', '{"queue": "audit"}', 'org_admin')->{status}, 409, 'once';
	ask(POST => '/api/v1/admin/jobs/pause', '{"kind": "audit"}', 'platform_admin');
	is_deeply [map { [@$_{qw(organization kind)}] } items('/api/v1/jobs/pauses')], [[undef, 'audit']],
		'what the server\'s administrator holds back is seen by all';
	is ask(POST => '/api/v1/jobs/resume', '{"kind": "audit"}', 'org_admin')->{status}, 409, 'and taken back by nobody else';
	is_deeply [claim(5)], [], 'nothing is begun';
	is ask(POST => '/api/v1/admin/jobs/resume', '{"kind": "audit"}', 'platform_admin')->{status}, 200, 'until then';
	begin();
};

subtest 'what the server promised' => sub {
	my $id = add('prune', 'p', undef);
	is ask(POST => '/api/v1/jobs/pause', $_, 'org_admin')->{status}, 403, "is not paused by an organization: $_"
		for '{"queue": "database"}', '{"kind": "prune"}', '{"kind": "remove"}';
	is ask(POST => '/api/v1/admin/jobs/pause', '{"kind": "prune", "organization": "default"}', 'platform_admin')->{status}, 403,
		'nor for one';
	is ask(POST => '/api/v1/jobs/pause', '{}', 'org_admin')->{status}, 200, 'who pauses all its jobs';
	unlike ask(GET => "/api/v1/jobs/$id")->{json}{why} // '', qr/Paused/, 'does not pause that';
	is $jobs->value('select muster.job_step()'), 't', 'which is begun';
	ask(POST => '/api/v1/admin/jobs/pause', '{"queue": "database"}', 'platform_admin');
	add('prune', 'q');
	is $jobs->value('select muster.job_step()'), 'f', 'the server\'s administrator holds it back for all';
	$db->sql(q{update muster.job set state = 'dead', finished_at = now()});
	is_deeply ask(POST => '/api/v1/jobs/redrive', '{}', 'team_lead')->{json}, { queued => 0 }, 'nor is it taken up again by an organization';
	isnt ask(POST => '/api/v1/admin/jobs/redrive', '{}', 'platform_admin')->{json}{queued}, 0, 'but by that one';
	begin();
};

subtest 'an organization that is removed' => sub {
	$db->value('select muster.job_pause(p_organization => $1)', $stack->organization('gone'));
	is ask(DELETE => '/api/v1/organizations/gone?confirm=gone', undef, 'platform_admin')->{status}, 202, 'is closed';
	1 while $jobs->value('select muster.job_step()') eq 't';
	is $db->value(q{select count(*) from muster.organization where name = 'gone'}), 0, 'and goes, whatever it had paused';
	begin();
};

subtest 'figures' => sub {
	add('audit', 'w1');
	add('clone', 'w2');
	add('audit', 'w3', 'other');
	$db->sql(q{update muster.job set run_at = now() - interval '10 minutes' where key = 'w1'});
	$db->value('select muster.job_pause(p_kind => $1)', 'clone');
	$db->sql(q{insert into muster.job (organization_id, kind, key, state, run_at, started_at, finished_at)
		select $1, 'audit', n::text, case when n <= 10 then 'dead' else 'done' end, now() - n * interval '3 seconds',
		       now() - n * interval '1 second', now()
		  from generate_series(1, 110) n}, $org{default});
	$db->sql(q{insert into muster.job (organization_id, kind, key, state, started_at, finished_at)
		values ($1, 'audit', 'old', 'dead', now() - interval '3 hours', now() - interval '2 hours')}, $org{default});
	worker(1, 'claiming');
	my $now = ask(GET => '/api/v1/jobs/status')->{json};
	my %kind = map { $_->{kind} => $_ } @{ $now->{kinds} };
	is_deeply [@$now{qw(queued running)}], [2, 0], 'what waits and runs';
	cmp_ok $now->{oldest_wait_s}, '>=', 600, 'for how long';
	is_deeply [@{ $kind{audit} }{qw(queued held done dead cancelled is_whole)}], [1, 0, 100, 10, 0, JSON::PP::true], 'what ended, in an hour';
	is $kind{audit}{failure_ratio} + 0, 0.0909, 'how much failed';
	is_deeply { map { $_ => $kind{audit}{seconds}{$_} + 0 } qw(average p50 p95 p99) },
		{ average => 60.5, p50 => 60.5, p95 => 105.05, p99 => 109.01 }, 'how long it took';
	is_deeply { map { $_ => $kind{audit}{waited}{$_} + 0 } qw(p50 p95 p99) }, { p50 => 121, p95 => 210.1, p99 => 218.02 },
		'and how long it had waited until then';
	is_deeply [@{ $kind{clone} }{qw(queued held concurrency oldest_wait_s seconds waited)}], [1, 1, 2, undef, undef, undef],
		'what is paused does not count as late, what is unknown is null';
	is_deeply $now->{workers}, { alive => 1, slots => 4, busy => 0 }, 'who works';
	is +(map { $_->{dead} } grep { $_->{kind} eq 'audit' } @{ ask(GET => '/api/v1/jobs/status?hours=3')->{json}{kinds} })[0], 11,
		'over more hours, if one likes';
	is ask(GET => '/api/v1/admin/jobs/status', undef, 'platform_admin')->{json}{queued}, 3, 'of all, for the server\'s administrator';
	begin();
};

subtest 'workers' => sub {
	my @id = map { add('audit', $_) } 'a' .. 'd';
	claim(3);
	worker(1, 'minding', $id[0]);
	worker(2, 'claiming', $id[1]);
	my @workers = items('/api/v1/admin/workers', undef, 'platform_admin');
	is_deeply [map { [@$_{qw(host pid state slots)}, ids(@{ $_->{jobs} })] } @workers],
		[['here', 42, 'minding', 4, [$id[0]]], ['here', 42, 'claiming', 4, [@id[1, 2]]]],
		'each with what it does, what it has not said yet with who claims';
	$db->sql(q{update muster.worker set seen_at = now() - interval '31 seconds' where state = 'minding'});
	is_deeply [map { $_->{state} } items('/api/v1/admin/workers', undef, 'platform_admin')], [qw(lost claiming)],
		'one that was not heard of is lost';
	is ask(GET => '/api/v1/admin/workers', undef, 'org_admin')->{status}, 403, 'hosts are the server\'s administrator\'s';
	begin();
};

subtest 'what was done since ever' => sub {
	my $counted = sub { return [$db->rows(q{select kind, state, n, ms, array_to_string(buckets, ' ') from muster.job_count_all() order by 1, 2})] };
	$db->sql(q{delete from muster.job_count; update muster.job_counted set until = '-infinity'});
	$db->sql(q{insert into muster.job (organization_id, kind, key, state, started_at, finished_at)
		select $1, 'audit', n::text, 'done', now() - interval '8 minutes' - n * interval '20 seconds', now() - interval '8 minutes'
		  from generate_series(0, 2) n}, $org{default});
	my $is = [['audit', 'done', 3, 60000, '1 0 0 1 1 0 0 0 0']];
	is_deeply $counted->(), $is, 'is counted';
	worker(1, 'claiming');
	is $db->value('select n from muster.job_count'), 3, 'kept by a runner';
	is_deeply $counted->(), $is, 'and not twice';
	worker(1, 'claiming');
	$db->sql('delete from muster.job');
	is_deeply $counted->(), $is, 'also when the jobs are forgotten';
	$db->sql(q{insert into muster.job (organization_id, kind, key, state, finished_at) values ($1, 'audit', 'x', 'done', now() - interval '6 minutes'),
		($1, 'audit', 'y', 'done', now())}, $org{default});
	$db->sql(q{update muster.job_counted set until = now() - interval '8 minutes'});
	worker(1, 'claiming');
	is $db->value('select n from muster.job_count'), 4, 'what may not be all there yet is not kept';
	is $counted->()->[0][2], 5, 'but counted';
	my ($dead) = map { $_->[0] } $db->rows(q{insert into muster.job (organization_id, kind, key, state, finished_at)
		values ($1, 'audit', 'z', 'dead', now()) returning id}, $org{default});
	my $sum = sub { my $n = 0; $n += $_->[2] for @{ $counted->() }; return $n };
	is $sum->(), 6, 'also what was given up';
	ask(POST => "/api/v1/jobs/$dead/retry", '{}', 'team_lead');
	is $sum->(), 6, 'and taken up again';
	worker(1, 'claiming');
	is $sum->(), 6, 'once';
	my $text = $stack->cgi(GET => '/metrics', session => $in{platform_admin})->{body};
	like $text, qr/^pipeline_jobs_processed_total\{kind="audit",status="completed"\} 5$/m, 'for other programs, too';
	like $text, qr/^pipeline_job_duration_seconds_bucket\{kind="audit",status="completed",le="30"\} 2$/m, 'with their times';
	like $text, qr/^pipeline_job_duration_seconds_count\{kind="audit",status="completed"\} 3$/m, 'of those that were begun';
	like $text, qr/^muster_workers\{host="here",state="claiming"\} 1$/m, 'and who works';
};

done_testing;
