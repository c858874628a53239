#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# contrib/quickstart as an ordinary user meets it: it builds, starts, shows a change that somebody
# makes in a repository, stops, starts again quickly with its data, and says clearly what is wrong.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'builds everything once more: contrib/test --all runs it' unless $ENV{MUSTER_TEST_ALL};
plan skip_all => 'needs an ordinary user' unless $>;

my $quickstart = abs_path(($ENV{MUSTER_SRCDIR} // '.') . '/contrib/quickstart');
# Short: PostgreSQL's socket lies below it.
my $work = tempdir('mq.XXXXXX', DIR => '/tmp', CLEANUP => 1);
my $state = "$work/state";
my $http = HTTP::Tiny->new(timeout => 10);
$ENV{$_} = "$work/$_" for qw(XDG_CONFIG_HOME XDG_CACHE_HOME);

sub run {
	my (@words) = @_;
	open my $pipe, '-|', 'sh', '-c', 'exec "$@" 2>&1 </dev/null', 'sh', $quickstart, @words or die $!;
	local $/;
	my $output = <$pipe> // '';
	close $pipe;
	return ($? >> 8, $output);
}

sub repository {
	my ($name) = @_;
	my $path = "$work/repositories/$name";
	system('git', 'init', '-q', $path) == 0 or die 'git';
	open my $fh, '>', "$path/file" or die $!;
	print $fh "one\n";
	close $fh;
	system("cd '$path' && git add file && git -c user.name=a -c user.email=a\@example.org commit -qm start") == 0 or die 'git';
	return $path;
}

sub wait_for {
	my ($seconds, $test) = @_;
	my $end = time + $seconds;
	while (time < $end) {
		my $result = $test->();
		return $result if $result;
		sleep 0.1;
	}
	return;
}

END {
	my $code = $?;
	run('--stop', '--state', $state) if $state && -e "$state/quickstart/pid";
	$? = $code;
}

my $one = repository('one');
repository("two words\n");

my ($code, $output) = run('--stop', '--state', $state);
is($code, 0, 'stopping what does not run is fine');

($code, $output) = run('--port', 'x', $one);
is($code, 2, 'a port that is no number is a usage error');
($code, $output) = run('--no-install', '--state', $state, "$work/nothing");
isnt($code, 0, 'a folder that is not there is refused');
like($output, qr/nothing is not a folder/, 'by name');
($code, $output) = run('--no-install', '--state', "$work/" . 'long/' x 20 . 'state', $one);
like($output, qr/107 bytes.*shorter --state/, 'a state folder whose sockets would have too long paths is refused');
($code, $output) = run('--no-install', '--state', '/proc/muster', $one);
like($output, qr/cannot be made/, 'a state folder that cannot be made is refused');
($code, $output) = run('--no-install', '--state', abs_path("$quickstart/../..") . '/state', $one);
is($code, 2, 'a state folder in the checkout, which would be copied into itself, is refused') or diag $output;
my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1);
($code, $output) = run('--no-install', '--state', $state, '--port', $taken->sockport, $one);
like($output, qr/port \d+ is in use.*--port 0/, 'a port in use is said in one sentence');
close $taken;

($code, $output) = run('--no-install', '--detach', '--port', '0', '--state', $state, "$work/repositories");
is($code, 0, 'it builds and starts') or do { diag $output; done_testing; exit };
my ($address) = $output =~ m{(http://127\.0\.0\.1:\d+)/};
my ($password) = $output =~ /Password\s+(\S+)/;
ok($address, 'it prints the address') or diag $output;
ok($password, 'and a password');

my $answer = $http->post("$address/api/v1/auth/login", {
	headers => {'Content-Type' => 'application/json'},
	content => encode_json({email => 'admin@localhost', password => $password})});
is($answer->{status}, 200, 'which signs the administrator in') or diag $answer->{content};
my $command = qx('$state/muster' token add admin\@localhost nightly) =~ s/\n//r;
is($http->get("$address/api/v1/repos", {headers => {Authorization => "Bearer $command"}})->{status}, 200,
	'its commands are at hand: an API token') or diag $command;
is(sprintf('%o', (stat "$state/muster")[2] & 07777), '700', 'for nobody else');
my $token = eval { decode_json($answer->{content})->{access_token} } // '';

sub get {
	my $got = $http->get("$address$_[0]", {headers => {Authorization => "Bearer $token", Accept => 'application/json'}});
	return $got->{success} ? decode_json($got->{content}) : {};
}

sub status_of {
	my ($name) = @_;
	my ($repo) = grep { $_->{name} eq $name } @{get('/api/v1/repos')->{items} // []};
	return $repo ? $repo->{status} : '';
}

is(status_of('one'), 'clean', 'the repository is listed, clean');
is(status_of('two words%0A'), 'clean', 'so is one with a newline in its name, quoted');
my $page = $http->get("$address/");
like($page->{content}, qr/<html/, 'the page is served');
is($http->get("$address/audit/one", {headers => {Accept => 'text/html'}})->{status}, 200, 'a deep link gives the page');

open my $fh, '>>', "$one/file" or die $!;
print $fh "x\n";
close $fh;
ok(wait_for(90, sub { status_of('one') eq 'dirty' }), 'a change in a tracked file is seen by itself');
my $events = get('/api/v1/events?after=0')->{events} // [];
ok((grep { $_->{type} eq 'repo-status-change' } @$events), 'and is an event');

($code, $output) = run('--no-install', '--detach', '--port', '0', '--state', $state, "$work/repositories");
isnt($code, 0, 'a second one on the same state is refused');
like($output, qr/runs already at \Q$address\E/, 'and says where the first runs');
($code, $output) = run('--status', '--state', $state);
is($code, 0, 'status is fine');
unlike($output, qr/not running/, 'and shows every part running') or diag $output;

# A part that dies is started again.
my ($api) = $output =~ /api\s+pid (\d+)/;
kill 'KILL', $api;
ok(wait_for(30, sub { $http->get("$address/healthz")->{status} == 200 && (run('--status', '--state', $state))[1] !~ /api\s+pid $api\b|api\s+not/ }),
	'an api.fcgi that was killed is started again');

my %pids = (run('--status', '--state', $state))[1] =~ /(\w+)\s+pid (\d+)/g;
($code, $output) = run('--stop', '--state', $state);
is($code, 0, 'stop ends it') or diag $output;
# What has ended and was not yet reaped by the system's first process has ended.
sub is_alive {
	open my $fh, '<', "/proc/$_[0]/stat" or return 0;
	return <$fh> !~ /\) Z /;
}
is_deeply([grep { is_alive($_) } values %pids], [], 'and everything it started');

($code, $output) = run('--no-install', '--detach', '--port', '0', '--state', $state, "$work/repositories");
is($code, 0, 'it starts again') or diag $output;
unlike($output, qr/building/, 'without building again');
unlike($output, qr/Password/, 'without another password');
like($output, qr/--password makes/, 'and says how to get one');
($address) = $output =~ m{(http://127\.0\.0\.1:\d+)/};
is(status_of('one'), 'dirty', 'the data is still there and the session still valid');
run('--stop', '--state', $state);

done_testing;
