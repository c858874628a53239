#!/usr/bin/perl
# The forms a report comes in, the list of what should exist, the choice of checks, exit codes.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Audit;
use Muster::Test qw(build_dir has_terminal slurp spew);

my $dir = audit_folder();
my $list = "$dir/../list";
repo("$dir/clean", remote => 'git@github.com:me/clean.git');
repo("$dir/dirty", remote => 'https://github.com/me/dirty');
put("$dir/dirty/new", "x\n");
repo("$dir/moved", remote => 'https://github.com/somebody/else.git');
repo("$dir/renamed", remote => 'https://github.com/me/original.git');
repo("$dir/extra", remote => 'https://github.com/me/extra.git');
put("$dir/extra/dirty too", "x\n");
git($dir, qw(init -q --bare mirror.git));
git("$dir/mirror.git", qw(remote add origin https://github.com/me/mirror.git));
mkdir "$dir/in-the-way" or die $!;
mkdir "$dir/plain" or die $!;

# With a list.
spew($list, <<'END');
# what should exist
clean https://github.com/me/clean.git
dirty	https://user:password@github.com/me/dirty.git
moved https://github.com/me/moved
https://github.com/me/original.git
https://github.com/me/mirror
absent https://github.com/me/absent.git
in-the-way
END
my $report = audit_json('--remote-list', $list, $dir);
my %row = rows($report);
is_deeply({ map { $_ => $row{$_}{status} } keys %row },
	{ clean => 'clean', dirty => 'dirty', moved => 'mismatched', renamed => 'mismatched', extra => 'extra',
		'mirror.git' => 'clean', absent => 'missing', 'in-the-way' => 'missing', plain => 'not_git' },
	'each repository has the status that the list gives it');
is($row{clean}{clone_url}, 'https://github.com/me/clean.git', 'https and ssh of one repository are equal');
is($row{moved}{expected_url}, 'https://github.com/me/moved', 'a mismatch says what was expected');
is($row{renamed}{expected_url}, 'https://github.com/me/original.git', 'also under another name');
is($row{absent}{clone_url}, 'https://github.com/me/absent.git', 'what is missing says where it is to be had');
is($row{absent}{dashboard_link}, '/audit/absent?action=clone', 'and can be cloned');
is_deeply([@{ $report->{summary} }{qw(total missing extra dirty mismatched clean not_git errors)}], [9, 2, 1, 1, 2, 2, 1, 0],
	'the counters add up');
is_deeply($report->{summary}{unknown}, [], 'with a list nothing is unknown');
is($report->{health_status}, 'red', 'missing repositories make the health red');
unlike(JSON::PP->new->encode($report), qr/password/, 'a password in an address is shown nowhere');
my ($id) = $row{absent}{id};
repo("$dir/absent", remote => 'https://github.com/me/absent.git');
%row = rows(audit_json('--remote-list', $list, $dir));
is($row{absent}{id}, $id, 'what was missing keeps its id when it is cloned');
is($row{absent}{status}, 'clean', 'and is clean');
spew($list, "one two three\n");
audit_run('--remote-list', $list, $dir);
is(audit_exit(), 2, 'a list that is none is a usage error');
like(audit_error(), qr/list:1: /, 'with its line');
audit_run('--remote-list', "$dir/../none", $dir);
is(audit_exit(), 2, 'so is a list that is not there');

# Without one.
system "rm -rf '$dir'/moved '$dir'/renamed '$dir'/plain '$dir'/in-the-way '$dir'/extra '$dir'/absent";
my $odd = "$dir/=cmd|<b>&\"quoted\" *_`x`";
repo($odd);
put("$odd/new", "x\n");
my $odd_name = '=cmd|<b>&"quoted" *_`x`';

my $table = audit_run($dir);
unlike($table, qr/\e/, 'a table that is piped has no colour');
like($table, qr/^\S+ dirty +\Q$odd_name\E +main +1 untracked +today +\d+/m, 'it has a line for each repository');
like($table, qr/^yellow: 2 dirty, 2 clean; unknown: missing, extra; 4 in /m, 'and one that counts');
unlike($table, qr/[ \t]$/m, 'and no space at the ends of lines');

my $csv = audit_run('--format', 'csv', $dir);
my @lines = split /\r\n/, $csv;
is($lines[0], '"Repository","Status","Clone URL","Local Path","Last Modified","Health Status","Uncommitted Changes"', 'CSV has its title');
is(scalar @lines, 5, 'and a line for each repository');
my ($line) = grep { /cmd/ } @lines;
like($line, qr/^"'=cmd\|<b>&""quoted"" \*_`x`","dirty",/, 'no name becomes a formula, quotes are doubled');
like($csv, qr/^"clean","clean","git\@github\.com:me\/clean\.git","\Q$dir\E\/clean","\d{4}-[^"]+Z","yellow","No"\r$/m, 'a line has all of the columns');

my $html = audit_run('--format', 'html', $dir);
like($html, qr/\A<!doctype html>/, 'HTML is a page');
unlike($html, qr/<b>&"quoted/, 'in which no name becomes markup');
like($html, qr/=cmd\|&lt;b&gt;&amp;&quot;quoted&quot;/, 'but is escaped');
unlike($html, qr/<script|<link|<img|\@import|url\(|http:|https:(?!\/\/github)/i, 'that loads nothing');
my $markdown = audit_run('--format', 'markdown', $dir);
like($markdown, qr/\\=cmd\\\|\\<b\\>|=cmd\\\|\\<b\\>\\&"quoted" \\\*\\_\\`x\\`/, 'in Markdown no name becomes markup');
is(scalar(() = $markdown =~ /^\| /mg), 4 + 2, 'and there is a table');

my $out = "$dir/../out.json";
spew($out, 'old');
is(audit_run('--format', 'json', '--output', $out, $dir), '', 'with --output nothing is printed');
ok(JSON::PP->new->decode(slurp($out))->{timestamp}, 'and the file has it all');
audit_run('--output', "$dir/../none/out", $dir);
is(audit_exit(), 2, 'a folder that is not there to write into is a usage error');

# The report folder.
my $folder = "$dir/../reports/deep";
audit_run('--report-dir', $folder, $dir);
is(audit_exit(), 1, 'keeping the report changes no exit code');
my $kept = JSON::PP->new->decode(slurp("$folder/GitRepoReport.json"));
is((stat "$folder/GitRepoReport.json")[1], (stat "$folder/latest.json")[1], 'latest.json is the same file');
is_deeply([glob "$folder/history/*"], ["$folder/history/$kept->{timestamp}.json"], 'history has it under its time');
is_deeply([sort map { m{([^/]+)\.json$} } glob "$folder/repo/*"], [sort map { $_->{id} } @{ $kept->{repos} }], 'and each repository has a file');

# Checks.
my $checks = audit_run('--list-checks');
is(audit_exit(), 0, 'the table of checks is printed');
my @ids = $checks =~ /^([a-z-]+) +[a-z]+ +(?:worktree|refs|history) +(?:info|low|medium|high|critical) +\S/mg;
cmp_ok(scalar @ids, '>', 25, 'with all that a check says about itself');
sub ids { my ($r) = rows(audit_json(@_, "$dir/clean")); my %r = rows(audit_json(@_, "$dir/clean")); return sort map { $_->{id} } @{ $r{clean}{checks} } }
is_deeply([ids('--checks', 'readme,license')], [qw(license readme)], 'checks are chosen by id');
is_deeply([ids('--checks', 'setup,-ci,-codeowners')], [qw(gitignore license readme security update-tool)], 'by group, and left out with a minus');
my %status = rows(audit_json('--checks', 'status', $dir));
is($status{clean}{lastCommitSubject}, undef, 'what no check needs is not read');
is($status{clean}{uncommittedChanges}, JSON::PP::false, 'what one needs is');
is(audit_json('--checks', 'readme', $dir)->{summary}{unknown}[-1], 'dirty', 'a counter that nobody looked at is unknown');
audit_run('--checks', 'nonsense', $dir);
is(audit_exit(), 2, 'a check that is none is a usage error');
audit_run('--checks', '-all', $dir);
is(audit_exit(), 2, 'so is no check at all');

# Exit codes by severity.
for my $case ([critical => 0], [high => 0], [medium => 1], [low => 1], [info => 1], [never => 0]) {
	audit_run('--fail-on', $case->[0], $dir);
	is(audit_exit(), $case->[1], "--fail-on $case->[0]");
}
put("$dir/clean/.env", "A=b\n");
commit("$dir/clean", 'a secret');
audit_run('--fail-on', 'critical', $dir);
is(audit_exit(), 1, 'a tracked .env is critical');
audit_run('--fail-on', 'sometimes', $dir);
is(audit_exit(), 2, 'a severity that is none is a usage error');

my $scores = audit_run('--explain-score', $dir);
like($scores, qr/\b(\d+) = 100 -15 secrets \(1\) \+5 commits_24h \(2\); unknown: critical, high, secrets/, 'a score is explained');
like($scores, qr/^score = 100 - 2 uncommitted/m, 'with the formula');

repo("$dir/../ancient/named", date => 1500000000, remote => 'https://github.com/me/other.git');
like(audit_run('--format', 'markdown', "$dir/../ancient"), qr/; 1 stale \(/, 'Markdown counts what is stale too');
spew("$dir/../other", "https://github.com/me/other.git\n");
like(audit_run('--remote-list', "$dir/../other", "$dir/../ancient"), qr/other\.git; the folder has another name$/m,
	'a folder of another name than its remote is not said to have the wrong one');

# Configuration.
my $conf = "$dir/../muster.conf";
spew($conf, "[audit]\nskip = mir*;clean\nstale_days = 1\nlarge_blob_bytes = 3\n");
my %by_conf = rows(audit_json('--conf', $conf, $dir));
is_deeply([sort keys %by_conf], [sort $odd_name, 'dirty'], 'names to skip come from the configuration');
is($by_conf{dirty}{large_blobs_total}, 3, 'so does the size from which files are large');
spew($conf, "[audit]\nsikp = x\n");
audit_run('--conf', $conf, $dir);
is(audit_exit(), 2, 'a mistake in the configuration is a usage error');
like(audit_error(), qr/muster\.conf:2: /, 'with file and line');

like(audit_run('--help'), qr/--remote-list/, '--help lists the options');
is(audit_exit(), 0, 'and is no error');
audit_run('--nonsense');
is(audit_exit(), 2, 'an option that does not exist is a usage error');
like(audit_error(), qr/See 'muster audit --help'/, 'that says where to look');

# A terminal: colour, unless it is not wanted.
SKIP: {
	skip 'no terminal can be had', 3 unless has_terminal();
	my $on_terminal = sub {
		my ($env) = @_;
		return qx(env $env LC_ALL=C.UTF-8 script -qec "stty cols 100; '${\build_dir()}/jobs/muster' audit '$dir/dirty'" /dev/null 2>/dev/null </dev/null);
	};
	my $colour = $on_terminal->('-u NO_COLOR TERM=xterm');
	like($colour, qr/\e\[33m● dirty/, 'on a terminal the table is coloured');
	unlike($on_terminal->('NO_COLOR=1 TERM=xterm'), qr/\e\[\d+m/, 'but not with NO_COLOR');
	unlike($on_terminal->('-u NO_COLOR TERM=dumb'), qr/\e\[\d+m/, 'and not on a dumb one');
}
done_testing;
