#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Requests that are not what they should be are refused before anything else sees them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use MIME::Base64 qw(encode_base64);
use Muster::Test;
use Muster::Test::Live;

my $live = Muster::Test::Live->new(Muster::Test->new);

for my $upgrade ('h2c', 'H2C', 'websocket, h2c', 'h2c, websocket', 'TLS/1.0', 'x' x 3000, '', 'websocket\0') {
	my $got = $live->ws('/ws', Upgrade => $upgrade, Connection => 'Upgrade, HTTP2-Settings',
		'HTTP2-Settings' => 'AAMAAABkAAQCAAAAAAIAAAAA');
	is $got->status, 400, 'no upgrade to ' . substr $upgrade, 0, 20;
}
is $live->ws('/ws', Upgrade => [qw(websocket h2c)])->status, 400, 'two Upgrade headers are refused';
is $live->ws('/ws', Upgrade => 'WebSocket')->status, 101, 'the word is taken in any case';
is $live->ws('/api/v1/sse/events', Upgrade => 'h2c')->status, 400, 'a stream does not upgrade';
is $live->ws('/api/ws/status', Upgrade => 'h2c')->status, 400, 'nor does a status';
is $live->http('/ws', Cookie => $live->cookie)->status, 426, 'without an upgrade /ws says what it speaks';
is $live->ws('/ws', Connection => 'close')->status, 400, 'Connection must say Upgrade';
is $live->ws('/ws', 'Sec-WebSocket-Version' => 8)->status, 400, 'other versions are refused';
for my $key (undef, '', 'short', 'x' x 24, encode_base64('x' x 15, ''), encode_base64('x' x 17, '')) {
	is $live->ws('/ws', 'Sec-WebSocket-Key' => $key)->status, 400,
		'the key must be one: ' . ($key // 'none');
}
is $live->ws('/nowhere')->status, 404, 'another address is not there';
is $live->ws('/ws/../api')->status, 404, 'and paths are not bent';
is $live->ws('/ws', method => 'POST')->status, 405, 'only GET is taken';
is $live->ws('/ws', 'Content-Length' => 5)->status, 400, 'a body is refused';
is $live->ws('/ws', 'Transfer-Encoding' => 'chunked')->status, 400, 'in every form';
is $live->ws('/ws', Host => [qw(a b)])->status, 400, 'two hosts are refused';
my $problem = $live->http('/nowhere');
is $problem->header('Content-Type'), 'application/problem+json', 'a refusal is a problem document';
is $problem->body_json->{status}, 404, 'with its status';

# Raw bytes.
sub raw {
	my ($bytes) = @_;
	my $self = Muster::WebSocket->open_socket($live->socket);
	$self->write($bytes);
	return $self->read_head->status;
}
is raw("GET /ws\r\n\r\n"), 400, 'HTTP/0.9 is refused';
is raw("\r\n\r\n"), 400, 'an empty request is refused';
is raw("GET /ws HTTP/1.1\r\nA: b\r\n folded\r\n\r\n"), 400, 'a folded line is refused';
is raw("GET /ws HTTP/1.1\r\nA b: c\r\n\r\n"), 400, 'a name with a space is refused';
is raw("GET /ws HTTP/1.1\r\nA: \x01\r\n\r\n"), 400, 'control characters are refused';
is raw("GET /ws HTTP/1.1\nHost: a\n\r\n\r\n"), 400, 'a lone line feed is refused';
is raw("GET /ws HTTP/1.1\r\nHost: a\r\n\r\nmore"), 400, 'something behind the head is refused';
is raw('GET /' . 'x' x 9000), 413, 'a head over 8 KiB is refused';
is raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400, 'HTTP/2 with prior knowledge is refused';

# A head in pieces, one byte at a time.
{
	my $self = Muster::WebSocket->open_socket($live->socket);
	$self->write($_) for split //, "GET /api/ws/status HTTP/1.1\r\nHost: a\r\n\r\n";
	is $self->read_head->status, 200, 'a head that comes byte by byte is read';
}

# Random damage to a good request never does harm.
srand 7;
my $good = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " . encode_base64('k' x 16, '') . "\r\n"
	. 'Cookie: ' . $live->cookie . "\r\n\r\n";
my %seen;
for (1 .. 400) {
	my $bytes = $good;
	for (0 .. int rand 4) {
		my $at = int rand length $bytes;
		my $what = rand;
		if ($what < 0.4) { substr $bytes, $at, 1, chr int rand 256 }
		elsif ($what < 0.7) { substr $bytes, $at, int rand 20, '' }
		else { substr $bytes, $at, 0, substr $good, int rand length $good, int rand 40 }
	}
	$bytes .= "\r\n\r\n" unless $bytes =~ /\r\n\r\n\z/;
	$seen{ raw($bytes) }++;
}
is_deeply [grep { !/^(?:101|400|401|403|404|405|413|426)$/ } keys %seen], [],
	'damaged requests are answered with a refusal';
ok $live->{pusher}->is_running, 'and the pusher lives';
is $live->ws('/ws')->status, 101, 'and serves';

# Heads that never end are dropped, and hold nobody up.
my @slow = map { Muster::WebSocket->open_socket($live->socket) } 1 .. 50;
$_->write('GET /ws HTTP/1.1') for @slow;
is $live->ws('/ws')->status, 101, 'others are served beside unfinished requests';
is $slow[0]->fill(15), 0, 'an unfinished request is dropped after a while';

done_testing;
