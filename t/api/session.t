#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Sign-in, tokens, forged credentials, sign-out.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Digest::SHA qw(hmac_sha256 sha256);
use Fcntl qw(:flock);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);
use Test::More;
use Time::HiRes qw(time);
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
$stack->account('ann@example.org', 'developer');
$stack->organization('other');
$stack->account('olaf@example.org', 'viewer', 'other');

sub login {
	my ($email, $password, %option) = @_;
	return $stack->cgi(POST => '/api/v1/auth/login',
		body => { email => $email, password => $password, %{ delete $option{more} // {} } }, %option);
}
sub bearer { return $stack->cgi(GET => '/api/v1/auth/me', header => { Authorization => "Bearer $_[0]" }) }
sub claims { return JSON::PP->new->utf8->decode(decode_base64url((split /\./, $_[0])[1])) }

my $in = login('ann@example.org', $Muster::Stack::PASSWORD);
my ($cookie) = ($in->{head}{'set-cookie'} // '') =~ /^(muster_session=[^;]+)/;

subtest 'the right password signs in' => sub {
	is $in->{status}, 200, 'accepted';
	is $in->{json}{token_type}, 'bearer', 'with a token';
	is $in->{json}{expires_in}, 1800, 'for half an hour';
	is $in->{json}{account}{email}, 'ann@example.org', 'and the account';
	is $in->{json}{account}{role}, 'developer', 'with its role';
	is $in->{json}{account}{organization}{slug}, 'default', 'in its organization';
	like $in->{head}{'set-cookie'},
		qr/^muster_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/, 'and a cookie';
	is $in->{head}{'cache-control'}, 'no-store', 'that nobody keeps';
	unlike $in->{log}, qr/correct horse/, 'the password is not in the log';
	is login('ANN@EXAMPLE.ORG', $Muster::Stack::PASSWORD)->{status}, 200, 'in any case of the address';
};

subtest 'tokens are stored hashed' => sub {
	my ($token) = $cookie =~ /=(.*)/;
	my $all = $stack->db->value(q{select string_agg(s::text, ' ') from muster.session s})
		. $stack->db->value(q{select string_agg(r::text, ' ') from muster.refresh r});
	is index($all, $token), -1, 'not the cookie';
	is index($all, $in->{json}{refresh_token}), -1, 'not the refresh token';
	is $stack->db->value(q{select count(*) from muster.session where token_hash = sha256($1::bytea)},
		$token), 1, 'but its hash';
};

subtest 'over https the cookie is bound to the host' => sub {
	my @https = (env => { HTTPS => 'on' });
	my $secure = login('ann@example.org', $Muster::Stack::PASSWORD, @https);
	like $secure->{head}{'set-cookie'}, qr/^__Host-muster_session=.*; Secure$/, 'prefix and Secure';
	my ($token) = $secure->{head}{'set-cookie'} =~ /=([^;]+)/;
	is $stack->cgi(GET => '/api/v1/auth/me', cookie => "__Host-muster_session=$token", @https)->{status},
		200, 'it signs in';
	is $stack->cgi(GET => '/api/v1/auth/me', cookie => "muster_session=$token", @https)->{status}, 401,
		'without the prefix it does not';
	like login('ann@example.org', $Muster::Stack::PASSWORD,
		env => { MUSTER_SERVER_PUBLIC_URL => 'https://muster.test' })->{head}{'set-cookie'},
		qr/^__Host-/, 'the public address decides';
};

subtest 'the wrong password does not' => sub {
	my $wrong = login('ann@example.org', 'wrong');
	is $wrong->{status}, 401, 'refused';
	ok !$wrong->{head}{'set-cookie'}, 'without a cookie';
	my $unknown = login('nobody@example.org', 'wrong');
	is $unknown->{status}, 401, 'an unknown account likewise';
	is $unknown->{json}{detail}, $wrong->{json}{detail}, 'in the same words';
	is login('ann@example.org', '')->{status}, 400, 'none';
	is login('ann@example.org', 'x' x 1025)->{status}, 400, 'too long';
	is login('ann@example.org', $Muster::Stack::PASSWORD, more => { organization => 'other' })->{status},
		403, 'an organization that one is not in';
	is login('ann@example.org', $Muster::Stack::PASSWORD, header => { Origin => 'http://evil.example' })
		->{status}, 403, "another site's page";
	is login('ann@example.org', $Muster::Stack::PASSWORD, header => { Origin => 'http://muster.test' })
		->{status}, 200, 'a page of ours';
	is login('ann@example.org', $Muster::Stack::PASSWORD, header => { Origin => 'https://muster.test' })
		->{status}, 200, 'that came over https to a front further ahead';
	is login('ann@example.org', $Muster::Stack::PASSWORD, header => { Origin => $_ })->{status}, 403,
		"Origin: $_" for 'null', 'http://muster.test.evil.example', 'http://muster.test:81', 'muster.test';
	is login('ann@example.org', $Muster::Stack::PASSWORD, header => { Origin => 'http://muster.test' },
		env => { MUSTER_SERVER_PUBLIC_URL => 'https://muster.test' })->{status}, 403,
		'plain http where the public address is https';
	is login('ann@example.org', $Muster::Stack::PASSWORD, header => { 'Sec-Fetch-Site' => 'cross-site' })
		->{status}, 403, "another site's page without Origin";
};

subtest 'an unknown account is as much work as a known one' => sub {
	# Seconds of processor; the least of some, whatever else the machine does.
	my $least = sub {
		my ($ask) = @_;
		return (sort { $a <=> $b } map { my $before = (times)[2]; $ask->($_); (times)[2] - $before } 1 .. 9)[0];
	};
	$stack->account("known$_\@example.org", 'viewer') for 1 .. 9;
	my $known = $least->(sub { login("known$_[0]\@example.org", 'wrong', env => { REMOTE_ADDR => "192.0.2.$_[0]" }) });
	my $unknown = $least->(sub { login("unknown$_[0]\@example.org", 'wrong', env => { REMOTE_ADDR => "192.0.2.$_[0]" }) });
	my $nothing = $least->(sub { bearer('none') });
	# Argon2 is most of it, beside what every request takes.
	cmp_ok $unknown - $nothing, '>', ($known - $nothing) * 0.5, 'its password is verified'
		or diag "known $known s, unknown $unknown s, nothing $nothing s";
};

subtest 'guessing is slowed down' => sub {
	$stack->account('victim@example.org', 'viewer');
	my @status = map { login('victim@example.org', "guess $_")->{status} } 1 .. 7;
	is_deeply [@status[0 .. 4]], [(401) x 5], 'five tries are free';
	my $answer = login('victim@example.org', $Muster::Stack::PASSWORD);
	is $answer->{status}, 429, 'then even the right one has to wait';
	like $answer->{head}{'retry-after'}, qr/^[1-9]\d*$/, 'and is told how long';
	is login('ann@example.org', $Muster::Stack::PASSWORD, env => { REMOTE_ADDR => '198.51.100.7' })
		->{status}, 200, 'others do not';
};

# What nine are told who come at once: all of them are past the question whether one has to wait before
# any is counted, and none is told that it was right before $refused of them were refused.
$stack->db->sql(q{
	alter function muster.login_tried(text, text, boolean, boolean) rename to login_tried_then;
	create function muster.login_tried(p_email text, p_address text, p_ok boolean, p_in boolean default false) returns void
	language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
	begin
		perform pg_advisory_xact_lock_shared(9);
		perform muster.login_tried_then(p_email, p_address, p_ok, p_in);
	end
	$$;
	grant execute on function muster.login_tried(text, text, boolean, boolean) to muster_api});
sub at_once {
	my ($ask, $refused) = @_;
	my $held = $stack->db->session;
	my $dir = $stack->stand->dir;
	unlink glob "$dir/status*";
	$held->ask('select pg_advisory_lock(9)');
	$held->ask('begin; lock table muster.login_limit in exclusive mode');
	my @children = map {
		my $n = $_;
		my $pid = fork // die;
		if ($pid == 0) {
			my $status = eval { $ask->($n)->{status} } // 0;
			spew("$dir/status$n", $status);
			require POSIX;
			POSIX::_exit(0);
		}
		$pid;
	} 1 .. 9;
	my $waiting = q{select count(*) from pg_locks where not granted and relation = 'muster.login_limit'::regclass};
	wait_for { $stack->db->value($waiting) == 9 } 'all of them';
	$held->ask('commit');
	wait_for { (() = glob "$dir/status*") >= $refused } 'those who are refused';
	$held->ask('select pg_advisory_unlock(9)');
	waitpid $_, 0 for @children;
	my %count;
	$count{ slurp("$dir/status$_") }++ for 1 .. 9;
	return \%count;
}
sub forgive { $stack->db->sql('delete from muster.login_limit') }

subtest 'a thousand guesses at once are no more than five' => sub {
	$stack->account('parallel@example.org', 'viewer');
	is_deeply at_once(sub { login('parallel@example.org', "guess $_[0]") }, 4), { 401 => 5, 429 => 4 },
		'five are told that they are wrong, the others to wait';
	forgive();
	is_deeply at_once(sub { login('parallel@example.org', $Muster::Stack::PASSWORD) }, 4), { 200 => 5, 429 => 4 },
		'who is right nine times at once is asked to come again four times';
	is login('parallel@example.org', $Muster::Stack::PASSWORD)->{status}, 200, 'and need not wait for it';
	is $stack->db->value('select count(*) from muster.login_limit'), 0, 'for no wrong ones were counted';
	my $session = $stack->session('parallel@example.org');
	is_deeply at_once(sub { $stack->cgi(POST => '/api/v1/auth/password', session => $session,
		body => { current => "guess $_[0]", password => 'my other password' }) }, 4), { 403 => 5, 429 => 4 },
		'at an open screen as well';
	forgive();
	is_deeply at_once(sub { login("parallel$_[0]\@example.org", 'wrong') }, 0), { 401 => 9 },
		'who guess at many are not held up before twenty';
	my $address = $stack->db->value('select max(failures) from muster.login_limit');
	login('parallel@example.org', 'wrong') for 1 .. 4;
	is login('parallel@example.org', $Muster::Stack::PASSWORD)->{status}, 200, 'a right one is none';
	is $stack->db->value('select max(failures) from muster.login_limit'), $address + 4,
		'and taken back for its address as well';
	is $stack->db->value(q{select count(*) from muster.login_limit
		where key = muster.login_key('account', 'parallel@example.org')}), 0, 'its account begins anew';
	forgive();
};

subtest 'at most two passwords are verified at once' => sub {
	my $tries = q{select coalesce(sum(failures), 0) from muster.login_limit};
	my $tried = $stack->db->value($tries);
	my @locks = map { open my $fh, '>>', $stack->stand->run_dir . "/login.$_.lock" or die; flock $fh, LOCK_EX; $fh } 0, 1;
	my $answer = login('ann@example.org', $Muster::Stack::PASSWORD);
	is $answer->{status}, 503, 'a third waits, but not for ever';
	is login('nobody@example.org', 'wrong')->{status}, 503, 'and so does who is nobody';
	ok $answer->{head}{'retry-after'}, 'and is told to come back';
	is $stack->db->value($tries), $tried, 'for which nobody is blamed';
	close shift @locks;
	is login('ann@example.org', $Muster::Stack::PASSWORD)->{status}, 200, 'then it goes on';
};

subtest 'the access token' => sub {
	my $token = $in->{json}{access_token};
	is bearer($token)->{status}, 200, 'signs in';
	my $claims = claims($token);
	is_deeply [sort keys %$claims], [qw(exp iat org sid sub)], 'says who, where, which session';
	is $claims->{exp} - $claims->{iat}, 1800, 'and until when';
	is $stack->cgi(POST => '/api/v1/auth/stream-token', body => '{}',
		header => { Authorization => "Bearer $token" })->{status}, 200, 'writes need no CSRF token';

	my ($head, $body, $mac) = split /\./, $token;
	my $forge = sub { my ($h, $b, $m) = @_; return bearer("$h.$b.$m")->{status} };
	my $other = encode_base64url(JSON::PP->new->encode({ %$claims, sub => 'x' }));
	is $forge->($head, $other, $mac), 401, 'other claims';
	is $forge->($head, $body, 'x' . substr $mac, 1), 401, 'another signature';
	is $forge->($head, $body, ''), 401, 'no signature';
	my $none = encode_base64url('{"alg":"none","typ":"JWT"}');
	is $forge->($none, $body, ''), 401, 'algorithm none';
	is $forge->($none, $body, $mac), 401, 'algorithm none with a signature';
	is $forge->($head, $body, encode_base64url(hmac_sha256("$head.$body", 'guess'))), 401, 'a guessed key';
	is bearer($_)->{status}, 401, "'$_'" for 'x', '..', '.', "$token.x", "$token ", 'null';
	is $stack->cgi(GET => '/api/v1/auth/me', header => { Authorization => 'Basic YTpi' })->{status}, 401,
		'another scheme';
	is $stack->cgi(GET => '/api/v1/auth/me', cookie => $cookie,
		header => { Authorization => 'Bearer x' })->{status}, 401, 'a bad token is not saved by a cookie';
};

subtest 'a stream token' => sub {
	my $answer = $stack->cgi(POST => '/api/v1/auth/stream-token', cookie => $cookie, body => '{}',
		header => { 'X-CSRF-Token' => $in->{json}{csrf_token} });
	is $answer->{status}, 200, 'is made';
	is $answer->{json}{expires_in}, 60, 'for a minute';
	my $claims = claims($answer->{json}{token});
	is $claims->{scope}, 'stream', 'for streams';
	is $claims->{sid}, claims($in->{json}{access_token})->{sid}, 'of this session';
	is bearer($answer->{json}{token})->{status}, 401, 'and for nothing else';
};

subtest 'cookies that nobody gave' => sub {
	for my $bad ('muster_session=', 'muster_session=x', 'muster_session=' . 'a' x 5000,
		"muster_session=%00", 'other=1', ';;;', '=', "xmuster_session=" . ($cookie =~ s/.*=//r)) {
		is $stack->cgi(GET => '/api/v1/auth/me', cookie => $bad)->{status}, 401, substr $bad, 0, 30;
	}
	is $stack->cgi(GET => '/api/v1/auth/me', cookie => "a=b; $cookie; c=d")->{status}, 200,
		'others beside it do not matter';
};

subtest 'a refresh token is used once' => sub {
	my $refresh = sub { $stack->cgi(POST => '/api/v1/auth/refresh', body => { refresh_token => $_[0] }) };
	my $one = $refresh->($in->{json}{refresh_token});
	is $one->{status}, 200, 'a new pair';
	isnt $one->{json}{refresh_token}, $in->{json}{refresh_token}, 'another token';
	is bearer($one->{json}{access_token})->{status}, 200, 'that signs in';
	is $refresh->($in->{json}{refresh_token})->{status}, 401, 'the old one is used up';
	is bearer($one->{json}{access_token})->{status}, 200, 'two tabs at once are no theft';
	$stack->db->sql(q{update muster.refresh set used_at = now() - interval '1 minute'
		where used_at is not null});
	is $refresh->($in->{json}{refresh_token})->{status}, 401, 'a copy that turns up later';
	is bearer($one->{json}{access_token})->{status}, 401, 'ends the session';
	is $refresh->('x')->{status}, 401, 'rubbish';
};

subtest 'signing out' => sub {
	my $again = login('ann@example.org', $Muster::Stack::PASSWORD);
	my ($mine) = $again->{head}{'set-cookie'} =~ /^(muster_session=[^;]+)/;
	my $out = $stack->cgi(POST => '/api/v1/auth/logout', cookie => $mine,
		header => { 'X-CSRF-Token' => $again->{json}{csrf_token} });
	is $out->{status}, 204, 'is done';
	like $out->{head}{'set-cookie'}, qr/^muster_session=; .*Max-Age=0/, 'the cookie goes';
	is $stack->cgi(GET => '/api/v1/auth/me', cookie => $mine)->{status}, 401, 'so does the session';
	is bearer($again->{json}{access_token})->{status}, 401, 'and its tokens';
	is $stack->cgi(POST => '/api/v1/auth/refresh',
		body => { refresh_token => $again->{json}{refresh_token} })->{status}, 401, 'all of them';
};

subtest 'who signs in and out leaves a trail, and is told' => sub {
	my @from = (env => { REMOTE_ADDR => '203.0.113.9' });
	my $trail = sub { [map { [@$_] } $stack->db->rows(q{select t.action, t.data ->> 'method', t.address
		from muster.trail t join muster.account a on a.id = t.account_id
		where a.email = 'tom@example.org' and t.address = '203.0.113.9' order by t.id})] };
	$stack->account('tom@example.org', 'org_admin');
	login('tom@example.org', 'wrong', @from);
	my $tom = login('tom@example.org', $Muster::Stack::PASSWORD, @from);
	my %tom = (cookie => ($tom->{head}{'set-cookie'} =~ /^(muster_session=[^;]+)/)[0],
		header => { 'X-CSRF-Token' => $tom->{json}{csrf_token} }, @from);
	is $stack->cgi(POST => '/api/v1/tokens', %tom, body => { name => 'x', scopes => ['read'] })->{status}, 201,
		'does something';
	is $stack->cgi(POST => '/api/v1/auth/logout', %tom)->{status}, 204, 'and leaves';
	is_deeply $trail->(), [['session.refuse', undef, '203.0.113.9'], ['session.add', 'password', '203.0.113.9'],
		['token.add', undef, '203.0.113.9'], ['session.remove', undef, '203.0.113.9']],
		'all of it is on the trail, with the address it came from';
	$stack->db->sql('select muster.sequence_events()');
	is_deeply [map { [@$_] } $stack->db->rows(q{select type, data ->> 'name', channel from muster.event
		where type like 'user%' and data ->> 'name' = 'tom' order by id})],
		[['user_login', 'tom', 'presence'], ['user_logout', 'tom', 'presence']], 'and both are events';
	my $admin = $stack->session('tom@example.org');
	is $stack->cgi(GET => '/api/v1/trail?action=session.refuse', session => $admin)->{json}{items}[0]{address},
		'203.0.113.9', 'an administrator sees who tried from where';
};

subtest 'the organization of a request' => sub {
	$stack->db->sql(q{select muster.account_role('olaf@example.org', 'default', 'team_lead')});
	my $olaf = $stack->session('olaf@example.org', 'other');
	my $me = sub { $stack->cgi(GET => '/api/v1/auth/me', session => $olaf, header => { @_ }) };
	is $me->()->{json}{organization}{slug}, 'other', "is the session's";
	is $me->('Muster-Organization' => 'default')->{json}{role}, 'team_lead', 'or the one named';
	is $me->('Muster-Organization' => 'nowhere')->{status}, 403, 'that there is';
	is $me->('Muster-Organization' => "x'; drop")->{status}, 400, 'and that can be one';
	my $in_other = login('olaf@example.org', $Muster::Stack::PASSWORD,
		more => { organization => 'default' });
	is $in_other->{json}{account}{organization}{slug}, 'default', 'sign-in may choose';
	is $stack->cgi(GET => '/api/v1/auth/me', header => { 'Muster-Organization' => 'other',
		Authorization => "Bearer $in_other->{json}{access_token}" })->{json}{organization}{slug},
		'default', "a token's own stands above the header";
};

subtest 'an expired session' => sub {
	my $old = $stack->session('ann@example.org');
	$stack->db->sql(q{update muster.session set expires_at = now() - interval '1 second'
		where id = $1}, $old->{sid});
	is $stack->cgi(GET => '/api/v1/auth/me', session => $old)->{status}, 401, 'is over';
};

done_testing;
