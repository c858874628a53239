#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Importing what a forge has: asked of a scripted forge that speaks the wire format, chosen, added.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Fcntl qw(:flock);
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Test::More;
use Muster::Test;
use Muster::Stack;

delete @ENV{qw(http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY MUSTER_FORGE_TOKEN MUSTER_CONF)};
my $json = JSON::PP->new->canonical;
my $stack = Muster::Stack->new(front => 'none');
my %in;
for my $role (qw(viewer developer team_lead platform_admin)) {
	$stack->account("$role\@example.org", $role);
	$in{$role} = $stack->session("$role\@example.org");
}
$stack->root('/srv/git');
$stack->report([{ name => 'one', status => 'clean', path => '/srv/git/one', remote => 'git@forge.example:ours/One.git' }]);

# The forge: GitHub's, GitLab's and Gitea's lists, each as its maker documents it.
my $listen = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1') or die $!;
my $base = 'http://127.0.0.1:' . $listen->sockport;
my $log = spew($stack->stand->dir . '/asked', '');
sub row {
	my ($name, %more) = @_;
	return { name => $name, clone_url => "https://forge.example/ours/$name.git", archived => JSON::PP::false,
		fork => JSON::PP::false, %more };
}
sub answer {
	my ($target, $token) = @_;
	return [401, '{}'] if $token =~ /wrong/;
	return [200, $json->encode([row('one'), row('two'), row('old', archived => JSON::PP::true)]),
		qq{Link: <$base/orgs/ours/repos?type=all&per_page=100&page=2>; rel="next"}]
		if $target eq '/orgs/ours/repos?type=all&per_page=100';
	return [200, $json->encode([row('three', fork => JSON::PP::true), row('four')])]
		if $target eq '/orgs/ours/repos?type=all&per_page=100&page=2';
	return [200, $json->encode([{ path => 'lab', http_url_to_repo => 'https://lab.example/team/lab.git',
		archived => JSON::PP::false }])] if $target =~ m{^/api/v4/groups/team/?};
	return [200, $json->encode([row('tea')])] if $target eq '/api/v1/orgs/ours/repos?limit=50' && $token eq 'token good';
	return [200, '<html>'] if $target =~ m{/garbage/};
	return [404, '{}'];
}
my $server = fork // die $!;
if (!$server) {
	while (my $client = $listen->accept) {
		my ($target, $token) = ('', '');
		while (my $line = <$client>) {
			$target = $1 if $line =~ m{^GET (\S+) HTTP/1.1};
			$token = $1 if $line =~ /^Authorization: (.*?)\r$/i;
			last if $line eq "\r\n";
		}
		open my $out, '>>', $log or die $!;
		print $out "$target\n";
		close $out;
		my ($status, $body, @headers) = @{ answer($target, $token) };
		print $client join("\r\n", "HTTP/1.1 $status X", 'Content-Type: application/json',
			'Content-Length: ' . length($body), 'Connection: close', @headers, '', $body);
		close $client;
	}
	POSIX::_exit(0);
}
END { kill 'TERM', $server if $server && $$ != $server }

sub ask {
	my ($uri, $body, $who) = @_;
	return $stack->cgi(POST => "/api/v1/$uri", session => $in{ $who // 'platform_admin' }, body => $body);
}
sub names { return join ' ', map { $_->{name} . ($_->{known} ? '!' : '') } @{ $_[0]{json}{repos} } }

subtest 'a list' => sub {
	my $list = ask(forge => { forge => 'github:ours', url => $base });
	is $list->{status}, 200, 'is had' or diag $list->{body};
	is names($list), 'one! two four', 'of all pages, with what is here already';
	is names(ask(forge => { forge => 'github:ours', url => $base, archived => \1, forks => \1 })),
		'one! two old three four', 'with archived ones and forks by choice';
	is names(ask(forge => { forge => 'gitlab:team', url => $base })), 'lab', 'of GitLab';
	is names(ask(forge => { forge => 'gitea:ours', url => $base, token => 'good' })), 'tea', 'and of Gitea, with a token';
};

subtest 'what goes wrong is said' => sub {
	my $wrong = ask(forge => { forge => 'gitea:ours', url => $base, token => 'wrong-token-of-mine' });
	is $wrong->{status}, 502, 'a wrong token';
	like $wrong->{json}{detail}, qr/refuses the token/, 'as it is';
	unlike $wrong->{body} . $wrong->{log}, qr/wrong-token-of-mine/, 'and not repeated, nor logged';
	like ask(forge => { forge => 'github:nobody', url => $base })->{json}{detail}, qr/knows no owner 'nobody'/, 'no such owner';
	is ask(forge => { forge => 'github:garbage', url => $base })->{status}, 502, 'what is no forge';
	for my $bad ('ours', 'bitbucket:ours', 'github:', 'github:../x', 'github:a b', '--help') {
		is ask(forge => { forge => $bad, url => $base })->{status}, 400, "$bad names none";
	}
	is ask(forge => { forge => 'github:ours', url => 'file:///etc/passwd' })->{status}, 400, 'nor does a file';
};

subtest 'who may' => sub {
	is ask(forge => { forge => 'github:ours' }, 'developer')->{status}, 403, 'no developer';
	my $before = -s $log;
	my $private = ask(forge => { forge => 'github:ours', url => $base }, 'team_lead');
	is $private->{status}, 502, 'a team lead asks no private network';
	is -s $log, $before, 'which hears nothing of it';
};

subtest 'few ask at once' => sub {
	my @locks = map { open my $fh, '>>', $stack->stand->run_dir . "/forge.$_.lock" or die; flock $fh, LOCK_EX; $fh } 0, 1;
	my $before = -s $log;
	is ask(forge => { forge => 'github:ours', url => $base })->{status}, 503, 'or others wait for a worker';
	is -s $log, $before, 'and the forge hears nothing';
	close $_ for @locks;
	is ask(forge => { forge => 'github:ours', url => $base })->{status}, 200, 'then there is room';
};

subtest 'an import' => sub {
	my $done = ask('repos/import', { urls => ['https://forge.example/ours/two.git', 'https://forge.example/ours/one.git',
		'http://forge.example/x.git', 'https://forge.example/ours/four.git'] }, 'team_lead');
	is $done->{status}, 202, 'is taken' or diag $done->{body};
	is_deeply [map { $_->{success} ? 1 : 0 } @{ $done->{json}{results} }], [1, 0, 0, 1], 'each by itself';
	like $done->{json}{results}[1]{error}, qr/there already: one/, 'what is here under another form of its address is not added';
	is_deeply [map { $_->[0] } $stack->db->rows(q{select payload->>'url' from muster.job where kind = 'clone' order by id})],
		['https://forge.example/ours/two.git', 'https://forge.example/ours/four.git'], 'the others are to be cloned';
	$done = ask('repos/import', { urls => ['git@forge.example:ours/key.git', 'https://forge.example/ours/one.git'] }, 'team_lead');
	is_deeply [map { $_->{error} =~ /by ssh|there already/ ? 1 : 0 } @{ $done->{json}{results} }], [1, 1],
		'by ssh, with the keys of the server, is for its administrator';
	$stack->db->sql('update muster.organization set max_repositories = 4');
	$done = ask('repos/import', { urls => [map { "https://forge.example/ours/n$_.git" } 1 .. 3] }, 'team_lead');
	is_deeply [map { $_->{success} ? 1 : 0 } @{ $done->{json}{results} }], [1, 0, 0], 'no more than a plan has, on the way or not';
	is ask('repos/import', { urls => ['https://forge.example/y.git'], project_id => 'none' })->{status}, 404,
		'into a project that is there';
	is ask('repos/import', { urls => ['https://forge.example/y.git'] }, 'developer')->{status}, 403, 'by no developer';
};

done_testing;
