#!/usr/bin/perl
# json_check() and Python's json, told to be as strict, must agree on every document of a corpus
# made with a fixed seed: valid ones, and those with one thing wrong.
use strict;
use warnings;
use Test::More;

my $build = $ENV{MUSTER_BUILDDIR} // '.';
my $oracle = <<'PY';
import json, random, sys

def pairs(items):
    if len({k for k, v in items}) != len(items):
        raise ValueError("doubled")
    return dict(items)

def integer(text):
    n = int(text)
    if not -2**63 <= n < 2**63:
        raise ValueError("range")
    return n

def fraction(text):
    x = float(text)
    if x in (float("inf"), float("-inf")) or (x == 0 and any(c in "123456789" for c in text.lower().split("e")[0])):
        raise ValueError("range")
    return x

def constant(text):
    raise ValueError(text)

def walk(value, depth):
    if isinstance(value, str):
        value.encode()  # lone surrogates
        if "\0" in value:
            raise ValueError("nul")
    elif isinstance(value, (list, dict)):
        if depth == 32:
            raise ValueError("depth")
        if isinstance(value, dict):
            for key in value:
                walk(key, depth)
            value = value.values()
        for item in value:
            walk(item, depth + 1)

def is_fine(line):
    try:
        walk(json.loads(line.decode("utf-8"), object_pairs_hook=pairs, parse_int=integer,
                        parse_float=fraction, parse_constant=constant), 0)
        return True
    except (ValueError, RecursionError):
        return False

def make(r, depth):
    kind = r.randrange(9 if depth < 5 else 6)
    if kind < 1:
        return r.choice(["null", "true", "false"])
    if kind < 3:
        return r.choice(["0", "-0", "1", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
                         "1.5", "1e5", "1E-5", "0.1e+10", "1e309", "1e-310", str(r.randrange(-10**6, 10**6))])
    if kind < 6:
        return string(r)
    if kind < 7:
        return "[" + space(r) + ",".join(make(r, depth + 1) + space(r) for _ in range(r.randrange(4))) + "]"
    keys = [string(r) for _ in range(r.randrange(5))]
    return "{" + ",".join(space(r) + k + space(r) + ":" + make(r, depth + 1) for k in keys) + "}"

def space(r):
    return r.choice(["", "", " ", "\t", "  "])

def string(r):
    parts = ["a", "b", "\\u0061", "\\n", "\\\\", "\\\"", "\\/", "/", "é", "\\u00e9", "\\ud83d\\ude00", "😀"]
    if r.randrange(20) == 0:
        parts += ["\\u0000", "\\ud83d", "\\ude00", "\\x", "\\"]
    return '"' + "".join(r.choice(parts) for _ in range(r.randrange(4))) + '"'

r = random.Random(8259)
out = sys.stdout.buffer
for n in range(20000):
    line = make(r, 0).encode()
    for _ in range(r.choice([0, 0, 1, 1, 2])):
        if line:
            at = r.randrange(len(line))
            byte = bytes([r.choice(b'{}[]",:\\0123456789.eE+-tfn \xff\xc3\x80\x7f\x01')])
            line = r.choice([line[:at] + line[at + 1:], line[:at] + byte + line[at:], line[:at] + byte + line[at + 1:]])
    out.write((b"yes " if is_fine(line) else b"no ") + line + b"\n")
PY

# A file, not -c: the text is longer than it looks in a process list.
my $folder = $ENV{TMPDIR} // '/tmp';
my $script = "$folder/muster-json-oracle-$$.py";
open my $out, '>', $script or die "$script: $!";
print $out $oracle;
close $out;
my @wanted = split /\n/, qx(python3 $script);
unlink $script;
plan skip_all => 'python3 is not here' unless @wanted;

my ($lines, @said) = ("$folder/muster-json-oracle-$$.txt");
open $out, '>', $lines or die "$lines: $!";
print $out map { s/^(?:yes|no) //r . "\n" } @wanted;
close $out;
@said = split /\n/, qx($build/t/unit/json --lines <$lines);
unlink $lines;

is(scalar @said, scalar @wanted, 'every document gets an answer');
my ($fine, @differ) = (0);
for my $i (0 .. $#wanted) {
	my ($answer) = $wanted[$i] =~ /^(\w+)/;
	$fine++ if $answer eq 'yes';
	push @differ, "python says $wanted[$i]" if ($said[$i] // '') ne $answer;
}
is(scalar @differ, 0, 'json_check and Python agree on each of them') or diag(join "\n", @differ[0 .. ($#differ > 9 ? 9 : $#differ)]);
cmp_ok($fine, '>', 4000, 'many of them are valid');
cmp_ok(@wanted - $fine, '>', 4000, 'and many are not');
done_testing;
