#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The page in a real browser, against the whole server: one of each for every file of tests in
# t/dash/browser. Does what they ask for between their steps: lines of JSON on a pipe, answered by
# a line each. With arguments, those files alone: t/dash/page.t live view.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Digest::SHA qw(hmac_sha1);
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use POSIX ();
use Test::More;
use Muster::Test;
use Muster::Issuer;
use Muster::Stack;

my ($chromium) = grep { -x } $ENV{MUSTER_CHROMIUM} // '', '/usr/bin/chromium', '/usr/bin/chromium-browser';
plan skip_all => 'there is no chromium' unless $chromium;
plan skip_all => 'playwright-core is not installed: npm ci in t/dash'
	unless -e "$FindBin::Bin/node_modules/playwright-core/package.json";

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my ($stack, $folder, $box, $issuer);

# The file's bytes, as `muster audit` gives them.
sub audit {
	my (@arguments) = @_;
	my ($code, $out, $err) = run_program([program('muster'), 'audit', '--format', 'json', @arguments, $folder],
		env => $stack->env);
	die "muster audit ended with $code: $err\n" if $code > 1;
	return $stack->report($out);
}

my %command = (
	folder => sub { return $folder },
	run => sub {
		my ($code, $out, $err) = run_program([@_], cwd => $folder, env => { HOME => $folder,
			GIT_AUTHOR_NAME => 'Ann', GIT_AUTHOR_EMAIL => 'ann@example.org', GIT_COMMITTER_NAME => 'Ann',
			GIT_COMMITTER_EMAIL => 'ann@example.org', GIT_CONFIG_NOSYSTEM => 1 });
		die "@_ ended with $code: $err\n" if $code;
		return $out;
	},
	spew => sub { return spew("$folder/$_[0]", $_[1]) },
	audit => \&audit,
	report => sub { return $stack->report(@_) },
	root => sub { return $stack->root(@_) },
	sql => sub { return $stack->db->value(@_) },
	organization => sub { $stack->organization(@_); return },
	account => sub { $stack->account(@_); return },
	# The path and token of a letter's link; the letter comes when its answer is out, and is then read.
	letter => sub {
		my $text = wait_for { -s $box && slurp($box) } 'a letter';
		unlink $box;
		return (decode_base64((split /\n\n/, $text)[-1]) =~ m{https?://[^/]+(/\S+)})[0];
	},
	vouch => sub { $issuer->is_now(%{ $_[0] }); return },
	bend => sub { $issuer->bend(%{ $_[0] }); return },
	# A code of an app that has the secret (RFC 6238).
	code => sub {
		my $bits = join '', map { sprintf '%05b', index 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', $_ } split //, $_[0];
		my $mac = hmac_sha1(pack('Q>', int(time / 30)), pack 'B*', $bits);
		return sprintf '%06d', (unpack('N', substr $mac, ord(substr $mac, -1) & 15, 4) & 0x7fffffff) % 1_000_000;
	},
	# So that the password is asked for once more.
	session_age => sub {
		$stack->db->sql(q{update muster.session set created_at = created_at - interval '1 hour'});
		return;
	},
	pusher_stop => sub { $stack->pusher->stop if $stack->pusher; return },
	pusher_start => sub { $stack->start_pusher; return },
	api_stop => sub { $stack->api->stop; return },
	api_start => sub { $stack->start_api; return },
);

# Somebody who vouches for whom a test says.
sub issuers {
	my ($stand) = @_;
	$issuer = Muster::Issuer->new($stand, 'muster', 'kept');
	my $file = spew($stand->dir . '/issuers', "[lab]\nissuer=" . $issuer->url . "\nname=The lab\nclient_id=muster\n"
		. "client_secret=kept\nprivate=true\n");
	chmod 0600, $file;
	return $file;
}

sub run_file {
	my ($name) = @_;
	my $stand = Muster::Test->new;
	# A sendmail that keeps what it is given.
	$box = $stand->dir . '/letters';
	my $sendmail = spew($stand->dir . '/sendmail', "#!/bin/sh\ncat >>'$box'\n");
	chmod 0755, $sendmail;
	my $issuers = $name =~ /^(?:sign_in|account)$/ ? issuers($stand) : '';
	$stack = Muster::Stack->new(stand => $stand, conf => { 'api.workers' => 4, 'server.sendmail' => $sendmail,
		'auth.openid_file' => $issuers });
	$stack->account('ann@example.org', 'org_admin');
	$stack->account('vic@example.org', 'viewer');
	# For real repositories.
	$folder = $stack->stand->dir . '/src';
	mkdir $folder;

	# 3: what the tests ask, 4: what they are answered. Both survive exec, as dup2 leaves them open.
	pipe(my $asked, my $asking) or die "pipe: $!\n";
	pipe(my $answered, my $answer) or die "pipe: $!\n";
	my $log = $stack->stand->log_dir . '/browser.tap';
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		# High first: 3 and 4 may be the pipes themselves.
		POSIX::dup2(fileno $asking, 53);
		POSIX::dup2(fileno $answered, 54);
		POSIX::close($_) for 3 .. 52;
		POSIX::dup2(53, 3);
		POSIX::dup2(54, 4);
		POSIX::close($_) for 53, 54;
		%ENV = (%ENV, MUSTER_URL => $stack->url, MUSTER_PASSWORD => $Muster::Stack::PASSWORD,
			MUSTER_HAS_PUSHER => $stack->pusher ? 1 : 0, MUSTER_CHROMIUM => $chromium,
			MUSTER_SHOTS => $ENV{MUSTER_SHOTS} // $stack->stand->log_dir);
		open STDOUT, '>', $log or POSIX::_exit(126);
		exec 'node', "$FindBin::Bin/browser/main.mjs", $name or POSIX::_exit(127);
	}
	close $asking;
	close $answered;
	$answer->autoflush(1);
	while (defined(my $line = <$asked>)) {
		my ($ask, @arguments) = @{ $json->decode($line) };
		last if $ask eq 'end';
		my $result = eval { ($command{$ask} // die "no such command: $ask\n")->(@arguments) };
		print $answer $json->encode($@ eq '' ? { result => $result } : { error => "$@" }), "\n";
	}
	# A read of theirs is still under way, and would keep them from ending.
	close $answer;
	waitpid $pid, 0;
	my $code = $?;

	# Each line of theirs is a test of ours.
	for my $line (split /\n/, slurp($log)) {
		if ($line =~ /^(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$/) {
			my ($bad, $title, $why) = ($1, $2, $3);
			SKIP: {
				skip "$title: $why", 1 if defined $why;
				ok(!$bad, $title);
			}
		} elsif ($line !~ /^1\.\./) {
			diag($line =~ s/^# //r);
		}
	}
	is($code, 0, "the tests of $name came to their end");
	for my $process (grep { defined } $stack->{front}, $stack->pusher, $stack->api) {
		$process->stop;
	}
	return;
}

my @names = @ARGV ? @ARGV
	: map { m{/([a-z_]+)\.mjs\z} } sort glob "$FindBin::Bin/browser/*.mjs";
run_file($_) for grep { !/^(?:main|browser)\z/ } @names;
done_testing;
