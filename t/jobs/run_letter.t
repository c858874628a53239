#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The daily summary: kept by the runner, read by the API, and sent by the mail program to who wants it, once.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stand = Muster::Test->new;
my $box = $stand->dir . '/letters';
my $sendmail = spew($stand->dir . '/sendmail', "#!/bin/sh\n{ echo \"\$*\"; cat; echo; echo .; } >>'$box'\n"
	. "test ! -e '$box.refuse'\n");
chmod 0755, $sendmail;
my $stack = Muster::Stack->new(stand => $stand, front => 'none', conf => { 'server.sendmail' => $sendmail });
my $db = $stack->db;
my %in;
for my $role (qw(viewer team_lead org_admin)) {
	$stack->account("$role\@example.org", $role);
	$in{$role} = $stack->session("$role\@example.org");
}

my $said = '';
sub work {
	my ($code, $out, $err) = run_program([program('muster-server'), 'run', '--once', '--conf', $stack->conf],
		env => { HOME => $stand->dir });
	return $said = $err;
}
sub api {
	my ($role, $method, $path, $body) = @_;
	return $stack->cgi($method, "/api/v1/$path", session => $in{$role},
		defined $body ? (body => JSON::PP->new->encode($body)) : ());
}
sub letters { # [address, head, text, html] of each that was sent since
	my @all = -e $box ? split /\n\.\n/, slurp($box) : ();
	unlink $box;
	my @letters;
	for (@all) {
		my ($argv, $letter) = split /\n/, $_, 2;
		my ($head, @part) = split /\n--=_muster_part(?:--)?\n/, $letter;
		push @letters, [$argv, $head, map { decode_base64((split /\n\n/, $_, 2)[1] // '') } @part[0, 1]];
	}
	return sort { $a->[0] cmp $b->[0] } @letters;
}

my $it = api(team_lead => POST => 'schedules', { kind => 'report', cron => '0 3 * * *' })->{json};
is $it->{kind}, 'report', 'a summary comes by a schedule';
is api(team_lead => POST => 'schedules', { kind => 'report', cron => '@daily', project_id => 'default' })->{status}, 400,
	'it is of the whole organization';
sub ask { return api(team_lead => POST => "schedules/$it->{id}/run")->{status} }
work(); # which tells what kinds there are
is ask(), 409, 'without a report there is nothing to tell';
$stack->root('/srv/git');
$stack->report([{ name => 'fine', status => 'clean', path => '/srv/git/fine' },
	{ name => '<b>"odd"&', status => 'dirty', path => '/srv/git/odd' }]);
is ask(), 202, 'else it can be made now';
work();
is_deeply [letters()], [], 'nobody gets a letter unless somebody said so';
my $list = api(viewer => GET => 'summaries')->{json}{items};
is scalar @$list, 1, 'it is kept';
is $list->[0]{subject}, '[GitOps Audit] Audit Summary - ' . uc($list->[0]{health_status}) . ' (2 repos, 1 dirty)', 'with its subject';
is_deeply $list->[0]{letters}, { waiting => 0, sent => 0, failed => 0, error => undef }, 'and what became of letters';
is $list->[0]{findings}, undef, 'of findings nothing is known';
my $one = api(viewer => GET => "summaries/$list->[0]{id}")->{json};
is_deeply [map { "$_->{status} $_->{name}" } @{ $one->{repositories} }], ['dirty <b>"odd"&'], 'one day has what needs attention';
like $one->{text}, qr/^Repositories: 2\n.*^dirty\s+<b>"odd"&$/ms, 'and the text of the letter';
is api(viewer => GET => 'summaries/4711')->{status}, 404, 'one that is not there is missing';

is api(org_admin => PUT => 'settings/report.recipients', { value => 'administrators' })->{status}, 200, 'administrators want it';
$stack->scanned('fine', [{ fingerprint => 'f', rule => 'r', title => 't', severity => 'high' }]);
is ask(), 202, 'asked for once more';
work();
is scalar @{ api(viewer => GET => 'summaries')->{json}{items} }, 1, 'a day has one';
my @letters = letters();
is_deeply [map { $_->[0] } @letters], ['-i -- org_admin@example.org'], 'they get it, and nobody else';
like $letters[0][1], qr/^Subject: \[GitOps Audit\] Audit Summary - (GREEN|YELLOW|RED) \(2 repos, 1 dirty\)$/m, 'by the subject that is asked for';
like $letters[0][2], qr/^Open findings: 0 critical, 1 high, /m, 'as text';
like $letters[0][3], qr{<td>dirty</td><td>&lt;b&gt;&quot;odd&quot;&amp;</td>}, 'and as HTML, in which a name is no more than that';
like $said, qr/msg="letter sent"/, 'the runner says so';
is ask(), 202, 'asked for again the same day';
work();
is_deeply [letters()], [], 'it is not sent twice';

# Who was no member yet, or has left.
is api(org_admin => PUT => 'settings/report.recipients', { value => 'members' })->{status}, 200, 'all members want it';
$db->sql(q{update muster.account set state = 'disabled' where email = 'viewer@example.org'});
ask();
work();
is_deeply [map { $_->[0] } letters()], ['-i -- team_lead@example.org'], 'who cannot sign in gets none';
$db->sql(q{update muster.account set state = 'active'});
spew("$box.refuse", '');
ask();
work();
is scalar(@{ [letters()] }), 1, 'a letter is offered';
like $said, qr/"a letter was not sent".*refused/, 'one that is refused is a warning';
is_deeply api(viewer => GET => 'summaries')->{json}{items}[0]{letters},
	{ waiting => 1, sent => 2, failed => 0, error => 'The mail program refused the letter.' }, 'and waits';
work();
is_deeply [letters()], [], 'for a while';
for (2 .. 5) {
	$db->sql('update muster.letter set due_at = now()');
	work();
}
is scalar(@{ [letters()] }), 4, 'it is tried five times';
is api(viewer => GET => 'summaries')->{json}{items}[0]{letters}{failed}, 1, 'then it has failed';
$db->sql(q{update muster.letter set due_at = now()});
work();
is_deeply [letters()], [], 'and no more';
$db->sql(q{update muster.letter set state = 'waiting', attempt = 0, due_at = now() where state = 'failed'});
$db->sql(q{delete from muster.membership m using muster.account a where a.id = m.account_id and a.email = 'viewer@example.org'});
work();
is_deeply [letters()], [], 'who left gets nothing more';
unlink "$box.refuse";

# One that two runners see.
$db->sql(q{update muster.letter set state = 'waiting', attempt = 0, due_at = now() where id = (select min(id) from muster.letter)});
my $jobs = $db->as('muster_jobs');
my $first = $jobs->value('select id from muster.letter_take()');
ok $first, 'a runner takes it';
is $jobs->value('select id from muster.letter_take()'), undef, 'then no other does';
$db->sql(q{update muster.letter set due_at = now() where id = $1}, $first);
is $jobs->value('select id from muster.letter_take()'), $first, 'unless it said nothing for five minutes';

# What a night keeps, and how long.
$db->sql(q{update muster.summary set day = day - 400, created_at = now() - interval '400 days'});
$db->sql(q{update muster.organization set pruned_at = now() - interval '2 days'; delete from muster.setting where key = 'prune.at'});
$jobs->json('select muster.prune_hourly()');
1 while $jobs->value('select muster.job_step()') eq 't';
is $db->value('select count(*) from muster.summary'), 0, 'a summary is kept for a year';

done_testing;
