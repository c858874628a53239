#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Signing in with an issuer: OpenID Connect, and GitHub's dialect, against one that speaks it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Issuer;
use Muster::Stack;
use Muster::Test;

my ($yes, $no) = (JSON::PP::true, JSON::PP::false);
my $stand = Muster::Test->new;
my $issuer = Muster::Issuer->new($stand, 'muster', 'a client: secret/+');
my $file = spew($stand->dir . '/issuers', <<"END");
[lab]
issuer=@{[ $issuer->url ]}/
client_id=muster
client_secret=a client: secret/+
name=The lab
private=true
[open]
issuer=@{[ $issuer->url ]}
client_id=muster
client_secret=a client: secret/+
accounts=create
private=true
[github]
kind=github
issuer=@{[ $issuer->url ]}
client_id=muster
client_secret=a client: secret/+
private=true
[public]
issuer=@{[ $issuer->url =~ s/^http:/https:/r ]}
client_id=muster
END
chmod 0600, $file;
my $stack = Muster::Stack->new(stand => $stand, front => 'none',
	conf => { 'auth.openid_file' => $file, 'auth.new_role' => 'developer' });
my $db = $stack->db;
$stack->account('ann@example.org', 'team_lead');

sub ask { my ($method, $uri, %option) = @_; return $stack->cgi($method, "/api/v1/auth/$uri", %option) }
sub start {
	my ($id, %body) = @_;
	my $answer = ask(POST => "openid/$id/start", body => \%body);
	my ($note) = ($answer->{head}{'set-cookie'} // '') =~ /^(muster_away=[^;]+)/;
	return ($answer->{json}{url}, $note, $answer);
}
# All of it, as the browser does it. Options: invitation, iss.
sub sign_in {
	my ($id, %option) = @_;
	my ($url, $note) = start($id, next => '/repos?q=x', $option{invitation} ? (invitation => $option{invitation}) : ());
	my ($code, $state) = $issuer->visit($url);
	return ask(POST => "openid/$id", cookie => $note,
		body => { code => $code, state => $state, $option{iss} ? (iss => $option{iss}) : () });
}
sub ann { return $issuer->is_now(sub => 'ann-1', email => 'ann@example.org', email_verified => $yes, name => 'Ann', @_) }
ann();

subtest 'the page knows who vouches for people' => sub {
	is_deeply ask(GET => 'methods')->{json}{issuers}, [{ id => 'lab', name => 'The lab' }, { id => 'open', name => 'open' },
		{ id => 'github', name => 'github' }, { id => 'public', name => 'public' }], 'by name';
};

subtest 'it begins with an address to go to' => sub {
	my ($url, $note, $answer) = start('lab');
	is $answer->{status}, 200, 'there is one';
	my ($where, $query) = split /\?/, $url;
	is $where, $issuer->url . '/authorize', "the issuer's";
	my %query = Muster::Issuer::form_parse($query);
	is $query{redirect_uri}, 'http://muster.test/sign-in/lab', 'from which one comes back here';
	is $query{scope}, 'openid email profile', 'asking for what is needed';
	is scalar(grep { length $_ == 43 } @query{qw(state nonce code_challenge)}), 3, 'with random numbers';
	like $answer->{head}{'set-cookie'}, qr/^muster_away=[\w-]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=600$/,
		'that the browser brings back';
	is index($note, $query{$_}), -1, "and cannot read: $_" for qw(state nonce);
	isnt +(start('lab'))[0], $url, 'other ones each time';
	is ask(POST => 'openid/nobody/start')->{status}, 404, 'an issuer that is not there';
	is ask(POST => 'openid/lab/start', header => { Origin => 'http://evil.example' })->{status}, 403,
		"not from another site's page";
};

subtest 'who has an account with that address is in' => sub {
	my $in = sign_in('lab');
	is $in->{status}, 200, 'signed in';
	is $in->{json}{account}{email}, 'ann@example.org', 'as whom the issuer says';
	is $in->{json}{account}{role}, 'team_lead', 'with what one may';
	is $in->{json}{next}, '/repos?q=x', 'and goes on where one wanted to';
	like $in->{head}{'set-cookie'}, qr/muster_away=; .*Max-Age=0.*muster_session=/, 'the note goes, a session comes';
	is $db->value(q{select count(*) from muster.trail where data ->> 'method' = 'lab'}), 1, 'the trail knows by whom';
	ann(email => 'ann@elsewhere.example');
	is sign_in('lab')->{json}{account}{email}, 'ann@example.org', 'from then on by what never changes, and not by the address';
	is $db->value('select count(*) from muster.identity'), 1, 'it is the same one';
	ann();
};

subtest 'both ways of signing, both ways of saying who asks' => sub {
	$issuer->bend(alg => 'ES256');
	is sign_in('lab')->{status}, 200, 'ES256';
	$issuer->bend(post => 1);
	is sign_in('lab')->{status}, 200, 'the secret in the body';
	$issuer->bend(kid => 'nobody');
	is sign_in('lab')->{status}, 401, 'a key that is not in the set';
	$issuer->bend;
	is sign_in('lab', iss => $issuer->url)->{status}, 200, 'an issuer that says who it is when one comes back';
	is sign_in('lab', iss => 'https://evil.example')->{status}, 401, 'not another';
};

subtest 'tokens that are not good' => sub {
	my %bad = ('signed by nobody' => { alg => 'none' }, 'signed with what everybody knows' => { alg => 'HS256' },
		'signed by somebody else' => { key => 'wrong' }, 'that must be understood' => { crit => 1 },
		'of no form' => { token => 'x' }, 'of two parts' => { token => 'a.b' }, 'empty' => { token => '..' },
		'of another issuer' => { claims => { iss => 'https://evil.example' } },
		'for somebody else' => { claims => { aud => 'other' } },
		'for several, and it does not say whose' => { claims => { aud => ['muster', 'other'] } },
		'for several, and somebody else asked' => { claims => { aud => ['muster', 'other'], azp => 'other' } },
		'that has expired' => { claims => { exp => time - 120 } }, 'without an end' => { claims => { exp => undef } },
		'of another sign-in' => { claims => { nonce => 'x' } }, 'of no sign-in' => { claims => { nonce => undef } },
		'of nobody' => { claims => { sub => undef } }, 'of a number' => { claims => { sub => 5 } });
	for my $what (sort keys %bad) {
		$issuer->bend(%{ $bad{$what} });
		my $answer = sign_in('lab');
		is $answer->{status}, 401, $what or diag $answer->{body};
		unlike $answer->{head}{'set-cookie'} // '', qr/muster_session=\w/, 'and there is no session';
	}
	$issuer->bend(claims => { aud => ['muster', 'other'], azp => 'muster' });
	is sign_in('lab')->{status}, 200, 'for several, and we asked';
	$issuer->bend(claims => { exp => time - 30 });
	is sign_in('lab')->{status}, 200, 'a minute is for clocks';
	$issuer->bend;
};

subtest 'a sign-in is finished by the browser that began it, once' => sub {
	my ($url, $note) = start('lab');
	my ($code, $state) = $issuer->visit($url);
	my $finish = sub { my ($cookie, %body) = @_;
		return ask(POST => 'openid/lab', cookie => $cookie // '', body => { code => $code, state => $state, %body })->{status} };
	is $finish->(undef), 401, 'not by another one';
	is $finish->((start('lab'))[1]), 401, 'nor with the note of another sign-in';
	is $finish->((start('open'))[1]), 401, 'or of another issuer';
	is $finish->($note, state => 'x'), 401, 'nor with another state';
	is $finish->($note . 'x'), 401, 'nor with a note that was changed';
	is $finish->($note, code => 'guessed'), 401, 'a code is not guessed';
	is $finish->($note), 200, 'so it is done';
	is $finish->($note), 401, 'once';
	my ($url2, $note2) = start('lab');
	my ($code2) = $issuer->visit($url2);
	my ($url3, $note3) = start('lab');
	my (undef, $state3) = $issuer->visit($url3);
	is ask(POST => 'openid/lab', cookie => $note3, body => { code => $code2, state => $state3 })->{status}, 401,
		"somebody else's code is of no use: the verifier does not fit";
};

subtest 'who has no account' => sub {
	$issuer->is_now(sub => 'new-1', email => 'new@example.org', email_verified => $yes, name => 'Nina');
	is sign_in('lab')->{status}, 403, 'stays out';
	my $in = sign_in('open');
	is $in->{status}, 200, 'or gets one, where the file says so';
	is $in->{json}{account}{role}, 'developer', 'with the role of the setting';
	is $in->{json}{account}{name}, 'Nina', 'and the name';
	$issuer->is_now(sub => 'new-2', email => 'other@example.org', email_verified => $no);
	is sign_in('open')->{status}, 403, 'an address that is not verified is none';
	$issuer->is_now(sub => 'evil', email => 'ann@example.org');
	is sign_in('open')->{status}, 403, 'and is no way into the account that has it';
	$issuer->is_now(sub => 'evil', email => 'ann@example.org', email_verified => 'false');
	is sign_in('open')->{status}, 403, 'in whatever form it is said';
	$issuer->is_now(sub => 'new-3', userinfo => { email => 'third@example.org', email_verified => $yes });
	is sign_in('open')->{json}{account}{email}, 'third@example.org', 'it may be told apart from the token';
	$issuer->is_now(sub => 'new-4', userinfo => { sub => 'ann-1', email => 'ann@example.org', email_verified => $yes });
	is sign_in('open')->{status}, 401, 'but about the same person';
	$db->sql(q{select muster.account_state('new@example.org', 'disabled')});
	$issuer->is_now(sub => 'new-1', email => 'new@example.org', email_verified => $yes);
	is sign_in('open')->{status}, 403, 'who was disabled stays out';
};

subtest 'by invitation' => sub {
	my $admin = $stack->account('admin@example.org', 'org_admin') && $stack->session('admin@example.org');
	my $invite = sub { ($stack->cgi(POST => '/api/v1/invitations', session => $admin,
		body => { email => $_[0], role => 'viewer' })->{json}{link} =~ /#(.*)/)[0] };
	my $link = $invite->('guest@example.org');
	$issuer->is_now(sub => 'guest-1', name => 'Gus');
	my $in = sign_in('lab', invitation => $link);
	is $in->{json}{account}{email}, 'guest@example.org', 'one gets the account that one was invited to';
	is $in->{json}{account}{role}, 'viewer', 'with its role';
	is sign_in('lab')->{json}{account}{email}, 'guest@example.org', 'and comes in again';
	is sign_in('lab', invitation => $link)->{status}, 404, 'the link is used up';
	$stack->organization('other');
	$stack->account('boss@example.org', 'org_admin', 'other');
	$admin = $stack->session('boss@example.org', 'other');
	ann();
	is sign_in('lab', invitation => $invite->('else@example.org'))->{status}, 200, 'who has an account joins with it';
	is $db->value(q{select role from muster.membership m join muster.account a on a.id = m.account_id join
		muster.organization o on o.id = m.organization_id where a.email = 'ann@example.org' and o.slug = 'other'}),
		'viewer', 'and is in both';
};

subtest 'an account that somebody made with an address not theirs' => sub {
	$db->sql(q{insert into muster.setting (key, value) values ('auth.register', '"open"')});
	my %trap = (email => 'victim@example.org', password => 'a trap that waits');
	my $trap = ask(POST => 'register', body => \%trap);
	my ($cookie) = $trap->{head}{'set-cookie'} =~ /^(muster_session=[^;]+)/;
	$issuer->is_now(sub => 'victim-1', email => 'victim@example.org', email_verified => $yes);
	is sign_in('lab')->{json}{account}{email}, 'victim@example.org', 'the owner of the address comes in';
	is ask(POST => 'login', body => \%trap)->{status}, 401, 'and the other does not any more';
	is ask(GET => 'me', cookie => $cookie)->{status}, 401, 'not by what was open before, either';
};

subtest 'with which issuers one signs in' => sub {
	ann();
	my $ann = $stack->session('ann@example.org');
	my $list = ask(GET => 'identities', session => $ann)->{json}{items};
	is_deeply [map { [@$_{qw(issuer email)}] } @$list], [[$issuer->url, 'ann@example.org']], 'is listed';
	my $other = $stack->session('admin@example.org');
	is ask(DELETE => "identities/$list->[0]{id}", session => $other)->{status}, 404, "one's own alone";
	is ask(DELETE => "identities/$list->[0]{id}", session => $ann)->{status}, 200, 'and ended';
	is_deeply ask(GET => 'identities', session => $ann)->{json}{items}, [], 'then it is gone';
	my $guest = $stack->session('guest@example.org');
	my ($only) = @{ ask(GET => 'identities', session => $guest)->{json}{items} };
	is ask(DELETE => "identities/$only->{id}", session => $guest)->{status}, 409, 'but not the only way in';
};

subtest 'another issuer for an account that one has' => sub {
	$stack->account('lin@example.org', 'developer');
	my ($lin, $other) = map { $stack->session('lin@example.org') } 1 .. 2;
	my $begin = sub {
		my ($session, %body) = @_;
		my $answer = ask(POST => 'openid/lab/link/start', session => $session, body => \%body);
		my ($note) = ($answer->{head}{'set-cookie'} // '') =~ /^(muster_away=[^;]+)/;
		return ($answer->{json}{url}, $note, $answer);
	};
	my $finish = sub {
		my ($session, $note, $code, $state) = @_;
		return ask(POST => 'openid/lab/link', session => $session, cookie => "muster_session=$session->{token}; $note",
			body => { code => $code, state => $state });
	};
	is ask(POST => 'openid/lab/link/start', body => {})->{status}, 401, 'is for who is signed in';
	is ask(POST => 'openid/nobody/link/start', session => $lin, body => {})->{status}, 404, 'and an issuer that is there';
	$issuer->is_now(sub => 'lin-1', email => 'lin@elsewhere.example', email_verified => $yes);
	is sign_in('lab')->{status}, 403, 'who is not known yet stays out';
	my ($url, $note, $begun) = $begin->($lin);
	is $begun->{status}, 200, 'who has just signed in begins' or diag $begun->{body};
	my ($code, $state) = $issuer->visit($url);
	like $state, qr/^link\./, 'as the page sees by what comes back';
	is ask(POST => 'openid/lab', cookie => $note, body => { code => $code, state => $state })->{status}, 401,
		'that is no sign-in';
	is $finish->($other, $note, $code, $state)->{status}, 403, 'another session does not finish it';
	($url, $note) = $begin->($lin);
	($code, $state) = $issuer->visit($url);
	is $stack->cgi(POST => '/api/v1/auth/openid/lab/link', cookie => "muster_session=$lin->{token}; $note",
		body => { code => $code, state => $state })->{status}, 403, 'nor a page of another site';
	is $finish->($lin, $note, $code, 'link.x')->{status}, 403, 'nor another state';
	my ($plain, $note2) = start('lab');
	my ($code2, $state2) = $issuer->visit($plain);
	is $finish->($lin, $note2, $code2, $state2)->{status}, 403, 'nor what was begun to sign in';
	is $finish->($lin, $note, 'guessed', $state)->{status}, 403, 'a code is not guessed, and one stays signed in';
	my $done = $finish->($lin, $note, $code, $state);
	is $done->{status}, 200, 'so it is done' or diag $done->{body};
	is $done->{json}{email}, 'lin@elsewhere.example', 'and told by whom';
	is sign_in('lab')->{json}{account}{email}, 'lin@example.org', 'one comes in by it';
	is $db->value(q{select count(*) from muster.trail where action = 'identity.add' and account_id = (select id
		from muster.account where email = 'lin@example.org')}), 1, 'it is on the trail';
	ann();
	sign_in('lab');
	($url, $note) = $begin->($lin);
	is $finish->($lin, $note, $issuer->visit($url))->{status}, 409, 'who is somebody else here stays it';

	$db->sql(q{update muster.session set created_at = created_at - interval '11 minutes'});
	my $asked = (($begin->($lin))[2]);
	is $asked->{status}, 403, 'later the password is asked for';
	is_deeply $asked->{json}{errors}, [{ field => 'password', message => 'is needed' }], 'as the page sees';
	is +(($begin->($lin, password => 'wrong'))[2])->{status}, 403, 'not another';
	is +(($begin->($lin, password => $Muster::Stack::PASSWORD))[2])->{status}, 200, 'with it one goes on';
	my ($mine) = @{ ask(GET => 'identities', session => $lin)->{json}{items} };
	is ask(DELETE => "identities/$mine->{id}", session => $lin)->{status}, 403, 'to end it as well';
	is ask(DELETE => "identities/$mine->{id}", session => $lin, body => { password => $Muster::Stack::PASSWORD })->{status}, 200,
		'and with it that is done';
	$db->sql(q{update muster.account set password_hash = null where email = 'lin@example.org'});
	is_deeply +(($begin->($lin))[2])->{json}{errors} // [], [], 'who has no password signs in again';
	$db->sql('delete from muster.login_limit');
};

subtest 'GitHub' => sub {
	my $mail = sub { return { email => $_[0], primary => $_[1], verified => $_[2] } };
	$issuer->is_now(user => { id => 583231, login => 'annie', name => undef },
		emails => [$mail->('old@example.org', $no, $yes), $mail->('ann@example.org', $yes, $yes)]);
	my ($url) = start('github');
	like $url, qr{/login/oauth/authorize\?.*scope=read%3Auser%20user%3Aemail}, 'is asked in its own way';
	my $in = sign_in('github');
	is $in->{json}{account}{email}, 'ann@example.org', 'and says who it is by its API';
	is $db->value(q{select subject from muster.identity where issuer = $1 and subject = '583231'}, $issuer->url), '583231',
		'known by the number, for the login can become another';
	$issuer->is_now(user => { id => 7, login => 'eve' }, emails => [$mail->('ann@example.org', $yes, $no)]);
	is sign_in('github')->{status}, 403, 'an address that it did not verify is none';
	$issuer->is_now(user => { id => 7, login => 'eve' }, emails => [$mail->('ann@example.org', $no, $yes)]);
	is sign_in('github')->{status}, 403, 'nor is one beside the primary';
	$issuer->is_now(user => { login => 'eve' }, emails => []);
	is sign_in('github')->{status}, 502, 'without a number it is nobody';
	ann();
	$issuer->bend(github => 1);
	is sign_in('github')->{status}, 401, 'a refusal with status 200 is one';
	$issuer->bend;
};

subtest 'an issuer that does not answer as it should' => sub {
	# Each is asked by a process of its own, so nothing is remembered of it.
	for my $bend ({ status => 500 }, { discovery => { issuer => 'https://evil.example' } },
		{ discovery => { token_endpoint => undef } }, { discovery => { jwks_uri => 5 } }) {
		$issuer->bend(%$bend);
		is +(start('lab'))[2]{status}, 502, JSON::PP->new->canonical->encode($bend);
	}
	$issuer->bend;
	my $refused = (start('public'))[2];
	is $refused->{status}, 403, 'one in a private network that the file does not call so is not asked';
	my ($url, $note) = start('lab');
	my ($code, $state) = $issuer->visit($url);
	$issuer->bend(status => 503);
	is ask(POST => 'openid/lab', cookie => $note, body => { code => $code, state => $state })->{status}, 502,
		'one that is down';
	$issuer->bend;
	unlike join('', map { slurp($_) } glob $stand->log_dir . '/*'), qr/a client: secret/, 'its secret is in no log';
};

subtest 'the file' => sub {
	my $says = sub {
		my ($text, $mode) = @_;
		my $path = spew($stand->dir . '/other', $text);
		chmod $mode // 0600, $path;
		my $answer = eval { $stack->cgi(GET => '/healthz', env => { MUSTER_AUTH_OPENID_FILE => $path }) };
		return $answer ? "$answer->{status} $answer->{log}" : "it does not start: $@";
	};
	my $good = "[a]\nissuer=https://x.example\nclient_id=x\n";
	like $says->($good), qr/^200/, 'a good one';
	like $says->($good, 0644), qr/^it does not start.*others may read it: chmod o=/s, 'that others may read';
	my %bad = ("[a]\nissuer=https://x.example\n" => 'client_id is missing', "[a]\nclient_id=x\n" => 'issuer is no address',
		"[a]\nissuer=http://x.example\nclient_id=x\n" => 'issuer must be https', "[A b]\nclient_id=x\n" => 'small letters',
		"${good}sceret=x\n" => "there is no key 'sceret'", "${good}kind=saml\n" => 'kind is neither openid nor github',
		"${good}private=yes\n" => 'private is neither false nor true', "rubbish\n" => 'other');
	like $says->($_), qr/^it does not start.*\Q$bad{$_}\E/s, $bad{$_} for sort keys %bad;
};

done_testing;
