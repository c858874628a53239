#!/usr/bin/perl
# What is left out: comments beside a secret, ignore files, baselines; each is reported as used or not.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test qw(slurp spew);

my $dir = audit_folder();
my $r = repo("$dir/thing");
my %ignored;

sub ignored {
	my ($report) = @_;
	%ignored = map { ("$_->{path}:$_->{line}" => $_->{ignored_by}) } @{ $report->{ignored} };
	my @list = sort keys %ignored;
	return @list;
}

sub lines_of {
	my ($report) = @_;
	return map { [$_->{line}, $_->{used} ? 'used' : $_->{expired} ? 'expired' : 'unused'] } @{ $report->{ignores} };
}

# Comments of the usual tools.
my @marks = ('# muster:allow', '# gitleaks:allow', '// betterleaks:allow', '# trufflehog:ignore', '# kingfisher:ignore',
	'# pragma: allowlist secret', '/* pragma: whitelist secret */', '# ggignore', '# nosec', '# noqa');
put("$r/marks.py", join '', map { 'key = "' . token($_) . "\"  $marks[$_]\n" } 0 .. $#marks);
put("$r/next.py", "# pragma: allowlist nextline secret\nkey = '" . token(20) . "'\nother = '" . token(21) . "'\n");
commit($r, 'marks');
my $report = scan_json($r);
my @kept = found($report);
ok(!grep({ /^marks\.py:[1-8]$/ } @kept), 'the comments of the usual tools are understood') or diag("@kept");
ok(grep({ $_ eq 'marks.py:10' } @kept), 'other comments mean nothing');
ok(!grep({ $_ eq 'next.py:2' } @kept), 'the next line can be meant as well');
ok(grep({ $_ eq 'next.py:3' } @kept), 'but not the one behind it');
ignored($report);
is($ignored{'marks.py:1'}{kind}, 'mark', 'they are told, with the reason');
$report = scan_json('--strict', $r);
is(scalar(() = found($report)), @marks + 2, '--strict takes no comment for an answer');
is(scan_exit(), 1, 'and fails');

# An old version with the mark does not hide a newer one without.
put("$r/again.py", 'key = "' . token(30) . "\"  # gitleaks:allow\n");
commit($r, 'with');
put("$r/again.py", 'key = "' . token(30) . "\"\n");
commit($r, 'without');
ok(grep({ /^again\.py/ } found(scan_json($r))), 'a mark that is gone does not hide the secret any more');
put("$r/again.py", 'key = "' . token(30) . "\"  # gitleaks:allow\n");
commit($r, 'with again');
ok(!grep({ /^again\.py/ } found(scan_json($r))), 'one that came later does');

# .musterignore
$r = repo("$dir/second");
put("$r/a.env", token(40) . "\n");
put("$r/b.env", token(41) . "\n" . token(42) . "\n");
put("$r/doc/c.md", token(43) . "\n");
put("$r/third/party/d.c", token(44) . "\n");
put("$r/e.env", token(45) . "\n");
my $leak = commit($r, 'leaks');
my %id = map { ("$_->{path}:$_->{line}" => $_->{location_id}) } @{ scan_json($r)->{findings} };
put("$r/.musterignore", join "\n", '# what we know', "$id{'a.env:1'}  # revoked", "b.env:github-pat:2", "rule:github-pat doc/*.md # documentation",
	'path:third/ # not ours', 'path:e.env until:2020-01-01 # over', 'rule:npm', 'path:none', 'nonsense of all kinds', '');
$report = scan_json($r);
is_deeply([found($report)], [qw(b.env:1 e.env:1)], 'lines of .musterignore take findings away');
is_deeply([ignored($report)], [qw(a.env:1 b.env:2 doc/c.md:1 third/party/d.c:1)], 'which are told apart');
is($ignored{'a.env:1'}{reason}, 'revoked', 'with their reason');
is($ignored{'a.env:1'}{line}, 2, 'and the line that did it');
is_deeply([grep { $_->[0] < 9 } lines_of($report)], [[2, 'used'], [3, 'used'], [4, 'used'], [5, 'used'], [6, 'expired'], [7, 'unused'], [8, 'unused']],
	'every line is reported as used, unused or expired') or diag(explain([lines_of($report)]));
like(join("\n", @{ $report->{coverage}{problems} }) . scan_error(), qr/musterignore:9|line 9/, 'a line that is not understood is said');
is(scan_exit(), 1, 'what is left makes it exit 1') or diag(scan_error());

# Lines that do not do what they were written for.
my @bad = (
	['garbage here', qr/neither an id, secret:ID, rule:NAME, path:PATTERN nor PATH:RULE:LINE/],
	['path:x until:2027-13-45', qr/there is no day '2027-13-45'/],
	['path:x until:soon', qr/'soon' is no date like 2027-01-31/],
	['a.env', qr/.*for a file or folder write 'path:a\.env'/],
	['rulez:x', qr/'rulez:' is none of secret:, rule: and path:/],
	['secret:zz', qr/a secret_id has 32 hexadecimal digits, 'zz' is none/],
	['0123456789abcdef', qr/an id has 32 hexadecimal digits, this has 16/],
	['path:', qr/path: without a pattern/],
	['rule:', qr/rule: without a rule or family/],
	['path:!a.env', qr/'!' has no meaning here/],
);
put("$r/.musterignore", join '', map { "$_->[0]\n" } @bad, ['rule:nosuchrule x'], ['rule:jwt']);
$report = scan_json($r);
is(scalar(() = found($report)), 6, 'lines that are wrong ignore nothing');
my @said = split /\n/, scan_error();
for my $i (0 .. $#bad) {
	like($said[$i], qr/^muster scan: \Q$r\E\/\.musterignore:@{[$i + 1]}: this line ignores nothing: $bad[$i][1]/, "'$bad[$i][0]' is named");
}
like($said[@bad], qr/musterignore:11: there is no rule or family 'nosuchrule'\z/, 'a rule that there is not is named');
is(scalar @said, @bad + 1, 'and one that is only not looked for now is not');
is(scalar @{ $report->{coverage}{problems} }, @said, 'the report has them as well');
put("$r/.musterignore", "nonsense of all kinds\n" x 30);
scan_run($r);
is(scalar(() = scan_error() =~ /\n/g), 21, 'of many, some are told');
like(scan_error(), qr/musterignore: 10 more lines like these\n\z/, 'and counted');
is(scan_exit(), 1, 'which changes no exit code');
put("$r/.musterignore", "$id{'a.env:1'}\npath:*\n");
scan_json($r);
is(scan_exit(), 0, 'nothing left: exit 0') or diag(scan_error());
is(scalar(() = found(scan_json('--strict', $r))), 6, '--strict reads no ignore file');
unlink "$r/.musterignore";
commit($r, 'x');
put("$r/.musterignore", "path:b.env\n");
commit($r, 'ignore b');
git($dir, qw(clone -q --bare second second.git));
is_deeply([grep { /^b\.env/ } found(scan_json("$dir/second.git"))], [], 'a bare repository is asked for the file of its HEAD');
is_deeply([map { $_->{source} } @{ scan_json("$dir/second.git")->{ignores} }], ['HEAD:.musterignore'], 'and it says so');
is_deeply([grep { /^b\.env/ } found(scan_json('-w', "$r/doc", "$r/b.env"))], [], 'of files in a repository as well');
spew("$dir/mine", "path:a.env\n");
is_deeply([grep { /^[ab]\.env/ } found(scan_json('--ignore-file', "$dir/mine", $r))], [], 'a file can be named besides');

# .gitleaksignore
unlink "$r/.musterignore";
put("$r/.gitleaksignore", "# comment\n$leak:a.env:github-pat:1\nb.env:some-other-rule:1\n" . ('0' x 40) . ":e.env:github-pat:1\n");
$report = scan_json($r);
is_deeply([found($report)], [qw(b.env:2 doc/c.md:1 e.env:1 third/party/d.c:1)], '.gitleaksignore is read');
is_deeply([lines_of($report)], [[2, 'used'], [3, 'used'], [4, 'unused']], 'and its lines are reported');
is(scan_error(), '', 'without a word where all are understood');
put("$r/.gitleaksignore", "b.env:x:2\na.env:github-pat\npath:a.env\n:github-pat:1\na.env:github-pat:one\n$id{'a.env:1'}\n");
$report = scan_json($r);
is_deeply([map { /leaksignore:(\d+): this line ignores nothing: (.*)/ } split /\n/, scan_error()],
	[2, 'not [COMMIT:]PATH:RULE:LINE', 3, 'this is for .musterignore; here a line is [COMMIT:]PATH:RULE:LINE',
		4, 'not [COMMIT:]PATH:RULE:LINE', 5, 'not [COMMIT:]PATH:RULE:LINE',
		6, 'this is for .musterignore; here a line is [COMMIT:]PATH:RULE:LINE'], 'lines that are wrong are named');
is_deeply([map { $_->[0] } lines_of($report)], [1], 'and are not called unused');
unlink "$r/.gitleaksignore";

# A name of ours is no alias: github-token-unproven is what gitleaks finds as github-pat, too.
my $unproven = token(46);
substr($unproven, -6) = 'AAAAAA';
put("$dir/names/n.env", token(47) . "\n");
put("$dir/names/u.env", "GITHUB_TOKEN=$unproven\n");
my @names = ('-w', '--enable-rule');
is_deeply([found(scan_json(@names, 'github', "$dir/names"))], [qw(n.env:1 u.env:1)], 'a family is all of it') or diag(scan_error());
is_deeply([found(scan_json(@names, 'github-pat', "$dir/names"))], ['n.env:1'], 'an id is this rule alone, though it is an alias as well');
is_deeply([map { $_->{rule} } @{ scan_json(@names, 'github', '--disable-rule', 'github-pat', "$dir/names")->{findings} }], [('github-token-unproven') x 2],
	'and alone is left out');
put("$dir/names/.musterignore", "rule:github-pat\n");
is_deeply([found(scan_json(@names, 'github', "$dir/names"))], ['u.env:1'], 'and ignored');
put("$dir/names/.musterignore", "u.env:github-pat:1\n");
is_deeply([found(scan_json(@names, 'github', "$dir/names"))], ['n.env:1'], "but in gitleaks' name of a finding it is gitleaks' rule");

# Baselines: ours and gitleaks'.
for my $form (qw(json jsonl gitleaks sarif)) {
	scan_run('--format', $form, '--output', "$dir/baseline.$form", $r);
	$report = eval { scan_json('--baseline-path', "$dir/baseline.$form", $r) };
	if ($form eq 'sarif') {
		is(scan_exit(), 2, 'SARIF is no baseline, and that is said') unless $report;
		next;
	}
	is_deeply([found($report)], [], "a baseline in $form takes what it has away");
	is(scan_exit(), 0, 'exit 0');
}
spew("$dir/baseline.shown", scan_run('--format', 'gitleaks', '--show-secrets', $r));
is_deeply([found(scan_json('-b', "$dir/baseline.shown", $r))], [], 'so does one with the secrets in it');
put("$r/b.env", "\n\n" . token(41) . ' ' . token(60) . "\n");
commit($r, 'moved, and another one on its line');
$report = scan_json('-b', "$dir/baseline.json", $r);
is_deeply([map { $_->{secret} && $_->{line} } @{ $report->{findings} }], [3], 'a moved line is the same finding, another secret on it is not');
cmp_ok(scalar(@{ $report->{ignored} }), '>=', 6, 'what the baseline has is told apart');
spew("$dir/bad", "{\"no\": 1}");
scan_run('-b', "$dir/bad", $r);
is(scan_exit(), 2, 'a baseline that is none is wrong usage');

# The table.
put("$r/.musterignore", "path:doc\npath:none\npath:b.env until:2020-01-01\npath:e.env until:2020-01-01\n");
my $text = scan_run($r);
like($text, qr/; 1 ignored; 2 lines to ignore expired; 1 line to ignore unused;/, 'the table counts') or diag($text);
put("$r/.musterignore", "path:doc\npath:none\n");
$text = scan_run('-v', $r);
like($text, qr/\.musterignore:1: path:doc: used\n.*\.musterignore:2: path:none: unused/, 'and lists with -v') or diag($text);
done_testing;
