# SPDX-License-Identifier: MIT
package Muster::WebSocket;

# A WebSocket client (RFC 6455) over a Unix socket or TCP (host:port), and a reader of plain HTTP
# answers and event streams: what the tests of the pusher speak. Perl core modules only.
#
#	my $ws = Muster::WebSocket->connect($path, '/ws', Cookie => "muster_session=$token");
#	$ws->status;				# 101, or what the server answered instead
#	$ws->send_json({ type => 'ping' });
#	my $message = $ws->next(type => 'pong');	# decoded; others before it are skipped
#	my ($code, $reason) = $ws->closed;	# waits for the close frame; 1006 when there is none
#
#	my $sse = Muster::WebSocket->get($path, '/api/v1/sse/events', Cookie => …);
#	my $event = $sse->next_event;		# { id, event, data (decoded), text }
#
# Everything waits with a deadline of Muster::Test and dies when it passes; quiet($s) is true when
# nothing comes for that long.

use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Time::HiRes qw(time);

our $DEADLINE_S = $ENV{MUSTER_TEST_DEADLINE_S} || 20;
my $json = JSON::PP->new->utf8->canonical;

sub open_socket {
	my ($class, $path) = @_;
	my $socket = $path =~ m{^/} ? IO::Socket::UNIX->new(Peer => $path)
		: IO::Socket::INET->new(PeerAddr => $path);
	die "$path: $!\n" unless $socket;
	return bless { socket => $socket, in => '', frames => [], parts => '', seen => [] }, $class;
}

# Sends a request head made of a path and headers; nothing is read.
sub request {
	my ($class, $path, $target, %header) = @_;
	my $self = $class->open_socket($path);
	my $method = delete $header{method} // 'GET';
	my $head = "$method $target HTTP/1.1\r\n";
	%header = (Host => 'muster.test', %header);
	for my $name (sort keys %header) {
		next unless defined $header{$name};
		$head .= "$name: $_\r\n" for ref $header{$name} ? @{ $header{$name} } : $header{$name};
	}
	$self->write("$head\r\n");
	return $self;
}

sub connect {
	my ($class, $path, $target, %header) = @_;
	my $self = $class->request($path, $target, Upgrade => 'websocket', Connection => 'Upgrade',
		'Sec-WebSocket-Version' => 13,
		'Sec-WebSocket-Key' => encode_base64(pack('N4', map { int rand 2**32 } 1 .. 4), ''), %header);
	return $self->read_head;
}

sub get {
	my ($class, $path, $target, %header) = @_;
	return $class->request($path, $target, %header)->read_head;
}

sub write {
	my ($self, $bytes) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $at = 0;
	while ($at < length $bytes) {
		my $sent = syswrite $self->{socket}, $bytes, length($bytes) - $at, $at;
		return 0 unless $sent;
		$at += $sent;
	}
	return 1;
}

# More bytes into the buffer; 0 at the end of the connection, undef when the time is over.
sub fill {
	my ($self, $seconds) = @_;
	my $bits = '';
	vec($bits, fileno $self->{socket}, 1) = 1;
	my $end = time + $seconds;
	while (1) {
		my $left = $end - time;
		return undef if $left <= 0;
		my $n = select(my $ready = $bits, undef, undef, $left);
		next if $n < 0;
		return undef if $n == 0;
		my $got = sysread $self->{socket}, $self->{in}, 65536, length $self->{in};
		return $got || 0;
	}
}

sub read_head {
	my ($self) = @_;
	my $end = time + $DEADLINE_S;
	while (index($self->{in}, "\r\n\r\n") < 0) {
		my $got = $self->fill($end - time);
		die "no answer: $self->{in}\n" unless defined $got;
		if (!$got) {
			$self->{status} = 0;
			return $self;
		}
	}
	$self->{head} = substr $self->{in}, 0, index($self->{in}, "\r\n\r\n") + 2;
	substr $self->{in}, 0, 2 + length $self->{head}, '';
	($self->{status}) = $self->{head} =~ m{\AHTTP/1\.1 (\d+)};
	return $self;
}

sub status { return $_[0]{status} }

sub header {
	my ($self, $name) = @_;
	return $self->{head} =~ /^\Q$name\E:\s*(.*?)\s*$/mi ? $1 : undef;
}

# The rest until the end of the connection.
sub body {
	my ($self) = @_;
	my $end = time + $DEADLINE_S;
	while (1) {
		my $got = $self->fill($end - time);
		die "the answer has no end\n" unless defined $got;
		return $self->{in} unless $got;
	}
}

sub body_json { return $json->decode($_[0]->body) }

sub send_frame {
	my ($self, $opcode, $payload, %option) = @_;
	utf8::encode($payload) if utf8::is_utf8($payload);
	my $fin = $option{more} ? 0 : 0x80;
	my $mask = $option{unmasked} ? '' : pack 'N', int rand 2**32;
	my $bit = $option{unmasked} ? 0 : 0x80;
	my $n = length $payload;
	my $head = pack 'C', $fin | $opcode | ($option{rsv} // 0);
	$head .= $n < 126 ? pack('C', $bit | $n)
		: $n < 65536 ? pack('Cn', $bit | 126, $n) : pack('CQ>', $bit | 127, $n);
	my $masked = $mask eq '' ? $payload
		: $payload ^ substr($mask x (int($n / 4) + 1), 0, $n);
	return $self->write($head . $mask . $masked);
}

sub send_text { return $_[0]->send_frame(1, $_[1]) }
sub send_json { return $_[0]->send_frame(1, $json->encode($_[1])) }

# One whole frame from the buffer as [opcode, payload, fin], or nothing.
sub frame_take {
	my ($self) = @_;
	my $in = \$self->{in};
	return if length $$in < 2;
	my ($first, $second) = unpack 'CC', $$in;
	my ($n, $at) = ($second & 127, 2);
	if ($n == 126) {
		return if length $$in < 4;
		($n, $at) = (unpack('x2n', $$in), 4);
	} elsif ($n == 127) {
		return if length $$in < 10;
		($n, $at) = (unpack('x2Q>', $$in), 10);
	}
	die "the server masked a frame\n" if $second & 128;
	return if length $$in < $at + $n;
	my $payload = substr $$in, $at, $n;
	substr $$in, 0, $at + $n, '';
	return [$first & 15, $payload, $first & 128];
}

# The next whole message as text; pings are answered. undef: closed, or the time is over.
sub next_text {
	my ($self, $seconds) = @_;
	my $end = time + ($seconds // $DEADLINE_S);
	while (1) {
		if (my $frame = $self->frame_take) {
			my ($opcode, $payload, $fin) = @$frame;
			if ($opcode == 9) {
				push @{ $self->{pings} }, $payload;
				$self->send_frame(10, $payload) unless $self->{mute};
			} elsif ($opcode == 8) {
				$self->{close} = [length $payload >= 2 ? unpack('n', $payload) : 1005,
					substr($payload, 2) // ''];
				$self->send_frame(8, $payload);
				return undef;
			} elsif ($opcode == 1 || $opcode == 0) {
				$self->{parts} .= $payload;
				next unless $fin;
				my $text = $self->{parts};
				$self->{parts} = '';
				return $text;
			}
			next;
		}
		my $got = $self->fill($end - time);
		if (!defined $got) {
			$self->{late} = 1;
			return undef;
		}
		if (!$got) {
			$self->{close} //= [1006, ''];
			return undef;
		}
	}
}

# The next message that has these members; what came before it is in $self->{skipped}.
sub next {
	my ($self, %want) = @_;
	my $end = time + (delete $want{within} // $DEADLINE_S);
	$self->{skipped} = [];
	while (1) {
		my $text = $self->next_text($end - time);
		unless (defined $text) {
			require Carp;
			my $last = join ' ', map { $json->encode($_) } @{ $self->{skipped} };
			Carp::croak("no message with " . $json->encode(\%want) . ' but '
				. ($self->{close} ? "close @{ $self->{close} }" : 'nothing more') . " after $last");
		}
		my $message = $json->decode($text);
		my @wrong = grep { ($message->{$_} // "\0") ne $want{$_} } keys %want;
		return $message unless @wrong;
		push @{ $self->{skipped} }, $message;
	}
}

# True when no message comes for so long.
sub quiet {
	my ($self, $seconds) = @_;
	my $text = $self->next_text($seconds);
	push @{ $self->{seen} }, $text if defined $text;
	return !defined $text && !$self->{close};
}

sub closed {
	my ($self, $seconds) = @_;
	my $end = time + ($seconds // $DEADLINE_S);
	while (!$self->{close}) {
		my $text = $self->next_text($end - time);
		push @{ $self->{seen} }, $text if defined $text;
		die "the connection is still open\n" if !defined $text && !$self->{close};
	}
	return @{ $self->{close} };
}

# The next event of a stream; comments and frames without data are skipped. undef: the end.
sub next_event {
	my ($self, $seconds) = @_;
	my $end = time + ($seconds // $DEADLINE_S);
	while (1) {
		while ($self->{in} =~ s/\A(.*?)\n\n//s) {
			my %event;
			for my $line (split /\n/, $1) {
				$event{$1} = defined $event{$1} ? "$event{$1}\n$2" : $2
					if $line =~ /\A([a-z]+): ?(.*)\z/;
			}
			$self->{retry} = $event{retry} if defined $event{retry};
			next unless defined $event{data};
			$event{text} = $event{data};
			$event{data} = $json->decode($event{data});
			return \%event;
		}
		my $got = $self->fill($end - time);
		die "no event came: $self->{in}\n" unless defined $got;
		return undef unless $got;
	}
}

# The next event whose data is of this type.
sub next_event_of {
	my ($self, $type) = @_;
	while (my $event = $self->next_event) {
		return $event if $event->{data}{type} eq $type;
	}
	die "the stream ended before an event $type\n";
}

sub close { my ($self) = @_; return CORE::close $self->{socket} }

1;
