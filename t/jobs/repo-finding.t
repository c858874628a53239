#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# muster repo import-findings: what muster scan prints becomes rows, from a real scan of real history.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Stack;
use Muster::Test;

my $dir = audit_folder();
leaky_history("$dir/leaky");
leaky_history("$dir/stranger");
my $stack = Muster::Stack->new(front => 'none');
my $db = $stack->db;
$stack->root($dir);
$stack->report([{ name => 'leaky', status => 'clean', path => "$dir/leaky" }]);

sub import_findings {
	my ($stdin, @args) = @_;
	return run_program([program('muster'), 'repo', 'import-findings', @args, '--conf', $stack->conf],
		defined $stdin ? (stdin => spew("$dir/../stdin", $stdin)) : ());
}
sub scan { return scan_with({}, '--format', 'json', @_) }
sub kept { return [$db->rows(q{select path, state, in_head from muster.finding order by path})] }

my $report = spew("$dir/../report.json", scan("$dir/leaky", "$dir/stranger"));
my ($code, $out, $err) = import_findings(undef, $report);
is $code, 0, 'a report is taken' or diag $err;
is $out, "1 repository: 4 findings, 4 new, 0 back again, 0 gone\n", 'and it says what became of it';
like $err, qr{left out.*\n\Q$dir\E/stranger\n}, 'and which repositories nobody watches';
is_deeply kept(), [['gone.env', 'open', 'f'], ['kept.env', 'open', 't'], ['side.env', 'open', 'f'],
	['tag.env', 'open', 'f']], 'each place is a finding';
my $git = git("$dir/leaky", 'log', '--format=%H', '--diff-filter=A', '--', 'kept.env');
chomp $git;
is $db->value(q{select commit from muster.finding where path = 'kept.env'}), $git, 'with the commit that brought it';
is $db->value(q{select count(*) from muster.finding where sample like '%' || $1 || '%'}, token(2)), 0,
	'and without the secret';
is $db->value(q{select count(*) from muster.occurrence}), 4, 'and where it stands';
ok $db->value(q{select scanned_at is not null from muster.repo where name = 'leaky'}), 'the repository was scanned';

git("$dir/leaky", qw(branch -q -D side));
($code, $out) = import_findings(scan("$dir/leaky"), '-');
is $out, "1 repository: 3 findings, 0 new, 0 back again, 1 gone\n", 'from standard input, too; what no ref leads to is gone';
spew("$dir/leaky/.musterignore", "path:kept.env\n");
($code, $out) = import_findings(scan("$dir/leaky", '--no-state'), '-');
is $db->value(q{select state || ' ' || ignored_by from muster.finding where path = 'kept.env'}), 'ignored repository',
	'what the repository ignores is ignored' or diag $out;

($code, $out, $err) = import_findings(scan("$dir/stranger"), '-', 'leaky');
is $code, 0, 'of a clone elsewhere one says which it is' or diag $err;
($code, $out, $err) = import_findings(scan("$dir/stranger"), '-');
is $code, 4, 'a report of nothing that is watched is an error';
like $err, qr/no repository of this report is watched/, 'and says so';
for my $bad ('{}', '[]', '{"findings": []}', '{"findings": [], "findings": []}', 'nothing', '') {
	($code, $out, $err) = import_findings($bad, '-');
	is $code, 2, "no report: $bad";
}
($code, $out, $err) = import_findings(undef, "$dir/none.json");
isnt $code, 0, 'a file that is not there';
like $err, qr/none\.json/, 'is named';
done_testing;
