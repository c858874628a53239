#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The difference between two audits: of a root, one after the other or far apart, and of two roots.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
$stack->account('viewer@example.org', 'viewer');
my $viewer = $stack->session('viewer@example.org');
$stack->root('/srv/git');
sub repo { return { name => $_[0], status => $_[1], path => "/srv/git/$_[0]", healthScore => $_[2] } }
sub audited {
	my ($repos, %option) = @_;
	return $stack->report($repos, %option)->{audit_id};
}
my $first = audited([repo('a', 'clean', 100), repo('b', 'clean', 90), repo('c', 'dirty', 50), repo('d', 'clean', 80)]);
my $second = audited([repo('a', 'clean', 100), repo('b', 'dirty', 60), repo('c', 'clean', 95), repo('d', 'clean', 70)]);
my $third = audited([repo('a', 'clean', 100), repo('b', 'dirty', 60), repo('e', 'missing', undef), repo('d', 'clean', 70)]);

sub ask { return $stack->cgi(GET => "/api/v1/audits/$_[0]", session => $viewer) }
sub told {
	return [map { [$_->{repository}{name}, $_->{change}, $_->{trend}] } @{ $_[0]{json}{items} }];
}

subtest 'one audit and the one before' => sub {
	my $diff = ask("$second/diff");
	is $diff->{status}, 200, 'is told' or diag $diff->{body};
	is_deeply told($diff), [['b', 'changed', 'worse'], ['c', 'changed', 'better'], ['d', 'changed', 'worse']],
		'what is worse or better';
	is_deeply $diff->{json}{items}[0]{before}, { status => 'clean', health_score => 90 }, 'with what it was';
	is_deeply $diff->{json}{items}[0]{after}, { status => 'dirty', health_score => 60 }, 'and is';
	is_deeply $diff->{json}{counts}, { added => 0, removed => 0, changed => 3, same => 1 }, 'and how many';
	is_deeply [map { $_->{audit_id} } @{ $diff->{json} }{qw(from to)}], [$first, $second], 'between the two';
	is $diff->{json}{average} + 0, 1.3, 'the average of the scores' or diag $diff->{body};
	is $diff->{json}{summary}{dirty}, 0, 'and each counter';
};

subtest 'any two of a root' => sub {
	my $diff = ask("$third/diff?from=$first");
	is_deeply told($diff), [['b', 'changed', 'worse'], ['c', 'removed', undef], ['d', 'changed', 'worse'],
		['e', 'added', undef]], 'with what came and went';
	is_deeply [map { $_->{before}, $_->{after} } @{ $diff->{json}{items} }[1, 3]], [{ status => 'dirty', health_score => 50 },
		undef, undef, { status => 'missing', health_score => undef }], 'of which there is one side';
	is_deeply told(ask("$third/diff?from=$first&change=added,removed")), [['c', 'removed', undef], ['e', 'added', undef]],
		'or only that';
	is_deeply told(ask("$first/diff?from=$third")), [['b', 'changed', 'better'], ['c', 'added', undef],
		['d', 'changed', 'better'], ['e', 'removed', undef]], 'and the other way round';
	my $page = ask("$third/diff?from=$first&limit=3");
	is scalar @{ $page->{json}{items} }, 3, 'page';
	is_deeply told(ask("$third/diff?from=$first&limit=3&cursor=$page->{json}{next}")), [['e', 'added', undef]], 'by page';
	is_deeply told(ask("$third/diff?from=$third")), [], 'with itself there is none';
};

subtest 'two roots' => sub {
	my $other = audited([repo('a', 'dirty', 40), repo('z', 'clean', 100)], root => 'more', host => 'there');
	is_deeply told(ask("$other/diff?from=$third&change=changed,added")), [['a', 'changed', 'worse'], ['z', 'added', undef]],
		'by name';
	is ask("$other/diff")->{status}, 404, 'the first of a root has none before';
	is ask($other)->{json}{host}, 'there', 'one audit alone';
};

subtest 'what is not there' => sub {
	$stack->organization('other');
	$stack->report([repo('x', 'clean', 1)], organization => 'other');
	my $theirs = $stack->db->value('select max(id) from muster.audit');
	is ask($theirs)->{status}, 404, "another's audit";
	is ask("$third/diff?from=$theirs")->{status}, 404, 'is not compared';
	is ask("$theirs/diff?from=$third")->{status}, 404, 'nor with';
	is ask('999999/diff')->{status}, 404, 'nor one that never was';
	is ask("$third/diff?cursor=nonsense")->{status}, 400, 'a cursor is one of ours';
};

done_testing;
