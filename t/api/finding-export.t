#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Findings as files: SARIF, CSV, JSON; whole, filtered, however many, and harmless to who opens them.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Encode qw(decode);
use JSON::PP ();
use Test::More;
use Muster::Test;
use Muster::Sarif;
use Muster::Stack;

my $stack = Muster::Stack->new(pusher => 0, conf => { 'api.rate_limit' => 'false' });
$stack->account('vic@example.org', 'viewer');
$stack->root('/srv/git');
$stack->report([map { { name => $_, status => 'clean', path => "/srv/git/$_" } } qw(a b)]);
my $db = $stack->db;
sub found {
	my ($print, %more) = @_;
	return { fingerprint => $print, rule => 'a-rule', title => 'A title', severity => 'high', path => "src/$print",
		line => 7, sample => 'x****', in_head => \1, occurrences => 2, places => [{ blob => 'b1', line => 7 }],
		url => 'https://rotate.example/', remedy => 'Rotate it.', %more };
}
$stack->scanned('a', [found('one', path => 'src/größe und.c', title => '=HYPERLINK("x")'),
	found('two', severity => 'critical', path => "a,\"b\"\n", rule => '@rule'),
	found('three', severity => 'low', ignored => 'a test')]);
$stack->scanned('b', [found('four', severity => 'medium', line => undef, path => undef, sample => '-1+2')]);
$db->sql(q{update muster.finding set state = 'resolved', reason = 'done' where fingerprint = 'four'});

my $vic = $stack->client->login('vic@example.org');
sub export { return $vic->get("/api/v1/findings/export/$_[0]") }

subtest 'JSON' => sub {
	my $answer = export('json');
	is $answer->{status}, 200, 'is given';
	like $answer->{headers}{'content-disposition'}, qr/^attachment; filename="findings-\d{4}-\d\d-\d\d\.json"$/, 'as a file';
	my $document = JSON::PP->new->utf8->decode($answer->{content});
	is_deeply [map { $_->{fingerprint} } @{ $document->{findings} }], [qw(two one four three)], 'all, the worst first';
	is $document->{findings}[1]{path}, 'src/größe und.c', 'in their own letters';
	my $one = $vic->get('/api/v1/findings?q=src/gr')->{json}{items}[0];
	is_deeply $document->{findings}[1], $one, 'each as the list has it';
};

subtest 'SARIF' => sub {
	my $answer = export('sarif');
	like $answer->{headers}{'content-type'}, qr{^application/sarif\+json}, 'is given';
	is_deeply [sarif_faults($answer->{content})], [], 'as its standard says';
	is_deeply [sarif_faults(export("sarif?$_")->{content})], [], "with $_, too" for 'state=resolved&repo=b', 'rule=none';
	my $log = JSON::PP->new->utf8->decode($answer->{content});
	is $log->{version}, '2.1.0', 'of its version';
	my ($run) = @{ $log->{runs} };
	is_deeply [map { $_->{partialFingerprints}{'musterLocation/v1'} } @{ $run->{results} }], [qw(two one three)],
		'without what was resolved';
	my ($two, $one, $three) = @{ $run->{results} };
	is $two->{level}, 'error', 'a level';
	is $one->{locations}[0]{physicalLocation}{artifactLocation}{uri}, 'src/gr%C3%B6%C3%9Fe%20und.c', 'a URI';
	is $one->{locations}[0]{physicalLocation}{region}{startLine}, 7, 'a line';
	is_deeply $three->{suppressions}, [{ kind => 'inSource', status => 'accepted', justification => 'a test' }],
		'why it does not count';
	is_deeply $one->{suppressions}, [], 'or that it does';
	my %rule = map { $_->{id} => $_ } @{ $run->{tool}{driver}{rules} };
	is_deeply [grep { !$rule{ $_->{ruleId} } } @{ $run->{results} }], [], 'every rule is there';
	is $rule{'a-rule'}{helpUri}, 'https://rotate.example/', 'with where to go';
	my $resolved = JSON::PP->new->utf8->decode(export('sarif?state=resolved&repo=b')->{content})->{runs}[0]{results};
	is $resolved->[0]{properties}{state}, 'resolved', 'what was resolved is there when it is asked for';
	is $resolved->[0]{locations}[0]{physicalLocation}{artifactLocation}{uriBaseId}, '%SRCROOT%',
		'and of one repository paths have one base';
	is_deeply [keys %{ $resolved->[0]{locations}[0]{physicalLocation} }], ['artifactLocation'], 'no line is not zero';
};

subtest 'CSV' => sub {
	my $answer = export('csv');
	like $answer->{headers}{'content-type'}, qr{^text/csv}, 'is given';
	my $text = decode('UTF-8', $answer->{content});
	is scalar(() = $text =~ /\r\n/g), 5, 'a line each, and its head';
	like $text, qr/,"'=HYPERLINK\(""x""\)",/, 'a formula is a text';
	like $text, qr/,"'\@rule",/, 'so is an at sign';
	like $text, qr/,"'-1\+2",/, 'and a minus';
	like $text, qr/,"a,""b""\n",/, 'what has commas and quotes is quoted';
	unlike $text, qr/(?:^|,)[=+\@-]/m, 'and no cell begins a formula';
};

subtest 'filters are the list\'s' => sub {
	my $of = sub { return [map { $_->{fingerprint} } @{ JSON::PP->new->utf8->decode(export("json?$_[0]")->{content})->{findings} }] };
	is_deeply $of->('repo=b'), ['four'], 'of a repository';
	is_deeply $of->('severity=critical,low'), ['two', 'three'], 'of severities';
	is_deeply $of->('state=ignored'), ['three'], 'of a state';
	is_deeply $of->('rule=none'), [], 'of nothing';
	is_deeply(JSON::PP->new->utf8->decode(export('sarif?rule=none')->{content})->{runs}[0]{results}, [],
		'which is a whole file');
	is export('json?repo=none')->{status}, 404, 'of no such repository';
	is export('json?severity=worst')->{status}, 400, 'of no such severity';
	is $stack->client->get('/api/v1/findings/export/json')->{status}, 401, 'and to nobody';
};

subtest 'many' => sub {
	$stack->scanned('b', [map { found("n$_") } 1 .. 2500]);
	my $findings = JSON::PP->new->utf8->decode(export('json?repo=b&state=open')->{content})->{findings};
	my %seen = map { $_->{fingerprint} => 1 } @$findings;
	is scalar @$findings, 2500, 'all are there';
	is scalar keys %seen, 2500, 'each once';
	is scalar @{ JSON::PP->new->utf8->decode(export('sarif?repo=b')->{content})->{runs}[0]{results} }, 2500, 'in SARIF too';
	is scalar(() = export('csv?repo=b&state=open')->{content} =~ /\r\n/g), 2501, 'and in CSV';
	# More than one piece looks at, with one in it that is wanted, the last.
	$db->sql(q{insert into muster.finding (organization_id, repo_id, kind, fingerprint, rule, title, severity)
		select organization_id, id, case when n = 1 then 'dependency' else 'code' end, 'm' || n, 'many', 'T', 'info'
		  from muster.repo, generate_series(1, 22000) n where name = 'a'});
	for my $filter ('kind=dependency', 'kind=dependency&severity=info&in_head=false', 'kind=dependency&q=many') {
		is_deeply [map { $_->{fingerprint} } @{ JSON::PP->new->utf8->decode(export("json?$filter")->{content})->{findings} }],
			$filter =~ /in_head/ ? [] : ['m1'], "what is far behind is there: $filter";
	}
	is scalar(() = export('csv?kind=code')->{content} =~ /\r\n/g), 22000, 'and what is in front of it';
	my $head = $vic->request('HEAD', '/api/v1/findings/export/json');
	is $head->{status}, 200, 'the head alone';
	is $head->{content} // '', '', 'is alone';
};

done_testing;
