#!/usr/bin/perl
# How muster scan says what it found: nine forms, masked everywhere; exit codes; the flags people know.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Encode qw(decode_utf8);
use JSON::PP ();
use POSIX ();
use Test::More;
use Muster::Audit;
use Muster::Sarif;
use Muster::Scan;
use Muster::Test qw(has_terminal slurp spew src_dir);

my $dir = audit_folder();
my $r = "$dir/thing";
my @forms = qw(table json jsonl sarif csv junit html markdown gitleaks);

repo($r, date => 1_600_000_000);
put("$r/a.env", "# config\nTOKEN=" . token(1) . "\n");
# In a test what has a checksum counts as elsewhere; this one has none.
my $fine = join '_', 'github', 'pat', substr(token(3), 4, 22), substr(token(3), 10) . substr(token(5), 11);
put("$r/tests/b.py", 'key = "' . token(2) . "\"  # gitleaks:allow\nother = '$fine'\n");
my $odd = "=cmd|'<b>&\"q\" *_`x`\n\xff\e[31m.env";
put("$r/$odd", token(4) . "\n");
my $leak = commit($r, 'leak ' . token(1), date => 1_600_000_100);
my $shown = '=cmd|\'<b>&"q" *_`x`%0A%FF%1B[31m.env';

# Every form: all findings, no secret, nothing that a terminal obeys.
my %out = map { $_ => scan_run('--format', $_, $r) } @forms;
for my $form (@forms) {
	is(scan_exit(), 1, 'findings make it exit 1') if $form eq 'gitleaks';
	unlike($out{$form}, qr/@{[join '|', map({ substr token($_), 8 } 1, 2, 4), substr $fine, 15]}/, "$form has no secret in it");
	unlike($out{$form}, qr/[\x00-\x08\x0b-\x1f\x7f]/, "$form has no control character in it") if $form ne 'csv';
	like($out{$form}, qr/a\.env/, "$form names the file");
	unlike($out{$form}, qr/%250A/i, "$form quotes names once");
	like($out{$form}, qr/github-pat/, "$form names the rule");
	ok(utf8::decode(my $copy = $out{$form}), "$form is UTF-8");
}

# Secrets are shown when asked for, and only then.
for my $form (@forms) {
	my $text = scan_run('--show-secrets', '--format', $form, $r);
	my $token = token(1) =~ s/_/\\\\?_/r;
	like($text, qr/$token/, "$form shows secrets when it is asked to");
}
unlike(scan_run('--redact', $r), qr/ghp_/, '--redact hides all of a secret');
like(scan_run('--redact=50', '--format', 'gitleaks', $r), qr/"ghp_\w{16}\W/, '--redact=50 hides the half of it');
unlike(scan_run('--redact=50', '--format', 'gitleaks', $r), qr/@{[substr token(1), 21]}/, 'and not more than the half is shown');

# JSON, and the same a line each.
my $report = JSON::PP->new->utf8->decode($out{json});
is_deeply([map { $_->{path} } @{ $report->{findings} }], [$shown, 'a.env', 'tests/b.py'], 'the worst come first, by path');
my $f = $report->{findings}[1];
is($f->{severity}, 'critical', 'a finding has its severity');
is($f->{secret}, 'ghp_********', 'the secret is masked');
like($f->{location_id}, qr/^[0-9a-f]{32}\z/, 'it has an id');
is($f->{secret_id}, undef, 'and without a key no other');
is($f->{fingerprint}, "$leak:a.env:github-pat:2", "and gitleaks' name");
is_deeply([@$f{qw(line column end_line end_column)}], [2, 7, 2, 46], 'lines and columns count from 1');
is($report->{findings}[2]{severity}, 'medium', 'in a test it is lowered');
is($report->{findings}[2]{severity_declared}, 'critical', 'and says what it was');
is($report->{findings}[2]{lowered_for}, 'test', 'and why');
is_deeply([map { [$_->{path}, $_->{ignored_by}{kind}] } @{ $report->{ignored} }], [['tests/b.py', 'mark']],
	'what a comment allows is told apart');
is_deeply([@{ $report->{summary} }{qw(critical high medium low info total ignored)}], [2, 0, 1, 0, 0, 3, 1], 'the sums are right');
is($report->{summary}{secrets}, 3, 'each is a secret of its own');
my @lines = map { JSON::PP->new->utf8->decode($_) } split /\n/, $out{jsonl};
is_deeply([map { $_->{path} } grep { $_->{location_id} && !$_->{ignored_by} } @lines], [map { $_->{path} } @{ $report->{findings} }],
	'JSON lines have the same findings');
ok($lines[-1]{coverage}, 'and what was covered comes last');

# SARIF.
is_deeply([sarif_faults($out{sarif})], [], 'SARIF is what its standard says');
my $run = JSON::PP->new->utf8->decode($out{sarif})->{runs}[0];
is(scalar @{ $run->{results} }, 4, 'SARIF has what is ignored, too');
is_deeply([map { $_->{suppressions}[0]{kind} } grep { @{ $_->{suppressions} // [] } } @{ $run->{results} }], ['inSource'],
	'as suppressed where the source says so');
my ($result) = grep { $_->{locations}[0]{physicalLocation}{artifactLocation}{uri} eq 'a.env' } @{ $run->{results} };
is($result->{ruleId}, 'github-pat', 'a result names its rule');
is($run->{tool}{driver}{rules}[$result->{ruleIndex}]{id}, 'github-pat', 'by number as well');
cmp_ok($run->{tool}{driver}{rules}[$result->{ruleIndex}]{properties}{'security-severity'}, '>=', 9, 'which has a security-severity');
is($result->{partialFingerprints}{(keys %{ $result->{partialFingerprints} })[0]}, $f->{location_id}, 'the fingerprint is the id');
my ($uri) = grep { /cmd/ } map { $_->{locations}[0]{physicalLocation}{artifactLocation}{uri} } @{ $run->{results} };
unlike($uri, qr/[<>"` ]/, 'an odd name is a valid address');
like($uri, qr/%0A%FF%1B/i, 'of the bytes it has');

# CSV, JUnit, Markdown, gitleaks.
my @rows = split /\r?\n/, $out{csv};
is(scalar @rows, 4, 'CSV has a line for each and a title');
unlike($out{csv}, qr/(?:^|,)"?=cmd/m, 'a spreadsheet takes no name for a formula');
like($out{junit}, qr/failures="3"/, 'JUnit counts failures');
my @tests = $out{junit} =~ /<testcase /g;
is(scalar @tests, 3, 'and has a case for each');
unlike($out{junit}, qr/<b>/, 'and escapes names');
unlike($out{html}, qr/<b>/, 'so does the page');
unlike($out{html}, qr/(?:src|href)="?(?:https?:)?\/\//, 'which loads nothing') or diag($1);
like($out{html}, qr/Content-Security-Policy/, 'and says that it may not');
like($out{html}, qr{<title>Secret scan of thing</title>.*<h1>Secret scan of thing</h1>.*2 critical, 1 medium.*\Q$r\E: all of its history; \d{4}-\d\d-\d\d \d\d:\d\d UTC</p>}s,
	'it begins with what was scanned, what was found, and when');
unlike($out{html}, qr/could not be read/, 'and that all was read goes without saying');
like($out{html}, qr/<td class="w by">2020-09-13 <small>[0-9a-f]{8}<\/small><\/td><td class="by">A U Thor</, 'each has a date and an author');
like($out{html}, qr/\@media\(max-width:760px\)(?!.*by\{display:none)/, 'which a phone shows, too');
unlike($out{markdown}, qr/(?<!\\)<b>/, 'Markdown escapes them as well');
my $theirs = JSON::PP->new->utf8->decode($out{gitleaks});
is_deeply([sort keys %{ $theirs->[0] }],
	[sort qw(RuleID Description StartLine EndLine StartColumn EndColumn Match Secret File SymlinkFile Commit Entropy Author Email Date
	Message Tags Fingerprint)], "gitleaks' JSON has gitleaks' keys");
like($theirs->[0]{Message}, qr/^leak \*+$/, 'a secret in the message of a commit is masked as well');

# Messages of commits: secrets that overlap, and those that no rule knows there.
my $spoken = repo("$dir/spoken");
spew("$dir/spoken.toml", "[[rules]]\nid = 'a'\nregex = '''key_[a-z0-9]{16}'''\n[[rules]]\nid = 'b'\nregex = '''[a-z0-9]{40}end'''\n"
		. "[[rules]]\nid = 'c'\nregex = '''word = \"([^\"]+)\"'''\n[[rules]]\nid = 'd'\nregex = '''pin = ([0-9]{3})\\b'''\n");
my ($long, $word) = (join('', map { ('a' .. 'z', 0 .. 9)[$_ * 7 % 36] } 1 .. 40), join '', reverse 'Z', 'q', 8, '!', 'v', 'R', 2, '#', 't', 'K', 9);
put("$spoken/a", "key_${long}end\nword = \"$word\"\npin = 839\n");
commit($spoken, "add key_${long}end now, $word for all, $word$word and 839");
my @spoken = ('--config', "$dir/spoken.toml", $spoken);
for my $form (qw(gitleaks csv)) {
	for my $when ('first', 'again') {
		my $text = scan_run('--format', $form, @spoken);
		unlike($text, qr/@{[substr $long, 20]}|\Q$word\E|(?<![0-9a-f])839(?![0-9a-f])/, "$form, $when: no secret of the report is in a message");
		like($text, qr/add \*+ now, \*+ for all, \*+ and \*+/, "$form, $when: the rest of it is") or diag($text);
	}
	like(scan_run('--format', $form, '--show-secrets', @spoken), qr/add key_${long}end now/, "$form: unless they are asked for");
}
put("$spoken/a", "nothing\n");
git($spoken, qw(commit -q -a --amend -m), "told $word");
put("$spoken/b", "pin = 571\n");
commit($spoken, 'not that');
git($spoken, qw(reflog expire --expire=now --all));
git($spoken, qw(gc -q --prune=now));
my $gone = scan_run('--format', 'gitleaks', @spoken);
unlike($gone, qr/\Q$word\E/, 'a secret that is only in the state is in no message');
is_deeply([map { $_->{Message} } grep { $_->{File} eq 'b' } @{ JSON::PP->new->utf8->decode($gone) }], [''], 'for there are none then');

# One secret in three places is three findings.
put("$dir/copies/$_", token(1) . "\n") for qw(a b c);
put("$dir/copies/d", token(2) . "\n" . token(5) . " # muster:allow\n");
is_deeply([@{ scan_json("$dir/copies")->{summary} }{qw(total secrets ignored)}], [4, 2, 1], 'different secrets are counted');
like(scan_run("$dir/copies"), qr/^4 critical: 4 findings of 2 secrets; 1 ignored; /m, 'in the table');
like(scan_run('--format', $_, "$dir/copies"), qr/4 critical: 4 findings of 2 secrets/, "in $_") for qw(markdown html);

# Two on one line are told apart, and only they.
put("$dir/twins/a", 'x ' . token(1) . ' ' . token(2) . "\n" . token(3) . "\n");
like(scan_run("$dir/twins"), qr/ a:1:3 .* a:1:44 .* a:2 /s, 'two of a rule on one line are told apart by the column');
like(scan_run('--format', $_, "$dir/twins"), qr/\ba:1:3\b.*\ba:1:44\b.*\ba:2[ <]/s, "in $_") for qw(markdown html);

# What is not whole says so beside what was found, and is never green.
my $part = repo("$dir/part");
put("$part/a", token(1));
put("$part/b", "fine\n");
commit($part, 'two files');
my $blob = git($part, qw(rev-parse HEAD:b));
unlink "$part/.git/objects/" . substr($blob, 0, 2) . '/' . substr($blob, 2) or die $!;
like(scan_run('--format', 'html', $part), qr{1 critical</strong>; <span class="bad partly">not everything could be read</span>}, 'a page of a partial scan says so at its top');
is(scan_exit(), 3, 'as the exit code does');

# Where it goes.
scan_run('--format', 'json', '--output', "$dir/out.json", $r);
is(scan_exit(), 1, 'findings written to a file make it exit 1, too');
is(scalar @{ JSON::PP->new->utf8->decode(slurp("$dir/out.json"))->{findings} }, 3, 'the file has them');
is_deeply([grep { /\.tmp\z/ } glob("$dir/.* $dir/*")], [], 'nothing is left beside it');
symlink '/dev/stdout', "$dir/link" or die $!;
is(scan_run('--format', 'csv', '--output', "$dir/link", $r), $out{csv}, 'a device is written to');
ok(-l "$dir/link", 'and stays one');
scan_run('--output', "$dir/none/out", $r);
is(scan_exit(), 2, 'a folder that is not there is said before anything is scanned');
scan_run('--output', $dir, $r);
is(scan_exit(), 2, 'so is a folder');
symlink '/dev/full', "$dir/full" or die $!;
scan_run('--output', "$dir/full", $r);
is(scan_exit(), 4, 'a full disk is an error');
like(scan_error(), qr/No space left/, 'and is named');
scan_run('-f', 'sarif', '-r', "$dir/out.sarif", $r);
like(slurp("$dir/out.sarif"), qr/2\.1\.0/, "gitleaks' names of the two work");
scan_run('-r', "$dir/out.xml", $r);
like(slurp("$dir/out.xml"), qr/<testsuites?/, 'the file says the form');

# Exit codes.
for my $case (
	[0, '--fail-on', 'never'], [1, '--fail-on', 'critical'], [1, '--fail-on=low'], [42, '--exit-code', 42], [0, '--exit-code=0'],
	[0, '--exit-zero'], [0, '--fail-on', 'critical', '-w', "$r/tests"], [1, '--fail-on', 'medium', '-w', "$r/tests"],
	[2, '--fail-on', 'bad'], [2, '--format', 'yaml'], [2, '--exit-code', 'x'], [2, '--bogus'], [2, '--worktree', '--staged'],
	[2, '--redact', '--show-secrets'], [2, '--redact=0'], [2, '--threads=-1'], [2, '--range', 'a..b', '--staged'],
	[2, '--baseline-path', "$dir/none"], [2, '--config', "$dir/none"], [2, '--enable-rule', 'nothing-of-the-kind'],
	[2, '--strict', '-b', "$dir/out.json"], [2, '--branch', 'none'], [2, '--range', 'none..HEAD'], [2, '--max-decode-depth', 9],
) {
	my ($want, @args) = @$case;
	scan_run(@args, grep({ /^\Q$dir\E.*tests/ } @args) ? () : $r);
	is(scan_exit(), $want, "@args[0 .. ($#args > 1 ? 1 : $#args)]: exit $want") or diag(scan_error());
	like(scan_error(), qr/\S/, 'and says why') if $want == 2;
}
scan_run("$dir/none");
is(scan_exit(), 2, 'a path that is not there is wrong usage');
like(scan_error(), qr/none: No such file/, 'and is named');
put("$dir/clean/file", "nothing\n");
is(scan_run('-q', "$dir/clean"), '', '--quiet has nothing to say');
is(scan_exit(), 0, 'when nothing is found');
my $help = scan_run('--help');
is($help =~ /--worktree/ && scan_exit(), 0, '--help helps');
is($help, scan_run('-h'), 'so does -h');
is_deeply([grep { length decode_utf8($_) > 80 } split /\n/, $help], [], 'in 80 columns');
my @titles = $help =~ /^([A-Z][^\n]*):\n  /mg;
s/ \(.*// for @titles;
my $page = slurp(src_dir() . '/jobs/muster-scan.1');
my ($options) = $page =~ /(\.Ss What is scanned\n.*)^\.Sh FINDINGS/ms;
is_deeply([grep { !/^(?:Usage|Examples)$/ } @titles], [$options =~ /^\.Ss ([^\n]*)/mg], 'by purpose, in the order of the manual page');
# Two names of one option share a line there.
my @there = map { /-([a-z][a-z-]+)/g } map { s/ (?:Ar|Ns|Op|Fl)\b/ /gr } $options =~ /^\.It (Fl [^\n]*)/mg;
is_deeply([grep { $_ ne 'help' } $help =~ /^  (?:-\w, )?--([a-z-]+)/mg], \@there, 'option by option');

# Details, colours.
my $table = $out{table};
unlike($table, qr/\e/, 'a table that is piped has no colour');
unlike($table, qr/[ \t]$/m, 'and no space at the ends of lines');
like($table, qr/^2 critical, 1 medium; 1 ignored; /m, 'and sums');
like(scan_run('-v', $r), qr/^    line +TOKEN=ghp_\*{8}$/m, '-v shows the line, masked');
like(scan_run('-v', $r), qr/to do +Delete the token.*settings\/tokens/s, '-v says what to do');
is(scan_error(), '', 'and nothing on standard error');

# Rules are compiled once, which takes a while when they are all.
for my $said (qr/^muster scan: compiling 1 rule \(once\)\n\z/, qr/^\z/) {
	scan_run('-v', '--enable-rule', 'jwt-once', '-c', spew("$dir/once.toml", "[family]\nname = 'once'\n[[rules]]\nid = 'jwt-once'\nregex = 'once[0-9]{9}'\nsieve = 'once[0-9]{9}'\n"), "$dir/clean");
	like(scan_error(), $said, 'compiling is said, and done once');
}

# On a terminal: colours unless they are not wanted, and a line that says how far it is.
SKIP: {
	skip 'no terminal can be had', 7 unless has_terminal();
	my $terminal = sub {
		my ($command) = @_;
		local $ENV{TERM} = 'xterm-256color';
		local $ENV{SCAN} = scan_program() . " scan --enable-rule github";
		open my $out, '-|', 'script', '-qefc', $command, '/dev/null' or die $!;
		local $/;
		my $text = <$out>;
		close $out;
		return $text;
	};
	my $seen = $terminal->("\$SCAN '$r'");
	like($seen, qr/\e\[[\d;]*m/, 'a terminal gets colours');
	like($seen, qr/-v says what to do/, 'and a hint');
	unlike($terminal->("\$SCAN --no-color '$r' 2>/dev/null"), qr/\e\[[\d;]*m/, 'not with --no-color');
	unlike($terminal->("NO_COLOR=1 \$SCAN '$r' 2>/dev/null"), qr/\e\[[\d;]*m/, 'nor with NO_COLOR');
	# It reads a pipe that nobody closes before the line was seen.
	POSIX::mkfifo("$dir/pipe", 0600) or die $!;
	local $ENV{TERM} = 'xterm-256color';
	my $command = scan_program() . " scan --enable-rule github - < '$dir/pipe' > '$dir/piped'";
	open my $out, '-|', 'script', '-qefc', $command, '/dev/null' or die $!;
	open my $in, '>', "$dir/pipe" or die $!;
	$seen = '';
	while ($seen !~ /Reading/ && sysread $out, my $part, 4096) {
		$seen .= $part;
	}
	close $in;
	like($seen, qr/Reading/, 'what it does goes to standard error');
	1 while sysread $out, $seen, 4096;
	close $out;
	unlike(slurp("$dir/piped"), qr/\e/, 'and nothing of it to standard output');
	unlike($terminal->("\$SCAN -w '$dir/clean' 2> '$dir/errors' > /dev/null"), qr/\S/, 'what is no terminal gets none');
}

# A key gives ids that join repositories.
spew("$dir/key", join '', map { chr } 1 .. 32);
chmod 0600, "$dir/key";
my @keyed = map { $_->{secret_id} } @{ scan_json('--key-file', "$dir/key", $r)->{findings} };
is(scalar(grep { defined && /^[0-9a-f]{32}\z/ } @keyed), 3, 'with a key there are ids of secrets');
put("$dir/other/name", token(1));
is(scan_json('--key-file', "$dir/key", "$dir/other")->{findings}[0]{secret_id}, $keyed[1], 'the same elsewhere');
isnt(scan_json("$dir/other")->{findings}[0]{location_id}, $f->{location_id}, 'the other id names the path, too');
chmod 0644, "$dir/key";
scan_run('--key-file', "$dir/key", $r);
isnt(scan_exit(), 1, 'a key that others can read is refused');
done_testing;
