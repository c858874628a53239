#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Packs made to hurt: what is broken is named, everything else is read, and nothing crashes, hangs
# or takes memory without bound. The real worth is in a build with sanitizers.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Compress::Zlib qw(compress);
use Digest::SHA qw(sha1);
use File::Path qw(make_path);
use POSIX qw(mkfifo);
use Test::More;
use Muster::Test::Git;
use Muster::Test::Depot;

use constant { BROKEN => 1, TRUNCATED => 2, TOO_LARGE => 3, NO_BASE => 4, CYCLE => 5, WRONG_NAME => 6,
	UNOPENED => 8, BAD_INDEX => 9, BAD_PACK => 10 };

my $seed = $ENV{MUSTER_SEED} || 42;
my $rounds = $ENV{MUSTER_ROUNDS} || 60;
srand($seed);
my $home = git_home();
my $serial = 0;

# A folder of objects with that pack in it.
sub folder {
	my ($entries, %option) = @_;
	my $folder = "$home/hostile" . ++$serial . '/objects';
	make_path("$folder/pack");
	pack_write("$folder/pack/pack-x", $entries, %option) if $entries;
	return $folder;
}

# Reads in every way: what is there is what we say, and so are the problems.
sub reads {
	my ($folder, $entries, $problems, $name, @more) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %want = map { ($_->{oid} // oid_of($_->{type}, $_->{data})) => "$_->{type} " . length($_->{data}) . "\n$_->{data}" } @$entries;
	my @wrong;
	for my $way ([], ['--threads', 1, '--memory', 1], ['--keep-base'], ['--few', 1], ['--read']) {
		my ($out, $err, $code) = depot_dump(@$way, $folder, @more);
		my $got = records($out);
		my $said = depot_problems($err);
		push @wrong, "@$way ends with $code" if $code ne (%$problems ? 3 : 0);
		push @wrong, map { "@$way misses $_" } grep { !exists $got->{$_} } sort keys %want;
		push @wrong, map { "@$way has wrong $_" } grep { $got->{$_} ne ($want{$_} // '') } sort keys %$got;
		push @wrong, map { "@$way says nothing of $_" } grep { !exists $said->{$_} } sort keys %$problems;
		push @wrong, map { "@$way says $said->{$_} of $_" } grep { $said->{$_} != ($problems->{$_} // 0) } sort keys %$said;
	}
	return ok(!@wrong, $name) || diag(join "\n", @wrong);
}

sub blob {
	my ($data, %more) = @_;
	return { type => 'blob', data => $data, %more };
}

my $base = blob("one\ntwo\nthree\n" x 20);
my $good = blob("good\n");
sub child {
	my ($of, $data, %more) = @_;
	return blob($data, delta => delta(length $base->{data}, length $data, $data), base => $of, %more);
}
my @fine = ($base, $good, child(0, "a child\n"));

# That the tool itself is right.
reads(folder(\@fine), \@fine, {}, 'a pack made by hand');
reads(folder(\@fine, large => 1), \@fine, {}, 'one whose offsets have 64 bits');
my @parts = (blob(substr($base->{data}, 0, 50) . 'new' . substr($base->{data}, 20, 200)),
	blob(substr($base->{data}, 100, 100) . substr($base->{data}, 0, 100)), blob(''), blob($base->{data} x 3));
my @len = (0, length $base->{data});
my @deltas = (delta($len[1], length $parts[0]{data}, [0, 50], 'new', [20, 200]),
	delta($len[1], 200, [100, 100], [0, 100]), delta($len[1], 0),
	delta($len[1], 3 * $len[1], ([0, $len[1]]) x 3));
reads(folder([$base, map { { %{ $parts[$_] }, delta => $deltas[$_], base => 0 } } 0 .. 3]), [$base, @parts], {},
	'deltas that overlap, swap, empty and repeat');

# Entries.
for my $case (
	[blob('x', size => 2**60), TOO_LARGE, 'an entry that claims 2^60 bytes'],
	[blob('x', size => 2**31 + 5), TOO_LARGE, 'one that claims 2 GB'],
	[blob('hello', size => 2**32 + 5), TOO_LARGE, 'one that claims 4 GB and what it has'],
	[blob('x' x 100, size => 99), BROKEN, 'one that is longer than it claims'],
	[blob('x' x 100, size => 101), BROKEN, 'one that is shorter'],
	[blob('x', kind => 0), BROKEN, 'one of kind 0'],
	[blob('x', kind => 5), BROKEN, 'one of kind 5'],
	[blob('x', stored => 'no zlib at all'), BROKEN, 'one that is not deflated'],
	[blob('x' x 500, stored => substr(compress('x' x 500), 0, -4) . "\1\2\3\4"), BROKEN, 'one with a wrong checksum'],
	[blob('x', offset => 0), TRUNCATED, 'an offset in the header of the pack'],
	[blob('x', offset => 0x7fffffff), TRUNCATED, 'an offset behind the pack'],
	[blob('x', offset => 2**62), TRUNCATED, 'an offset of 2^62'],
	[blob('x', offset => 2**64 - 1), TRUNCATED, 'an offset of 2^64 - 1'],
	[child(0, 'y', distance => 0), BROKEN, 'a delta on itself'],
	[child(0, 'y', distance => 2**40), BROKEN, 'a base before the pack'],
	[child(0, 'y', distance => 5), NO_BASE, 'a base between two entries'],
	[blob('y', delta => delta(1, 1, 'y'), base => 0), BROKEN, 'a delta for a base of another length'],
	[blob('y', delta => delta($len[1], 2, 'y'), base => 0), BROKEN, 'a delta that makes less than it says'],
	[blob('y', delta => delta($len[1], 1, 'yyy'), base => 0), BROKEN, 'one that makes more'],
	[blob('y', delta => delta($len[1], 2**50, 'y'), base => 0), TOO_LARGE, 'one that says it makes 2^50 bytes'],
	[blob('y', delta => delta($len[1], 9, [$len[1] - 4, 9]), base => 0), BROKEN, 'one that copies from behind its base'],
	[blob('y', delta => delta($len[1], 1) . "\0", base => 0), BROKEN, 'one with a reserved instruction'],
	[blob('y', delta => delta($len[1], 9) . "\x7fyy", base => 0), BROKEN, 'an insert that is cut off'],
	[blob('y', delta => delta($len[1], 9) . "\xff\1", base => 0), BROKEN, 'a copy that is cut off'],
	[blob('y', delta => "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", base => 0), BROKEN, 'lengths without end'],
	[blob('y', delta => '', base => 0), BROKEN, 'a delta of nothing'],
	[blob('y', delta => delta($len[1], 1, 'y'), base_oid => '12' x 20), NO_BASE, 'a base that is missing'],
) {
	my ($bad, $reason, $name) = @$case;
	my $oid = $bad->{oid} = 'bad0' x 10;
	# What is made from the broken one, too, and what comes behind.
	my $on = { %{ child(3, 'on the bad one') }, delta => delta(length $bad->{data}, 14, 'on the bad one') };
	# (An offset that is wrong in the index is right in the delta.)
	my @on = defined $bad->{offset} ? () : ($on);
	reads(folder([@fine, $bad, @on, blob("behind\n")]), [@fine, blob("behind\n")],
		{ $oid => $reason, map { oid_of('blob', $_->{data}) => NO_BASE } @on }, $name);
}

# Deltas that need each other.
my @oid = map { sprintf '%040x', $_ } 1 .. 6;
sub by_name {
	my ($at, $of, $data) = @_;
	return blob($data, oid => $oid[$at], delta => delta(1, length $data, $data), base_oid => $oid[$of]);
}
my @round = (by_name(0, 1, 'a'), by_name(1, 2, 'b'), by_name(2, 0, 'c'), by_name(3, 2, 'd'), by_name(4, 4, 'e'));
my ($out, $err, $code) = depot_dump(folder([@fine, @round]));
is_deeply(depot_problems($err), { (map { $oid[$_] => CYCLE } 0, 1, 2, 4), $oid[3] => NO_BASE }, 'deltas in a circle are found');
is(keys %{ records($out) }, 3, 'and all others are read');
is((depot_dump('--read', folder([@fine, @round])))[2], 3, 'one by one as well');
is((depot_dump('--few', 2, folder([@fine, @round])))[2], 3, 'and some of them');

# Bases by name may lie behind, in another pack, or loose.
my @far = (blob('far', delta => delta(length $base->{data}, 3, 'far'), base_oid => oid_of('blob', $base->{data})));
my $two = folder(\@far);
pack_write("$two/pack/pack-y", [$good, $base]);
reads($two, [@far, $good, $base], {}, 'a base in another pack');
reads(folder([@far, $base]), [@far, $base], {}, 'a base that comes later');
sub loose {
	my ($folder, $oid, $bytes) = @_;
	put("$folder/" . substr($oid, 0, 2) . '/' . substr($oid, 2), $bytes);
	return $oid;
}
sub loose_blob {
	my ($folder, $entry) = @_;
	my $size = length $entry->{data};
	return loose($folder, $entry->{oid} // oid_of('blob', $entry->{data}), compress("blob $size\0$entry->{data}"));
}
my $mixed = folder(\@far);
loose_blob($mixed, $base);
reads($mixed, [@far, $base], {}, 'a loose base');

# Another copy stands in for a broken one, also below a delta.
my $on_bad = blob('sound', delta => delta(6, 5, 'sound'), base => 0);
my $broken = blob('ground', stored => 'broken');
my $copies = folder([$broken, $on_bad, $good]);
reads($copies, [$good], { oid_of('blob', 'ground') => BROKEN, oid_of('blob', 'sound') => NO_BASE }, 'without a copy they are lost');
loose_blob($copies, blob('ground'));
reads($copies, [$good, blob('ground'), blob('sound')], {}, 'a loose copy of a broken base');
pack_write("$copies/pack/pack-z", [blob('sound', stored => 'x'), blob("one more\n")]);
reads($copies, [$good, blob('ground'), blob('sound'), blob("one more\n")], {}, 'and of one that a second pack has broken');

# Indexes.
reads(folder(\@fine, unsorted => 1), \@fine, {}, 'names in an index that are out of order');
reads(folder(\@fine, fanout => [(0) x 255, 3]), \@fine, {}, 'a fan-out that lies');
reads(folder(\@fine, fanout => [(reverse 0 .. 254), 3]), \@fine, {}, 'one that goes down');
for my $case ([[(0) x 255, 2**32 - 1], 'more objects than it has room for'], [[(0) x 255, 4], 'one object more']) {
	my $folder = folder(\@fine, fanout => $case->[0]);
	reads($folder, [], { "$folder/pack/pack-x.idx" => BAD_INDEX }, "an index that claims $case->[1]");
}
my $twice = folder([@fine, { %{ $good }, data => "good\n" }]);
reads($twice, \@fine, {}, 'a name that comes twice');

# Files.
for my $cut (0, 3, 8, 1031, 1032, 1100) {
	my $folder = folder(\@fine);
	my $idx = "$folder/pack/pack-x.idx";
	put($idx, substr(get($idx), 0, $cut));
	reads($folder, [], { $idx => $cut ? BAD_INDEX : UNOPENED }, "an index of $cut bytes");
}
my $many = [map { blob("number $_\n" x 9) } 1 .. 40];
my $trunk = folder($many);
my $whole = get("$trunk/pack/pack-x.pack");
for my $share (0.3, 0.7) {
	put("$trunk/pack/pack-x.pack", substr($whole, 0, $share * length $whole));
	($out, $err, $code) = depot_dump('--verify', $trunk);
	my $problems = depot_problems($err);
	is(delete $problems->{"$trunk/pack/pack-x.idx"}, BAD_PACK, 'a pack that was cut off is named');
	is(keys(%$problems) + keys(%{ records($out) }), 40, 'and so is each object that is lost');
	cmp_ok(keys %{ records($out) }, '>=', int($share * 40) - 1, 'the others are read');
}
put("$trunk/pack/pack-x.pack", 'PACK');
reads($trunk, [], { "$trunk/pack/pack-x.idx" => BAD_PACK }, 'a pack of 4 bytes');
unlink("$trunk/pack/pack-x.pack");
reads($trunk, [], { "$trunk/pack/pack-x.idx" => UNOPENED }, 'a pack that is missing');
mkfifo("$trunk/pack/pack-x.pack", 0600);
reads($trunk, [], { "$trunk/pack/pack-x.idx" => UNOPENED }, 'a pipe in its place');

# Loose objects.
for my $case (
	['', BROKEN, 'an empty file'], ['rubbish', BROKEN, 'rubbish'],
	[substr(compress("blob 1000\0" . 'x' x 1000), 0, 15), BROKEN, 'half a file'],
	[compress("blob 5\0four"), BROKEN, 'a length that is too long'],
	[compress("blob 3\0four"), BROKEN, 'one that is too short'],
	[compress("blob 3\0" . 'x' x 500_000), BROKEN, 'much behind its length'],
	[compress("blob 99999999999999999999999\0x"), BROKEN, 'a length of 23 digits'],
	[compress("blob 1152921504606846976\0x"), TOO_LARGE, 'a length of 2^60'],
	[compress("blob \0x"), BROKEN, 'no length'], [compress('blob 1'), BROKEN, 'no end of its header'],
	[compress("glob 1\0x"), BROKEN, 'an unknown type'],
) {
	my ($bytes, $reason, $name) = @$case;
	my $folder = folder(\@fine);
	my $oid = loose($folder, '77' x 20, $bytes);
	reads($folder, \@fine, { $oid => $reason }, "a loose object: $name");
}
my $odd = folder(\@fine);
make_path("$odd/88/" . '8' x 38, "$odd/zz");
mkfifo("$odd/88/" . '9' x 38, 0600);
put("$odd/88/short", 'x');
put("$odd/77", 'not a folder');
reads($odd, \@fine, { '8' x 40 => UNOPENED, '88' . '9' x 38 => UNOPENED, "$odd/77" => UNOPENED },
	'folders and pipes in the place of loose objects');

# Names.
my $liar = folder([@fine, blob('a lie', oid => 'abcd' x 10)]);
($out, $err, $code) = depot_dump('--verify', $liar);
is_deeply(depot_problems($err), { 'abcd' x 10 => WRONG_NAME }, 'a wrong name is found when names are compared');
is((depot_dump($liar))[2], 0, 'and believed otherwise');

# Any bytes changed anywhere: what is read has its name, and what is not is said.
my @family = map { blob(join('', map { "line $_\n" } 1 .. 300) . "version $_\n") } 1 .. 8;
my @deltified = ($family[0], map {
	my $n = length($family[$_ - 1]{data});
	+{ %{ $family[$_] }, base => $_ - 1, delta => delta($n, length $family[$_]{data}, [0, $n - 10], substr($family[$_]{data}, $n - 10)) };
} 1 .. 7);
my $sound = folder(\@deltified);
reads($sound, \@family, {}, 'a family of deltas');
my %is_known = map { oid_of('blob', $_->{data}) => "blob " . length($_->{data}) . "\n$_->{data}" } @family;
for my $file ('pack', 'idx') {
	my $path = "$sound/pack/pack-x.$file";
	my $bytes = get($path);
	my $is_fine = 1;
	for my $round (1 .. $rounds) {
		my $changed = $bytes;
		for (1 .. 1 + int(rand 3)) {
			my $at = int(rand length $changed);
			my $how = int(rand 3);
			substr($changed, $at, 1) = chr(ord(substr($changed, $at, 1)) ^ 1 << int(rand 8)) if $how == 0;
			substr($changed, $at, 1) = chr(int(rand 256)) if $how == 1;
			substr($changed, $at, int(rand 9)) = '' if $how == 2 && length($changed) > 100;
		}
		put($path, $changed);
		my ($walked, $said, $end) = depot_dump('--verify', '--threads', 1 + $round % 2, $sound);
		my $got = records($walked);
		my @other = grep { $got->{$_} ne ($is_known{$_} // '') } keys %$got;
		$is_fine &&= $end =~ /^[03]$/ && !@other && ($end == 3 || keys(%$got) == 8);
		$end = (depot_dump('--read', $sound))[2];
		$is_fine &&= $end =~ /^[03]$/;
		last if !$is_fine && diag("round $round of seed $seed");
	}
	ok($is_fine, "a changed $file");
	put($path, $bytes);
}

# A few large ones are not all one thread's: each thread waits with its first until all have one.
my @large = map { blob(chr(ord('a') + $_) x (4 << 20)) } 0 .. 7;
my $loose = folder();
for my $object (@large) {
	my $oid = oid_of('blob', $object->{data});
	make_path("$loose/" . substr($oid, 0, 2));
	put("$loose/" . substr($oid, 0, 2) . '/' . substr($oid, 2), compress('blob ' . length($object->{data}) . "\0$object->{data}"));
}
for my $case (['in a pack', folder(\@large)], ['loose', $loose]) {
	my ($shared, $complaint, $ended) = depot_dump('--count', '--meet', '--threads', 4, $case->[1]);
	is($ended, 0, "eight large files, $case->[0], are shared out to four threads") or diag($complaint);
	like($shared, qr/ blob 8 /, 'each read once');
}

# Memory: a family of which far more than the budget is alive, were nothing dropped.
my ($levels, $size) = (7, 1 << 20);
my $text = join('', map { sprintf "%07d\n", $_ } 1 .. $size / 8);
my @tree = (blob($text));
for my $n (1 .. 2**$levels - 2) {
	my $of = int(($n - 1) / 2);
	my $parent = $tree[$of]{data};
	my $cut = $size / 2 + $n;
	# Every third turns its halves round.
	my @copies = $n % 3 ? ([0, $cut], "version $n\n", [$cut, length($parent) - $cut])
		: ([$cut, length($parent) - $cut], "version $n\n", [0, $cut]);
	my $data = join '', map { ref $_ ? substr($parent, $_->[0], $_->[1]) : $_ } @copies;
	push @tree, blob($data, base => $of, delta => delta(length $parent, length $data, @copies));
}
my $huge = folder(\@tree);
for my $threads (1, 3) {
	my ($count, $said, $end) = depot_dump('--count', '--verify', '--threads', $threads, '--memory', 4 << 20, $huge);
	is($end, 0, "a family of @{[scalar @tree]} MB is read under a budget of 4 MB by $threads threads");
	like($count, qr/ blob @{[scalar @tree]} /, 'all of it');
	my ($peak) = $said =~ /peak (\d+) MiB/;
	SKIP: {
		skip 'a sanitizer has its own memory', 1 if $said =~ /sanitized/;
		cmp_ok($peak, '<', 20 + 8 * $threads, 'in bounded memory');
	}
}

# The same of gigabytes: lengths alone, for what the copies give nobody looks at.
SKIP: {
	skip 'a family of gigabytes takes a while: MUSTER_TEST_ALL=yes', 2 if ($ENV{MUSTER_TEST_ALL} // '') ne 'yes';
	my @giant = (blob($text, oid => sprintf '%040x', 1));
	my @giant_len = ($size);
	for my $n (1 .. 2**12 - 2) {
		my $of = int(($n - 1) / 2);
		my $cut = $size / 2 + $n;
		push @giant_len, $giant_len[$of] + 10;
		push @giant, blob('', oid => sprintf('%040x', $n + 1), base => $of,
			delta => delta($giant_len[$of], $giant_len[$n], [0, $cut], "ten bytes\n", [$cut, $giant_len[$of] - $cut]));
	}
	my ($count, $said, $end) = depot_dump('--count', '--threads', 2, '--memory', 16 << 20, folder(\@giant));
	like($count, qr/ blob @{[scalar @giant]} .* bytes 4[0-9]{9}$/m, 'a family of four gigabytes is read whole') or diag("$end: $said");
	my ($peak) = $said =~ /peak (\d+) MiB/;
	skip 'a sanitizer has its own memory', 1 if $said =~ /sanitized/;
	cmp_ok($peak, '<', 80, 'under a budget of 16 MB');
}

done_testing;
