#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The page in a real browser, against the whole server. Starts both and does what the tests, which
# are in t/dash/browser/*.mjs, ask for between their steps: lines of JSON on a pipe, answered by a
# line each. Takes names of files in t/dash/browser as arguments; all of them without.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use POSIX ();
use Test::More;
use Muster::Test;
use Muster::Stack;

my ($chromium) = grep { -x } $ENV{MUSTER_CHROMIUM} // '', '/usr/bin/chromium', '/usr/bin/chromium-browser';
plan skip_all => 'there is no chromium' unless $chromium;
plan skip_all => 'playwright-core is not installed: npm ci in t/dash'
	unless -e "$FindBin::Bin/node_modules/playwright-core/package.json";

my $stack = Muster::Stack->new(conf => { 'api.workers' => 4 });
$stack->account('ann@example.org', 'org_admin');
$stack->account('vic@example.org', 'viewer');

my %command = (
	report => sub { return $stack->report(@_) },
	root => sub { return $stack->root(@_) },
	sql => sub { return $stack->db->value(@_) },
	pusher_stop => sub { $stack->pusher->stop if $stack->pusher; return },
	pusher_start => sub { $stack->start_pusher; return },
	api_stop => sub { $stack->api->stop; return },
	api_start => sub { $stack->start_api; return },
);

# 3: what the tests ask, 4: what they are answered. Both survive exec, as dup2 leaves them open.
pipe(my $asked, my $ask) or die "pipe: $!\n";
pipe(my $answered, my $answer) or die "pipe: $!\n";
my $log = $stack->stand->log_dir . '/browser.tap';
my $pid = fork // die "fork: $!\n";
if ($pid == 0) {
	# High first: 3 and 4 may be the pipes themselves.
	POSIX::dup2(fileno $ask, 53);
	POSIX::dup2(fileno $answered, 54);
	POSIX::close($_) for 3 .. 52;
	POSIX::dup2(53, 3);
	POSIX::dup2(54, 4);
	POSIX::close($_) for 53, 54;
	%ENV = (%ENV, MUSTER_URL => $stack->url, MUSTER_PASSWORD => $Muster::Stack::PASSWORD,
		MUSTER_HAS_PUSHER => $stack->pusher ? 1 : 0, MUSTER_CHROMIUM => $chromium,
		MUSTER_SHOTS => $ENV{MUSTER_SHOTS} // $stack->stand->log_dir);
	open STDOUT, '>', $log or POSIX::_exit(126);
	exec 'node', "$FindBin::Bin/browser/main.mjs", @ARGV or POSIX::_exit(127);
}
close $ask;
close $answered;
$answer->autoflush(1);
my $json = JSON::PP->new->utf8->canonical->allow_nonref;
while (defined(my $line = <$asked>)) {
	my ($name, @arguments) = @{ $json->decode($line) };
	last if $name eq 'end';
	my $result = eval { ($command{$name} // die "no such command: $name\n")->(@arguments) };
	print $answer $json->encode($@ eq '' ? { result => $result } : { error => "$@" }), "\n";
}
# A read of theirs is still under way, and would keep them from ending.
close $answer;
waitpid $pid, 0;
my $code = $?;

# Each line of theirs is a test of ours.
for my $line (split /\n/, slurp($log)) {
	if ($line =~ /^(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$/) {
		my ($bad, $name, $why) = ($1, $2, $3);
		SKIP: {
			skip "$name: $why", 1 if defined $why;
			ok(!$bad, $name);
		}
	} elsif ($line !~ /^1\.\./) {
		diag($line =~ s/^# //r);
	}
}
is($code, 0, 'the browser tests came to their end');
done_testing;
