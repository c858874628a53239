#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Who gets in, what they get to see, and how soon they are out.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use MIME::Base64 qw(encode_base64);
use Test::More;
use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use Time::HiRes qw(time);
use Muster::Test;
use Muster::Test::Live;

my $live = Muster::Test::Live->new(Muster::Test->new);
my $other = $live->organization('other');
my $db = $live->db;
wait_for { $live->ws('/ws', Cookie => $live->cookie($other->{token}))->status == 101 }
	'the other session is known';

is $live->ws('/ws', Cookie => undef)->status, 401, 'without a cookie nobody gets in';
is $live->ws('/ws', Cookie => $live->cookie('wrong'))->status, 401, 'nor with a wrong one';
is $live->ws('/ws', Cookie => $live->cookie(''))->status, 401, 'nor with an empty one';
is $live->sse('/api/v1/sse/events', Cookie => undef)->status, 401, 'not into a stream either';
is $live->sse('/api/v1/events/wait', Cookie => undef)->status, 401, 'nor into a long-poll';
# Whoever signs in asks for live updates before anybody could tell of the session.
for my $case (['/ws', 101], ['/api/v1/sse/events', 200]) {
	my ($target, $status) = @$case;
	my $token = sha256_hex("soon $target $$");
	my @head = $status == 101 ? (Upgrade => 'websocket', Connection => 'Upgrade', 'Sec-WebSocket-Version' => 13,
		'Sec-WebSocket-Key' => encode_base64('x' x 16, '')) : ();
	my $early = Muster::WebSocket->request($status == 101 ? $live->socket : $live->stream_socket, $target,
		Cookie => $live->cookie($token), @head);
	$live->session($live->{default}, 3600, $token);
	is $early->read_head->status, $status, "$target waits a moment for a session that nobody knows yet";
}
is $live->ws('/ws', Cookie => "a=b; __Host-muster_session=$live->{session}; c=d")->status, 101,
	'the cookie is found among others, with its prefix';

# Origin
for my $case (['http://muster.test', 101], ['https://muster.test', 101], ['http://MUSTER.test:80', 101],
	['http://evil.test', 403], ['http://muster.test.evil.test', 403], ['http://muster.test:81', 403],
	['null', 403], ['', 403], ['http://muster.test@evil.test', 403]) {
	my ($origin, $status) = @$case;
	is $live->ws('/ws', Origin => $origin)->status, $status, "Origin '$origin' gets $status";
}
is $live->ws('/ws', Host => 'lws', 'X-Forwarded-Host' => 'muster.test', Origin => 'https://muster.test')
	->status, 101, 'the host that the front was asked for counts';
is $live->sse('/api/v1/sse/events', Origin => 'http://evil.test')->status, 403,
	'a stream is for our own pages too';

# Organizations
{
	my $mine = $live->ws('/ws');
	my $theirs = $live->ws('/ws', Cookie => $live->cookie($other->{token}));
	my $stream = $live->sse('/api/v1/sse/events', Cookie => $live->cookie($other->{token}));
	$_->next for $mine, $theirs;
	my $head = $live->head;
	$live->event('repo-status-change', { n => 'mine' });
	$live->event('session-change', { n => 'hidden' }, channel => 'presence');
	$live->event('repo-status-change', { n => 'internal' }, labels => '{"internal": true}');
	$live->event('repo-status-change', { n => 'theirs' }, organization => $other->{id});
	is $theirs->next->{data}{n}, 'theirs', 'events of another organization never arrive';
	is $stream->next_event_of('repo-status-change')->{data}{data}{n}, 'theirs', 'in no stream';
	is $mine->next->{data}{n}, 'mine', 'each gets its own';
	ok $mine->quiet(0.3), 'and nothing else: neither theirs nor what is for programs';
	my $replay = $live->ws("/ws?last_event_id=$head", Cookie => $live->cookie($other->{token}));
	is $replay->next->{data}{n}, 'theirs', 'nor in what is given later';
	my $poll = $live->sse("/api/v1/events/wait?after=$head", Cookie => $live->cookie($other->{token}));
	is_deeply [map { $_->{data}{n} } @{ $poll->body_json->{events} }], ['theirs'], 'by any way';
	my $clients = $live->http('/api/ws/clients', Cookie => $live->cookie($other->{token}))->body_json;
	is_deeply [grep { $_->{user} ne $other->{account} } @{ $clients->{connections} }], [],
		'nor are the others in the list of clients';
}

# Revocation
sub revoked {
	my ($what, $sql, @values) = @_;
	my ($token, $sid) = $live->session($live->{default});
	wait_for { $live->http('/api/v1/sse/stats', Cookie => $live->cookie($token))->status == 200 }
		'the new session is known';
	my $ws = $live->ws('/ws', Cookie => $live->cookie($token));
	$ws->next;
	my $sse = $live->sse('/api/v1/sse/events', Cookie => $live->cookie($token));
	$sse->next_event;
	my $wait = Muster::WebSocket->request($live->stream_socket, '/api/v1/events/wait?after='
		. $live->head, Cookie => $live->cookie($token));
	my $start = time;
	$db->sql($sql, map { $_ eq 'sid' ? $sid : $_ } @values);
	my ($code) = $ws->closed;
	cmp_ok time - $start, '<', 1, "$what: the WebSocket is closed within a second";
	is $code, 4401, "$what: with 4401";
	1 while defined $sse->next_event(5);
	pass "$what: the stream ends";
	is $wait->read_head->status, 401, "$what: the long-poll is refused";
	is $live->ws('/ws', Cookie => $live->cookie($token))->status, 401, "$what: and it is out";
}
revoked('sign-out', 'delete from muster.session where id = $1', 'sid');
{
	my ($token) = $live->session($live->{default}, 1.2);
	wait_for { $live->ws('/ws', Cookie => $live->cookie($token))->status == 101 } 'a short session is known';
	my $ws = $live->ws('/ws', Cookie => $live->cookie($token));
	my $start = time;
	is +($ws->closed)[0], 4401, 'a session that expires is closed';
	cmp_ok time - $start, '<', 3, 'in its time';
	is $live->ws('/ws', Cookie => $live->cookie($token))->status, 401, 'and is out';
}

# Tokens of the API
my $python = grep { -x "$_/python3" } split /:/, $ENV{PATH};
SKIP: {
	skip 'there is no python3', 9 unless $python;
	my $jwt = sub {
		my (%claim) = @_;
		my $claims = JSON::PP->new->canonical->encode({ exp => int(time) + 60, scope => 'stream',
			sub => $live->{default}{account}, org => $live->{default}{id},
			sid => $live->{default}{sid}, %claim });
		open my $out, '-|', 'python3', '-c', <<'PY', $claims or die;
import base64, hashlib, hmac, sys
b = lambda x: base64.urlsafe_b64encode(x).rstrip(b"=")
key = hashlib.blake2b(key=b"k" * 32, digest_size=32, salt=(1).to_bytes(8, "little"), person=b"muster__").digest()
text = b(b'{"alg":"HS256","typ":"JWT"}') + b"." + b(sys.argv[1].encode())
print((text + b"." + b(hmac.new(key, text, hashlib.sha256).digest())).decode(), end="")
PY
		return scalar <$out>;
	};
	my $with = sub { return $live->ws('/ws?token=' . $jwt->(@_), Cookie => undef) };
	is $with->()->status, 101, 'a stream token gets in';
	is $live->sse('/api/v1/sse/events', Cookie => undef, Authorization => 'Bearer ' . $jwt->(scope => undef))
		->status, 200, 'so does an access token as a header';
	is $with->(exp => int(time) - 1)->status, 401, 'an expired one does not';
	is $with->(scope => 'refresh')->status, 401, 'nor one for something else';
	is $with->(org => $other->{id})->status, 401, 'nor one that names another organization';
	is $live->ws('/ws?token=' . substr($jwt->(), 0, -2) . 'xx', Cookie => undef)->status, 401,
		'nor a forged one';

	my $gone = $with->(sid => '00000000-0000-4000-8000-000000000000');
	is $gone->status, 101, 'a session that is not known yet is taken and held';
	$live->event('repo-status-change', { n => 1 });
	is +($gone->closed)[0], 4401, 'until it turns out that there is none';
	is_deeply $gone->{seen}, [], 'and is told nothing meanwhile';
	for my $case (['/ws', { type => 'request-update' }],
		['/api/v1/dashboard/ws', { type => 'subscribe', last_event_id => '0' }]) {
		my ($path, $message) = @$case;
		# Sessions were read just now, and are not read again at once.
		$with->(sid => '00000000-0000-4000-8000-000000000001')->closed;
		my $asks = $live->ws("$path?token=" . $jwt->(sid => '00000000-0000-4000-8000-000000000002'),
			Cookie => undef);
		$asks->send_json($message);
		is +($asks->closed)[0], 4401, "one that sends $message->{type} at once is sent away, too";
		is_deeply $asks->{seen}, [], 'without an answer';
	}
	my (undef, $sid) = $live->session($live->{default});
	my $early = $with->(sid => $sid);
	$early->send_json({ type => 'ping' });
	is $early->next(type => 'pong')->{type}, 'pong', 'what a good one sends at once is answered when it is known';
}

# A session whose news was lost is found by its token.
done_testing;
