#!/usr/bin/perl
# Rule files of gitleaks, as they are, decide what muster scan finds.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test qw(spew);

my $dir = audit_folder();
my $number = 0;

# What a rule file finds in some files, as "path:line". @only: the rules that are used, for it takes
# seconds to compile all of ours.
my @only;
sub finds {
	my ($rules, %files) = @_;
	my $r = "$dir/" . ++$number;
	mkdir $r or die $!;
	put("$r/$_", $files{$_}) for sort keys %files;
	spew("$dir/rules.toml", $rules);
	return [found(scan_json('--worktree', '--no-state', (map { ('--enable-rule', $_) } @only), '--config', "$dir/rules.toml", $r))];
}

my $hex = '0123456789abcdef' x 2;
my $rule = "[[rules]]\nid = 'acme'\nregex = '''(?i)acme[ =:\"]{1,4}([0-9a-f]{32})(?:['\"\\s]|\$)'''\nkeywords = ['acme']\n";

# Where the pattern matches.
is_deeply(finds($rule, 'a' => "acme=$hex", 'b' => "x\nACME: $hex\ny\n", 'c' => "acme=${hex}0\n"), [qw(a:1 b:2)], 'a pattern is used as gitleaks does, with its end of text');
is_deeply(finds("[[rules]]\nid = 'a'\nregex = '''k[:alpha:]+=([0-9a-f]{32})'''\n", a => "kalp:h=$hex\n", b => "kbeta=$hex\n"), ['a:1'], 'what is only RE2 is translated');
is_deeply(finds("[[rules]]\nid = 'a'\nregex = '''(acme)-([0-9a-f]{32})'''\nsecretGroup = 2\nentropy = 3.9\n", a => "acme-$hex\n", b => 'acme-' . 'ab' x 16 . "\n"), ['a:1'], 'secretGroup and entropy count');
is_deeply(finds($rule . "entropy = 4.0\n", a => "acme=$hex\n"), [], 'the entropy has to be exceeded');
is_deeply(finds("[[rules]]\nid = 'a'\nregex = '''[0-9a-f]{32}'''\nkeywords = ['acme']\n", a => "acme\n\n\n$hex\n", b => "$hex\n", c => "$hex # acme\n", d => "$hex\n\n# acme\n"), [qw(a:4 c:1 d:1)], 'a keyword may stand some lines away');
is_deeply(finds("[[rules]]\nid = 'a'\nregex = '''[0-9]+[a-z]*:.*'''\n", a => "12ab:x\n", b => "ab:x\n"), ['a:1'], 'a rule for which no sieve can be made is run over whole files') or diag(scan_error());
my $slow = "[[rules]]\nid = 'a'\nregex = '''[0-9]+[a-z]*:.*'''\n";
is_deeply(finds($slow, a => "12ab:x\nno\n34:yy\n5cd:zzz\n"), [qw(a:1 a:3 a:4)], 'and all it matches there are found');
is_deeply(finds($slow, a => "1:x\n" x 1000), ['a:1'], 'a thousand of them');
is(scan_exit(), 1, 'which is all');
finds($slow, a => "1:x\n" x 1001);
is(scan_exit(), 3, 'of more than it takes the rest is not covered');
like(scan_error(), qr/rules\.toml:1: rule 'a' gave up at 1 place:/, 'and it says so');
is_deeply(finds("[[rules]]\nid = 'a'\nregex = '''acme=\\w+'''\npath = '''\\.env\$'''\n", 'a.env' => "acme=1234\n", 'a.c' => "acme=1234\n"), ['a.env:1'], 'a path is asked for');

# Allowlists, new and old.
for my $case (
	["[rules.allowlist]\nregexes = ['^0123']\n", 0, 'the secret'],
	["[[rules.allowlists]]\nregexTarget = 'match'\nregexes = ['^acme']\n", 0, 'the match'],
	["[[rules.allowlists]]\nregexTarget = 'line'\nregexes = ['; not']\n", 0, 'the line'],
	["[[rules.allowlists]]\nregexes = ['^acme']\n", 1, 'not the match without regexTarget'],
	["[[rules.allowlists]]\nstopwords = ['ABCD']\n", 0, 'a stopword in any case'],
	["[[rules.allowlists]]\npaths = ['a\$']\n", 0, 'the path'],
	["[[rules.allowlists]]\ncondition = 'AND'\npaths = ['a\$']\nstopwords = ['zzz']\n", 1, 'one of two that are asked for'],
	["[[rules.allowlists]]\ncondition = 'and'\npaths = ['a\$']\nstopwords = ['abcd']\n", 0, 'both'],
	["[allowlist]\npaths = ['''(^|/)a\$''']\n", 0, 'the path, for all rules'],
	["[[allowlists]]\ntargetRules = ['acme']\nstopwords = ['abcd']\n", 0, 'a list for this rule'],
	["[[allowlists]]\ntargetRules = ['other']\nstopwords = ['abcd']\n[[rules]]\nid = 'other'\nregex = 'zzzz'\n", 1, 'not one for another'],
) {
	my ($list, $want, $what) = @$case;
	is(scalar @{ finds($rule . $list, a => "acme=$hex ; not\n") }, $want, "allowlists: $what");
}

# Of two rules for one place.
is_deeply([map { $_->{rule} } @{ scan_json('--worktree', '--no-state', '--config', "$dir/rules.toml", "$dir/$number")->{findings} }], ['acme'], 'a generic rule gives way')
	if finds("[[rules]]\nid = 'a-generic'\nregex = '[0-9a-f]{32}'\n$rule", a => "acme=$hex\n");

# Rules that need one another.
my $pair = $rule . "[[rules.required]]\nid = 'near'\nwithinLines = 1\n[[rules]]\nid = 'near'\nregex = 'user=\\w+'\nskipReport = true\n";
is_deeply(finds($pair, a => "user=x\nacme=$hex\n", b => "user=x\n\n\nacme=$hex\n", c => "acme=$hex\n"), ['a:2'], 'a rule can require another one near, which is not reported');

# By gitleaks' names.
my $leak = 'AK' . 'IA' . 'QYLPMN5HHHFPZAM2' . "\n";
is_deeply(finds("[extend]\nuseDefault = true\n", a => $leak), ['a:1'], 'extend.useDefault: our own rules');
is_deeply(finds("[extend]\nuseDefault = true\n[[rules]]\nid = 'aws-access-token'\n[[rules.allowlists]]\npaths = ['a\$']\n", a => $leak, b => $leak), ['b:1'], 'what is changed of a rule is changed in ours of another name');
@only = ('aws');
is_deeply(finds("[extend]\nuseDefault = true\n", a => $leak), ['a:1'], 'of one family');
is_deeply(finds("[extend]\nuseDefault = true\ndisabledRules = ['aws-access-token']\n", a => $leak), [], 'as is what is disabled');
@only = ();
is_deeply(finds("[extend]\nuseDefault = true\n", a => $leak, '.gitleaksignore' => "a:aws-access-token:1\n"), [], 'and ignored');

# Ours are off with a file in their form, and nobody has to find that out.
my $alone = qr/^muster scan: \S+rules\.toml: read as a file in gitleaks' form, .*own rules are off; '\[extend\] useDefault = true' in it adds them\n\z/;
is_deeply(finds($rule, a => $leak), [], 'a file in their form stands alone');
like(scan_error(), $alone, 'which is said in one line');
@only = ('acme');
finds($rule, a => $leak);
like(scan_error(), $alone, 'of one rule, too');
for my $case (['useDefault = true', 'when ours are there, too'], ['useDefault = false', 'when that is meant']) {
	finds("[extend]\n$case->[0]\n$rule", a => $leak);
	is(scan_error(), '', "and not $case->[1]");
}
finds("[family]\nname = 'mine'\n$rule", a => $leak);
is(scan_error(), '', 'nor of a file in our own form');
@only = ();
scan_run('--worktree', '--no-state', '--no-builtin-rules', '--config', "$dir/their.toml", $dir) if spew("$dir/their.toml", $rule);
is(scan_error(), '', 'nor when they are not wanted');

scan_run('--worktree', '--no-state', '--enable-rule', 'github-pat', '--config', "$dir/their.toml", $dir);
like(scan_error(), qr/no rule or family 'github-pat'; \S+their\.toml: read as .* useDefault = true/, 'and says why one of ours is not there');

# Rules of paths alone.
my $keys = "[[rules]]\nid = 'keystore'\ndescription = 'A store of keys'\npath = '''(?i)(?:^|/)keys/[^/]+\\.p12\$'''\n"
	. "[[rules.allowlists]]\npaths = ['''sample''']\n";
is_deeply(finds($keys, 'a.p12' => "x\n", 'b' => "keys/a.p12\n"), [], 'a path that does not match');
mkdir "$dir/store" or die $!;
repo("$dir/store");
spew("$dir/keys.toml", $keys);
put("$dir/store/a.txt", "text\n");
commit("$dir/store", 'begin', date => 1_600_000_000);
put("$dir/store/keys/$_", "\0\1$_") for qw(one.p12 two.P12 sample.p12 three.pem);
put("$dir/store/sub/keys/same.p12", "\0\1one.p12");
put("$dir/store/deep/er/empty.p12", '');
my $added = commit("$dir/store", 'keys', date => 1_600_001_000);
put("$dir/store/keys/one.p12", "\0\2changed");
my $changed = commit("$dir/store", 'change', date => 1_600_002_000);
git("$dir/store", qw(rm -q keys/two.P12));
git("$dir/store", qw(mv deep/er keys/));
git("$dir/store", qw(mv keys/er/empty.p12 keys/empty.p12));
my $moved = commit("$dir/store", 'remove and move', date => 1_600_003_000);
my @there = qw(keys/empty.p12:1 keys/one.p12:1 keys/two.P12:1 sub/keys/same.p12:1);
my @now = grep { !/two/ } @there;
sub store { return scan_json("--config=$dir/keys.toml", @_, "$dir/store") }
my $report = store('--no-state');
is_deeply([found($report)], \@there, 'in history every file whose path matched, whatever is in it') or diag(scan_error());
is(scan_exit(), 1, 'which are findings');
is(finding_at($report, 'keys/one.p12')->{commit}, $added, 'it came with the commit that added it');
is(finding_at($report, 'keys/one.p12')->{occurrences_total}, 2, 'in two versions');
is(finding_at($report, 'keys/empty.p12')->{commit}, $moved, 'a file that is moved comes with the commit that moved it');
is_deeply([map { finding_at($report, $_)->{in_head} ? 1 : 0 } qw(keys/one.p12 keys/two.P12)], [1, 0], 'whether it is still there is known');
my $one = finding_at($report, 'sub/keys/same.p12');
is_deeply([@$one{qw(secret secret_id rule line sample)}], ['', undef, 'keystore', 1, 'file detected: sub/keys/same.p12'], 'it has no secret');
is($report->{summary}{secrets}, 4, 'each stands for itself');
is($report->{coverage}{digests}, 0, 'and needs no digest');
my $ids = join ' ', sort map { $_->{location_id} } @{ $report->{findings} };
is_deeply([found(store("--state=$dir/state"))], \@there, 'the same with a state');
is_deeply([found(store("--state=$dir/state"))], \@there, 'and from it');
is_deeply([found(store('--worktree'))], \@now, 'files as they lie');
is(join(' ', sort map { $_->{location_id} } grep { $_->{path} !~ /two/ } @{ $report->{findings} }),
	join(' ', sort map { $_->{location_id} } @{ store('--worktree')->{findings} }), 'by the same ids');
is_deeply([found(store('--range', "$changed~1..$changed"))], [], 'a range in which one only changed brought none');
is_deeply([found(store('--range', "$changed..HEAD"))], ['keys/empty.p12:1'], 'one that moved one brought that');
is_deeply([found(store('--range', "$added~1..$added"))], [grep { !/empty/ } @there], 'one that added some brought these');
git("$dir/store", qw(mv a.txt keys/late.p12));
is_deeply([found(store('--staged'))], ['keys/late.p12:1'], 'what is staged');
commit("$dir/store", 'late', date => 1_600_004_000);
$report = store("--state=$dir/state");
is_deeply([found($report)], [sort @there, 'keys/late.p12:1'], 'a later scan adds what is new, though its bytes are known');
spew("$dir/both.toml", "$keys$rule");
$report = scan_json("--config=$dir/both.toml", "--state=$dir/state", "$dir/store");
is_deeply([found($report)], [sort @there, 'keys/late.p12:1'], 'with another rule as well');
spew("$dir/other.toml", $rule);
scan_json("--config=$dir/other.toml", "--state=$dir/state", "$dir/store");
$report = scan_json("--config=$dir/both.toml", "--state=$dir/state", "$dir/store");
is_deeply([found($report)], [sort @there, 'keys/late.p12:1'], 'a rule of paths that is new looks at all there is');
my $theirs = JSON::PP->new->utf8->decode(scan_run("--config=$dir/keys.toml", '--format=gitleaks', "$dir/store"));
is_deeply([map { "$_->{StartLine} $_->{Match}" } grep { $_->{File} eq 'keys/one.p12' } @$theirs], ['0 file detected: keys/one.p12'], "gitleaks' report says it as gitleaks does");
is($theirs->[0]{Message} ne '', 1, 'messages of commits are there');
put("$dir/store/.gitleaksignore", "$added:keys/one.p12:keystore:0\n");
is_deeply([found(store('--no-state'))], [grep { !/one/ } sort @there, 'keys/late.p12:1'], "and gitleaks' name of it is known");
for my $format (qw(table csv sarif junit html markdown jsonl)) {
	like(scan_run("--config=$dir/keys.toml", "--format=$format", '-v', "$dir/store"), qr{sub/keys/same\.p12}, "format $format shows it");
}
unlike(scan_run("--config=$dir/keys.toml", "$dir/store"), qr/same\.p12:/, 'without a line, for it is all of the file');

# What cannot be used.
is_deeply(finds("[[rules]]\nid = 'bad'\nregex = '('\n$rule", a => "acme=$hex\n"), ['a:1'], 'a rule that cannot be used does not harm the others');
like(scan_error(), qr/rules\.toml:1: bad: regex: missing closing/, 'and is named');
scan_run('--worktree', '--no-state', '--config', "$dir/none.toml", $dir);
is(scan_exit(), 2, 'a file that cannot be read ends the scan');
like(scan_error(), qr{none\.toml: No such file}, 'with its name');
my $found = finds("[[rules]]\nid = 'wild'\nregex = '''acme_((?:[0-9a-f]+)+)+[!?]'''\nkeywords = ['acme_']\n$rule",
	(map { ("w$_" => 'acme_' . 'a' x 60 . "$_\n") } 1 .. 300), b => "acme=$hex\n");
is_deeply($found, ['b:1'], 'a catastrophic pattern does not harm the others');
is(scan_exit(), 3, 'but not everything was looked at');
like(scan_error(), qr/rules\.toml:1: rule 'wild' gave up at 300 places/, 'which is said');

done_testing;
