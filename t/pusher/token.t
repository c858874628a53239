#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# API tokens open live connections as sessions do, until they end; pages of named origins may, too.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Live;

my $live = Muster::Test::Live->new(Muster::Test->new, 'server.cors_origins' => 'https://app.example');
my $db = $live->db;

sub token_add {
	my ($name, $expires) = @_;
	my $token = "mst_$name" . 'x' x 40;
	$db->sql(q{insert into muster.token (organization_id, account_id, name, hint, token_hash, scopes, expires_at)
		select s.organization_id, s.account_id, $1, 'mst_', sha256(convert_to($2, 'UTF8')), '{read}', $3::timestamptz
		from muster.session s limit 1}, $name, $token, $expires);
	$live->wake;
	return $token;
}
sub opens { return $live->ws('/ws', Cookie => undef, @_)->status }

my $token = token_add('one');
wait_for { opens(Authorization => "Bearer $token") == 101 } 'the token is known';
is opens('X-API-Key' => $token), 101, 'as X-API-Key';
is $live->ws("/ws?token=$token", Cookie => undef)->status, 101, 'in the address, for what cannot send headers';
is $live->sse('/api/v1/sse/events', Cookie => undef, Authorization => "Bearer $token")->status, 200, 'for a stream';
is opens(Authorization => "Bearer ${token}x"), 401, 'another one is nothing';
is opens('X-API-Key' => $live->{session}), 401, 'nor is a cookie a token';

my $ws = $live->ws('/ws', Cookie => undef, Authorization => "Bearer $token");
$ws->next;
$live->event('repo-status-change', { n => 1 });
is $ws->next->{data}{n}, 1, 'events come';
$db->sql(q{delete from muster.token where name = 'one'});
$live->wake;
wait_for { opens(Authorization => "Bearer $token") == 401 } 'it has ended';
is +($ws->closed)[0], 4401, 'and so has what it opened';

my $short = token_add('short', '2000-01-01');
is opens(Authorization => "Bearer $short"), 401, 'one that is over opens nothing';

my @page = (Origin => 'https://app.example');
is $live->ws('/ws', @page)->status, 101, 'a named page gets in';
is $live->ws('/ws', Origin => 'https://app.example.evil')->status, 403, 'another does not';
my $stream = $live->sse('/api/v1/sse/events', @page);
is $stream->header('Access-Control-Allow-Origin'), 'https://app.example', 'and may read its stream';
is $live->sse('/api/v1/sse/events')->header('Access-Control-Allow-Origin'), undef, 'our own page needs no word';
my $status = $live->http('/api/ws/status', @page);
is $status->header('Access-Control-Allow-Origin'), 'https://app.example', 'nor is an answer at once kept from it';
done_testing;
