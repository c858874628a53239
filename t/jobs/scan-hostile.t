#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Repositories made to hurt, and machines that fail: muster scan ends, finds what can be found, and
# what it has not covered it says, with exit code 3. The real worth is in a build with sanitizers.
# MUSTER_SEED and MUSTER_ROUNDS: other damage, and more of it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Compress::Zlib qw(compress deflateInit Z_FULL_FLUSH);
use Digest::SHA qw(sha1);
use File::Path qw(remove_tree);
use POSIX ();
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test qw(slurp spew wait_for);
use Muster::Test::Depot qw(oid_of delta pack_write);

my $seed = $ENV{MUSTER_SEED} || 42;
my $rounds = $ENV{MUSTER_ROUNDS} || 12;
my $dir = audit_folder();
srand($seed);

sub person { return 'A U Thor <author@example.com> 1700000000 +0000' }

sub commit_of {
	my ($tree, @parents) = @_;
	return { type => 'commit', data => "tree $tree\n" . join('', map { "parent $_\n" } @parents) .
		'author ' . person() . "\ncommitter " . person() . "\n\nm\n" };
}

sub tree_of {
	my (@rows) = @_;
	return { type => 'tree', data => join '', map { "$_->[0] $_->[1]\0" . pack('H40', $_->[2]) } @rows };
}

sub oid { return $_[0]{oid} // oid_of($_[0]{type}, $_[0]{data}) }

# A repository of these entries; the last one is main.
my $serial = 0;
sub made_of {
	my ($entries, %option) = @_;
	my $path = "$dir/made" . ++$serial;
	git($dir, qw(init -q --bare), $path);
	pack_write("$path/objects/pack/pack-x", $entries, %option);
	spew("$path/refs/heads/main", oid($entries->[-1]) . "\n");
	return $path;
}

sub partly {
	my ($path, $want, $say, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $report = scan_json('--no-state', $path);
	my @wrong;
	push @wrong, 'exit code ' . scan_exit() if scan_exit() ne '3';
	push @wrong, 'the report calls it whole' if !$report->{coverage}{partly};
	push @wrong, 'found ' . join(' ', found($report)) if join(' ', found($report)) ne join(' ', @$want);
	push @wrong, 'said ' . scan_error() if scan_error() !~ $say;
	return ok(!@wrong, $name) || diag(join "\n", @wrong);
}

# Enough for all that is done here, and for nothing that objects claim. Sanitizers need more than that.
my $limit_data = slurp(scan_program()) =~ /__asan_init/ || !grep({ -x "$_/prlimit" } split /:/, $ENV{PATH}) ? [] : ['prlimit', '--data=' . (200 << 20)];

my $secret = { type => 'blob', data => 'TOKEN=' . token(1) . "\n" };
my $plain = { type => 'blob', data => 'OTHER=' . token(2) . "\n" . "text\n" x 40 };
my $root = tree_of(['100644', 'a', oid($plain)], ['100644', 'b', oid($secret)]);
my $main = commit_of(oid($root));

# That the tools are right.
is_deeply([found(scan_json('--no-state', made_of([$secret, $plain, $root, $main])))], ['a:1', 'b:1'], 'a repository made by hand');

# Stored as something else, nobody would look at it.
for my $kind (1, 2, 4) {
	partly(made_of([{ %$secret, kind => $kind }, $plain, $root, $main]), ['a:1'], qr/damaged/, "a file stored as kind $kind");
	my $child = $plain->{data} . 'MORE=' . token(3) . "\n";
	my $delta = { type => 'blob', data => $child, base => 0,
		delta => delta(length $plain->{data}, length $child, [0, length $plain->{data}], substr $child, length $plain->{data}) };
	my $tree = tree_of(['100644', 'b', oid($secret)], ['100644', 'c', oid($delta)]);
	partly(made_of([{ %$plain, kind => $kind }, $delta, $secret, $tree, commit_of(oid($tree))]), ['b:1'], qr/damaged/,
		"a file that is a delta of one stored as kind $kind");
}
partly(made_of([$secret, $plain, { %$root, kind => 3 }, $main]), [], qr/damaged/, 'a folder stored as a file');

# Trees and commits without an end.
my $loop = '1' x 40;
my $round = { %{ tree_of(['40000', 'again', $loop], ['100644', 'a', oid($plain)]) }, oid => $loop };
partly(made_of([$plain, $round, commit_of($loop)]), ['a:1'], qr/damaged|deep/, 'a folder that is in itself');
my $ancestor = '2' x 40;
partly(made_of([$secret, $plain, $root, { %{ commit_of(oid($root), $ancestor) }, oid => $ancestor }]), ['a:1', 'b:1'],
	qr/damaged/, 'a commit that is its own ancestor');
my @deep = ($root);
push @deep, tree_of(['40000', 'd', oid($deep[-1])]) for 1 .. 2100;
my $side = tree_of(['40000', 'deep', oid($deep[-1])], ['100644', 'shallow', oid($plain)]);
partly(made_of([$secret, $plain, @deep, $side, commit_of(oid($side))]), ['shallow:1'], qr/too deep/, 'folders 2 100 deep');
my @wide = ($root);
push @wide, tree_of(map { ['40000', "d$_", oid($wide[-1])] } 0 .. 9) for 1 .. 12;
$side = tree_of(['40000', 'wide', oid($wide[-1])], ['100644', 'small', oid($plain)]);
partly(made_of([$secret, $plain, @wide, $side, commit_of(oid($side))]), ['small:1'], qr/too much/,
	'a tree with 2 000 000 000 000 files');
my @tags = ($main);
push @tags, { type => 'tag', data => 'object ' . oid($tags[-1]) . "\ntype $tags[-1]{type}\ntag t\ntagger " . person() . "\n\nm\n" } for 1 .. 80;
partly(made_of([$secret, $plain, $root, @tags]), [], qr/too deep/, 'a tag of a tag of a tag');
partly(made_of([$secret, $plain, $root, $main, commit_of(oid($root), (oid($main)) x 20000)]), ['a:1', 'b:1'], qr/too much/,
	'a commit with 20 000 parents');

# What claims to be larger than there is room for: the rest is found, and nothing is allocated for it.
my $zeros = do {
	my ($z) = deflateInit();
	my $block = $z->deflate("\0" x (1 << 20)) . $z->flush(Z_FULL_FLUSH);
	my $next = $z->deflate("\0" x (1 << 20)) . $z->flush(Z_FULL_FLUSH);
	my $len = 2**32 + (1 << 20);
	$block . $next x 4096 . "\1\0\0\xff\xff" . pack('nn', $len % 65521, 1);
};
for my $case (
	['a file that claims 2^60 bytes', { type => 'blob', data => 'x', size => 2**60 }],
	['one that claims 4 GB and its own', { type => 'blob', data => 'hello', size => 2**32 + 5 }],
	['a folder that claims 2^60 bytes', { %{ tree_of(['100644', 'a', oid($plain)]) }, size => 2**60 }, '40000'],
	['a file of 4 GB', { type => 'blob', data => '', oid => '4' x 40, size => 2**32 + (1 << 20), stored => $zeros }],
) {
	my ($what, $object, $mode) = @$case;
	my $tree = tree_of(['100644', 'b', oid($secret)], [$mode // '100644', 'large', oid($object)]);
	my $report = scan_json({ under => $limit_data }, '--no-state', made_of([$secret, $plain, $object, $tree, commit_of(oid($tree))]));
	is_deeply([found($report)], ['b:1'], "$what: the others are found") or diag(scan_error());
	if ($mode) {
		is(scan_exit(), 3, "$what: it is not covered");
	} else {
		is($report->{coverage}{targets}[0]{skipped}{'too-big'}, 1, "$what: it is left out, and counted");
	}
}

# Damage: the same findings, or it is said that something is missing.
my $base = repo("$dir/base");
for my $i (1 .. 12) {
	put("$base/f$_", ("line $_ of some text\n" x 30) . "change $i\n" . ($i > $_ * 3 ? 'T=' . token(10 + $_) . "\n" : '')) for 1 .. 3;
	commit($base, "change $i");
}
git($base, qw(repack -adq --depth=50 --window=50));
my $whole = scan_json('--no-state', $base);
is(scan_exit(), 1, 'a repository to be damaged');

sub facts {
	my ($report) = @_;
	return join "\n", $report->{coverage}{scanned}, sort map { "$_->{location_id} $_->{commit} " . @{ $_->{occurrences} } } @{ $report->{findings} };
}

my ($pack) = glob("$base/.git/objects/pack/*.pack");
(my $idx = $pack) =~ s/pack$/idx/;
chmod 0644, $pack, $idx;
my %bytes = map { $_ => slurp($_) } $pack, $idx;
my @silent;
for my $round (1 .. $rounds) {
	for my $file ($pack, $idx) {
		my $text = $bytes{$file};
		substr($text, rand length $text, 1) ^= chr(1 + rand 255) for 1 .. (1, 1, 2, 20)[rand 4];
		$text = substr($text, 0, rand length $text) if rand() < 0.1;
		spew($file, $text);
		my $report = eval { scan_json('--no-state', $base) };
		push @silent, "seed $seed, round $round, $file: exit " . scan_exit() . ' ' . scan_error()
			if scan_exit() ne '3' && !(scan_exit() eq '1' && facts($report) eq facts($whole));
		push @silent, "seed $seed, round $round, $file: $1" if scan_error() =~ /(.*(?:Sanitizer|runtime error).*)/;
		spew($file, $bytes{$file});
	}
}
is_deeply(\@silent, [], "a pack or index with other bytes in it is never taken as whole ($rounds rounds of each)");

# A file that its owner shortens while it is read.
SKIP: {
	skip '/proc/PID/maps is not here', 1 if !-e "/proc/$$/maps";
	my $large = repo("$dir/large");
	my $noise = '';
	$noise .= pack('H*', Digest::SHA::sha512_hex("noise $_")) for 1 .. 20000;
	$noise =~ tr/\0/x/;
	put("$large/f$_", "$_\n$noise" . 'T=' . token(30 + $_) . "\n") for 1 .. 24;
	commit($large, 'large');
	git($large, qw(-c pack.compression=0 repack -adq --window=0));
	my ($shortened) = glob("$large/.git/objects/pack/*.pack");
	chmod 0644, $shortened;
	my $pid = fork // die $!;
	if (!$pid) {
		open STDOUT, '>', "$dir/shortened.json" or die $!;
		open STDERR, '>', "$dir/shortened.err" or die $!;
		exec scan_program(), qw(scan --enable-rule github --threads 1 --no-state --format json), $large or die $!;
	}
	wait_for { waitpid($pid, POSIX::WNOHANG()) || slurp("/proc/$pid/maps") =~ /\Q$shortened\E/ } 'the pack is mapped';
	truncate $shortened, 8192 or die $!;
	waitpid $pid, 0;
	my $code = $?;
	skip 'it was read before it was shortened', 1 if $code == 1 << 8 || $code == -1;
	ok($code == 3 << 8 && slurp("$dir/shortened.err") =~ /became shorter/ && slurp("$dir/shortened.json") =~ /"partly": true/,
		'a pack that becomes shorter while it is read') or diag("$code: " . slurp("$dir/shortened.err"));
}

# A folder that looks like a repository hides nothing.
my $bare = repo("$dir/bare");
put("$bare/x/HEAD", "ref: refs/heads/main\n");
put("$bare/x/objects/keep", "T=" . token(60) . "\n");
put("$bare/x/refs/keep", '');
put("$bare/x/config", "T=" . token(61) . "\n");
commit($bare, 'a folder like any other');
is_deeply([found(scan_json('--no-state', '-w', $bare))], ['x/config:1', 'x/objects/keep:1'], 'files that look like a bare repository');
put("$dir/barelike/x/HEAD", "ref: refs/heads/main\n");
put("$dir/barelike/x/secret.txt", "T=" . token(62) . "\n");
mkdir "$dir/barelike/x/$_" for qw(objects refs);
is_deeply([found(scan_json('--no-state', '-w', "$dir/barelike"))], ['x/secret.txt:1'], 'and a file beside them');

# What a rule gave up on is given to it again the next time, and never counts as scanned.
spew("$dir/catastrophe.toml", <<'END');
[[rules]]
id = "catastrophe"
description = "tries everything"
regex = '''MARK((a+)+)+[bd]'''
keywords = ["mark"]
END
my $marked = repo("$dir/marked");
put("$marked/a", 'MARK' . 'a' x 4000 . "\n");
commit($marked, 'a');
for my $time (1 .. 3) {
	scan_run('--config', "$dir/catastrophe.toml", '--no-builtin-rules', $marked);
	is(scan_exit(), 3, "a pattern that never ends, scan $time");
}
spew("$dir/everywhere.toml", <<'END');
[[rules]]
id = "everywhere"
description = "matches at every byte"
regex = '''[a-z]{3}Q'''
sieve = ['''[a-z]''']
END
put("$marked/b", ('abcdefghijklmnopqrstuvwxyz' x 100000) . "Q\n");
commit($marked, 'b');
is_deeply([found(scan_json('--no-state', '--config', "$dir/everywhere.toml", '--no-builtin-rules', $marked))], ['b:1'],
	'a sieve that matches everywhere');

# A file that is another one when it is read again, for the samples: they show nothing of it. (One that the
# kernel makes anew for each reader.)
my $anew = '/proc/sys/kernel/random/uuid';
SKIP: {
	skip "$anew is not here", 3 if !-r $anew;
	spew("$dir/anew.toml", "[[rules]]\nid = 'anew'\ndescription = 'a part of it'\nregex = '''([0-9a-f]{8})-[0-9a-f]{4}-'''\n");
	spew("$dir/once", slurp($anew));
	my ($still) = @{ scan_json('-w', '--config', "$dir/anew.toml", '--no-builtin-rules', "$dir/once")->{findings} };
	like($still->{sample}, qr/^\*+-[0-9a-f]{4}-$/, 'a sample shows what is around');
	my $report = scan_json('-w', '--config', "$dir/anew.toml", '--no-builtin-rules', $anew);
	my ($finding) = @{ $report->{findings} };
	is(scalar @{ $report->{findings} }, 1, 'a file that changes all the time: what was in it when it was scanned is found') or diag(scan_error());
	is($finding->{sample}, $finding->{secret}, 'its sample is only masked, for what is around it now is something else');
}

# Naming takes milliseconds a secret: when the time is over, those without a name are counted, and nothing of
# them is taken for known.
my $names = repo("$dir/names");
put("$names/many", join '', map { 'T=' . token(1000 + $_) . "\n" } 1 .. 1500);
commit($names, 'many');
my $unnamed = scan_json(qw(--threads 1 --timeout 1), $names);
is(scan_exit(), 3, 'secrets that there was no time to name: the scan is not whole');
like(scan_error(), qr/[0-9]+ more secrets were found when the time was over/, 'and says so');
cmp_ok(scalar @{ $unnamed->{findings} }, '<', 1500, 'those that have no name are not told');
SKIP: {
	skip 'naming the others takes seconds: MUSTER_TEST_ALL=yes', 1 if ($ENV{MUSTER_TEST_ALL} // '') ne 'yes';
	is(scalar @{ scan_json($names)->{findings} }, 1500, 'the next scan finds and names them all');
}

# A full disk, and what an earlier scan or another one leaves in the cache.
my $small = repo("$dir/small");
put("$small/a", 'T=' . token(70) . "\n");
commit($small, 'a');
my $cache = "$ENV{XDG_CACHE_HOME}/muster";

# The scan of that repository; files may have that many bytes, undef any number.
sub limited {
	my ($most, @args) = @_;
	local $ENV{LIMIT} = $most // 'unlimited';
	my $pid = open(my $out, '-|') // die $!;
	if (!$pid) {
		open STDERR, '>', "$dir/limited.err" or die $!;
		exec 'prlimit', "--fsize=$ENV{LIMIT}", scan_program(), qw(scan --enable-rule github --format json), @args, $small or die $!;
	}
	local $/;
	my $text = <$out> // '';
	close $out;
	return ($? & 127 ? 'signal ' . ($? & 127) : $? >> 8, $text);
}

SKIP: {
	skip 'prlimit is not here', 4 if !grep { -x "$_/prlimit" } split /:/, $ENV{PATH};
	remove_tree($cache);
	my ($code, $text) = limited(1024);
	is($code, 1, 'neither cache nor state can be kept: the scan is none the worse') or diag(slurp("$dir/limited.err"));
	like($text, qr/"path": "a"/, 'and tells what it found');
	is_deeply([grep { -f } glob("$cache/* $cache/.*.tmp $cache/*/.*.tmp")], [], 'nothing half made is left');
	($code) = limited(1024, '--output', "$dir/half.json");
	ok($code eq '4' && !-e "$dir/half.json" && slurp("$dir/limited.err") =~ /half\.json/, 'a report that cannot be written is an error');
}
if (open my $full, '>', '/dev/full') {
	my $pid = fork // die $!;
	if (!$pid) {
		open STDOUT, '>&', $full or die $!;
		open STDERR, '>', "$dir/full.err" or die $!;
		exec scan_program(), qw(scan --enable-rule github), $small or die $!;
	}
	waitpid $pid, 0;
	ok($? == 4 << 8 && slurp("$dir/full.err") =~ /standard output/, 'standard output that is full is an error, too');
}

remove_tree($cache);
my @pids = map {
	my $pid = fork // die $!;
	if (!$pid) {
		open STDOUT, '>', "$dir/both$_.json" or die $!;
		exec scan_program(), qw(scan --enable-rule github --format json), $small or die $!;
	}
	$pid;
} 1 .. 3;
my @codes = map { waitpid $_, 0; $? >> 8 } @pids;
is_deeply(\@codes, [1, 1, 1], 'several scans at once make the same cache and state');
my ($sieve) = glob("$cache/sieve-*.db");
my $good = slurp($sieve);
for my $case (['cut off', substr($good, 0, 100)], ['cut off later', substr($good, 0, length($good) - 1)], ['empty', ''], ['of something else', 'x' x length $good],
	['with another byte', do { my $text = $good; substr($text, length($good) / 2, 1) ^= "\x10"; $text }],
	['with other lengths', do { my $text = $good; substr($text, 48, 40) = "\xff" x 40; $text }])
{
	my ($what, $text) = @$case;
	spew($sieve, $text);
	chmod 0600, $sieve;
	my @found = found(scan_json('--no-state', $small));
	ok("@found" eq 'a:1' && slurp($sieve) eq $good, "a cache that is $what is made again");
}
chmod 0666, $sieve;
is_deeply([found(scan_json('--no-state', $small))], ['a:1'], 'one that others may write to is not believed');
done_testing;
