#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Reads: overview, lists and their pages, one repository, reports, the table, events, caching.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Encode qw(decode encode);
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
$stack->account('ann@example.org', 'viewer');
my $ann = $stack->session('ann@example.org');
sub get { return $stack->cgi(GET => $_[0], session => $ann, @_[1 .. $#_]) }

subtest 'before the first report' => sub {
	my $overview = get('/api/v1/overview');
	is $overview->{status}, 200, 'there is an overview';
	is $overview->{json}{report_id}, undef, 'of nothing';
	is $overview->{json}{health}{average}, undef, 'unknown is not zero';
	is get('/audit')->{status}, 404, 'no report';
	is_deeply get('/audit/history')->{json}, [], 'no history';
	is_deeply get('/api/v1/repos')->{json}, { items => [], next => undef }, 'no repositories';
	my $csv = get('/audit/export/csv');
	is $csv->{status}, 404, 'no table';
	is $csv->{json}{error}, 'No audit data found.', 'in the words that clients know';
};

my @repos = map { {
	name => sprintf('repo-%03d', $_), status => $_ % 5 ? 'clean' : 'dirty', path => "/srv/git/repo-$_",
	healthScore => $_ % 100, branch => 'main', remote => "https://forge.example/repo-$_.git",
	lastCommit => sprintf('2026-01-01T00:%02d:00Z', $_ % 60), uncommittedChanges => $_ % 5 ? \0 : \1,
} } 1 .. 120;
push @repos, { name => '=1+1', status => 'clean', path => '/srv/git/=1+1', branch => '@x' },
	{ name => 'a,"b', status => 'clean', path => "/srv/git/a,\"b", branch => '-cmd', remote => '+1' },
	{ name => 'größe', status => 'clean', path => '/srv/git/größe' };
$stack->report(\@repos, timestamp => '2026-02-01T00:00:00.000Z');

subtest 'a list comes in pages' => sub {
	for my $sort (qw(name -name status -status health -health last_commit -last_commit)) {
		my (@names, $uri);
		for ($uri = "/api/v1/repos?sort=$sort&limit=25"; $uri;) {
			my $page = get($uri);
			is $page->{status}, 200, "a page by $sort" if $page->{status} != 200;
			push @names, map { $_->{name} } @{ $page->{json}{items} };
			my ($link) = ($page->{head}{link} // '') =~ /^<([^>]+)>; rel="next"$/;
			is !!$link, !!$page->{json}{next}, 'the Link header is there when there is more'
				if !!$link ne !!$page->{json}{next};
			$uri = $link;
			last if @names > 500;
		}
		is scalar @names, 123, "by $sort all are there";
		is scalar keys %{ { map { $_ => 1 } @names } }, 123, 'each once';
	}
	my @down = map { $_->{name} } @{ get('/api/v1/repos?sort=-name&limit=3')->{json}{items} };
	is_deeply \@down, [reverse sort @down], 'the order is the one asked for';
	my $link = get('/api/v1/repos?status=dirty&q=repo&limit=2')->{head}{link};
	like $link, qr/^<\/api\/v1\/repos\?status=dirty&q=repo&limit=2&cursor=/, 'the filter goes on';
	is scalar @{ get('/api/v1/repos?status=dirty&limit=200')->{json}{items} }, 24, 'filtered';
	is scalar @{ get('/api/v1/repos?q=größe' =~ s/([^ -~])/join '', map { sprintf '%%%02X', ord } split '', encode('UTF-8', $1)/ger)->{json}{items} }, 1, 'searched';
};

subtest 'one repository' => sub {
	my $one = get('/api/v1/repos/repo-005')->{json};
	is $one->{status}, 'dirty', 'its status';
	is $one->{report}{name}, 'repo-005', 'its object of the report';
	is_deeply [map { $_->{status} } @{ $one->{history} }], ['dirty'], 'its history';
	$stack->report([{ %{ $repos[4] }, status => 'clean' }, @repos[0 .. 3, 5 .. $#repos]],
		timestamp => '2026-02-01T00:01:00.000Z');
	$one = get('/api/v1/repos/repo-005')->{json};
	is_deeply [map { $_->{status} } @{ $one->{history} }], ['dirty', 'clean'], 'which grows';
};

subtest 'the strip of a list' => sub {
	for my $n (1 .. 22) {
		$stack->report([{ name => 'often', path => '/srv/often', status => $n == 22 ? 'dirty' : 'clean' }],
			root => 'often', timestamp => sprintf '2026-01-01T00:%02d:00.000Z', $n);
	}
	my $strip = get('/api/v1/repos?q=often')->{json}{items}[0]{history};
	is_deeply $strip, [('clean') x 19, 'dirty'], 'has the last twenty audits, oldest first';
	is_deeply get('/api/v1/repos?q=repo-005')->{json}{items}[0]{history}, ['dirty', 'clean'],
		'each those of its own root';
	$stack->report([], root => 'often', timestamp => '2026-01-01T00:23:00.000Z');
	$stack->db->sql(q{delete from muster.root where slug = 'often'});
};

subtest 'overview and reports' => sub {
	my $overview = get('/api/v1/overview')->{json};
	is $overview->{summary}{total}, 123, 'counts';
	is scalar @{ $overview->{health}{buckets} }, 10, 'ten buckets';
	is scalar @{ $overview->{trend} }, 2, 'a trend';
	is scalar @{ $overview->{attention} }, 10, 'what needs attention';
	my $report = get('/audit')->{json};
	is scalar @{ $report->{repos} }, 123, 'the report is whole';
	is get('/audit?root=default')->{status}, 200, 'of a root';
	is get('/audit?root=nothing')->{status}, 404, 'that there is';
	my $history = get('/audit/history')->{json};
	is_deeply [map { $_->{filename} } @$history],
		['2026-02-01T00:01:00.000Z.json', '2026-02-01T00:00:00.000Z.json'], 'history, newest first';
	is get($history->[1]{path})->{status}, 200, 'each can be had';
	is get('/audit/history/2027-01-01T00:00:00.000Z.json')->{status}, 404, 'others not';
	is get('/audit/history/..%2f..%2fkey')->{status}, 404, 'nor files';
	is scalar @{ get('/api/v1/audits?limit=1')->{json}{items} }, 1, 'audits in pages';
	ok get('/api/v1/audits?limit=1')->{head}{link}, 'with a link';
};

subtest 'the table' => sub {
	my $csv = get('/audit/export/csv');
	is $csv->{status}, 200, 'is given';
	like $csv->{head}{'content-type'}, qr/^text\/csv/, 'as CSV';
	like $csv->{head}{'content-disposition'},
		qr/^attachment; filename="gitops-audit-\d{4}-\d\d-\d\d\.csv"$/, 'as a file';
	my $text = decode('UTF-8', $csv->{body});
	like $text, qr/\ARepository,Status,/, 'with a head';
	is scalar(() = $text =~ /\r\n/g), 124, 'and a line each';
	like $text, qr/^"'=1\+1",/m, 'a formula is made harmless';
	like $text, qr/,"'\@x",/, 'whichever';
	like $text, qr/,"'-cmd",/, 'its sign';
	like $text, qr/^"a,""b",/m, 'quotes are doubled';
	like $text, qr/^größe,/m, 'UTF-8 stays';
};

subtest 'what did not change is not sent again' => sub {
	my $first = get('/api/v1/overview');
	my $etag = $first->{head}{etag};
	like $etag, qr/^"[0-9a-f]{32}"$/, 'a strong ETag';
	is $first->{head}{'cache-control'}, 'private, no-cache', 'nobody else keeps it';
	like $first->{head}{vary}, qr/Cookie/, 'it is one person\'s';
	like $first->{head}{'stream-position'}, qr/^\d+$/, 'and its place in the stream';
	for my $known ($etag, "W/$etag", $etag =~ s/"$/-gzip"/r, "\"x\", $etag", '*') {
		my $again = get('/api/v1/overview', header => { 'If-None-Match' => $known });
		is $again->{status}, 304, "known as $known";
		is $again->{body}, '', 'no body';
		is $again->{head}{etag}, $etag, 'the same tag';
		ok defined $again->{head}{'stream-position'}, 'and the place in the stream';
	}
	is get('/api/v1/overview', header => { 'If-None-Match' => $_ })->{status}, 200, "not known: $_"
		for '"x"', 'x', '"', '', $etag =~ s/"//gr, '"' . substr($etag, 1, 10) . '"';
	$stack->report(\@repos, timestamp => '2026-02-01T00:02:00.000Z');
	is get('/api/v1/overview', header => { 'If-None-Match' => $etag })->{status}, 200,
		'what changed is';
	is get('/api/v1/nothing', header => { 'If-None-Match' => '*' })->{status}, 404,
		'an error is always sent';
};

subtest 'events' => sub {
	my $start = get('/api/v1/events')->{json};
	is_deeply $start->{events}, [], 'without a position: from now on';
	$stack->report([@repos[0 .. 118], { %{ $repos[119] }, status => 'extra' }, @repos[120 .. 122]],
		timestamp => '2026-02-01T00:03:00.000Z');
	my $next = get("/api/v1/events?after=$start->{last_event_id}")->{json};
	my ($change) = grep { $_->{type} eq 'repo-status-change' } @{ $next->{events} };
	is $change->{data}{repo}{name}, 'repo-120', 'then what happened';
	is $change->{data}{previous_status}, 'dirty', 'from what';
	cmp_ok $next->{last_event_id}, '>', $start->{last_event_id}, 'and a new position';
	is_deeply [grep { $_->{type} ne 'audit-update' } @{
		get("/api/v1/events?after=$start->{last_event_id}&event_types=audit-update")->{json}{events} }],
		[], 'only the types asked for';
	is_deeply [grep { $_->{type} eq 'session-change' }
		@{ get('/api/v1/events?after=0&limit=1000')->{json}{events} }], [], 'nothing of programs';
	$stack->db->sql(q{insert into muster.outbox (organization_id, channel, type, data)
		select o.id, 'runs', case n when 10500 then 'risk_alert' else 'status_change' end, '{}'
		  from muster.organization o, generate_series(1, 10600) n where o.slug = 'default' order by n});
	1 while $stack->db->value('select muster.sequence_events()');
	my $rare = get('/api/v1/events?after=0&event_types=risk_alert')->{json};
	is_deeply [$rare->{events}, $rare->{poll_after_s}], [[], 0], 'what is rare is looked for piece by piece';
	$rare = get("/api/v1/events?after=$rare->{last_event_id}&event_types=risk_alert")->{json};
	is_deeply [scalar @{ $rare->{events} }, $rare->{poll_after_s}], [1, 10], 'and found';
};

subtest 'an audit on request' => sub {
	$stack->account('dev@example.org', 'developer');
	my $dev = $stack->session('dev@example.org');
	my $none = $stack->cgi(POST => '/api/v1/audits', session => $dev, body => {});
	is $none->{status}, 409, 'needs something that is watched here';
	$stack->root('/srv/git');
	my $run = $stack->cgi(POST => '/api/v1/audits', session => $dev, body => {});
	is $run->{status}, 202, 'is accepted';
	is $run->{json}{status}, 'pending', 'not done';
	is $stack->db->value(q{select kind || ' ' || state from muster.job where run_id = $1},
		$run->{json}{run_id}), 'audit queued', 'but queued';
	is $stack->cgi(POST => '/api/v1/audits', session => $dev, body => {})->{json}{run_id},
		$run->{json}{run_id}, 'asked twice it is the same run';
	for my $what ('audits', 'scans') {
		is $stack->cgi(POST => "/api/v1/$what", session => $dev, body => { project_id => 'nothing' })->{status}, 404,
			"$what are of a project that is there";
		my $both = $stack->cgi(POST => "/api/v1/$what", session => $dev, body => { project_id => 'default', repo => 'a' });
		is_deeply [$both->{status}, map { $_->{field} } @{ $both->{json}{errors} }], [400, 'project'],
			'or of a repository, not of both';
	}
	is $stack->cgi(POST => '/api/v1/audits', session => $dev, body => { project_id => 'default' })->{json}{run_id},
		$run->{json}{run_id}, 'all of the project is everything here';
};

done_testing;
