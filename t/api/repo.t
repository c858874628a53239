#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Repositories: added, described, put aside, removed with a second look, and brought back.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my %in;
for my $role (qw(viewer developer team_lead org_admin platform_admin)) {
	$stack->account("$role\@example.org", $role);
	$in{$role} = $stack->session("$role\@example.org");
}
$stack->root('/srv/git');
my @repos = map { { name => $_, status => 'clean', path => "/srv/git/$_", remote => "https://forge.example/ours/$_.git" } }
	qw(a b c);
push @repos, { name => 'gone', status => 'missing', clone_url => 'https://forge.example/ours/gone.git' };
$stack->report(\@repos);
my $db = $stack->db;

sub ask {
	my ($method, $uri, $body, $who, %header) = @_;
	return $stack->cgi($method, "/api/v1/$uri", session => $in{ $who // 'org_admin' }, header => \%header,
		defined $body ? (body => $body) : ());
}
sub names { return join ' ', map { $_->{name} } @{ ask(GET => "repos?$_[0]")->{json}{items} } }
sub trail { return $db->value('select count(*) from muster.trail where action = $1', $_[0]) }

subtest 'an address is cloned by a job' => sub {
	my $url = 'https://forge.example/ours/new.git';
	my $added = ask(POST => 'repos', { url => $url }, 'team_lead');
	is $added->{status}, 202, 'taken' or diag $added->{body};
	is $added->{json}{kind}, 'remediate', 'as a run';
	is_deeply [$db->rows(q{select kind, host, payload->>'url', payload->>'organization' from muster.job
		where kind = 'clone'})], [['clone', undef, $url, 'default']], 'for any host';
	is ask(POST => 'repos', { url => $url }, 'team_lead')->{json}{run_id}, $added->{json}{run_id}, 'asked twice it is one';
	my %long = map { my $name = 'l' x 300 . $_; $name => ask(POST => 'repos', { url => "https://forge.example/ours/$name.git" }, 'team_lead')->{json} } 1, 2;
	is scalar(keys %{ { map { $_->{run_id} => 1 } values %long } }), 2, 'two long ones that end differently are two';
	is $db->value(q{select count(*) from muster.job where kind = 'clone' and run_id = any ($1)},
		'{' . join(',', map { $_->{run_id} } values %long) . '}'), 2, 'each with its job';
	$db->sql(q{delete from muster.job where length(key) > 250; delete from muster.run where length(request ->> 'url') > 250});
	is ask(POST => 'repos', { url => 'https://forge.example/ours/a' })->{status}, 409, 'one that is there is not added';
	is ask(POST => 'repos', { url => $url }, 'developer')->{status}, 403, 'a developer adds nothing';
	my %bad = ('http://forge.example/a.git' => 'no encryption', 'https://ann:secret@forge.example/a.git' => 'a password',
		'https://forge.example/' => 'no repository', 'file:///srv/git/a' => 'a file', '/srv/git/a' => 'a folder',
		'ext::sh -c x' => 'a program', 'https://localhost/a.git' => 'this host', 'https://127.0.0.1/a.git' => 'this host',
		'https://10.1.2.3/a.git' => 'a private network', 'ssh://git@[::1]/a.git' => 'an address of version 6',
		'https://2130706433/a.git' => 'an address as a number', '-oProxyCommand=x:y' => 'an option',
		'ssh://-oProxyCommand=x/y' => 'a host that is an option', 'https://tok@forge.example/a.git' => 'somebody in it',
		'git@192.168.0.1:a.git' => 'a private network by ssh', 'https://localhost./a.git' => 'this host with a dot',
		'https://forge.example./a.git' => 'a dot at the end', 'https://a%2eforge.example/a.git' => 'a host with an escape');
	for my $bad (sort keys %bad) {
		is ask(POST => 'repos', { url => $bad })->{status}, 400, "$bad{$bad} is refused";
	}
	for my $good ('git@forge.example:ours/x.git', 'ssh://git@forge.example:2222/ours/y.git') {
		is ask(POST => 'repos', { url => $good })->{status}, 403, "$good would be had with the server's keys";
		is ask(POST => 'repos', { url => $good }, 'platform_admin')->{status}, 202, 'and is taken of its administrator';
	}
	is ask(POST => 'repos', {})->{status}, 400, 'nothing is not';
	is ask(POST => 'repos', { url => $url, path => '/srv/x' })->{status}, 400, 'nor both';
	$db->sql(q{update muster.organization set max_repositories = 4});
	is ask(POST => 'repos', { url => 'https://forge.example/ours/fifth.git' })->{status}, 429, 'no more than a plan has';
	$db->sql(q{update muster.organization set max_repositories = null});
};

subtest 'a folder is watched' => sub {
	is ask(POST => 'repos', { path => '/srv/more' })->{status}, 403, "only by the server's administrator";
	my $added = ask(POST => 'repos', { path => '/srv/more/' }, 'platform_admin');
	is $added->{status}, 202, 'taken' or diag $added->{body};
	is_deeply [@{ $added->{json} }{qw(kind path host root)}], ['audit', '/srv/more', 'localhost', 'more'], 'as a root';
	is $db->value(q{select count(*) from muster.job where kind = 'audit' and payload->>'path' = '/srv/more'}), 1,
		'that is audited now';
	is ask(POST => 'repos', { path => '/srv/git/a' }, 'platform_admin')->{json}{root}, 'default',
		'below a root it is audited with that';
	is $db->value(q{select count(*) from muster.root}), 2, 'and no root of its own';
	is ask(POST => 'repos', { path => '/srv' }, 'platform_admin')->{status}, 409, 'around roots it is refused';
	for my $bad ('../etc', './x', 'a//b') {
		is ask(POST => 'repos', { path => "/srv/$bad" }, 'platform_admin')->{status}, 400, "$bad is in no path";
	}
	is ask(POST => 'repos', { path => 'srv' }, 'platform_admin')->{status}, 400, 'nor is what is not absolute';
	is ask(POST => 'repos', { path => '/srv/gitty' }, 'platform_admin')->{status}, 202, 'a name that begins alike is another';
};

subtest 'what people say of it' => sub {
	ask(POST => 'projects', { slug => 'web', name => 'Web' });
	my $before = ask(GET => 'repos/a');
	my $done = ask(PATCH => 'repos/a', { description => "Größe\nof it", project_id => 'web', tags => [qw(Go api go)] },
		'team_lead', 'If-Match' => $before->{head}{etag});
	is $done->{status}, 200, 'is changed' or diag $done->{body};
	is_deeply [@{ $done->{json} }{qw(description project_id tags)}], ["Größe\nof it", 'web', ['api', 'go']], 'as it was said';
	is ask(PATCH => 'repos/a', { description => 'x' }, 'team_lead', 'If-Match' => $before->{head}{etag})->{status}, 412,
		'not over what another changed';
	is ask(PATCH => 'repos/a', { description => undef })->{json}{description}, undef, 'and taken back';
	is ask(PATCH => 'repos/a', { tags => ['not a tag'] })->{status}, 400, 'a tag is a word';
	is ask(PATCH => 'repos/a', { project_id => 'none' })->{status}, 404, 'a project is one of ours';
	is ask(PATCH => 'repos/a', {}, 'developer')->{status}, 403, 'a developer says nothing';
	$repos[0]{status} = 'dirty';
	$stack->report(\@repos);
	is ask(GET => 'repos/a')->{json}{project_id}, 'web', 'the next report leaves it';
	is ask(GET => 'repos/a')->{json}{status}, 'dirty', 'and says its own';
};

subtest 'put aside' => sub {
	my $done = ask(POST => 'repos/b/archive', {}, 'team_lead');
	ok $done->{json}{archived_at}, 'it is';
	is names(''), 'a c gone', 'lists leave it out';
	is names('archived=true'), 'b', 'but those that ask for it';
	is ask(POST => 'audits', { repo => 'b' })->{status}, 409, 'nothing is done to it';
	my $at = $done->{json}{archived_at};
	is ask(POST => 'repos/b/archive', {})->{json}{archived_at}, $at, 'twice is once';
	is ask(POST => 'repos/b/unarchive', {})->{json}{archived_at}, undef, 'and taken out again';
	is names(''), 'a b c gone', 'it is listed';
	is trail('repo.archive') . trail('repo.unarchive'), '11', 'both are in the trail';
	is ask(POST => 'repos/b/archive', {}, 'developer')->{status}, 403, 'not by a developer';
};

subtest 'removed with a second look' => sub {
	$stack->scanned('gone', [{ fingerprint => 'f1', rule => 'r', title => 'T', severity => 'high' }]);
	my $look = ask(DELETE => 'repos/gone')->{json};
	is $look->{status}, 'confirm', 'first it is said what would go';
	is_deeply [@{ $look->{goes} }{qw(folder findings findings_open)}], [undef, 1, 1], 'that is';
	is names(''), 'a b c gone', 'and nothing has gone';
	is ask(DELETE => 'repos/gone?confirm=gone')->{status}, 409, 'a guess confirms nothing';
	is ask(DELETE => "repos/a?confirm=$look->{confirm}")->{status}, 409, "nor what was about another";
	is ask(DELETE => "repos/gone?confirm=$look->{confirm}", undef, 'platform_admin')->{status}, 409, "nor another's";
	my $done = ask(DELETE => "repos/gone?confirm=$look->{confirm}");
	is $done->{json}{status}, 'removed', 'then it goes' or diag $done->{body};
	is names(''), 'a b c', 'out of the lists';
	is ask(DELETE => "repos/gone?confirm=$look->{confirm}")->{status}, 404, 'and is not there';
	is $db->value(q{select count(*) from (select type, data from muster.outbox union all select type, data from muster.event) e
		where type = 'repo-status-change' and data #>> '{repo,status}' = 'removed'
		and data #>> '{repo,name}' = 'gone'}), 1, 'which is told';
	is ask(DELETE => 'repos/a', undef, 'team_lead')->{status}, 403, 'a team lead removes nothing';
	is ask(POST => "repos/$look->{repository}{id}/restore", {})->{json}{status}, 'restored', 'it comes back';
	is names(''), 'a b c gone', 'into the lists';
	is ask(GET => 'findings?repo=gone')->{json}{items}[0]{fingerprint}, 'f1', 'with what was found in it';
	is ask(POST => "repos/$look->{repository}{id}/restore", {})->{status}, 409, 'once';
};

subtest 'a working tree goes to the trash by a run' => sub {
	my $look = ask(DELETE => 'repos/c')->{json};
	is $look->{goes}{folder}, '/srv/git/c', 'as it is said before';
	my $done = ask(DELETE => "repos/c?confirm=$look->{confirm}")->{json};
	is $done->{status}, 'queued', 'is to be done';
	is_deeply [$db->rows(q{select payload->>'operation', payload->>'path', host from muster.job where run_id = $1},
		$done->{run_id})], [['delete', '/srv/git/c', 'localhost']], 'on its host';
	is names(''), 'a b c gone', 'until then it is there';
	my $id = $look->{repository}{id};
	is ask(POST => "repos/$id/restore", {})->{json}{status}, 'restored', 'before it begins it can be called off';
	is $db->value('select status from muster.run where id = $1', $done->{run_id}), 'cancelled', 'so it is';
	$look = ask(DELETE => 'repos/c')->{json};
	$done = ask(DELETE => "repos/c?confirm=$look->{confirm}")->{json};
	$db->sql(q{update muster.job set state = 'done' where run_id = $1}, $done->{run_id});
	$db->sql(q{update muster.run set status = 'completed', completed_at = now() where id = $1}, $done->{run_id});
	$stack->report([grep { $_->{name} ne 'c' } @repos]);
	is names(''), 'a b gone', 'the next audit misses it';
	my $back = ask(POST => "repos/$id/restore", {})->{json};
	is $back->{status}, 'queued', 'and it is brought back by a run';
	is $db->value(q{select payload->>'delete_run_id' from muster.job where run_id = $1}, $back->{run_id}),
		$done->{run_id}, 'that knows which';
	is ask(POST => "repos/$id/restore", {})->{json}{run_id}, $back->{run_id}, 'asked twice it is one';
	is trail('repo.remove') . trail('repo.restore'), '34', 'all are in the trail';
};

done_testing;
