#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What people do about what an audit says: asked for by whom it is allowed to, to what the audit found
# and nothing else, once, and with a look before.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use MIME::Base64 qw(decode_base64);
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stand = Muster::Test->new;
my $box = $stand->dir . '/letters';
my $sendmail = spew($stand->dir . '/sendmail', "#!/bin/sh\n{ echo \"\$*\"; cat; } >>'$box'\n");
chmod 0755, $sendmail;
my $stack = Muster::Stack->new(stand => $stand, front => 'none', conf => { 'server.sendmail' => $sendmail });
my $db = $stack->db;
my %in;
for my $role (qw(viewer developer team_lead)) {
	$stack->account("$role\@example.org", $role);
	$in{$role} = $stack->session("$role\@example.org");
}
$stack->root('/srv/git');
my $url = 'https://forge.example/ours/%s.git';
my %repo = (
	gone => { status => 'missing', clone_url => sprintf($url, 'gone') },
	changed => { status => 'dirty' },
	odd => { status => 'extra' },
	moved => { status => 'mismatched', remote_url => sprintf($url, 'old'), expected_url => sprintf($url, 'moved') },
	fine => { status => 'clean', remote_url => sprintf($url, 'fine') },
);
sub see { return $stack->report([map { { name => $_, path => "/srv/git/$_", %{ $repo{$_} } } } sort keys %repo]) }
see();

sub ask {
	my ($what, $body, $who) = @_;
	return $stack->cgi(POST => "/audit/$what", session => $in{ $who // 'team_lead' },
		body => JSON::PP->new->utf8->encode($body));
}
sub jobs { return [$db->rows(q{select payload->>'operation', payload->>'name' from muster.job order by id})] }

subtest 'a look before' => sub {
	my $look = ask(clone => { repo => 'gone', dry_run => \1 });
	is $look->{status}, 202, 'is given';
	is $look->{json}{status}, 'preview', 'as one';
	is $look->{json}{preview}, 'Clone gone from https://forge.example/ours/gone.git.', 'in words';
	is $look->{json}{run_id}, undef, 'without a run';
	is_deeply jobs(), [], 'and nothing is to be done';
};

subtest 'each does what fits' => sub {
	my %what = (clone => ['gone', {}], commit => ['changed', { message => 'tidy' }], discard => ['changed', {}],
		'fix-remote' => ['moved', {}], delete => ['odd', { confirm => 'odd' }]);
	for my $what (sort keys %what) {
		my ($repo, $more) = @{ $what{$what} };
		my $done = ask($what => { repo => $repo, %$more });
		is $done->{status}, 202, "$what is taken";
		is $done->{json}{status}, 'queued', 'to be done';
		is $db->value('select kind from muster.run where id = $1', $done->{json}{run_id}), 'remediate', 'by a run';
		is ask($what => { repo => $repo, %$more })->{json}{run_id}, $done->{json}{run_id}, 'asked twice it is one';
		my $wrong = ask($what => { repo => 'fine', %$more, $what eq 'delete' ? (confirm => 'fine') : () });
		is $wrong->{status}, 409, 'to one that is fine there is nothing to do';
		ok length $wrong->{json}{error}, 'which is said where old clients look';
	}
	is scalar @{ jobs() }, 5, 'five jobs';
	is $db->value(q{select payload->>'message' from muster.job where payload->>'operation' = 'commit'}), 'tidy',
		'with what was asked for';
	is $db->value(q{select host from muster.job where payload->>'operation' = 'clone'}), 'localhost', 'on its host';
	is $db->value(q{select count(*) from muster.trail where action like 'remediation.%'}), 5, 'each is in the trail';
};

subtest 'a commit that nothing is said about' => sub {
	$db->sql(q{delete from muster.job where payload->>'operation' = 'commit'});
	my $done = ask(commit => { repo => 'changed' });
	is $done->{status}, 202, 'is taken';
	is $db->value(q{select payload->>'message' from muster.job where run_id = $1}, $done->{json}{run_id}),
		'Auto commit from GitOps audit', 'and says what it always said';
};

subtest 'only what was seen is thrown away' => sub {
	my $see = sub { $db->sql(q{update muster.repo set report = report || jsonb_build_object('changes_digest', $1::text) where name = 'changed'}, $_[0]) };
	$db->sql(q{delete from muster.job where payload ->> 'operation' = 'discard'});
	$see->('a' x 64);
	my $look = ask(discard => { repo => 'changed', dry_run => JSON::PP::true })->{json};
	is $look->{seen}, 'a' x 64, 'a preview says which changes it is about';
	$see->('b' x 64);
	is ask(discard => { repo => 'changed', seen => $look->{seen} })->{status}, 409, 'those that came since are not thrown away';
	is $db->value(q{select count(*) from muster.job where payload ->> 'operation' = 'discard'}), 0, 'nor is anything asked for';
	is ask(discard => { repo => 'changed', seen => 'b' x 64 })->{status}, 202, 'those that were seen are';
	is $db->value(q{select payload #>> '{seen,digest}' from muster.job where payload ->> 'operation' = 'discard'}), 'b' x 64,
		'by a job that knows them';
};

subtest 'nobody leads a host anywhere else' => sub {
	is ask(clone => { repo => 'gone', clone_url => 'https://evil.example/x.git' })->{status}, 400, 'to another address';
	is ask('fix-remote' => { repo => 'moved', expected_url => 'https://evil.example/x.git' })->{status}, 400,
		'to another remote';
	is ask(delete => { repo => '../../etc', confirm => '../../etc' })->{status}, 404, 'to a path';
	is ask(delete => { repo => 'odd' })->{status}, 400, 'nor deletes by a slip';
};

subtest 'who may' => sub {
	is ask(commit => { repo => 'changed' }, 'viewer')->{status}, 403, 'a viewer nothing';
	is ask(commit => { repo => 'changed' }, 'developer')->{status}, 202, 'a developer what can be undone';
	for my $what (qw(discard delete)) {
		is ask($what => { repo => 'odd', confirm => 'odd' }, 'developer')->{status}, 403, "but not $what";
	}
	is ask(batch => { operation => 'delete', repos => ['odd'] }, 'developer')->{status}, 403, 'nor by the dozen';
};

subtest 'several at once' => sub {
	my $done = ask(batch => { operation => 'clone', repos => [qw(gone fine nothing)] })->{json};
	is_deeply [map { [$_->{repo}, $_->{success} ? 1 : 0] } @{ $done->{results} }],
		[['gone', 1], ['fine', 0], ['nothing', 0]], 'each by itself';
	like $done->{results}[1]{error}, qr/no address to clone it from/, 'with a reason';
	local @repo{qw(moved1 moved2 odd1 odd2)} = ((map { { %{ $repo{moved} }, expected_url => sprintf($url, $_) } } 'moved1', 'moved2'),
		{ status => 'extra' }, { status => 'extra' });
	see();
	my %what = ('fix-remote' => ['fix_remote', 'moved1', 'moved2'], delete => ['delete', 'odd1', 'odd2']);
	for my $what (sort keys %what) {
		my ($operation, @names) = @{ $what{$what} };
		my $look = ask(batch => { operation => $what, repos => [@names, 'fine'], dry_run => \1 })->{json};
		is_deeply [map { [$_->{repo}, $_->{success} ? 1 : 0, $_->{run_id}] } @{ $look->{results} }],
			[(map { [$_, 1, undef] } @names), ['fine', 0, undef]], "$what of several can be looked at before";
		$done = ask(batch => { operation => $what, repos => [@names, 'fine'] })->{json};
		is_deeply [map { [$_->{repo}, $_->{success} ? 1 : 0] } @{ $done->{results} }], [(map { [$_, 1] } @names), ['fine', 0]],
			"$what is asked for of those that it fits";
		my @runs = map { $_->{run_id} } @{ $done->{results} }[0, 1];
		is_deeply [$db->rows(q{select payload->>'operation', payload->>'name', payload->>'url' from muster.job
			where run_id = any ($1) order by id}, '{' . join(',', @runs) . '}')],
			[map { [$operation, $_, $what eq 'delete' ? undef : sprintf $url, $_] } @names], 'a run and a job for each';
	}
	is ask(batch => { operation => 'clone', repos => [] })->{status}, 400, 'of at least one';
	is ask(batch => { operation => 'explode', repos => ['a'] })->{status}, 400, 'of what there is';
};
see();

subtest 'a mismatch is told' => sub {
	my $moved = $stack->cgi(GET => '/audit/mismatch/moved', session => $in{viewer})->{json};
	is_deeply $moved, { repo => 'moved', currentUrl => sprintf($url, 'old'), expectedUrl => sprintf($url, 'moved'),
		mismatch => JSON::PP::true }, 'where there is one';
	is $stack->cgi(GET => '/audit/mismatch/fine', session => $in{viewer})->{json}{mismatch}, JSON::PP::false,
		'and where not';
	is $stack->cgi(GET => '/audit/mismatch/nothing', session => $in{viewer})->{status}, 404, 'and of nothing nothing';
};

subtest 'the audit as a letter' => sub {
	my $sent = ask('email-summary' => {});
	is $sent->{json}{status}, 'Email sent successfully', 'is sent';
	is $sent->{json}{recipient}, 'team_lead@example.org', 'to oneself';
	my ($head, @part) = split /\n--=_muster_part(?:--)?\n/, slurp($box);
	like $head, qr/^Subject: \[GitOps Audit\] Audit Summary - (?:GREEN|YELLOW|RED) \(5 repos, 1 dirty\)\n/m, 'as what it is known by';
	my ($text, $html) = map { decode_base64((split /\n\n/, $_, 2)[1]) } @part;
	like $text, qr/^Repositories: 5\n.*^missing\s+gone\n/ms, 'with what needs attention';
	like $html, qr{<td>missing</td><td>gone</td>}, 'in HTML, too';
	is ask('email-summary' => { email => 'viewer@example.org' })->{json}{recipient}, 'viewer@example.org', 'or to a member';
	is ask('email-summary' => { email => 'stranger@example.org' })->{status}, 400, 'but to no stranger';
	is ask('run-comprehensive' => {})->{json}{status}, 'pending', 'and the next one is asked for';
};

done_testing;
