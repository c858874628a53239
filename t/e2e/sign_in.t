#!/usr/bin/perl
# SPDX-License-Identifier: MIT
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new;
$stack->account('ann@example.org', 'viewer');
is $stack->report([ { name => 'a', status => 'clean', path => '/srv/git/a' },
	{ name => 'b', status => 'dirty', path => '/srv/git/b' } ])->{new}, 1, 'a report is taken in';

my $nobody = $stack->client;
is $nobody->get('/healthz')->{status}, 200, 'the server says that it is well';
is $nobody->get('/api/v1/overview')->{status}, 401, 'nobody sees nothing';

my $ann = $stack->client->login('ann@example.org');
my $me = $ann->get('/api/v1/auth/me');
is $me->{status}, 200, 'the session is good';
is $me->{json}{email}, 'ann@example.org', 'and is of who signed in';
is $me->{json}{csrf_token}, $ann->csrf, 'a page that is loaded again gets the same CSRF token';

my $overview = $ann->get('/api/v1/overview');
is $overview->{status}, 200, 'the overview is shown';
is $overview->{json}{summary}{total}, 2, 'with the report';
my $repos = $ann->get('/api/v1/repos?status=dirty');
is $repos->{json}{items}[0]{name}, 'b', 'repositories are filtered by status';
done_testing;
