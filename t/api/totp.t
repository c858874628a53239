#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The second factor: codes of an app beside the password.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Digest::SHA qw(hmac_sha1);
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stand = Muster::Test->new;
my $box = $stand->dir . '/letters';
my $sendmail = spew($stand->dir . '/sendmail', "#!/bin/sh\ncat >>'$box'\n");
chmod 0755, $sendmail;
my $stack = Muster::Stack->new(stand => $stand, front => 'none', conf => { 'server.sendmail' => $sendmail });
my $db = $stack->db;
$stack->account('ann@example.org', 'developer');
$stack->account('bob@example.org', 'viewer');
my $ann = $stack->session('ann@example.org');
my $PASSWORD = $Muster::Stack::PASSWORD;

sub ask {
	my ($method, $uri, $body, %option) = @_;
	return $stack->cgi($method, "/api/v1/auth/$uri", $body ? (body => $body) : (), %option);
}
sub login {
	my ($code, $password) = @_;
	return ask(POST => 'login', { email => 'ann@example.org', password => $password // $PASSWORD,
		defined $code ? (code => $code) : () });
}

# RFC 6238 and RFC 4648, written once more.
# $now stands still for some requests: the server takes the steps beside its own.
my ($secret, $now);
sub base32 {
	my $bits = join '', map { sprintf '%05b', index 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', $_ } split //, $_[0];
	return pack 'B*', substr $bits, 0, 8 * int(length($bits) / 8);
}
sub code {
	my ($shift) = @_;
	my $mac = hmac_sha1(pack('Q>', $now + ($shift // 0)), base32($secret));
	my $at = ord(substr $mac, -1) & 15;
	return sprintf '%06d', (unpack('N', substr $mac, $at, 4) & 0x7fffffff) % 1_000_000;
}
# Time passes: what was used once may be shown once more.
sub later {
	$now = int(time / 30);
	$db->sql('update muster.totp set step = 0');
	return;
}
# Guessing is slowed down, which is the last subtest's matter.
sub forgive { $db->sql('delete from muster.login_limit') }

# What a camera reads of it: dark squares on white, of eight dots each.
sub read_picture {
	my (%qr) = @_;
	my @dots = map { [(255) x $qr{size}] } 1 .. $qr{size};
	my $margin = $qr{size};
	while ($qr{path} =~ /\GM(\d+) (\d+)h(\d+)v1h-(\d+)z/gc) {
		die "not closed\n" if $3 != $4;
		$margin = $_ < $margin ? $_ : $margin for $1, $2, $qr{size} - $1 - $3, $qr{size} - $2 - 1;
		$dots[$2][$_] = 0 for $1 .. $1 + $3 - 1;
	}
	is pos $qr{path}, length $qr{path}, 'its path is whole';
	is $margin, 4, 'with the margin that cameras need';
	return if !grep { -x "$_/zbarimg" } split /:/, $ENV{PATH};
	my $file = spew($stand->dir . '/qr.pgm', "P5\n" . 8 * $qr{size} . ' ' . 8 * $qr{size} . "\n255\n"
		. join '', map { (join '', map { chr($_) x 8 } @$_) x 8 } @dots);
	my ($code, $out, $err) = run_program(['zbarimg', '--quiet', '--raw', '--nodbus', $file]);
	diag $err if $code;
	return $out =~ s/\n\z//r;
}

my @paper;
subtest 'one begins with the password' => sub {
	is_deeply ask(GET => 'totp', undef, session => $ann)->{json},
		{ enabled => JSON::PP::false, confirmed_at => undef, recovery_codes_left => 0 }, 'nothing is asked for at first';
	is ask(POST => 'totp', { password => 'wrong' }, session => $ann)->{status}, 403, 'not with another';
	my $begun = ask(POST => 'totp', { password => $PASSWORD }, session => $ann);
	is $begun->{status}, 201, 'with it';
	$secret = $begun->{json}{secret};
	is length base32($secret), 20, 'there is a secret';
	is $begun->{json}{uri}, "otpauth://totp/Muster:ann%40example.org?secret=$secret&issuer=Muster"
		. '&algorithm=SHA1&digits=6&period=30', 'which apps can read';
	is_deeply [sort keys %{ $begun->{json}{qr} }], ['path', 'size'], 'it is a picture, too';
	my $read = read_picture(%{ $begun->{json}{qr} });
	is $read, $begun->{json}{uri}, 'that a camera reads' if defined $read;
	my $stored = $db->value('select t::text from muster.totp t');
	is index($stored, $secret), -1, 'it is stored sealed';
	is index($stored, unpack 'H*', base32($secret)), -1, 'in no form that one could read';
	is login()->{status}, 200, 'no code is asked for before one was shown';
};

subtest 'and shows a first code' => sub {
	later();
	is ask(POST => 'totp/confirm', { code => '000000' }, session => $ann)->{status}, 400, 'a right one'
		if code() ne '000000';
	my $done = ask(POST => 'totp/confirm', { code => code() }, session => $ann);
	is $done->{status}, 200, 'then it is on';
	@paper = @{ $done->{json}{recovery_codes} };
	is scalar(grep { /^(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}\z/ } @paper), 10, 'and there are ten codes for paper';
	is index($db->value('select t::text from muster.totp t'), $paper[0] =~ tr/-//dr), -1, 'stored hashed';
	is ask(GET => 'totp', undef, session => $ann)->{json}{recovery_codes_left}, 10, 'all of them left';
	is ask(POST => 'totp', { password => $PASSWORD }, session => $ann)->{status}, 409, 'one at a time';
	is ask(POST => 'totp/confirm', { code => code() }, session => $ann)->{status}, 409, 'once';
};

subtest 'the password alone is not enough then' => sub {
	my $answer = login();
	is $answer->{status}, 401, 'refused';
	is_deeply $answer->{json}{errors}, [{ field => 'code', message => 'is needed' }], 'and told what is missing';
	ok !$answer->{head}{'set-cookie'}, 'without a cookie';
	my $used = login(code());
	is $used->{status}, 401, 'the code that confirmed it is used up';
	is_deeply $used->{json}{errors}, [{ field => 'code', message => 'is wrong' }], 'it is wrong now';
	later();
	is login(code(), 'wrong')->{status}, 401, 'the code alone is not, either';
	my $in = login(code());
	is $in->{status}, 200, 'both together are';
	is $in->{json}{account}{email}, 'ann@example.org', 'one is in';
	is login(code())->{status}, 401, 'a code is good once';
	is login(code(-1))->{status}, 401, 'and one before it not any more';
	is login(code(1))->{status}, 200, "but the next is, for the telephone's clock is fast";
	later();
	is login(code(-3))->{status}, 401, 'not one that is long over';
	is ask(POST => 'login', { email => 'bob@example.org', password => $PASSWORD })->{status}, 200,
		'others are asked for none';
	forgive();
};

subtest 'a code on paper' => sub {
	is login($paper[0])->{status}, 200, 'is good, too';
	is login($paper[0])->{status}, 401, 'once';
	is login(lc $paper[1] =~ tr/-/ /r)->{status}, 200, 'however it is typed';
	is ask(GET => 'totp', undef, session => $ann)->{json}{recovery_codes_left}, 8, 'eight are left';
	is $db->value(q{select count(*) from muster.trail where action = 'totp.recover'}), 2, 'that is on the trail';
	is ask(POST => 'totp/recovery', { password => 'wrong' }, session => $ann)->{status}, 403, 'others are made';
	my $other = ask(POST => 'totp/recovery', { password => $PASSWORD }, session => $ann)->{json}{recovery_codes};
	is login($paper[2])->{status}, 401, 'and then the old ones are good no more';
	is login($other->[0])->{status}, 200, 'but the new ones';
	forgive();
};

subtest 'a new password is no way around it' => sub {
	ask(POST => 'forgot', { email => 'ann@example.org' });
	require MIME::Base64;
	my ($token) = MIME::Base64::decode_base64((split /\n\n/, slurp($box), 2)[1]) =~ /#(\S+)/;
	my $reset = sub { ask(POST => 'reset', { token => $token, password => $PASSWORD, @_ }) };
	is_deeply $reset->()->{json}{errors}, [{ field => 'code', message => 'is needed' }], 'a code is needed for the link';
	later();
	my $wrong = code() eq '123456' ? '123457' : '123456';
	is $reset->(code => $wrong)->{status}, 401, 'a right one';
	is $reset->(code => code())->{status}, 200, 'then it is done';
	forgive();
	$ann = $stack->session('ann@example.org');
};

subtest 'wrong codes count as wrong passwords' => sub {
	later();
	my $wrong = code(5);
	$wrong = sprintf '%06d', ($wrong + 1) % 1_000_000 while grep { $wrong eq code($_) } -1 .. 1;
	is_deeply [map { login($wrong)->{status} } 1 .. 5], [(401) x 5], 'five tries are free';
	is login(code())->{status}, 429, 'then even the right one has to wait';
	is ask(POST => 'totp/disable', { password => $PASSWORD }, session => $ann)->{status}, 429, 'and so has the password';
	forgive();
};

subtest 'a thousand at once are no more tries than five' => sub {
	later();
	my $wrong = code(5);
	$wrong = sprintf '%06d', ($wrong + 1) % 1_000_000 while grep { $wrong eq code($_) } -1 .. 1;
	# All of them are past the question whether one has to wait before any is counted.
	my $held = $db->session;
	$held->ask('begin; lock table muster.login_limit in exclusive mode');
	my @children = map {
		my $n = $_;
		my $pid = fork // die;
		if ($pid == 0) {
			my $status = eval { login($wrong)->{status} } // 0;
			spew($stand->dir . "/status$n", $status);
			require POSIX;
			POSIX::_exit(0);
		}
		$pid;
	} 1 .. 9;
	my $waiting = q{select count(*) from pg_locks where not granted and relation = 'muster.login_limit'::regclass};
	ok((wait_for { $db->value($waiting) == 9 } 'all of them'), 'nine come at once');
	$held->ask('commit');
	waitpid $_, 0 for @children;
	my %count;
	$count{ slurp($stand->dir . "/status$_") }++ for 1 .. 9;
	is_deeply \%count, { 401 => 5, 429 => 4 }, 'five are told that they are wrong, the others to wait';
	forgive();
	login($wrong) for 1 .. 4;
	is login(code())->{status}, 200, 'a right one is no try';
	is $db->value('select max(failures) from muster.login_limit'), 4, 'and taken back for its address as well';
	forgive();
};

subtest 'a secret is bound to its account and key' => sub {
	$db->sql(q{insert into muster.totp (account_id, sealed, confirmed_at) select b.id, t.sealed, now()
		from muster.totp t, muster.account b where b.email = 'bob@example.org'});
	later();
	my $answer = ask(POST => 'login', { email => 'bob@example.org', password => $PASSWORD, code => code() });
	is $answer->{status}, 500, "nobody's row is of use for another";
	$db->sql(q{select muster.account_totp_remove('bob@example.org')});
	is ask(POST => 'login', { email => 'bob@example.org', password => $PASSWORD })->{status}, 200,
		'an administrator takes it away';
};

subtest 'it is ended with the password' => sub {
	is ask(POST => 'totp/disable', { password => 'wrong' }, session => $ann)->{status}, 403, 'not without it';
	is ask(POST => 'totp/disable', { password => $PASSWORD }, session => $ann)->{json}{enabled}, JSON::PP::false, 'with it';
	is login()->{status}, 200, 'no code is asked for any more';
	is_deeply [map { $_->[0] } $db->rows(q{select action from muster.trail where action like 'totp.%'
		and action <> 'totp.recover' order by id})], [qw(totp.add totp.recovery totp.remove totp.remove)],
		'all of it is on the trail';
	$db->sql(q{update muster.account set password_hash = null where email = 'bob@example.org'});
	is ask(POST => 'totp', { password => 'x' }, session => $stack->session('bob@example.org'))->{status}, 409,
		'who has no password needs no second factor';
};

done_testing;
