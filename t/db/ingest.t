#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# report_ingest() is the one way in for a report: it tells what changed, once, and believes nothing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $stand = Muster::Test->new;
my $db = $stand->database;
my $json = JSON::PP->new->utf8->canonical->allow_nonref;
$db->sql(q{select muster.organization_add('acme'); select muster.organization_add('other')});
my $cursor = 0;

# Events since the last call, decoded: [type, data, subject]
sub events {
	my @rows = $db->rows(q{select id, type, case when is_internal then envelope else envelope::jsonb ->> 'data' end, subject
		from muster.event_feed($1, 10000) where id is not null}, $cursor);
	$cursor = $rows[-1][0] if @rows;
	return map { [$_->[1], $json->decode($_->[2]), $_->[3]] } @rows;
}

my @names = map { "repo-$_" } 1 .. 10;
sub list { my (%status) = @_; return [map { { name => $_, %{ $status{$_} // {} } } } @names] }

# --- the first, the same, a changed one
my $first = report(list());
my $answer = ingest($db, 'acme', $first);
ok $answer->{new}, 'a first report is taken';
is $answer->{events}, 1, 'and says how many events it made';
my @events = events();
is_deeply [map { $_->[0] } @events], ['audit-update'], 'the first report of a root is one audit-update';
is $events[0][1]{report_id}, $answer->{report_id}, 'that names the report';
is $events[0][1]{summary}{total}, 10, 'and carries its counters';
is_deeply $events[0][1]{summary}{unknown}, [qw(missing extra)], 'and what it could not judge';

my $again = ingest($db, 'acme', $first);
ok !$again->{new}, 'the same bytes again are not new';
is $again->{reason}, 'same', 'and that is why';
is $again->{audit_id}, $answer->{audit_id}, 'the stored audit is named';
is_deeply [events()], [], 'nobody hears of it';

my $id = '9b2e5a1c-0000-4000-8000-00000000000a';
my $with_id = report_data(list('repo-3' => { status => 'dirty', lastCommitSubject => "Fix \"it\"\n" }),
	report_id => $id);
$answer = ingest($db, 'acme', $json->encode($with_id));
is $answer->{report_id}, $id, 'the report\'s own id is kept';
is $answer->{changed}, 1, 'one repository changed';
@events = events();
is_deeply [map { $_->[0] } @events], ['repo-status-change'], 'which is one repo-status-change';
is $events[0][1]{repo}{name}, 'repo-3', 'with its compact object';
is $events[0][1]{repo}{status}, 'dirty', 'the new status';
is $events[0][1]{previous_status}, 'clean', 'the old one';
is $events[0][1]{summary}{dirty}, 1, 'the new counters';
is $events[0][1]{health_status}, 'yellow', 'and the new health';
is $events[0][1]{repo}{last_commit_subject}, "Fix \"it\"\n", 'and text as it was';
is $events[0][2], $events[0][1]{repo}{id}, 'the subject is the repository';
cmp_ok length $json->encode($events[0][1]), '<', 1024, 'all of it under a kilobyte';

ok !ingest($db, 'acme', JSON::PP->new->utf8->pretty->encode($with_id))->{new},
	'the same report_id in other bytes is not new';
ok !ingest($db, 'acme', $first)->{new}, 'neither is the one before';
is $db->value(q{select count(*) from muster.audit}), 2, 'each report is one audit';

# --- what time does
my $older = $json->encode({ %$with_id, report_id => '9b2e5a1c-0000-4000-8000-00000000000b' });
$answer = ingest($db, 'acme', report(list('repo-3' => { status => 'dirty',
	lastCommitSubject => "Fix \"it\"\n", lastCommitAgeDays => 77 })));
is $answer->{changed}, 0, 'what ages is not changed';
is_deeply [events()], [], 'and no event';
is $db->value(q{select report ->> 'lastCommitAgeDays' from muster.repo where name = 'repo-3'}), 77,
	'but is stored';
$answer = ingest($db, 'acme', $older);
is $answer->{reason}, 'old', 'a report that was overtaken is not taken';
is $db->value(q{select report ->> 'lastCommitAgeDays' from muster.repo where name = 'repo-3'}), 77,
	'and changes nothing';

# --- more than a quarter
$answer = ingest($db, 'acme', report(list(map { $_ => { status => 'dirty' } } @names[0 .. 4])));
@events = events();
is scalar(grep { $_->[0] eq 'audit-update' } @events), 1, 'more than a quarter is one audit-update';
is $events[-1][0], 'audit-update', 'after the single ones';
is scalar(@events) - 1, 5, 'few repositories are told one by one all the same';
is $events[-1][1]{summary}{dirty}, 5, 'with the counters';
ingest($db, 'other', report([{ name => 'solo', status => 'error' }]));
ingest($db, 'other', report([{ name => 'duo' }]), root => 'duo');
@events = events();
is_deeply [map { $_->[1]{summary}{total} } @events], [1, 2], 'of all roots of the organization';
is $events[1][1]{health_status}, 'red', 'and the worst health of them';
is $db->value(q{select muster.root_remove('other', 'here', 'default')}), 't', 'a root that is removed';
@events = events();
is_deeply [map { [$_->[0], $_->[1]{summary}{total}] } @events], [['audit-update', 1]], 'is told as what is left';
is $db->value(q{select muster.root_remove('other', 'here', 'default')}), 'f', 'once';
my $many = [map { { name => "m-$_" } } 1 .. 100];
ingest($db, 'acme', report($many), root => 'many');
events();
ingest($db, 'acme', report([map { { name => "m-$_", status => 'dirty' } } 1 .. 100]), root => 'many');
is_deeply [map { $_->[0] } events()], ['audit-update'], 'a hundred changes are the audit-update alone';
ingest($db, 'acme', report([map { { name => "m-$_", status => $_ > 25 ? 'dirty' : 'clean' } } 1 .. 100]),
	root => 'many');
is_deeply [map { $_->[0] } events()], [('repo-status-change') x 25],
	'exactly a quarter is told one by one';

# --- going and coming back
my $repo_id = $db->value(q{select id from muster.repo where name = 'repo-9'});
my @without = grep { $_->{name} ne 'repo-9' } @{ list(map { $_ => { status => 'dirty' } } @names[0 .. 4]) };
ingest($db, 'acme', report(\@without));
@events = events();
is $events[0][1]{repo}{status}, 'removed', 'a repository that went is told as removed';
is $events[0][1]{repo}{id}, $repo_id, 'by its id';
is $events[0][1]{previous_status}, 'clean', 'with its last status';
ingest($db, 'acme', report(list(map { $_ => { status => 'dirty' } } @names[0 .. 4])));
@events = events();
is $events[0][1]{repo}{id}, $repo_id, 'when it comes back it is the same one';
is $events[0][1]{previous_status}, undef, 'that had no status meanwhile';

# --- the strip
my $in_acme = q{begin; select set_config('muster.organization', id::text, true) from muster.organization
	where slug = 'acme' \g /dev/null} . "\n";
my $strip = $db->json($in_acme . q{select muster.repo_history(root_id, ordinal) from muster.repo
	where name = 'repo-9'});
is_deeply $strip, ['clean', 'clean', 'clean', 'clean', undef, 'clean'],
	'the strip has the status of each audit, oldest first, and a gap where it was gone';
$strip = $db->json($in_acme . q{select muster.repo_history(root_id, ordinal, 3) from muster.repo
	where name = 'repo-3'});
is_deeply $strip, [qw(dirty dirty dirty)], 'and no more than asked for';
# --- two at the same moment
my @sessions = map { $db->session } 1, 2;
my $race = report(list());
my $call = q{select muster.report_ingest('acme', 'here', 'default', $1)};
$sessions[0]->ask('begin');
my @both = ($json->decode($sessions[0]->ask($call, $race)));
$sessions[1]->send($call, $race);
$sessions[0]->ask('commit');
push @both, $json->decode($sessions[1]->read);
is_deeply [map { $_->{new} ? 'new' : $_->{reason} } @both], ['new', 'same'],
	'whoever comes second with the same report does nothing';
events();

# Two roots at once: the second cannot number, and its events are not lost.
$sessions[0]->ask('begin');
$sessions[0]->ask($call, report(list('repo-1' => { status => 'dirty' })));
my $second = $json->decode($sessions[1]->ask(
	q{select muster.report_ingest('acme', 'here', 'second', $1)}, report([{ name => 'x' }])));
ok $second->{new}, 'another root is taken meanwhile';
is_deeply [events()], [], 'while the lane is held nothing is numbered';
$sessions[0]->ask('commit');
is $db->value('select muster.sequence_events()') > 0, 1, 'the next one numbers it';
is_deeply [map { $_->[0] } events()], [qw(repo-status-change audit-update)], 'and all of it is seen';

# --- reports of others: generation B without ids and status, with a byte order mark
my $b = "\xEF\xBB\xBF" . $json->encode({ timestamp => '2026-01-05T00:00:00Z', health_status => 'green',
	summary => { total => 2 }, repos => [{ name => 'p', uncommittedChanges => JSON::PP::true,
		path => 'C:\GIT\p', lastCommit => '9d08738 - compatible', lastCommitAgeDays => 176 },
	{ name => 'q', uncommittedChanges => JSON::PP::false, lastCommit => '2025-04-09T10:00:00+02:00' }] });
ok ingest($db, 'acme', $b, root => 'b')->{new}, 'a report of generation B is taken';
is_deeply [$db->rows(q{select r.name, r.status, r.path, muster.iso(r.last_commit_at) from muster.repo r
	join muster.root t on t.id = r.root_id where t.slug = 'b' order by name})],
	[['p', 'dirty', 'C:\GIT\p', undef], ['q', 'clean', undef, '2025-04-09T08:00:00.000Z']],
	'status is derived, a time that is none is unknown';
my $b_again = $b =~ s/00:00:00Z/00:00:10Z/r;
is ingest($db, 'acme', $b_again, root => 'b')->{changed}, 0, 'its repositories are known again by name';
my $a_b_a = $b =~ s/176/177/r;
ok ingest($db, 'acme', $b_again =~ s/"p"/"pp"/r, root => 'b')->{new}, 'without a report_id, B after A';
ok ingest($db, 'acme', $b_again, root => 'b')->{new}, 'and A again are both taken: the last state counts';

# --- garbage
my $good = sub { my ($change) = @_; my $d = report_data(list()); $change->($d); return $json->encode($d) };
my %garbage = (
	'nothing' => '',
	'no JSON' => 'hello',
	'half a report' => substr($first, 0, 500),
	'an array' => '[]',
	'a number' => '1',
	'null' => 'null',
	'U+0000' => $first =~ s/Begin/\\u0000/r,
	'an unpaired surrogate' => $first =~ s/Begin/\\ud800/r,
	'a number out of range' => $first =~ s/"duration_ms":12/"duration_ms":1e400000/r,
	'depth' => $first =~ s/"mitigation_actions":\{\}/'"x":' . '[' x 200000 . ']' x 200000/er,
	'no timestamp' => $good->(sub { delete $_[0]{timestamp} }),
	'a wrong timestamp' => $good->(sub { $_[0]{timestamp} = '2026-02-30T00:00:00Z' }),
	'a timestamp with a tail' => $good->(sub { $_[0]{timestamp} = '2026-01-01T00:00:00Z' . ' ' x 30 . 'x' }),
	'a timestamp of tomorrow' => $good->(sub { $_[0]{timestamp} = '2226-01-01T00:00:00Z' }),
	'a timestamp that is an object' => $good->(sub { $_[0]{timestamp} = {} }),
	'a wrong colour' => $good->(sub { $_[0]{health_status} = 'blue' }),
	'no summary' => $good->(sub { $_[0]{summary} = [] }),
	'no repositories' => $good->(sub { $_[0]{repos} = {} }),
	'a repository that is a text' => $good->(sub { $_[0]{repos}[3] = 'x' }),
	'a name that is a number' => $good->(sub { $_[0]{repos}[3]{name} = 3 }),
	'an empty name' => $good->(sub { $_[0]{repos}[3]{name} = '' }),
	'a long name' => $good->(sub { $_[0]{repos}[3]{name} = 'x' x 1025 }),
	'a wrong status' => $good->(sub { $_[0]{repos}[3]{status} = 'fine' }),
	'a status that is null' => $good->(sub { $_[0]{repos}[3]{status} = undef }),
	'a name twice' => $good->(sub { $_[0]{repos}[3]{name} = 'repo-1' }),
	'an id twice' => $good->(sub { $_->{id} = $id for @{ $_[0]{repos} }[2, 3] }),
	'a huge repository' => $good->(sub { $_[0]{repos}[3]{x} = join ' ', 1 .. 700000 }),
);
my $state = $db->value(q{select md5(string_agg(r::text, ',' order by id)) from muster.repo r});
my $audits = $db->value('select count(*) from muster.audit');
for my $what (sort keys %garbage) {
	my ($out, $error) = $db->try($call, $garbage{$what});
	like $error, qr/ERROR:\s+MU400: /, "$what is refused";
}
is $db->value(q{select md5(string_agg(r::text, ',' order by id)) from muster.repo r}), $state,
	'and what is stored stays';
is $db->value('select count(*) from muster.audit'), $audits, 'and no audit is counted';
my (undef, $error) = $db->try($call, $good->(sub { $_->{status} = 'x' for @{ $_[0]{repos} }[1, 4];
	$_[0]{health_status} = 'x' }));
my ($detail) = $error =~ /DETAIL:\s+(.*)/;
is_deeply [map { $_->{field} } @{ $json->decode($detail) }],
	['health_status', 'repos[1].status', 'repos[4].status'], 'every fault is named';
(undef, $error) = $db->try(q{set client_encoding = 'UTF8'; } . $call, "{\"a\": \"\xff\xfe\"}");
like $error, qr/22021/, 'what is not UTF-8 does not come as far as that';
is $db->error(q{select muster.report_ingest('nobody', 'here', 'default', '{}')}), 'MU404',
	'an organization that is missing is said to be';
is $db->error(q{select muster.report_ingest('acme', 'here', '../x', $1)}, $first), 'MU400',
	'a root\'s name is never a path';
$db->sql(q{insert into muster.setting (key, value) values ('report.repos_max', '5'), ('report.bytes_max', '9000')});
is $db->error($call, $first), 'MU400', 'too many repositories are refused';
is $db->error($call, ' ' x 9001 . $first), 'MU400', 'too many bytes are refused';
$db->sql(q{delete from muster.setting});

# --- hostile, but well formed
my $theirs = $db->value(q{select id from muster.repo where name = 'repo-1'});
my @hostile = ({ name => '__proto__' }, { name => "a'; drop table muster.repo; --" }, { name => "x\ny\t" },
	{ name => '..' }, { name => '%00' }, { name => 'repo-1', id => $theirs }, { name => "\x{1F4A9}" },
	{ name => 'numbers', ahead => -5, behind => 1e30, healthScore => 1e9, isStale => 'yes',
		counts => [1], lastCommit => { a => 1 }, path => 7, remote => undef, missingFiles => 'LICENSE',
		counts => { staged => '7', unstaged => 1.9 } },
	{ name => 'keys', 'report' => 1, 'id' => 'not-a-uuid', 'removed_at' => 1, '' => 1 });
$answer = ingest($db, 'other', report(\@hostile));
ok $answer->{new}, 'odd names and values are taken as data';
is $db->value(q{select count(*) from muster.repo where id = $1 and organization_id =
	(select id from muster.organization where slug = 'acme')}, $theirs), 1,
	'a repository\'s id stays with the organization that had it';
my ($ours) = $db->rows(q{select id, report ->> 'id' from muster.repo where name = 'repo-1'
	and organization_id = (select id from muster.organization where slug = 'other')});
isnt $ours->[0], $theirs, 'the other one gets an id of its own';
is $ours->[1], $ours->[0], 'and says so in its object';
is ingest($db, 'other', report(\@hostile))->{changed}, 0, 'which it keeps';
is_deeply [$db->rows(q{select ahead, behind, health_score, stale, staged, unstaged, path, remote,
	last_commit_at from muster.repo where name = 'numbers'})],
	[[0, 2147483647, 100, undef, undef, 1, undef, undef, undef]], 'values of other types are unknown';
is ingest($db, 'other', report([], root => 'none'), root => 'none')->{new}, JSON::PP::true,
	'a report of nothing is a report';

# --- a big one: sets, not loops
my @big = map { { name => sprintf('r%05d', $_), id => sprintf('%08x-0000-4000-8000-000000000001', $_) } }
	1 .. 10000;
$answer = ingest($db, 'other', report(\@big), root => 'big');
is $answer->{changed}, 10000, 'ten thousand repositories are taken';
is $answer->{events}, 1, 'as one event';
$big[7] = { %{ $big[7] }, status => 'dirty' };
is ingest($db, 'other', report(\@big), root => 'big')->{changed}, 1, 'and one of them can change';
is $db->value(q{select length(statuses) from muster.audit order by id desc limit 1}), 10000,
	'an audit keeps a byte for each';

# --- the pusher's way: what it made comes back with it
sub feed {
	my ($text, $after) = @_;
	return map { { floor => $_->[0], head => $_->[1], id => $_->[2], type => $_->[3],
		event => defined $_->[4] ? $json->decode($_->[4]) : undef, is_left => $_->[5] } }
		$db->as('muster_push')->rows(q{select floor, head, id, type, envelope, is_left from muster.report_feed('acme', 'here', 'feed', $1, $2, 100)},
		$text, $after);
}
my $head = $db->value('select head from muster.event_bounds()');
feed(report(list()), $head);
$head++;
my @feed = feed(my $same = report(list('repo-3' => { status => 'dirty' })), $head);
is_deeply [map { [@$_{qw(id head type is_left)}] } @feed],
	[[$head + 1, $head + 1, 'repo-status-change', 'f']], 'an event comes back with its number';
is_deeply [@{ $feed[0]{event} }{qw(event_id type channel project_id)}],
	[$head + 1, qw(repo-status-change audit default)], 'in the envelope that clients see';
is $feed[0]{event}{data}{repo}{status}, 'dirty', 'with its data';
is_deeply [map { $_->{id} } feed($same, $head)], [$head + 1], 'the same report again makes no other';
is_deeply [map { [@$_{qw(id head)}] } feed($same, $head + 1)], [[undef, $head + 1]],
	'and whoever has it gets the bounds alone';
my $holder = $db->session;
$holder->ask('begin; select pg_advisory_xact_lock(19797, 1)');
@feed = feed(report(list()), $head + 1);
is_deeply [map { [@$_{qw(id head is_left)}] } @feed], [[undef, $head + 1, 't']],
	'while another numbers, the events are left and it says so';
$holder->ask('commit');
is $db->value('select muster.sequence_events() > 0'), 't', 'and are numbered later';
is $db->value('select head from muster.event_bounds()'), $head + 2, 'without a gap';

# Numbered at once or through outbox: whoever listens hears the same.
my $listener = $db->session;
$listener->ask('listen data_changes; listen muster_wake');
sub heard {
	my $text = $listener->ask('select 1');
	return [$text =~ /Asynchronous notification "(\w+)"(?: with payload "(.*?)")? received/g];
}
my $repo3 = $db->value(q{select r.id from muster.repo r join muster.root t on t.id = r.root_id
	where t.slug = 'feed' and r.name = 'repo-3'});
sub told {
	my $audit = $db->value('select max(id) from muster.audit');
	return map { ('data_changes', $_) } @_, qq({"table" : "audits", "operation" : "INSERT", "id" : "$audit"});
}
my $written = qq({"table" : "repositories", "operation" : "UPDATE", "id" : "$repo3"});
feed(report(list('repo-3' => { status => 'missing' })), $head);
is $db->value('select count(*) from muster.outbox'), 0, 'an ordinary report leaves nothing in outbox';
is_deeply [sort map { $_ // '' } @{ heard() }], [sort(+(told($written), q(muster_wake), q()))],
	'and its rows are told once';
feed(report(list('repo-3' => { status => 'missing' })), $head);
is_deeply [grep { defined && /table/ } @{ heard() }], [grep { /table/ } told()],
	'without changes only the audit is';
$holder->ask('begin; select pg_advisory_xact_lock(19797, 1)');
feed(report(list()), $head);
$holder->ask('commit');
is_deeply heard(), [], 'while another numbers nobody is notified';
$db->sql('select muster.sequence_events()');
is_deeply [sort map { $_ // '' } @{ heard() }], [sort(+(told($written), q(muster_wake), q()))],
	'later the same is told';
$db->sql(q{update muster.repo set name = 'renamed' where id = $1}, $repo3);
is $db->value(q{select string_agg(wire_id, ' ') from muster.outbox}), $repo3, 'other writers tell as ever';

# --- many that were added by their addresses
$db->sql(q{insert into muster.organization (slug, name) values ('many', 'Many');
	insert into muster.project (organization_id, slug, name) select id, p, p from muster.organization,
		unnest('{default,web}'::text[]) p where slug = 'many';
	insert into muster.run (organization_id, project_id, kind, request)
	select p.organization_id, p.id, 'remediate', jsonb_build_object('operation', 'add',
		'url', 'https://forge.example/ours/n' || i || '.git')
	  from muster.project p join muster.organization o on o.id = p.organization_id and o.slug = 'many', generate_series(1, 1500) i
	 where p.slug = 'web'});
my $added = report([map { { name => "n$_", status => 'clean', remote => "git\@forge.example:ours/n$_" } } 301 .. 1600]);
is $db->error(q{set statement_timeout = '10s'; select muster.report_ingest('many', 'here', 'clones', } . "\$many\$$added\$many\$)"),
	'', 'they are taken in the time that a statement has';
is_deeply [$db->rows(q{select p.slug, count(*) from muster.repo r join muster.project p on p.id = r.project_id
	where r.name ~ '^n\d+$' group by 1 order by 1})], [['default', 100], ['web', 1200]],
	'each into the project that it was added to';

done_testing;
