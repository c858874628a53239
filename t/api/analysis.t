#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Scans and vulnerabilities by the names that clients of analysis know.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my %in;
for my $role (qw(viewer developer team_lead)) {
	$stack->account("$role\@example.org", $role);
	$in{$role} = $stack->session("$role\@example.org");
}
$stack->root('/srv/git');
$stack->report([{ name => 'a', status => 'dirty', path => '/srv/git/a', healthScore => 70, commits_24h => 2,
		counts => { staged => 1, unstaged => 2, untracked => 0 }, missingFiles => ['LICENSE'], staleTags => 3 },
	{ name => 'gone', status => 'missing' }]);
$stack->report([{ name => 'far', status => 'clean' }], root => 'elsewhere');
my $db = $stack->db;

sub ask {
	my ($method, $uri, $body, $who) = @_;
	return $stack->cgi($method, "/api/v1/analysis/$uri", session => $in{ $who // 'developer' },
		defined $body ? (body => $body) : ());
}

subtest 'a push comes while it is fetched' => sub {
	my ($root, $slug) = @{ ($db->rows(q{select id, slug from muster.root where path = '/srv/git'}))[0] };
	$db->sql(q{update muster.root set slug = 'clones' where id = $1}, $root);
	my $scan = sub { ask(POST => 'scan', { repository_id => 'a', commit_sha => $_[0] })->{status} };
	is $scan->('aaaaaa1'), 202, 'a scan waits for its fetch';
	my $fetch = $db->value(q{select id from muster.job where kind = 'fetch'});
	$db->rows(q{select id from muster.job_claim('localhost', '{fetch}', 1, 30)});
	is $scan->('aaaaaa2'), 202, 'and the scan of what was pushed meanwhile';
	is_deeply [$db->rows(q{select f.id > $1, f.state from muster.job s join muster.job f on f.id = any (s.wait_for)
		where s.kind = 'scan' and s.state = 'queued'}, $fetch)], [['t', 'queued']], 'for another, which begins after it';
	$db->sql(q{delete from muster.job; delete from muster.run});
	$db->sql(q{update muster.root set slug = $2 where id = $1}, $root, $slug);
};

subtest 'a scan is asked for' => sub {
	my $scan = ask(POST => 'scan', { repository_id => 'a', commit_sha => 'ABCDEF1', branch => 'main', scan_type => 'security' });
	is $scan->{status}, 202, 'and taken' or diag $scan->{body};
	is_deeply [@{ $scan->{json} }{qw(scan_type status commit_sha branch findings_count)}],
		['security', 'pending', 'abcdef1', 'main', undef], 'as it was asked for, with nothing known yet';
	is ask(POST => 'scan', { repository_id => 'a', commit_sha => 'abcdef1', branch => 'main' })->{json}{scan_id},
		$scan->{json}{scan_id}, 'asked twice it is one';
	isnt ask(POST => 'scan', { repository_id => 'a', scan_type => 'dependency' })->{json}{scan_id}, $scan->{json}{scan_id},
		'of another type it is another';
	my $branch = 'b' x 200;
	my %pull = map { $_ => ask(POST => 'scan', { repository_id => 'a', commit_sha => 'a' x 64, branch => $branch,
		pull_request => $_ })->{json}{scan_id} } 12345, 12346;
	isnt $pull{12345}, $pull{12346}, 'of another pull request, too, however long the branch is called';
	my %name = map { $_ => ask(POST => 'scan', { repository_id => 'a', %{ $_ eq 'pull' ? { pull_request => 5 }
		: { branch => 'pull_request 5' } } })->{json}{scan_id} } 'pull', 'branch';
	isnt $name{pull}, $name{branch}, 'and a branch may be called as one';
	$db->sql(q{delete from muster.job where run_id = any ($1)}, '{' . join(',', values %pull, values %name) . '}');
	$db->sql(q{delete from muster.run where id = any ($1)}, '{' . join(',', values %pull, values %name) . '}');
	is_deeply [$db->rows(q{select kind, host, payload->>'path' from muster.job order by id})],
		[['scan', 'localhost', '/srv/git/a']], 'for the host where it lies';
	is ask(POST => 'scan', { repository_id => 'a', branch => 'main' })->{json}{scan_id}, $scan->{json}{scan_id},
		'of no commit in particular it is the one that waits';
	my $newer = ask(POST => 'scan', { repository_id => 'a', commit_sha => 'abcdef2', branch => 'main' })->{json};
	isnt $newer->{scan_id}, $scan->{json}{scan_id}, 'of a newer commit it is another';
	is_deeply [map { $_->{status} } ask(GET => "scan/$scan->{json}{scan_id}")->{json}], ['cancelled'], 'which takes its place';
	is $db->value(q{select count(*) from muster.job where state = 'queued'}), 1, 'in the queue';
	for my $type (qw(quality dependency)) {
		my $none = ask(POST => 'scan', { repository_id => 'a', scan_type => $type });
		is_deeply [$none->{status}, $none->{json}{status}, $none->{json}{findings_count}], [202, 'failed', undef],
			"$type: nothing is made up";
		like $none->{json}{error}, qr/^Nothing here .* yet/, 'and it says why';
	}
	is ask(POST => 'scan', { repository_id => 'gone' })->{status}, 409, 'what is missing cannot be scanned';
	is ask(POST => 'scan', { repository_id => 'far' })->{status}, 409, 'nor what lies elsewhere';
	is ask(POST => 'scan', { repository_id => 'none' })->{status}, 404, 'nor what is not there';
	is ask(POST => 'scan', { repository_id => 'a', commit_sha => '; rm -rf' })->{status}, 400, 'a commit is a name of digits';
	is ask(POST => 'scan', { repository_id => 'a' }, 'viewer')->{status}, 403, 'a viewer asks for none';
};

subtest 'of a pull request' => sub {
	my $of = ask(POST => 'scan', { repository_id => 'a', commit_sha => 'abcdef1', branch => 'main', pull_request => 7 });
	is_deeply [@{ $of->{json} }{qw(status pull_request)}], ['pending', 7], 'a scan may be';
	my @other = $db->rows(q{select id from muster.run where pull_request is null});
	is scalar(grep { $_->[0] == $of->{json}{id} } @other), 0, 'which is another than that of the branch';
	my $known = ask(GET => 'pr/7', undef, 'viewer')->{json};
	is_deeply [@{$known}{qw(pull_request findings)}, [map { $_->{id} } @{ $known->{scans} }]], [7, [], [$of->{json}{id}]],
		'and is shown with nothing known yet';
	$db->sql(q{update muster.run set status = 'completed', completed_at = now(), total_results = 2,
		counts = '{"high": 1, "low": 1}' where id = $1}, $of->{json}{id});
	$db->sql(q{select muster.finding_store((select id from muster.repo where name = 'a'), 'secret', $1,
		'[{"fingerprint": "p1", "rule": "r", "title": "T", "severity": "low"},
		  {"fingerprint": "p2", "rule": "r", "title": "T", "severity": "high"}]', false)}, $of->{json}{id});
	$known = ask(GET => 'pr/7?repository_id=a')->{json};
	is_deeply [map { $_->{fingerprint} } @{ $known->{findings} }], ['p2', 'p1'], 'then with what it found, the worst first';
	is_deeply [map { "$_->{findings_count} $_->{high_count}" } @{ $known->{scans} }], ['2 1'], 'which is counted';
	is ask(GET => 'pr/7?repository_id=gone')->{status}, 404, 'numbers are of a repository';
	is ask(GET => 'pr/8')->{status}, 404, 'of another nothing is known';
	is ask(GET => 'pr/0')->{status}, 400, 'or it is none';
	is ask(POST => 'scan', { repository_id => 'a', pull_request => 0 })->{status}, 400, 'which no scan is of';
	$db->sql(q{delete from muster.finding; delete from muster.job where run_id = $1}, $of->{json}{id});
	$db->sql(q{delete from muster.run where id = $1}, $of->{json}{id});
};

subtest 'what became of it' => sub {
	$db->sql(q{delete from muster.job; delete from muster.run where request->>'commit' = 'abcdef2'
		or kind = 'analyze' or id < (select max(id) from muster.run where kind = 'deps') and kind = 'deps'});
	my $id = $db->value(q{select id from muster.run where kind = 'scan'});
	$db->sql(q{update muster.run set status = 'completed', completed_at = now(), total_results = 2,
		counts = '{"critical": 1, "low": 1}' where id = $1}, $id);
	$db->sql(q{select muster.finding_store((select id from muster.repo where name = 'a'), 'secret', $1,
		'[{"fingerprint": "f1", "rule": "r", "title": "T", "severity": "critical"},
		  {"fingerprint": "f2", "rule": "r", "title": "T", "severity": "low"}]', true)}, $id);
	my $scan = ask(GET => "scan/$id", undef, 'viewer')->{json};
	is_deeply [@{$scan}{qw(findings_count critical_count high_count low_count)}], [2, 1, 0, 1], 'is counted';
	is_deeply [map { $_->{fingerprint} } @{ $scan->{results} }], ['f1', 'f2'], 'and shown';
	is_deeply [map { $_->{scan_type} } @{ ask(GET => 'scans')->{json}{items} }], ['dependency', 'security'], 'all scans';
	is_deeply [map { $_->{scan_type} } @{ ask(GET => 'scans?scan_type=security')->{json}{items} }], ['security'], 'of a type';
	is_deeply [map { $_->{scan_type} } @{ ask(GET => 'scans?status=failed')->{json}{items} }], ['dependency'], 'of a state';
	my $audit = $db->value(q{insert into muster.run (organization_id, project_id, kind)
		select organization_id, project_id, 'audit' from muster.run limit 1 returning id});
	is ask(GET => "scan/$audit")->{status}, 404, 'an audit is no scan';
	is scalar @{ ask(GET => 'scans')->{json}{items} }, 2, 'and not among them';
};

subtest 'vulnerabilities' => sub {
	my $list = ask(GET => 'vulnerabilities?severity=critical&status=open&repository_id=a')->{json}{items};
	is_deeply [map { $_->{fingerprint} } @$list], ['f1'], 'are findings';
	my $id = $list->[0]{id};
	is ask(PATCH => "vulnerabilities/$id/status", { status => 'in_progress' })->{json}{state}, 'in_progress', 'with a status';
	is ask(PATCH => "vulnerabilities/$id/status", { status => 'resolved' })->{status}, 400, 'that wants a reason';
	is ask(PATCH => "vulnerabilities/$id/status", { status => 'ignored', reason => 'no' })->{status}, 403, 'or a team lead';
	is ask(PATCH => "vulnerabilities/$id/status", { status => 'ignored', reason => 'a test' }, 'team_lead')->{json}{state},
		'ignored', 'who ignores';
	is ask(PATCH => "vulnerabilities/$id/status", { status => 'open' }, 'viewer')->{status}, 403, 'and no viewer';
};

subtest 'figures of a repository' => sub {
	my $known = ask(GET => 'metrics/a', undef, 'viewer')->{json};
	is_deeply $known->{health}, { status => 'dirty', score => 70, uncommitted_changes => 3, stale_tags => 3,
		missing_files => 1 }, 'its health';
	is $known->{activity}{commits_24h}, 2, 'its activity';
	is $known->{activity}{contributors}, undef, 'unknown where nobody counted';
	is_deeply $known->{security}{open}, { critical => 0, high => 0, medium => 0, low => 1, info => 0 }, 'its findings';
	is $known->{security}{dependencies}, undef, 'unknown where nobody looked';
	my $far = ask(GET => 'metrics/far')->{json};
	is $far->{security}{open}, undef, 'and before a scan all of them';
	is ask(GET => 'metrics/none')->{status}, 404, 'of nothing nothing';
};

done_testing;
