# SPDX-License-Identifier: MIT
package Muster::FastCGI;

# The FastCGI protocol as a web server speaks it, one request a connection.
#
#	my ($out, $ended) = fcgi_ask($socket, fcgi_begin(%env) . fcgi_record($FCGI_STDIN, ''));
#
# Source: the FastCGI specification 1.0, sections 3 and 8.
use strict;
use warnings;
use Exporter 'import';
use IO::Socket::UNIX;

our @EXPORT = qw(fcgi_record fcgi_begin fcgi_body fcgi_ask
	$FCGI_BEGIN $FCGI_ABORT $FCGI_PARAMS $FCGI_STDIN);
our ($FCGI_BEGIN, $FCGI_ABORT, $FCGI_PARAMS, $FCGI_STDIN) = (1, 2, 4, 5);
my ($END, $STDOUT) = (3, 6);
my $KEEP = 1;
my $RECORD_BYTES = 65535;

sub fcgi_record {
	my ($type, $content) = @_;
	return pack('CCnnCC', 1, $type, 1, length $content, 0, 0) . $content;
}

# In as many records as it needs, and the empty one that ends it.
sub stream {
	my ($type, $bytes) = @_;
	my $records = '';
	while (length $bytes) {
		$records .= fcgi_record($type, substr $bytes, 0, $RECORD_BYTES, '');
	}
	return $records . fcgi_record($type, '');
}

# A request with that environment; its body comes after it. Option keep => 1 as the first pair.
sub fcgi_begin {
	my (%env) = @_;
	my $flags = delete $env{keep} ? $KEEP : 0;
	my $params = join '', map { (pack 'NN', length($_) | 1 << 31, length($env{$_}) | 1 << 31) . $_ . $env{$_} }
		sort keys %env;
	return fcgi_record($FCGI_BEGIN, pack 'nCx5', 1, $flags) . stream($FCGI_PARAMS, $params);
}

sub fcgi_body { return stream($FCGI_STDIN, $_[0]) }

# Sends, reads to the end: (output, whether the request was ended properly).
sub fcgi_ask {
	my ($path, @records) = @_;
	my $client = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!\n";
	my ($bytes, $out, $ended) = ('', '', 0);
	local $SIG{PIPE} = 'IGNORE';
	for my $record (@records) {
		my $sent = 0;
		while ($sent < length $record) {
			my $count = syswrite $client, $record, length($record) - $sent, $sent;
			last if !defined $count;
			$sent += $count;
		}
	}
	while (sysread $client, $bytes, 65536, length $bytes) {}
	while (length $bytes >= 8) {
		my (undef, $type, undef, $len, $pad) = unpack 'CCnnC', $bytes;
		$out .= substr $bytes, 8, $len if $type == $STDOUT;
		$ended = 1 if $type == $END;
		substr $bytes, 0, 8 + $len + $pad, '';
	}
	return ($out, $ended);
}

1;
