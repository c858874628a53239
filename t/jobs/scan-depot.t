#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Every object of a repository is read as git reads it, however it is packed; and what a delta is
# said to have changed is what it changed (the program aborts when not).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Path qw(make_path);
use Test::More;
use Muster::Test::Git;
use Muster::Test::Depot;

srand($ENV{MUSTER_SEED} || 42);

sub line { return join(' ', map { chr(97 + rand 26) x (1 + rand 9) } 1 .. 8) . "\n" }

# A history in which files grow, shrink, are turned round, moved and copied.
sub stream {
	my ($commits) = @_;
	my %file = map { ("dir$_/file$_" => [map { line() } 1 .. 60]) } 1 .. 4;
	my $noise = join '', map { chr(rand 256) } 1 .. 5000;
	my ($out, $mark) = ('', 0);
	for my $n (1 .. $commits) {
		my $path = (sort keys %file)[rand keys %file];
		my $lines = $file{$path};
		my $how = int(rand 6);
		splice(@$lines, rand @$lines, 0, map { line() } 1 .. 1 + rand 5) if $how < 2;
		splice(@$lines, rand @$lines, 3) if $how == 2 && @$lines > 20;
		unshift(@$lines, splice(@$lines, @$lines / 2)) if $how == 3;
		push(@$lines, @$lines[0 .. @$lines / 3]) if $how == 4 && @$lines < 400;
		$file{"new/$n"} = [@$lines] if $how == 5 && keys %file < 12;
		substr($noise, rand 4000, 200) = join '', map { chr(rand 256) } 1 .. 100 + rand 200;
		my %content = ($path => join('', @$lines), 'noise.bin' => $noise, 'empty' => '');
		$content{"new/$n"} = $content{$path} . $n if $how == 5;
		my $time = 1_600_000_000 + $n;
		$out .= "commit refs/heads/main\nmark :" . ++$mark . "\ncommitter A <a\@example.org> $time +0100\ndata 2\n$how\n";
		$out .= "from :" . ($mark - 1) . "\n" if $n > 1;
		$out .= "M 100644 inline $_\ndata " . length($content{$_}) . "\n$content{$_}\n" for sort keys %content;
		$out .= "\ntag v$n\nfrom :$mark\ntagger A <a\@example.org> $time +0000\ndata 3\nyes\n" if $n % 20 == 0;
	}
	return $out;
}

sub import_into {
	my ($repo, $text, @options) = @_;
	put(git_home() . '/stream', $text);
	system("git -C '$repo' fast-import --quiet @options < '@{[ git_home() ]}/stream'") == 0 or die;
	return;
}

sub copy {
	my ($from, $name) = @_;
	my $to = git_home() . "/$name";
	system('cp', '-a', $from, $to) == 0 or die;
	return $to;
}

my $origin = git_new('origin');
import_into($origin, stream(120));
depot_same($origin, 'a pack as an import leaves it');

my $empty = git_new('void');
depot_same($empty, 'a repository without objects');

my $r = copy($origin, 'loose');
my ($pack) = glob("$r/.git/objects/pack/*.pack");
system("mv $r/.git/objects/pack/* '@{[ git_home() ]}/'; git -C '$r' unpack-objects -q < " . git_home() . '/' .
	($pack =~ s{.*/}{}r)) == 0 or die;
depot_same($r, 'only loose objects');
git($r, qw(repack -a -q));
depot_same($r, 'each object loose and packed');
git($r, qw(prune-packed -q));
put("$r/later", "later\n");
git($r, qw(add later));
git($r, qw(commit -q -m later));
depot_same($r, 'some loose, some packed');

for my $case (['a window of 50', qw(repack -adfq --window=50 --depth=50)],
	['chains as deep as git makes them', qw(repack -adfq --window=250 --depth=4000)],
	['no deltas at all', qw(repack -adfq --window=0)],
	['bases by their names', qw(-c repack.useDeltaBaseOffset=false repack -adfq --depth=100)],
	['a repository after gc', qw(gc -q --aggressive --prune=now)]) {
	my ($name, @command) = @$case;
	$r = copy($origin, 'packed');
	git($r, @command);
	depot_same($r, $name);
	system('rm', '-rf', $r);
}

# Several packs that have much in common, one of them kept, one with the bases that a thin one lacked.
$r = copy($origin, 'several');
for my $range ('main~60', 'main~90..main~30', 'main~10') {
	system("git -C '$r' rev-list --objects $range | git -C '$r' pack-objects -q --window=20 .git/objects/pack/pack >/dev/null") == 0 or die;
}
system("printf 'main\\n^main~40\\n' | git -C '$r' pack-objects -q --revs --thin --stdout >'$r/thin' && git -C '$r' index-pack --fix-thin --keep --stdin <'$r/thin' >/dev/null") == 0 or die;
cmp_ok(scalar(my @packs = glob("$r/.git/objects/pack/*.pack")), '>=', 5, 'there are several packs');
depot_same($r, 'several packs with the same objects');
git($r, qw(multi-pack-index write));
depot_same($r, 'the same under a multi-pack-index');

for my $version ('1', '2,0x40') {
	$r = copy($origin, 'index');
	git($r, qw(repack -adfq));
	my ($one) = glob("$r/.git/objects/pack/*.pack");
	my $idx = $one =~ s/pack$/idx/r;
	unlink glob("$r/.git/objects/pack/*.rev"), $idx;
	git($r, 'index-pack', "--index-version=$version", '-o', $idx, $one);
	depot_same($r, "an index of version $version" . ($version eq '1' ? '' : ', offsets of 64 bits'));
	system('rm', '-rf', $r);
}

# Versions of one file: each a delta of the one before.
my $text = join '', map { line() } 1 .. 20;
my $versions = '';
for my $n (1 .. 4000) {
	$text .= "$n\n";
	$versions .= "blob\ndata " . length($text) . "\n$text\n";
	$text = substr($text, 20) if length($text) > 1500;
}
$r = copy($origin, 'deep');
import_into($r, $versions, '--depth=4000');
depot_same($r, 'a chain of 4 000 deltas');

# Alternates.
my $shared = git_home() . '/shared';
git($origin, qw(clone -q --shared), $origin, $shared);
put("$shared/x", "x\n");
git($shared, qw(add x));
git($shared, qw(commit -q -m x));
depot_same($shared, 'objects of an alternate');
put("$shared/.git/objects/info/alternates", "# a comment\n\n../../../origin/.git/objects\n");
depot_same($shared, 'an alternate by a relative path');
my $third = git_home() . '/third';
git($shared, qw(clone -q --shared), $shared, $third);
depot_same($third, 'an alternate of an alternate');
my $all = git_all($third);
put(objects_of($origin) . '/info/alternates', objects_of($third) . "\n");
depot_same($third, 'alternates in a circle', all => $all);
unlink(objects_of($origin) . '/info/alternates');
my ($out, $err, $code) = depot_dump('--fence', objects_of($third));
is($code, 3, 'an alternate that may not be read is a problem');
like($err, qr{^problem 11 \S*shared/\.git/objects }m, 'which names it');
is($out, '', 'and nothing of it is read');
my $own = git_home() . '/own';
make_path("$own/objects/info");
put("$own/objects/info/alternates", git_home() . "/nowhere\n");
put("$own/objects/" . 'no', 'x');
($out, $err, $code) = depot_dump("$own/objects");
is_deeply([$code, depot_problems($err)], [3, { git_home() . '/nowhere' => 8 }],
	'an alternate that is missing is a problem');
my $quoted = git_home() . "/tab\there";
git($origin, qw(clone -q), $origin, $quoted);
put("$own/objects/info/alternates", '"' . git_home() . "/tab\\there/.git/objects\"\n");
depot_same($own, 'a quoted alternate', all => git_all($quoted));

# What a hook is given: the new objects lie in a folder beside.
my $quarantine = git_home() . '/quarantine';
make_path($quarantine);
{
	local $ENV{GIT_OBJECT_DIRECTORY} = $quarantine;
	local $ENV{GIT_ALTERNATE_OBJECT_DIRECTORIES} = objects_of($origin);
	put("$origin/pushed", "pushed\n");
	git($origin, qw(hash-object -w pushed));
	my $both = git_all($origin);
	like($both, qr/^pushed$/m, 'git sees the folder beside');
	depot_same($origin, 'a folder of objects beside', folders => [$quarantine], all => $both);
}
($out, $err, $code) = depot_dump(git_home() . '/missing', objects_of($origin));
is($code, 2, 'the first folder must be there');

# Clones that have not everything.
my $shallow = git_home() . '/shallow';
git($origin, 'clone', '-q', '--depth=3', "file://$origin", $shallow);
depot_same($shallow, 'a shallow clone');
set_config($origin, 'uploadpack.allowFilter', 'true');
my $partial = git_home() . '/partial';
git($origin, 'clone', '-q', '--no-checkout', '--filter=blob:none', "file://$origin", $partial);
depot_same($partial, 'a partial clone');
like((depot_dump(objects_of($partial)))[1], qr/ partial$/m, 'which is known to be one');
unlike((depot_dump(objects_of($shallow)))[1], qr/ partial$/m, 'and others are not');

# Large and small ones.
$r = git_new('sizes');
put("$r/$_", join '', map { chr(rand 256) } 1 .. $_) for 0, 1, 2, 15, 16, 2047, 2048, 65535, 65536, 131060, 131072, 300000;
put("$r/long", "the same line\n" x 300_000);
for my $level (0, 1, 9) {
	set_config($r, 'core.compression', $level);
	put("$r/level", "level $level\n" x 30_000);
	git($r, qw(add -A));
	git($r, qw(commit -q -m), $level);
}
depot_same($r, 'loose objects of all sizes, stored and deflated');
git($r, qw(-c pack.compression=0 repack -adfq));
depot_same($r, 'a pack that is only stored');
($out, $err, $code) = depot_dump('--object-max', 100_000, objects_of($r));
my ($record, $whole) = (records($out), records(git_all($r)));
my @large = grep { $whole->{$_} =~ / (\d+)\n/ && $1 > 100_000 } sort keys %$whole;
is_deeply([sort keys %{ depot_problems($err) }], \@large, 'objects over the cap are named');
is_deeply([grep { !$record->{$_} } sort keys %$whole], \@large, 'and all others are read');
is($code, 3, 'which shows in the end');

done_testing;
