#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Findings: from scans into rows, what people see, and what they decide.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use POSIX ();
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my %in;
for my $role (qw(viewer developer team_lead org_admin)) {
	$stack->account("$role\@example.org", $role);
	$in{$role} = $stack->session("$role\@example.org");
}
$stack->root('/srv/git');
$stack->report([map { { name => $_, status => 'clean', path => "/srv/git/$_" } } qw(a b c)]);
my $db = $stack->db;

sub ask {
	my ($method, $uri, $body, $who, %header) = @_;
	return $stack->cgi($method, "/api/v1/$uri", session => $in{ $who // 'team_lead' }, header => \%header,
		defined $body ? (body => $body) : ());
}
sub list { return map { $_->{fingerprint} } @{ ask(GET => "findings?$_[0]")->{json}{items} } }
sub found {
	my ($print, %more) = @_;
	return { fingerprint => $print, rule => 'a-rule', title => 'A title', severity => 'high', path => "src/$print",
		line => 1, sample => 'x****', in_head => \1, occurrences => 1, places => [{ blob => 'b1', line => 1 }], %more };
}
sub id { return $db->value('select id from muster.finding where fingerprint = $1', $_[0]) }

subtest 'before any scan everything is unknown' => sub {
	my $summary = ask(GET => 'findings/summary')->{json};
	is $summary->{open}, undef, 'not zero';
	is $summary->{unscanned}, 3, 'and it says of how many';
	is_deeply ask(GET => 'findings')->{json}, { items => [], next => undef }, 'an empty list';
};

subtest "a scan's findings are kept" => sub {
	my $done = $stack->scanned('a', [found('one'), found('two', severity => 'critical', in_head => \0),
		found('three', severity => 'low', rule => 'b-rule'), found('three')]);
	is_deeply $done, { added => 3, reopened => 0, gone => 0, seen => 3 }, 'each once';
	is_deeply [list('')], [qw(two three one)], 'the worst first, then the newest';
	my $one = ask(GET => 'findings/' . id('one'))->{json};
	is $one->{state}, 'open', 'open';
	is $one->{repository}{name}, 'a', 'in its repository';
	ok $one->{last_seen_at}, 'seen when that was scanned';
	is $db->value(q{select count(*) from muster.outbox where type = 'vulnerability_detected'})
		+ $db->value(q{select count(*) from muster.event where type = 'vulnerability_detected'}), 3, 'each was told';
	my $summary = ask(GET => 'findings/summary')->{json};
	is_deeply $summary->{open}, { critical => 1, high => 2, medium => 0, low => 0, info => 0 }, 'and counted';
	is $summary->{scanned}, 1, 'in one repository of three';
};

subtest 'the same scan again changes no row' => sub {
	my $before = $db->value('select string_agg(xmin::text, $$,$$ order by id) from muster.finding');
	is_deeply $stack->scanned('a', [found('one'), found('two', severity => 'critical', in_head => \0),
		found('three')]), { added => 0, reopened => 0, gone => 0, seen => 3 }, 'nothing new';
	is $db->value('select string_agg(xmin::text, $$,$$ order by id) from muster.finding'), $before, 'nothing written';
	$stack->scanned('a', [found('one', line => 7), found('two', severity => 'critical', in_head => \0), found('three')]);
	is ask(GET => 'findings/' . id('one'))->{json}{line}, 7, 'what moved has moved';
};

subtest 'what a whole scan does not see is gone, and comes back' => sub {
	is $stack->scanned('a', [found('one')], part => 1)->{gone}, 0, 'a scan of a part ends nothing';
	is $stack->scanned('a', [found('one')])->{gone}, 2, 'one of everything does';
	my $two = ask(GET => 'findings/' . id('two'))->{json};
	is $two->{state}, 'resolved', 'resolved';
	is $two->{reason}, 'gone', 'and says why';
	ok $two->{gone_at} && $two->{last_seen_at}, 'and when';
	is $stack->scanned('a', [found('one'), found('two', severity => 'critical')])->{reopened}, 1, 'it comes back';
	is_deeply [map { "$_->{before}>$_->{after}" } @{ ask(GET => 'findings/' . id('two') . '/history')->{json}{items} }[0, 1]],
		['resolved>open', 'open>resolved'], 'which is its history';
};

subtest 'what a person decides holds against being seen' => sub {
	my $id = id('one');
	is ask(PATCH => "findings/$id", '{"state": "resolved"}')->{status}, 400, 'with a reason only';
	my $done = ask(PATCH => "findings/$id", '{"state": "resolved", "reason": "rotated"}', 'developer');
	is $done->{json}{state}, 'resolved', 'resolved';
	$stack->scanned('a', [found('one'), found('two')]);
	is ask(GET => "findings/$id")->{json}{state}, 'resolved', 'a scan that sees it still leaves that';
	is $done->{json}{reason}, 'rotated', 'with the reason';
	is ask(PATCH => "findings/$id", '{"state": "open"}')->{json}{state}, 'open', 'it can be opened again';
	is ask(PATCH => "findings/$id", '{"state": "open"}', 'viewer')->{status}, 403, 'not by a viewer';
	is ask(PATCH => "findings/$id", '{"state": "ignored", "reason": "x"}', 'developer')->{status}, 403,
		'a developer ignores nothing';
	is ask(PATCH => "findings/$id", '{"state": "ignored", "reason": "a sample"}')->{json}{ignored_by}, 'person',
		'a team lead does';
	$stack->scanned('a', [found('one'), found('two')]);
	is ask(GET => "findings/$id")->{json}{state}, 'ignored', 'and no scan undoes it';
	ask(PATCH => "findings/$id", '{"state": "open"}');
};

subtest 'two who change the same thing do not undo each other' => sub {
	my $id = id('one');
	my $tag = ask(GET => "findings/$id")->{head}{etag};
	is ask(PATCH => "findings/$id", '{"assignee": "me"}', undef, 'If-Match' => $tag)->{status}, 200, 'the first';
	my $late = ask(PATCH => "findings/$id", '{"state": "in_progress"}', undef, 'If-Match' => $tag);
	is $late->{status}, 412, 'the second is told';
	like $late->{json}{detail}, qr/changed meanwhile/, 'why';
	is ask(PATCH => "findings/$id", '{"state": "in_progress"}', undef,
		'If-Match' => ask(GET => "findings/$id")->{head}{etag})->{status}, 200, 'and may look again';
	is_deeply [list('assignee=me')], ['one'], 'it is in the list of whose it is';
	$tag = ask(GET => "findings/$id")->{head}{etag};
	my @pids = map {
		my $pid = fork // die;
		POSIX::_exit(ask(PATCH => "findings/$id", qq({"state": "resolved", "reason": "the $_"}), undef,
			'If-Match' => $tag)->{status} == 200 ? 0 : 1) if !$pid;
		$pid;
	} 1 .. 4;
	my $through = 0;
	for (@pids) {
		waitpid $_, 0;
		$through++ if !$?;
	}
	is $through, 1, 'of four at the same moment one goes through';
	ask(PATCH => "findings/$id", '{"state": "in_progress"}');
	is ask(PATCH => "findings/$id", '{"assignee": null}')->{json}{assignee}, undef, "and can be nobody's";
	is ask(PATCH => "findings/$id", '{"assignee": "00000000-0000-4000-8000-000000000000"}')->{status}, 400,
		"but not a stranger's";
};

subtest 'many at once' => sub {
	$stack->scanned('b', [map { found("bulk$_", severity => 'medium') } 1 .. 60]);
	my @ids = map { id("bulk$_") } 1 .. 5;
	my $done = ask(POST => 'findings/bulk', JSON::PP->new->encode({ ids => [map({ $_ + 0 } @ids), 999_999],
		state => 'resolved', reason => 'all the same' }));
	is_deeply $done->{json}, { changed => 5, missing => 1 }, 'those that are there';
	is scalar(list('repo=b&state=resolved&limit=200')), 5, 'are changed';
};

subtest 'lists' => sub {
	my (%seen, $next, $pages);
	do {
		my $page = ask(GET => 'findings?limit=7' . ($next ? "&cursor=$next" : ''));
		$seen{ $_->{id} }++ for @{ $page->{json}{items} };
		$next = $page->{json}{next};
		$pages++;
	} while $next && $pages < 50;
	is scalar(keys %seen), $db->value('select count(*) from muster.finding'), 'pages hold all';
	is scalar(grep { $_ > 1 } values %seen), 0, 'each once';
	for my $sort (qw(newest oldest)) {
		my @ids = map { $_->{id} } @{ ask(GET => "findings?sort=$sort&limit=200")->{json}{items} };
		is_deeply \@ids, [$sort eq 'oldest' ? sort { $a <=> $b } @ids : sort { $b <=> $a } @ids], "$sort first";
		my @paged;
		for (my $uri = "findings?sort=$sort&limit=20"; $uri;) {
			my $page = ask(GET => $uri)->{json};
			push @paged, map { $_->{id} } @{ $page->{items} };
			$uri = $page->{next} && "findings?sort=$sort&limit=20&cursor=$page->{next}";
		}
		is_deeply \@paged, \@ids, 'in pages, too';
	}
	$stack->scanned('b', [map { found("worded$_", severity => (qw(low critical medium))[$_ % 3]) } 1 .. 30], part => 1);
	for my $limit (1, 4, 10, 30, 31) {
		my @paged;
		for (my $uri = "findings?repo=b&q=worded&limit=$limit"; $uri;) {
			my $page = ask(GET => $uri)->{json};
			cmp_ok scalar @{ $page->{items} }, '<=', $limit, 'no more than one wants' if !@paged;
			push @paged, map { "$_->{severity} $_->{fingerprint}" } @{ $page->{items} };
			$uri = $page->{next} && "findings?repo=b&q=worded&limit=$limit&cursor=$page->{next}";
		}
		is_deeply \@paged, [map { my $all = $_; $all->[0] . ' ' . $all->[1] } $db->rows(q{select f.severity, f.fingerprint
			from muster.finding f where f.fingerprint like 'worded%' order by f.rank desc, f.id desc})],
			"what words find, the worst first, in pages of $limit";
	}
	my $last = ask(GET => 'findings?repo=b&q=worded&severity=low&limit=1')->{json}{next};
	is_deeply [list("repo=b&q=worded&severity=critical&cursor=$last")], [], 'nothing is behind the last of them';
	is_deeply [list('repo=a&severity=critical,low')], [], 'filters are all to hold';
	is_deeply [list('repo=a&state=open&rule=a-rule')], ['two'], 'by repository, state and rule';
	is scalar(list('q=BULK1&limit=200')), 11, 'search is for a part, in any case';
	is scalar(list('q=%25&limit=200')), 0, 'and takes no character for another';
	is ask(GET => 'findings?repo=nothing')->{status}, 404, 'of a repository that there is';
	is ask(GET => 'findings?cursor=bm9uZQ')->{status}, 400, 'from a cursor that it gave';
	is_deeply [list('in_head=false')], [], 'what is in HEAD no more';
};

subtest 'a waiver' => sub {
	is ask(POST => 'waivers', '{"reason": "all"}')->{status}, 400, 'says what it is for';
	is ask(POST => 'waivers', '{"reason": "x", "rule": "a-rule"}', 'developer')->{status}, 403, "is a team lead's";
	my $waiver = ask(POST => 'waivers', '{"reason": "samples", "path": "src/bulk1*", "repo": "b", "days": 7}');
	is $waiver->{status}, 201, 'is given';
	is $waiver->{json}{findings}, 10, 'and covers what is open and matches'; # bulk1 is resolved
	is ask(GET => 'findings/' . id('bulk12'))->{json}{waiver_id}, $waiver->{json}{id}, 'which say so';
	$stack->scanned('b', [(map { found("bulk$_", severity => 'medium') } 1 .. 60), found('bulk1x')]);
	is ask(GET => 'findings/' . id('bulk1x'))->{json}{state}, 'ignored', 'what comes later is waived, too';
	$db->sql(q{update muster.waiver set expires_at = now() - interval '1 second'});
	is $db->value('select muster.waiver_expire()'), 1, 'it ends';
	is ask(GET => 'findings/' . id('bulk12'))->{json}{state}, 'open', 'and what it kept is open again';
	my $second = ask(POST => 'waivers', '{"reason": "y", "fingerprint": "bulk13"}')->{json};
	is scalar(@{ ask(GET => 'waivers')->{json}{items} }), 1, 'they are listed';
	is ask(DELETE => "waivers/$second->{id}")->{status}, 200, 'one can be taken back';
	is ask(GET => 'findings/' . id('bulk13'))->{json}{state}, 'open', 'at once';
};

subtest 'a rule' => sub {
	my ($rule) = grep { $_->{key} eq 'a-rule' } @{ ask(GET => 'rules')->{json}{items} };
	is $rule->{enabled}, JSON::PP::true, 'is on';
	ask(PATCH => "rules/$rule->{id}", '{"severity": "info"}');
	is_deeply ask(GET => 'findings/summary')->{json}{open}{info} > 50, 1, 'as severe as one wants';
	$stack->scanned('a', [found('one'), found('two', severity => 'critical')]);
	is ask(GET => 'findings/' . id('two'))->{json}{severity}, 'info', 'in scans to come';
	ask(PATCH => "rules/$rule->{id}", '{"severity": null}');
	is ask(GET => 'findings/' . id('two'))->{json}{severity}, 'critical', 'or as the scan says';
	ask(PATCH => "rules/$rule->{id}", '{"enabled": false}');
	is ask(GET => 'findings/' . id('two'))->{json}{ignored_by}, 'rule', 'off, it counts no more';
	$stack->scanned('c', [found('later')]);
	is ask(GET => 'findings/' . id('later'))->{json}{state}, 'ignored', 'in scans to come';
	ask(PATCH => "rules/$rule->{id}", '{"enabled": true}');
	is ask(GET => 'findings/' . id('two'))->{json}{state}, 'open', 'and on again';
	is ask(PATCH => "rules/$rule->{id}", '{"enabled": false}', 'developer')->{status}, 403, 'by a team lead';
};

subtest 'comments' => sub {
	my $id = id('one');
	my $said = ask(POST => "findings/$id/comments", '{"text": "why?\nwho?"}', 'developer');
	is $said->{status}, 201, 'said';
	is $said->{json}{account}{email}, 'developer@example.org', 'by whom';
	is_deeply [map { $_->{text} } @{ ask(GET => "findings/$id/comments")->{json}{items} }], ["why?\nwho?"], 'read';
	is ask(DELETE => "findings/$id/comments/$said->{json}{id}")->{status}, 404, 'another cannot take it back';
	is ask(DELETE => "findings/$id/comments/$said->{json}{id}", undef, 'developer')->{status}, 200, 'one oneself can';
};

subtest 'places' => sub {
	$stack->scanned('c', [found('many', occurrences => 120, places => [map { { blob => "b$_", line => $_ } } 1 .. 120]),
		found('later')]);
	my $page = ask(GET => 'findings/' . id('many') . '/occurrences?limit=100')->{json};
	is scalar(@{ $page->{items} }), 100, 'come in pages';
	my $rest = ask(GET => 'findings/' . id('many') . "/occurrences?limit=100&cursor=$page->{next}")->{json};
	is $rest->{items}[-1]{line}, 120, 'to the last';
	is $rest->{next}, undef, 'which is the last';
	$stack->scanned('c', [found('many', occurrences => 1, places => [{ blob => 'b9', line => 9 }]), found('later')]);
	is_deeply [map { $_->{line} } @{ ask(GET => 'findings/' . id('many') . '/occurrences')->{json}{items} }], [9],
		'and follow the scan';
};

subtest 'saved searches' => sub {
	my $mine = ask(POST => 'searches', '{"name": "bad", "subject": "findings", "query": {"severity": "critical"}}');
	is $mine->{status}, 201, 'one is kept';
	is ask(POST => 'searches', '{"name": "bad", "subject": "findings", "query": {}}')->{status}, 409, 'by a name';
	is_deeply ask(GET => 'searches', undef, 'developer')->{json}{items}, [], 'for oneself';
	ask(PATCH => "searches/$mine->{json}{id}", '{"shared": true}');
	is scalar(@{ ask(GET => 'searches', undef, 'developer')->{json}{items} }), 1, 'or for all';
	is ask(DELETE => "searches/$mine->{json}{id}", undef, 'developer')->{status}, 404, 'others do not remove it';
	is ask(DELETE => "searches/$mine->{json}{id}")->{status}, 200, 'one does';
};

subtest 'a scan and a person at once' => sub {
	$stack->scanned('b', [found('first'), found('second')]);
	my ($repo, $second) = ($db->value(q{select id from muster.repo where name = 'b'}), id('second'));
	my $store = sub {
		my $list = JSON::PP->new->encode([@_]) =~ s/'/''/gr;
		return "select muster.finding_store('$repo', 'secret', null, '$list', false)";
	};
	my $scan = $db->session;
	$scan->ask('begin');
	$scan->ask($store->(found('first', severity => 'critical'), found('third')));
	my $child = fork // die $!;
	if (!$child) {
		my $done = ask(PATCH => "findings/$second", { state => 'resolved', reason => 'rotated' });
		POSIX::_exit($done->{status} == 200 ? 0 : 1);
	}
	wait_for { $db->value(q{select count(*) from pg_stat_activity where wait_event_type = 'Lock'
		and datname = current_database()}) } 'one waits for the other';
	like $scan->ask($store->(found('second', severity => 'critical'))), qr/"seen": 1/, 'what the person waits with is nothing the scan needs';
	$scan->ask('commit');
	waitpid $child, 0;
	is $?, 0, 'and the person decides';
	is_deeply [$db->rows('select severity, state from muster.finding where id = $1', $second)], [['critical', 'resolved']], 'both are kept';
};

subtest 'counters agree with the rows' => sub {
	is $db->value(q{select count(*) from (
		select repo_id, kind, state, severity, n from muster.finding_count where n <> 0
		except select repo_id, kind, state, severity, count(*) from muster.finding group by 1, 2, 3, 4) d}), 0,
		'all of them';
	is $db->value(q{select coalesce(sum(n), 0) from muster.finding_count}),
		$db->value('select count(*) from muster.finding'), 'and none is missing';
};

done_testing;
