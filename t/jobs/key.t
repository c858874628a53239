#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# muster key: the master key gets a successor while everything runs, and nobody notices.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new;
my $db = $stack->db;
my %env = (PGUSER => 'postgres', MUSTER_CONF => $stack->conf);
my $run = sub { return run_program([program('muster'), 'key', @_], env => \%env) };
my $file = $stack->stand->state_dir . '/key';

$stack->account('ann@example.org', 'org_admin');
$stack->report([{ name => 'a', status => 'clean' }]);
my $client = $stack->client;
sub token { return $stack->client->login('ann@example.org')->tokens->{access_token} }
sub asked { return $client->get('/api/v1/repos', Authorization => "Bearer $_[0]")->{status} }
# What the pusher answers at once.
sub streamed { return $client->get('/api/v1/events/wait?after=0', Authorization => "Bearer $_[0]")->{status} }

my $old = token();
is asked($old), 200, 'a token of the first key is good';
is streamed($old), 200, 'for streams as well';
my $ann = $stack->client->login('ann@example.org');
my $begun = $ann->post('/api/v1/auth/totp', { password => $Muster::Stack::PASSWORD });
is $begun->{status}, 201, 'something is sealed' or diag $begun->{content};
my $sealed = $db->value('select sealed from muster.totp');
my $first = slurp($file);

my ($code, $out) = $run->('list');
like $out, qr/\A[0-9a-f]{8}\tsigns and seals\t1 sealed\n\z/, 'one key does all of it';
my ($name) = $out =~ /^(\w+)/;

($code, $out) = $run->('rotate');
is $code, 0, 'it gets a successor';
is length slurp($file), 64, 'and stays beside it';
is substr(slurp($file), 32), $first, 'as it was';
is sprintf('%o', (stat $file)[2] & 07777), '600', 'and only its owner reads it';
isnt $db->value('select sealed from muster.totp'), $sealed, 'what was sealed is sealed anew';
like +($run->('list'))[1], qr/\A(?!$name)[0-9a-f]{8}\tsigns and seals\t1 sealed\n$name\tverifies and opens\t0 sealed\n\z/,
	'by the new one';
is asked($old), 200, 'the programs that run take the old token';
is streamed($old), 200, 'the pusher, too';
my $new = token();
is asked($new), 200, 'and what the new key signs';
is streamed($new), 200, 'the pusher, too';

my ($refused, undef, $why) = $run->('drop');
is $refused, 1, 'the old one does not go while tokens of it live';
like $why, qr/30 minutes.*--now/, 'and it is said for how long, and what ends that';
is length slurp($file), 64, 'nothing has changed';
utime time - 1900, time - 1900, $file;
($code, $out) = $run->('drop');
is $code, 0, 'half an hour later it goes';
is length slurp($file), 32, 'from the file';
is asked($old), 401, 'and what it had signed is worth nothing';
is streamed($old), 401, 'nowhere';
is asked($new), 200, 'the other goes on';
like +($run->('list'))[1], qr/\A(?!$name)[0-9a-f]{8}\tsigns and seals\t1 sealed\n\z/, 'nothing sealed was lost';
is +($run->('drop'))[0], 0, 'the last one stays';
is length slurp($file), 32, 'always';
is $db->value(q{select string_agg(action, ' ' order by id) from muster.trail where action like 'key.%'}),
	'key.rotate key.drop', 'all of it is on the trail';

$run->('rotate');
is +($run->('drop', '--now'))[0], 0, 'a key that others may have goes at once';
is asked($new), 401, 'with what it had signed';
is asked(token()), 200, 'and people go on';

spew($file, 'y' x 32);
chmod 0600, $file;
($code, $out, $why) = $run->('list');
is $code, 1, 'with another key altogether something is lost';
like $why, qr/1 secrets .* not here/, 'and it is said';
is +($run->('nonsense'))[0], 2, 'there are three verbs';

# What is sealed anew is a list: whoever seals in another table adds it there.
my $listed = slurp(src_dir() . '/jobs/key.c');
is join(' ', grep { $listed !~ /from muster\.\Q$_\E"/ } split / /, $db->value(
	q{select string_agg(table_name, ' ') from information_schema.columns where table_schema = 'muster'
	  and column_name like '%sealed%'})), '', 'a rotation knows every table with something sealed';

done_testing;
