# SPDX-License-Identifier: MIT
package Muster::Issuer;

# An issuer of OpenID Connect on loopback, and GitHub's dialect beside it, as a process of its own: a
# script that speaks the protocol as it is (discovery, PKCE, codes that are good once, signed tokens)
# and vouches for whoever the test says, without asking.
#
#	my $issuer = Muster::Issuer->new($stand, 'muster', 'a client secret');
#	$issuer->url;					# http://127.0.0.1:PORT
#	$issuer->is_now(sub => '1', email => 'ann@example.org', email_verified => JSON::PP::true);
#	$issuer->bend(alg => 'none', claims => { aud => 'x' });	# what it does wrong from now on; () is nothing
#	my ($code, $state) = $issuer->visit($url);	# as a browser that comes back
#
# bend: alg (RS256, ES256, none, HS256), key (wrong: of nobody), kid, claims (over the right ones),
# token (the id_token as it is), discovery (over the right members), status (of every answer),
# post => 1 (wants the secret in the body), github => 1 (an error with status 200).

use strict;
use warnings;
use Digest::SHA qw(sha256 hmac_sha256);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64url);
use Muster::Test;

my $json = JSON::PP->new->utf8->canonical;

sub new {
	my ($class, $stand, $client, $secret) = @_;
	my $dir = $stand->dir . '/issuer';
	mkdir $dir;
	my $self = bless { dir => $dir, client => $client, secret => $secret, is => {} }, $class;
	for my $name (qw(rsa wrong)) {
		run(qw(openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out), "$dir/$name.pem");
	}
	run(qw(openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out), "$dir/ec.pem");
	my ($n) = run(qw(openssl rsa -noout -modulus -in), "$dir/rsa.pem") =~ /=([0-9A-F]+)/;
	my $point = substr run(qw(openssl ec -pubout -outform DER -in), "$dir/ec.pem"), -64;
	$self->{keys} = { keys => [
		{ kty => 'RSA', kid => 'other', use => 'enc', n => encode_base64url(pack 'H*', $n), e => 'AQAB' },
		{ kty => 'RSA', kid => 'rsa', use => 'sig', alg => 'RS256', n => encode_base64url(pack 'H*', $n), e => 'AQAB' },
		{ kty => 'EC', kid => 'ec', crv => 'P-256', x => encode_base64url(substr $point, 0, 32),
			y => encode_base64url(substr $point, 32) } ] };
	my $listen = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', LocalPort => 0) or die "no port: $!\n";
	$self->{url} = 'http://127.0.0.1:' . $listen->sockport;
	$self->save;
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
		serve($self, $listen);
	}
	$self->{pid} = $pid;
	$self->{owner} = $$;
	return $self;
}

sub url { return $_[0]{url} }

sub DESTROY {
	my ($self) = @_;
	return if ($self->{owner} // 0) != $$;
	local $?; # the file's exit code is not the process's
	kill TERM => $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

# Both are read anew at each request.
sub is_now { my ($self, %is) = @_; $self->{is} = \%is; return $self->save }
sub bend { my ($self, %bend) = @_; $self->{bend} = \%bend; return $self->save }
sub save {
	my ($self) = @_;
	spew("$self->{dir}/script", $json->encode({ is => $self->{is}, bend => $self->{bend} // {} }));
	return;
}

# Goes where the page sends a browser, without a page: (code, state, the whole address it comes back to).
sub visit {
	my ($self, $url) = @_;
	my $answer = HTTP::Tiny->new(max_redirect => 0)->get($url);
	my $back = $answer->{headers}{location} // die "$url: $answer->{status} $answer->{content}\n";
	my %query = form_parse((split /\?/, $back, 2)[1]);
	return ($query{code}, $query{state}, $back);
}

sub run {
	my @argv = @_;
	my ($code, $out, $err) = run_program(\@argv);
	die "@argv: $err\n" if $code;
	return $out;
}

sub form_parse {
	my ($text) = @_;
	return map { s/\+/ /gr =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger } map { (split(/=/, $_, 2), '')[0, 1] } split /&/, $text // '';
}

# --- the process

my %codes;

sub serve {
	my ($self, $listen) = @_;
	while (my $client = $listen->accept) {
		my $request = <$client> // next;
		my ($method, $path, $query) = $request =~ m{^(\S+) ([^ ?]+)(?:\?(\S*))? };
		my %head;
		while (defined(my $line = <$client>)) {
			last if $line =~ /^\r?\n/;
			$head{ lc $1 } = $2 if $line =~ /^([^:]+):\s*(.*?)\r?\n/;
		}
		my $body = '';
		read $client, $body, $head{'content-length'} if $head{'content-length'};
		my $script = $json->decode(slurp("$self->{dir}/script"));
		my ($status, $answer, $location) = answer($self, $script, $method, $path, $query, \%head, $body);
		my $text = ref $answer ? $json->encode($answer) : $answer;
		$status = $script->{bend}{status} // $status;
		print $client "HTTP/1.1 $status X\r\nContent-Type: application/json\r\nContent-Length: ", length $text,
			"\r\nConnection: close\r\n", defined $location ? "Location: $location\r\n" : '', "\r\n", $text;
		close $client;
	}
	POSIX::_exit(0);
}

sub answer {
	my ($self, $script, $method, $path, $query, $head, $body) = @_;
	my $bend = $script->{bend};
	my $is_github = $path =~ m{^/(?:login|api)/};
	if ($path eq '/.well-known/openid-configuration') {
		return (200, { issuer => $self->{url}, authorization_endpoint => "$self->{url}/authorize",
			token_endpoint => "$self->{url}/token", jwks_uri => "$self->{url}/keys",
			userinfo_endpoint => "$self->{url}/userinfo",
			token_endpoint_auth_methods_supported => [$bend->{post} ? 'client_secret_post' : 'client_secret_basic'],
			%{ $bend->{discovery} // {} } });
	}
	return (200, $self->{keys}) if $path eq '/keys';
	if ($path eq '/authorize' || $path eq '/login/oauth/authorize') {
		my %in = form_parse($query);
		return (400, { error => 'client' }) if $in{client_id} ne $self->{client} || $in{response_type} ne 'code';
		return (400, { error => 'challenge' }) if $in{code_challenge_method} ne 'S256' || length $in{code_challenge} != 43;
		return (400, { error => 'scope' }) if !$is_github && $in{scope} !~ /\bopenid\b/;
		my $code = encode_base64url(sha256(rand . $$ . keys %codes));
		$codes{$code} = { %in, is => $script->{is} };
		return (302, {}, "$in{redirect_uri}?code=$code&state=$in{state}&session_state=x");
	}
	return token($self, $script, $is_github, $head, $body)
		if $method eq 'POST' && ($path eq '/token' || $path eq '/login/oauth/access_token');
	my ($token) = ($head->{authorization} // '') =~ /^Bearer (\S+)/;
	my $is = $codes{ $token // '' } // return (401, { error => 'token' });
	if ($path eq '/userinfo') {
		return (200, { sub => $is->{is}{sub}, %{ $is->{is}{userinfo} // {} } });
	}
	return (200, $is->{is}{user}) if $path eq '/api/v3/user';
	return (200, $is->{is}{emails}) if $path eq '/api/v3/user/emails';
	return (404, { error => $path });
}

sub token {
	my ($self, $script, $is_github, $head, $body) = @_;
	my $bend = $script->{bend};
	my %in = form_parse($body);
	my ($client, $secret) = @in{qw(client_id client_secret)};
	if (($head->{authorization} // '') =~ /^Basic (\S+)/) {
		return (400, { error => 'invalid_client' }) if $bend->{post};
		($client, $secret) = map { (form_parse("a=$_"))[1] } split /:/, decode_base64($1), 2;
	}
	return (401, { error => 'invalid_client' }) if ($client // '') ne $self->{client} || ($secret // '') ne $self->{secret};
	return (200, { error => 'bad_verification_code' }) if $bend->{github};
	my $code = delete $codes{ $in{code} // '' };
	return ($is_github ? 200 : 400, { error => 'invalid_grant' })
		if !$code || $code->{redirect_uri} ne $in{redirect_uri} || $in{grant_type} ne 'authorization_code'
		|| encode_base64url(sha256($in{code_verifier})) ne $code->{code_challenge};
	my $access = encode_base64url(sha256("access $in{code}"));
	$codes{$access} = $code;
	return (200, { access_token => $access, token_type => 'Bearer', scope => $code->{scope} }) if $is_github;
	my %is = %{ $code->{is} };
	delete $is{userinfo};
	my %claims = (iss => $self->{url}, aud => $self->{client}, exp => time + 300, iat => time, nonce => $code->{nonce},
		%is, %{ $bend->{claims} // {} });
	delete $claims{$_} for grep { !defined $claims{$_} } keys %claims;
	return (200, { access_token => $access, token_type => 'Bearer', expires_in => 300,
		id_token => $bend->{token} // $self->sign($bend, \%claims) });
}

sub sign {
	my ($self, $bend, $claims) = @_;
	my $alg = $bend->{alg} // 'RS256';
	my %head = (alg => $alg, typ => 'JWT', kid => $bend->{kid} // ($alg eq 'ES256' ? 'ec' : 'rsa'),
		$bend->{crit} ? (crit => ['x'], x => 1) : ());
	my $text = join '.', map { encode_base64url($json->encode($_)) } \%head, $claims;
	return "$text." if $alg eq 'none';
	return "$text." . encode_base64url(hmac_sha256($text, slurp("$self->{dir}/rsa.pem"))) if $alg eq 'HS256';
	my $key = $bend->{key} // ($alg eq 'ES256' ? 'ec' : 'rsa');
	my $in = spew("$self->{dir}/text", $text);
	my $signature = run(qw(openssl dgst -sha256 -sign), "$self->{dir}/$key.pem", $in);
	if ($alg eq 'ES256') {
		# DER: two numbers, each with a length; 32 bytes each on the wire (RFC 7518, section 3.4).
		my ($r, $s) = unpack 'x2 x C/a x C/a', $signature;
		$signature = join '', map { substr +("\0" x 32) . $_, -32 } $r, $s;
	}
	return "$text." . encode_base64url($signature);
}

1;
