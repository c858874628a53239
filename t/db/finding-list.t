#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A list of findings that looks at few of them at a time goes through all, in order and each once, whatever
# is asked for.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $db = Muster::Test->new->database;
my $acme = seed($db, 'acme');
ingest($db, $acme, report([map { { name => $_ } } qw(a b)]));
my $json = JSON::PP->new;
my $who = $acme->{people}{viewer};

# Of two thousand, the worst have nothing of what most have; "needle" is rare.
$db->sql(q{insert into muster.finding (organization_id, repo_id, kind, fingerprint, rule, title, severity, path, in_head,
		assignee_id, state, ignored_by)
	select $1, r.ids[1 + n % 2], case when n % 3 = 0 or n % 5 = 4 then 'code' else 'dependency' end, 'f' || n,
	       'rule-' || case when n % 5 = 4 then 9 else n % 8 end, 'A title',
	       (array['info', 'low', 'medium', 'high', 'critical'])[1 + n % 5],
	       'src/' || case when n % 400 = 7 then 'needle' else 'part' || n % 10 end || '/' || n, nullif(n % 4, 0) > 1,
	       case when n % 7 = 0 then $2::uuid end, case when n % 6 = 0 then 'ignored' else 'open' end,
	       case when n % 6 = 0 then 'person' end
	  from generate_series(1, 2000) n, (select array_agg(id order by name) as ids from muster.repo where organization_id = $1) r},
	$acme->{id}, $who->{id});
$db->sql('analyze muster.finding');

my $session = $db->session;
$session->ask("select set_config('muster.organization', '$acme->{id}', false), set_config('muster.role', 'viewer', false),
	set_config('muster.account', '$who->{id}', false)");
# Words are taken to be common when nobody can say how many have them.
$session->ask(q{create or replace function muster.finding_estimate(p_like text) returns numeric language sql as 'select 1e6'});

my %filter = (q => [undef, 'needle', 'part3', 'e', 'nothing'], kind => [undef, 'code', 'dependency', 'secret', 'code,dependency'],
	in_head => [undef, 'true', 'false'], rule => [undef, 'rule-3', 'rule-9'], repo => [undef, 'a'],
	assignee => [undef, 'me'], state => [undef, 'ignored', 'open'], severity => [undef, 'critical', 'low,info']);
my %where = (q => sub { "search like '%$_[0]%'" }, kind => sub { "kind = any (string_to_array('$_[0]', ','))" },
	in_head => sub { "in_head = $_[0]" }, rule => sub { "rule = '$_[0]'" },
	repo => sub { "repo_id = (select id from muster.repo where name = '$_[0]')" },
	assignee => sub { "assignee_id = '$who->{id}'" }, state => sub { "state = '$_[0]'" },
	severity => sub { "severity = any (string_to_array('$_[0]', ','))" });
my @asked = ({}, map { my $name = $_; map { { $name => $_ } } grep { defined } @{ $filter{$name} } } sort keys %filter);
my $seed = $ENV{MUSTER_TEST_SEED} // time;
srand $seed;
note "MUSTER_TEST_SEED=$seed";
push @asked, { map { my $of = $filter{$_}; ($_ => $of->[rand @$of]) } keys %filter } for 1 .. 60;

my ($short, @wrong) = 0;
for my $asked (@asked) {
	my %given = map { $_ => $asked->{$_} } grep { defined $asked->{$_} } keys %$asked;
	my ($sort, $order) = @{ (['severity', 'rank desc, id desc'], ['newest', 'id desc'], ['oldest', 'id'])[rand 3] };
	my $where = join ' and ', 'true', map { $where{$_}->($given{$_}) } sort keys %given;
	my $want = $session->ask("select coalesce(string_agg(id::text, ' ' order by $order), '') from muster.finding where $where");
	my ($cursor, $pages, @got) = ('', 0);
	while (defined $cursor && $pages++ < 500) {
		my %argument = (%given, sort => $sort, cursor => $cursor, limit => 40);
		my $page = $json->decode($session->ask('select muster.finding_page(100' . join('', map { ', '
			. (defined $argument{$_} ? "'$argument{$_}'" : 'null') } qw(repo state severity kind rule q assignee in_head sort limit cursor))
			. ')'));
		push @got, map { $_->{id} } @{ $page->{items} };
		$cursor = $page->{next};
		$short++ if defined $cursor && @{ $page->{items} } < 40;
	}
	push @wrong, join(' ', $sort, %given) if "@got" ne $want;
}
is_deeply \@wrong, [], 'each once and in order, of ' . @asked . ' questions';
ok $short > 0, 'and pages that ended early went on';
my $page = $json->decode($session->ask(q{select muster.finding_page(null, null, null, null, 'code', 'rule-1', 'needle', null, null,
	null, null, null)}));
is $page->{next}, undef, 'without a bound it looks through all';

done_testing;
