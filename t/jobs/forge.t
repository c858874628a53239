#!/usr/bin/perl
# muster forge, against a scripted forge that speaks the wire formats: paths, Link paging, members.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use IO::Socket::INET;
use JSON::PP ();
use Test::More;
use Muster::Audit;
use Muster::Test qw(build_dir slurp spew);

delete @ENV{qw(http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY MUSTER_FORGE_TOKEN MUSTER_CONF)};
my $dir = audit_folder();
my $log = "$dir/../requests";
spew($log, '');
my $listen = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1') or die $!;
my $port = $listen->sockport;
my $base = "http://127.0.0.1:$port";
my $json = JSON::PP->new->canonical;

sub github_row {
	my ($name, %more) = @_;
	return { id => length $name, name => $name, full_name => "me/$name", private => JSON::PP::false,
		html_url => "https://github.com/me/$name", clone_url => "https://github.com/me/$name.git",
		ssh_url => "git\@github.com:me/$name.git", archived => JSON::PP::false, fork => JSON::PP::false, %more };
}

# path and query => [status, body, headers]
sub answer {
	my ($target, $token) = @_;
	my $next = sub { [200, $json->encode($_[1]), qq{Link: <$base$_[0]>; rel="next", <$base/last>; rel="last"}] };
	my $list = sub { [200, $json->encode([@_])] };
	return [401, '{"message":"Bad credentials"}'] if $token =~ /wrong/;
	return $next->('/users/me/repos?per_page=100&page=2', [map { github_row("r$_") } 1 .. 100])
		if $target eq '/users/me/repos?per_page=100';
	return $list->(github_row('last'), github_row('old', archived => JSON::PP::true), github_row('copy', fork => JSON::PP::true))
		if $target eq '/users/me/repos?per_page=100&page=2';
	return [200, '{"login":"Me","id":1}'] if $target eq '/user' && $token eq 'Bearer good';
	return $list->(github_row('private')) if $target eq '/user/repos?affiliation=owner&per_page=100' && $token eq 'Bearer good';
	return $list->(github_row('of-the-org')) if $target eq '/orgs/theirs/repos?type=all&per_page=100';
	return [302, '', "Location: $base/users/me/repos?per_page=100&page=2"] if $target eq '/users/moved/repos?per_page=100';
	return [302, '', 'Location: https://example.org/'] if $target eq '/users/away/repos?per_page=100';
	return [200, '[]', 'Link: <https://evil.example/steal>; rel="next"'] if $target eq '/users/lured/repos?per_page=100';
	return [403, '{}', 'X-RateLimit-Remaining: 0'] if $target =~ m{/users/busy/};
	return [200, 'no JSON'] if $target =~ m{/users/garbage/};
	return [200, '[{"name":"a","name":"b","clone_url":"x"}]'] if $target =~ m{/users/twice/};
	return [200, '{"a":1}'] if $target =~ m{/users/object/};
	return [200, '[{"name":null}]'] if $target =~ m{/users/nameless/};
	return [500, 'oops'] if $target =~ m{/users/broken/};
	my $project = sub {
		{ id => 1, name => 'A Name', path => $_[0], path_with_namespace => "$_[1]/$_[0]",
			http_url_to_repo => "https://gitlab.com/$_[1]/$_[0].git", archived => JSON::PP::false, @_ > 2 ? (forked_from_project => { id => 2 }) : () }
	};
	return $next->('/api/v4/groups/team%2Fsub/projects?include_subgroups=true&with_shared=false&per_page=100&page=2', [$project->('one', 'team/sub')])
		if $target eq '/api/v4/groups/team%2Fsub/projects?include_subgroups=true&with_shared=false&per_page=100';
	return $list->($project->('one', 'team/sub/deep'), $project->('forked', 'team/sub', 1))
		if $target eq '/api/v4/groups/team%2Fsub/projects?include_subgroups=true&with_shared=false&per_page=100&page=2';
	return $list->($project->('mine', 'person')) if $target eq '/api/v4/users/person/projects?per_page=100';
	return $list->(github_row('tea')) if $target eq '/api/v1/users/someone/repos?limit=50' && $token eq 'token good';
	return [404, '{"message":"Not Found"}'];
}

my $server = fork // die $!;
if (!$server) {
	while (my $client = $listen->accept) {
		my ($target, $token, $agent) = ('', '', '');
		while (my $line = <$client>) {
			$target = $1 if $line =~ m{^GET (\S+) HTTP/1.1};
			$token = $1 if $line =~ /^Authorization: (.*?)\r$/i;
			$agent = $1 if $line =~ /^User-Agent: (.*?)\r$/i;
			last if $line eq "\r\n";
		}
		open my $out, '>>', $log or die $!;
		print $out "$target [$token] $agent\n";
		close $out;
		my ($status, $body, @headers) = @{ answer($target, $token) };
		print $client join("\r\n", "HTTP/1.1 $status X", 'Content-Type: application/json; charset=utf-8',
			'Content-Length: ' . length($body), 'Connection: close', @headers, '', $body);
		close $client;
	}
	POSIX::_exit(0);
}
END { kill 'TERM', $server if $server && $$ != $server }

my ($exit, $error);

sub forge {
	my (@args) = @_;
	my $pid = open(my $out, '-|') // die $!;
	if (!$pid) {
		open STDERR, '>', "$dir/../error" or die $!;
		exec build_dir() . '/jobs/muster', 'forge', @args or die $!;
	}
	local $/;
	my $text = <$out> // '';
	close $out;
	$exit = $? >> 8;
	$error = slurp("$dir/../error");
	return $exit ? undef : JSON::PP->new->utf8->decode($text);
}

sub names { return map { $_->{name} } @{ $_[0]{repos} } }

my $list = forge('--forge-url', $base, 'github:me');
is($exit, 0, 'a list is had') or diag($error);
is_deeply([names($list)], [(map { "r$_" } 1 .. 100), 'last'], 'all pages of it, without archived ones and forks');
is($list->{owner}, 'me', 'with its owner');
is($list->{repos}[0]{clone_url}, 'https://github.com/me/r1.git', 'and addresses');
is(scalar names(forge('--forge-url', $base, '--archived', '--forks', 'github:me')), 103, 'archived ones and forks by choice');
like(slurp($log), qr{ muster/[0-9.]+$}m, 'who asks is told');
unlike(slurp($log), qr{\[.+\]}, 'without a token none is sent');

{
	local $ENV{MUSTER_FORGE_TOKEN} = 'good';
	is_deeply([names(forge('--forge-url', $base, 'github:me'))], ['private'], 'the owner of a token gets private ones');
	is_deeply([names(forge('--forge-url', $base, 'github:theirs'))], ['of-the-org'], 'an organisation has a list of its own');
	is_deeply([names(forge('--forge-url', $base, 'gitea:someone'))], ['tea'], 'Gitea takes its own sort of header');
}
spew("$dir/../token", "good\n");
is_deeply([names(forge('--forge-url', $base, '--token-file', "$dir/../token", 'github:me'))], ['private'], 'a token can come from a file');
spew("$dir/../token", "wrong\n");
forge('--forge-url', $base, '--token-file', "$dir/../token", 'github:me');
like($error, qr/refuses the token/, 'a wrong token is said to be wrong');
unlike($error, qr/wrong/, 'and is not printed');
is($exit, 4, 'and is no usage error');
spew("$dir/../token", "two words\n");
forge('--forge-url', $base, '--token-file', "$dir/../token", 'github:me');
is($exit, 2, 'a token with a space is a usage error');

$list = forge('--forge-url', $base, '--forks', 'gitlab:team/sub');
is_deeply([map { $_->{clone_url} } @{ $list->{repos} }],
	[map { "https://gitlab.com/$_.git" } qw(team/sub/one team/sub/deep/one team/sub/forked)], 'a group of GitLab with its subgroups');
is_deeply([names(forge('--forge-url', "$base/", 'gitlab:person'))], ['mine'], 'a person of GitLab');
is_deeply([names(forge('--forge-url', $base, 'github:moved'))], ['last'], 'a redirect on the same host is followed');

for my $case (
	['away', qr/leads to another place/, 'a redirect to another host is not'],
	['lured', qr/next page is somewhere else/, 'a next page on another host is not asked for'],
	['busy', qr/asked less often; a token in MUSTER_FORGE_TOKEN/, 'a limit is explained'],
	['garbage', qr/not JSON/, 'an answer that is no JSON is refused'],
	['twice', qr/not JSON/, 'one that has a member twice is refused'],
	['object', qr/no list/, 'one that is no list is refused'],
	['nameless', qr/a repository/, 'a repository without a name is refused'],
	['broken', qr/status 500/, 'a failure is told'],
	['nobody', qr/knows no owner 'nobody'/, 'an unknown owner is told'],
) {
	forge('--forge-url', $base, "github:$case->[0]");
	like($error, $case->[1], $case->[2]);
	is($exit, 4, '... with exit code 4');
}
for my $case (['nonsense'], ['github:'], ['github:a/b'], ['github:..'], ['other:me'], [], ['github:a', 'github:b']) {
	forge('--forge-url', $base, @$case);
	is($exit, 2, "'@$case' is a usage error");
}
unlike(slurp($log), qr{\.\.}, 'and nothing of it was asked for');

# The guard: nothing private is asked unless the person gave the address.
forge('--forge-url', 'http://127.0.0.1:1', 'github:me');
is($exit, 4, 'a forge that does not answer is an error');
unlike($error, qr/private/, 'an address the person gave may be private');

# muster audit with a forge.
repo("$dir/last", remote => 'git@github.com:me/last.git');
repo("$dir/other");
my $report = audit_json('--forge', 'github:me', '--forge-url', $base, $dir);
is($report->{github_user}, 'me', 'the report names the owner');
is($report->{summary}{missing}, 100, 'what is only at the forge is missing');
is($report->{summary}{extra}, 1, 'what is only here is extra');
is($report->{summary}{clean}, 1, 'what is in both is clean');
is($report->{health_status}, 'red', 'missing repositories make the health red');
audit_run('--forge', 'github:nobody', '--forge-url', $base, $dir);
is(audit_exit(), 4, 'an audit without the list it was to have is no audit');
like(audit_error(), qr/knows no owner/, 'and says why');
audit_run('--forge', 'github:me', '--remote-list', "$dir/../token", $dir);
is(audit_exit(), 2, 'a forge and a file exclude one another');
done_testing;
