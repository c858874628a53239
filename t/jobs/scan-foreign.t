#!/usr/bin/perl
# Rule files of gitleaks, as they are, decide what muster scan finds.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test qw(spew);

my $dir = audit_folder();
my $number = 0;

# What a rule file finds in some files, as "path:line".
sub finds {
	my ($rules, %files) = @_;
	my $r = "$dir/" . ++$number;
	mkdir $r or die $!;
	put("$r/$_", $files{$_}) for sort keys %files;
	spew("$dir/rules.toml", $rules);
	return [found(scan_json('--worktree', '--no-state', '--config', "$dir/rules.toml", $r))];
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
is_deeply(finds("[extend]\nuseDefault = true\ndisabledRules = ['aws-access-token']\n", a => $leak), [], 'as is what is disabled');
is_deeply(finds("[extend]\nuseDefault = true\n", a => $leak, '.gitleaksignore' => "a:aws-access-token:1\n"), [], 'and ignored');

# Ours are off with a file in their form, and nobody has to find that out.
my $alone = qr/^muster scan: \S+rules\.toml: read as a file in gitleaks' form, .*own rules are off; '\[extend\] useDefault = true' in it adds them\n\z/;
is_deeply(finds($rule, a => $leak), [], 'a file in their form stands alone');
like(scan_error(), $alone, 'which is said in one line');
for my $case (['useDefault = true', 'when ours are there, too'], ['useDefault = false', 'when that is meant']) {
	finds("[extend]\n$case->[0]\n$rule", a => $leak);
	is(scan_error(), '', "and not $case->[1]");
}
finds("[family]\nname = 'mine'\n$rule", a => $leak);
is(scan_error(), '', 'nor of a file in our own form');
scan_run('--worktree', '--no-state', '--no-builtin-rules', '--config', "$dir/their.toml", $dir) if spew("$dir/their.toml", $rule);
is(scan_error(), '', 'nor when they are not wanted');

scan_run('--worktree', '--no-state', '--enable-rule', 'github-pat', '--config', "$dir/their.toml", $dir);
like(scan_error(), qr/no rule or family 'github-pat'; \S+their\.toml: read as .* useDefault = true/, 'and says why one of ours is not there');

# What cannot be used.
is_deeply(finds("[[rules]]\nid = 'bad'\nregex = '('\n[[rules]]\nid = 'file'\npath = 'a\$'\n$rule", a => "acme=$hex\n"), ['a:1'], 'a rule that cannot be used does not harm the others');
like(scan_error(), qr/rules\.toml:1: bad: regex: missing closing.*rules\.toml:4: file: no regex/s, 'and is named');
scan_run('--worktree', '--no-state', '--config', "$dir/none.toml", $dir);
is(scan_exit(), 2, 'a file that cannot be read ends the scan');
like(scan_error(), qr{none\.toml: No such file}, 'with its name');
my $found = finds("[[rules]]\nid = 'wild'\nregex = '''acme_((?:[0-9a-f]+)+)+[!?]'''\nkeywords = ['acme_']\n$rule",
	(map { ("w$_" => 'acme_' . 'a' x 60 . "$_\n") } 1 .. 300), b => "acme=$hex\n");
is_deeply($found, ['b:1'], 'a catastrophic pattern does not harm the others');
is(scan_exit(), 3, 'but not everything was looked at');
like(scan_error(), qr/rules\.toml:1: rule 'wild' gave up at 300 places/, 'which is said');

done_testing;
