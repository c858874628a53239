#!/usr/bin/perl
# What muster scan prints is valid by schema/scan-1.json and by what SARIF 2.1.0 asks for, and both are strict
# enough to notice when it is not. SARIF's own schema is not ours to distribute: MUSTER_SARIF_SCHEMA names
# a copy of it (sarif-schema-2.1.0.json) for a test by that as well.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test qw(slurp spew src_dir);

plan skip_all => 'python3-jsonschema is not here' if system('python3 -c "import jsonschema" 2>/dev/null');

# A line of "schema TAB file" each; what is wrong is told on one line each.
my $check = <<'END';
import json, sys, jsonschema
known = {}
for line in sys.stdin:
    name, path = line.rstrip("\n").split("\t")
    if name not in known:
        schema = json.load(open(name))
        cls = jsonschema.validators.validator_for(schema)
        cls.check_schema(schema)
        known[name] = cls(schema, format_checker=jsonschema.FormatChecker())
    bad = list(known[name].iter_errors(json.load(open(path))))
    print("; ".join("/".join(map(str, e.path)) + " " + e.message[:300].replace("\n", " ") for e in bad[:5]))
END

# The objects of SARIF that we write, in our words after the specification: which members they have, which they must have.
my $string = { type => 'string', minLength => 1 };
my $message = object([qw(text)], text => $string);
my $count = { type => 'integer', minimum => 1 };
my $uri = { type => 'string', pattern => q{^(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*$} };
my $level = { enum => [qw(none note warning error)] };
my $time = { type => 'string', pattern => '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$' };
my $tags = { type => 'array', items => $string, uniqueItems => JSON::PP::true, maxItems => 20 };
my $bag = { type => 'object', properties => { tags => $tags } };

sub object {
	my ($required, %properties) = @_;
	return { type => 'object', additionalProperties => JSON::PP::false, required => $required, properties => \%properties };
}
sub list { return { type => 'array', items => $_[0] } }

my $artifact = object([], uri => $uri, uriBaseId => $string, description => $message);
my $sarif = object([qw(version runs)],
	'$schema' => { type => 'string', format => 'uri' },
	version => { const => '2.1.0' },
	runs => list(object([qw(tool results)],
		tool => object([qw(driver)], driver => object([qw(name)],
			name => $string, version => $string, informationUri => $uri,
			semanticVersion => { type => 'string', pattern => '^\d+\.\d+\.\d+' },
			rules => { type => 'array', uniqueItems => JSON::PP::true, items => object([qw(id)],
				id => $string, name => $string, shortDescription => $message, fullDescription => $message, help => $message, helpUri => $uri,
				defaultConfiguration => object([], level => $level),
				properties => { type => 'object', required => [qw(security-severity tags)], properties => {
					'security-severity' => { type => 'string', pattern => '^(?:10\.0|[0-9]\.[0-9])$' }, tags => $tags } }) })),
		automationDetails => object([], id => $string),
		originalUriBaseIds => { type => 'object', additionalProperties => $artifact },
		invocations => list(object([qw(executionSuccessful)],
			executionSuccessful => { type => 'boolean' }, startTimeUtc => $time, endTimeUtc => $time,
			toolExecutionNotifications => list(object([qw(message)], level => $level, message => $message)))),
		results => { type => 'array', maxItems => 25000, items => object([qw(message ruleId partialFingerprints)],
			ruleId => $string, ruleIndex => { type => 'integer', minimum => 0 }, level => $level, message => $message,
			kind => { const => 'fail' }, occurrenceCount => $count,
			locations => list(object([qw(physicalLocation)], physicalLocation => object([qw(artifactLocation)],
				artifactLocation => $artifact,
				region => object([qw(startLine)], (map { ($_ => $count) } qw(startLine startColumn endLine endColumn)),
					snippet => object([], text => { type => 'string' }))))),
			partialFingerprints => { type => 'object', minProperties => 1, additionalProperties => $string },
			suppressions => { type => 'array', uniqueItems => JSON::PP::true, items => object([qw(kind)],
				kind => { enum => [qw(inSource external)] }, status => { enum => [qw(accepted underReview rejected)] }, justification => $string) },
			properties => $bag) },
		properties => $bag)));

my $dir = audit_folder();
my $file = "$dir/../report";
my $ours = src_dir() . '/schema/scan-1.json';
my $theirs = "$dir/../sarif";
spew($theirs, JSON::PP->new->canonical->encode($sarif));
my @sarif = ($theirs, grep { defined } $ENV{MUSTER_SARIF_SCHEMA});

my @asked; # [schema, file, name, whether it should be valid]

sub ask {
	my ($schema, $text, $name, $want) = @_;
	my $path = $file . @asked;
	spew($path, $text);
	push @asked, [$schema, $path, $name, $want];
	return;
}

sub both_are {
	my ($name, @args) = @_;
	ask($ours, scan_run('--format', 'json', @args), "JSON of $name is valid", 1);
	my $text = scan_run('--format', 'sarif', @args);
	ask($_, $text, "SARIF of $name is valid", 1) for @sarif;
	return;
}

git($dir, qw(init -q empty));
both_are('an empty repository', "$dir/empty");
my $r = repo("$dir/thing");
put("$r/a.env", "x\nTOKEN=" . token(1) . "\n" . token(1) . "\n");
put("$r/tests/b.py", 'key = "' . token(2) . "\" # gitleaks:allow\n" . token(3) . "\n");
put("$r/=odd <\"{0} [x](y)\n\xff\e.env", token(4) . "\n");
put("$r/binary", "\0");
put("$r/.musterignore", "path:tests # why\nnonsense\n");
commit($r, 'leak');
unlink "$r/a.env";
commit($r, 'remove');
put("$r/new.env", token(5));
spew("$dir/key", 'k' x 32);
chmod 0600, "$dir/key";
both_are('history', $r);
both_are('history with a key', '--key-file', "$dir/key", $r);
both_are('files', '-w', $r);
both_are('a file', "$r/new.env");
both_are('several things', $r, "$r/new.env", "$dir/empty");
both_are('what is staged', '--staged', $r);
both_are('a range', '--range', 'HEAD~1..HEAD', $r);
both_are('a baseline', '-b', do { scan_run('--format', 'gitleaks', '-o', "$dir/base", $r); "$dir/base" }, $r);
both_are('secrets that are shown', '--show-secrets', $r);
both_are('all objects', '--unreachable', $r);
put("$dir/lost/x", "\n");
both_are('what was removed since', do {
	git($r, qw(checkout -q --orphan fresh));
	scan_run($r);
	git($r, qw(commit -q -m fresh));
	git($r, qw(branch -q -D main));
	$r;
});
{
	my $objects = repo("$dir/broken");
	put("$objects/x", token(6));
	commit($objects, 'x');
	my $blob = git($objects, qw(rev-parse HEAD:x));
	unlink "$objects/.git/objects/" . substr($blob, 0, 2) . '/' . substr($blob, 2);
	both_are('a damaged repository', $objects);
}

my $text = scan_run('--format', 'json', '--show-secrets', $r);
for my $break (
	['a severity that is none', sub { $_[0]{findings}[0]{severity} = 'bad' }],
	['no id', sub { delete $_[0]{findings}[0]{location_id} }],
	['a counter that is null', sub { $_[0]{coverage}{scanned} = undef }],
	['no coverage', sub { delete $_[0]{coverage} }],
) {
	my $copy = JSON::PP->new->utf8->decode($text);
	$break->[1]->($copy);
	ask($ours, JSON::PP->new->utf8->canonical->encode($copy), "JSON with $break->[0] is not", 0);
}
$text = scan_run('--format', 'sarif', $r);
for my $break (
	['a level that is none', sub { $_[0]{runs}[0]{results}[0]{level} = 'bad' }],
	['a line 0', sub { $_[0]{runs}[0]{results}[0]{locations}[0]{physicalLocation}{region}{startLine} = 0 }],
	['a space in an address', sub { $_[0]{runs}[0]{results}[0]{locations}[0]{physicalLocation}{artifactLocation}{uri} = 'a b' }],
	['a member that nobody knows', sub { $_[0]{runs}[0]{results}[0]{surprise} = 1 }],
	['no message', sub { delete $_[0]{runs}[0]{results}[0]{message} }],
) {
	my $copy = JSON::PP->new->utf8->decode($text);
	$break->[1]->($copy);
	ask($theirs, JSON::PP->new->utf8->canonical->encode($copy), "SARIF with $break->[0] is not", 0);
}
spew("$file.list", join '', map { "$_->[0]\t$_->[1]\n" } @asked);
open my $in, '<', "$file.list" or die $!;
open my $save, '<&', \*STDIN or die $!;
open STDIN, '<&', $in or die $!;
open my $out, '-|', 'python3', '-c', $check or die $!;
open STDIN, '<&', $save or die $!;
my @said = <$out>;
close $out;
is(scalar @said, scalar @asked, 'each was looked at');
for my $i (0 .. $#asked) {
	my ($schema, $path, $name, $want) = @{ $asked[$i] };
	my $said = $said[$i] // 'was not looked at';
	ok($want ? $said eq "\n" : $said ne "\n", $name) or diag($said);
}
done_testing;
