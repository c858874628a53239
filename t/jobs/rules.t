#!/usr/bin/perl
# muster rules: the rules that are built in, and what is refused of others.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Temp qw(tempdir);
use JSON::PP ();
use Test::More;
use Muster::Test qw(build_dir);

my $folder = tempdir('muster-rules.XXXXXX', TMPDIR => 1, CLEANUP => 1);
my ($exit, $errors);
$ENV{XDG_CACHE_HOME} = "$folder/cache";

sub rules {
	my (@args) = @_;
	my $pid = open(my $out, '-|') // die $!;
	if ($pid == 0) {
		open STDERR, '>', "$folder/errors" or die $!;
		exec build_dir() . '/jobs/muster', 'rules', @args or die $!;
	}
	local $/;
	my $text = <$out> // '';
	close $out;
	$exit = $? >> 8;
	open my $in, '<', "$folder/errors" or die $!;
	$errors = <$in> // '';
	return $text;
}

sub rules_json { return JSON::PP->new->utf8->decode(rules(@_, '--format=json')) }

sub file {
	my ($name, $text) = @_;
	open my $out, '>', "$folder/$name" or die $!;
	print $out $text;
	close $out or die $!;
	return "$folder/$name";
}

# A rule that is fine, but for what is replaced in it.
sub rule {
	my (%other) = @_;
	my %key = (
		description => "'A token'", regex => q('\bacme_([0-9a-f]{32})\b'), sieve => q('acme_[0-9a-f]{32}'),
		keywords => "['acme_']", entropy => 2.5, remedy => "'Delete it.'",
		examples => q(['key={<}acme_{hex:32}{>}', 'acme_{hex:32}']), negatives => q(['acme_{hex:31}', 'acme-{hex:32}']),
		%other);
	$key{examples} = q(['k=acme_{<}{hex:32}{>}', 'acme_{hex:32}']) unless $other{examples};
	return "[[rules]]\nid = '" . ($other{id} // 'acme') . "'\n" . join '', map { "$_ = $key{$_}\n" } grep { $_ ne 'id' && defined $key{$_} } sort keys %key;
}

sub check {
	my ($name, $text) = @_;
	return rules('check', file($name, $text));
}

# What is built in.
my $all = rules_json('list');
is($exit, 0, 'the rules are listed');
cmp_ok(scalar @{ $all->{rules} }, '>=', 250, 'there are at least 250');
is(scalar @{ $all->{problems} }, 0, 'nothing is wrong with their files');
like($all->{rule_set}, qr/^[0-9a-f]{64}$/, 'the set has a name');
is_deeply([map { $_->{id} } grep { $_->{slow} || (!@{ $_->{sieve} } && defined $_->{regex}) } @{ $all->{rules} }], [], 'each has a sieve');
is_deeply([map { $_->{id} } grep { !defined $_->{rotate} && !defined $_->{remedy} } @{ $all->{rules} }], [], 'each says what to do when it leaked');
my $checked = rules_json('check', '--no-costs');
is_deeply([map { "$_->{source}:$_->{line}: $_->{rule}: $_->{text}" } grep { $_->{level} eq 'error' } @{ $checked->{faults} }], [], 'every built-in rule passes its check');
cmp_ok($checked->{examples}, '>=', 2 * grep({ defined $_->{regex} } @{ $all->{rules} }), 'with two examples each');
cmp_ok($checked->{negatives}, '>=', 2 * grep({ defined $_->{regex} } @{ $all->{rules} }), 'and two negatives');
like(rules('list'), qr/^github-pat +github +critical +\S.*\n.*^\d+ rules$/ms, 'the table has a line for each');
like(rules('show', 'github-pat'), qr/^github-pat  critical\n.*^  checksum +crc32_62\n.*^  rotate at +https:/ms, 'one rule is shown');
unlike(rules('show', 'github-pat'), qr/ghp_(?!x{36})[0-9A-Za-z]{36}/, 'without a token in it');
like(rules('show', 'aws-access-token'), qr/^aws-access-key-id  .*^aws-access-key-pair  /ms, 'by what gitleaks calls it, all that it is here are');
rules('show', 'githup-pat');
is($exit, 2, 'a rule that is not there cannot be shown');

# One's own.
like(check('fine.toml', rule()), qr/^1 rules, 2 examples, 2 negatives: 0 errors, 0 warnings$/m, 'a good rule passes');
is($exit, 0, 'and the exit code says so');

# What is refused when its file is read: the whole file, with a line.
for my $case (
	['twice.toml', rule() . rule(), qr{twice\.toml:11: rule 'acme' is already in line 1}, 'an id that is there twice'],
	['unknown.toml', rule(colour => "'red'"), qr{unknown\.toml:\d+: unknown key 'colour'}, 'a key that nobody knows'],
	['toml.toml', "[[rules]\n", qr{toml\.toml:1: '\]\]' is expected}, 'what is no TOML'],
	['regex.toml', rule(regex => q{'acme_([0-9a-f]{32}'}), qr{regex\.toml:1: rule 'acme': regex: missing closing parenthesis}, 'a pattern that is none'],
) {
	my ($name, $text, $message, $what) = @$case;
	check($name, $text);
	like($errors, $message, "$what is refused");
	is($exit, 1, "$what: the exit code says so");
}
rules('check', "$folder/no-such.toml");
like($errors, qr{no-such\.toml: No such file}, 'a file that is not there is named');
is($exit, 3, 'and is something that could not be read');
SKIP: {
	skip 'root reads everything', 2 if $> == 0;
	chmod 0, file('closed.toml', rule()) or die $!;
	rules('check', "$folder/closed.toml");
	like($errors, qr{closed\.toml: Permission denied}, 'an unreadable file is named');
	is($exit, 3, 'and is something that could not be read');
}

# What is wrong with a rule: each is named with its line, the others are checked all the same.
for my $case (
	[q(sieve), q('acme_[0-9a-f]{300}'), qr/is up to 305 bytes wide: 256 are allowed/, 'a sieve that is too wide'],
	[q(sieve), q('acme_.*key'), qr/has no bound/, 'a sieve without bound'],
	[q(sieve), q('a*'), qr/matches nothing at all/, 'a sieve that matches nothing'],
	[q(sieve), q('acme_(?=x)'), qr/is refused: /, 'a sieve that vectorscan does not take'],
	[q(sieve), q('[a-z]{3}'), qr/slows the whole database: its sieve matches \d+ times in a MiB/, 'a sieve that matches everywhere'],
	[q(sieve), q('(?:[a-z0-9].{0,30}){4}[=:].{0,60}[0-9a-f]{32}'), qr/slows the whole database: its sieve takes/, 'a sieve that is dear'],
	[q(regex), q('\bacme_((?:[0-9a-f]+)+)+[!?]'), qr/the regex gave up in/, 'a catastrophic pattern', q(['acme_{hex:60}', 'acme_{hex:61}!'])],
	[q(examples), q(['acme_{base63:32}', 'acme_{hex:32}']), qr/there is no such placeholder/, 'a bad template'],
	[q(examples), q(['acme_{hex:31}', 'acme_{hex:32}']), qr/example is not found: 'acme_\{hex:31\}'/, 'an example that is not found'],
	[q(examples), q(['{<}acme_{hex:32}{>}', 'acme_{hex:32}']), qr/the secret is not what/, 'an example with another secret'],
	[q(negatives), q(['acme_{hex:32}', 'acme_']), qr/negative is found/, 'a negative that is found'],
	[q(checksum), q('crc99'), qr/'crc99' is none of crc32_62, /, 'a checksum that is none'],
) {
	my ($key, $value, $message, $what, $examples) = @$case;
	my $text = check('wrong.toml', rule($key => $value, $examples ? (examples => $examples) : ()) . rule(id => 'other'));
	like($text, qr/wrong\.toml:1: error: rule 'acme': .*$message/, "$what is named");
	unlike($text, qr/rule 'other'/, "$what: the other rule is fine");
	is($exit, 1, "$what: the exit code says so");
}

# Foreign files.
my $gitleaks = file('gitleaks.toml', <<'END');
title = "theirs"
surprise = 1
[[rules]]
id = "generic"
description = "Finds what is like a key."
regex = '''(?i)[\w.-]{0,50}?(?:acme)[ =]{1,3}([0-9a-f]{32})(?:['"\s]|$)'''
keywords = ["acme"]
tokenEfficiency = true
[[rules]]
id = "whole"
regex = '''[0-9]+[a-z]*='''
[[rules]]
id = "broken"
regex = '''('''
END
my $foreign = rules_json('list', '--config', $gitleaks);
like($errors, qr/^muster rules: \S+gitleaks\.toml: .* own rules are off; .*useDefault = true/m, 'that ours are off is said');
is(scalar @{ $foreign->{rules} }, 2, "gitleaks' file stands for itself, as there");
is_deeply([map { "$_->{line} $_->{kind}" } @{ $foreign->{problems} }], ['2 unknown', '8 unsupported', '12 dropped'], 'and what is not done is said with lines');
rules('list', '--config', $gitleaks);
like($errors, qr/gitleaks\.toml:8: not supported: rule 'generic': tokenEfficiency.*1 keys unknown, 1 things not supported, 1 rules left out/s, 'to a person too');
my $text = rules('check', $gitleaks);
like($text, qr/^\S+gitleaks\.toml:12: error: left out: rule 'broken': regex: missing closing.*: 1 errors, 1 warnings$/ms, 'a rule that is left out is an error') or diag($text);
is($exit, 1, 'and the exit code says so');
is_deeply([map { "$_->{line} $_->{rule}" } grep { $_->{level} eq 'error' } @{ rules_json('check', $gitleaks)->{faults} }], ['12 broken'], 'in JSON, too');
unlike($text, qr/description|full stop|examples:/, 'what is only our style is not asked of theirs');
like($text, qr/gitleaks\.toml:9: warning: rule 'whole': slow: it has no sieve/, 'a rule that is run over whole objects is listed');
is(scalar @{ rules_json('list', '--config', file('more.toml', rule()))->{rules} }, @{ $all->{rules} } + 1, 'our own format adds to what is built in');
is(scalar @{ rules_json('list', '--config', file('extend.toml', "[extend]\nuseDefault = true\ndisabledRules = ['github-pat']\n"))->{rules} }, @{ $all->{rules} } - 1, 'and extend.useDefault keeps it, but for disabledRules');

my $dear = rules('check', file('dear.toml', "[[rules]]\nid = 'dear'\nregex = '''[a-z]{3}_?[a-z]'''\nkeywords = ['the_', 'name']\n[[rules]]\nid = 'path'\npath = '\\.p12\$'\n"));
like($dear, qr/dear\.toml:1: warning: rule 'dear': slows the whole database/, 'that a rule of theirs is slow is a warning');
is($exit, 0, 'for nobody can change it, and one of paths alone is fine') or diag($dear);

rules('sort');
is($exit, 2, 'a verb that is none is wrong usage');
done_testing;
