#!/usr/bin/perl
# Archives, when asked for: what is in them is scanned, in files and in history, and bombs are limited.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use IO::Compress::Bzip2 qw(bzip2);
use IO::Compress::Gzip qw(gzip);
use IO::Compress::Zip qw(zip $ZipError);
use IO::Handle;
use IPC::Open2 qw(open2);
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test qw(build_dir slurp spew src_dir);

my $dir = audit_folder();
my $plain = "$dir/plain";

# name => bytes, as a zip
sub zip_of {
	my (@entries) = @_;
	my ($bytes, $z) = ('');
	while (my ($name, $text) = splice @entries, 0, 2) {
		if ($z) {
			$z->newStream(Name => $name) or die $ZipError;
		} else {
			$z = IO::Compress::Zip->new(\$bytes, Name => $name) or die $ZipError;
		}
		$z->print($text);
	}
	$z->close;
	return $bytes;
}

sub tar_of {
	my (%entries) = @_;
	my $tar = '';
	for my $name (sort keys %entries) {
		my $head = pack 'a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a32 a32 a8 a8 a155 a12', $name, '0000644', '0000000', '0000000',
			sprintf('%011o', length $entries{$name}), '00000000000', '', '0', '', "ustar", '00', 'u', 'g', '', '', '', '';
		substr($head, 148, 8) = sprintf("%06o\0 ", unpack '%32C*', $head);
		$tar .= $head . $entries{$name} . "\0" x (-length($entries{$name}) % 512);
	}
	return $tar . "\0" x 1024;
}

sub gz { gzip(\$_[0], \my $out) or die; return $out }
sub bz { bzip2(\$_[0], \my $out) or die; return $out }

my $tar = tar_of('in/a.env' => "x\n" . token(1) . "\n", 'in/b.env' => "x\ny\n" . token(2) . "\n", 'in/c.bin' => "\0\1\2");
put("$plain/none.txt", "nothing\n");
spew("$plain/a.tar", $tar);
spew("$plain/a.tar.gz", gz($tar));
spew("$plain/b.zip", zip_of('one.env' => token(3) . "\n", 'deep/a.tgz' => gz($tar), 'deep/deeper.zip' => zip_of('x.zip' => zip_of(y => token(4)))));
spew("$plain/c.log.gz", gz("a\nb\n" . token(5) . "\n"));
spew("$plain/d.bz2", bz(token(6)));
spew("$plain/empty.zip", "PK\5\6" . "\0" x 18);

my $report = scan_json($plain);
is_deeply([found($report)], [], 'archives are binary files unless they are asked for');
is($report->{coverage}{targets}[0]{skipped}{binary}, 6, 'and counted as such');

my @want = sort { $a cmp $b } ('a.tar!in/a.env:2', 'a.tar!in/b.env:3', 'a.tar.gz!in/a.env:2', 'a.tar.gz!in/b.env:3', 'b.zip!one.env:1',
	'b.zip!deep/a.tgz!in/a.env:2', 'b.zip!deep/a.tgz!in/b.env:3', 'c.log.gz:3', 'd.bz2:1');
$report = scan_json('--max-archive-depth', 2, $plain);
is_deeply([found($report)], \@want, 'tar, zip, gzip and bzip2 are opened, also within one another') or diag(scan_error());
is($report->{coverage}{partly}, JSON::PP::false, 'all was read');
is_deeply([found(scan_json('--archives', $plain))], [sort { $a cmp $b } @want, 'b.zip!deep/deeper.zip!x.zip!y:1'], '--archives goes deeper');
is_deeply([found(scan_json('--archives', "$plain/b.zip"))], [sort { $a cmp $b } grep({ /^b/ } @want), 'b.zip!deep/deeper.zip!x.zip!y:1'], 'one archive');
is_deeply([found(scan_json('--max-archive-depth', 1, $plain))], [grep { !/deep/ } @want], 'a depth of one opens none within');
unlike(scan_run('--archives', '--format', 'json', $plain), qr/@{[substr token(1), 8]}/, 'secrets are masked as anywhere');

# In history.
my $r = repo("$dir/thing");
spew("$r/$_", slurp("$plain/$_")) for qw(a.tar.gz b.zip c.log.gz);
my $leak = commit($r, 'archives');
spew("$r/a.tar.gz", gz(tar_of('in/a.env' => "x\n" . token(1) . "\n", 'in/new.env' => token(2) . "\n")));
my $moved = commit($r, 'another version');
@want = sort { $a cmp $b } (grep({ /^(?:a\.tar\.gz|b|c)/ } @want), 'b.zip!deep/deeper.zip!x.zip!y:1', 'a.tar.gz!in/new.env:1');
for my $name ('in history', 'from what is known') {
	$report = scan_json('--archives', $r);
	is_deeply([found($report)], \@want, "$name: each entry is a finding") or diag(scan_error());
	my $f = finding_at($report, 'a.tar.gz!in/a.env');
	is($f->{commit}, $leak, "$name: with the commit that brought the archive");
	is($f->{in_head}, JSON::PP::true, "$name: and whether HEAD has it");
	is($f->{occurrences_total}, 2, "$name: in both versions");
	is(finding_at($report, 'a.tar.gz!in/b.env')->{in_head}, JSON::PP::false, "$name: an entry that is gone is not in HEAD");
}
is_deeply([found(scan_json($r))], [], 'without asking nothing of it is told');
put("$r/.musterignore", "path:b.zip!*\npath:c.log.gz\n");
is_deeply([found(scan_json('--archives', $r))], [grep { /^a/ } @want], 'entries can be ignored by their path');
unlink "$r/.musterignore";
spew("$r/staged.zip", zip_of('s.env' => token(9)));
git($r, qw(add staged.zip));
is_deeply([found(scan_json('--archives', '--staged', $r))], ['staged.zip!s.env:1'], 'what is staged');
is_deeply([map { $_->{path} } @{ scan_json({ stdin => slurp("$plain/c.log.gz") }, '--archives', '-')->{findings} }], ['stdin'],
	'standard input as well');

# Damaged, bombs, liars.
my $bad = "$dir/bad";
put("$bad/ok.zip", zip_of(a => token(10)));
spew("$bad/cut.tar.gz", substr gz(tar_of(map { ("f$_" => join '', map { chr 33 + $_ * 7919 % 90 } 1 .. 9000) } 1 .. 5)), 0, 200);
$report = scan_json('--archives', $bad);
is(scan_exit(), 3, 'an archive that is cut off is not whole');
is_deeply([found($report)], ['ok.zip!a:1'], 'others are read');
unlink "$bad/cut.tar.gz";
spew("$bad/liar.zip", "PK\3\4\0" . "\xff" x 200);
spew("$bad/liar.txt", "BZh is how this text begins\n" . token(13) . "\n");
$report = scan_json('--archives', $bad);
is(scan_exit(), 3, 'nor is one of nonsense');
is_deeply([found($report)], ['liar.txt:2', 'ok.zip!a:1'], 'what only begins like one is scanned as what it is');
unlink glob "$bad/liar*";
spew("$bad/bomb.gz", gz("\n" x 8_000_000));
spew("$bad/bomb.zip", zip_of('big' => "\n" x 8_000_000, 'small' => token(11)));
$report = scan_json('--archives', '--max-target-megabytes', 4, $bad);
is_deeply([found($report)], ['bomb.zip!small:1', 'ok.zip!a:1'], 'what is too large is left out, the rest of its archive is not');
cmp_ok($report->{coverage}{targets}[0]{skipped}{'too-big'} // $report->{coverage}{targets}[0]{skipped}{'too big'} // 0, '>=', 2, 'and it is counted');
is(scan_exit(), 1, 'which is by intent') or diag(scan_error());
unlink glob "$bad/bomb*";
my $many = zip_of(map { ("e$_" => "x\n") } 1 .. 3000);
spew("$bad/many.zip", $many);
$report = scan_json('--archives', $bad);
cmp_ok($report->{coverage}{scanned}, '>=', 3000, 'many entries are read');
my $nested = zip_of(last => token(12));
$nested = zip_of("n$_" => $nested) for 1 .. 30;
spew("$bad/nested.zip", $nested);
is_deeply([found(scan_json('--max-archive-depth', 8, $bad))], ['ok.zip!a:1'], 'what is nested too deep is not opened');

# Behind what looks like the end.
my $ends = "$dir/ends";
put("$ends/two.tar", tar_of(a => token(20)) . "\0" x 8192 . tar_of(b => token(21)) . "\0" x 8192);
spew("$ends/two.tar.gz", gz(tar_of(a => token(20)) . tar_of(b => token(21))));
spew("$ends/members.tar.gz", gz(tar_of(a => token(20))) . gz(tar_of(b => token(21))));
$report = scan_json('--archives', $ends);
is_deeply([found($report)], [map { ("$_!a:1", "$_!b:1") } qw(members.tar.gz two.tar two.tar.gz)], 'archives behind one another are read');
is(scan_exit(), 1, 'and zeros behind them are nothing');
for my $case (['a tar', 'x.tar', tar_of(a => 'x') . 'T=' . token(22) . "\n"], ['a tar in blocks', 'x.tar', tar_of(a => 'x') . ('T=' . token(22) . "\n") x 100],
	['a compressed tar', 'x.tgz', gz(tar_of(a => 'x') . ('T=' . token(22) . "\n") x 100)], ['a compressed file', 'x.gz', gz('x') . "T=" . token(22) . "\n"],
	['a compressed nothing', 'x.gz', gz('') . "T=" . token(22) . "\n"]) {
	my ($what, $name, $bytes) = @$case;
	put("$ends/odd/$name", $bytes);
	scan_run('--archives', "$ends/odd");
	is(scan_exit(), 3, "something behind the end of $what is not read, and that is told");
	unlink "$ends/odd/$name";
}
put("$ends/odd/nothing.gz", gz(''));
scan_run('--archives', "$ends/odd");
is(scan_exit(), 0, 'which compressed nothing has not');
put("$ends/odd/zeros.gz", gz("\0" x 1024 . token(23)));
$report = scan_json('--archives', "$ends/odd");
is($report->{coverage}{targets}[0]{skipped}{binary}, 1, 'compressed zeros are a binary file, and no tar of nothing') or diag(scan_error());

# A rule that gives up within an archive: the next scan tries again.
my $gaps = repo("$dir/gaps");
spew("$dir/gaps.toml", "[[rules]]\nid = 'a'\nregex = '''[0-9]+[a-z]*:.*'''\n");
spew("$gaps/a.zip", zip_of(a => "1:x\n" x 1001));
commit($gaps, 'more than is looked at');
for my $when ('first', 'again') {
	scan_run('--archives', '--config', "$dir/gaps.toml", $gaps);
	is(scan_exit(), 3, "$when: what is undecided in an archive is not covered");
}

# Eight gigabytes take longer than a second: what was not opened must not count as scanned.
my $slow = repo("$dir/slow");
my $member = gz("x\n" x (8 << 20));
spew("$slow/$_.gz", $member x 12 . gz("$_\n")) for 10 .. 49;
spew("$slow/last.gz", gz(token(14)));
commit($slow, 'more than a second');
for my $source ([], [], ['--worktree']) {
	$report = scan_json('--archives', '--timeout', 1, @$source, $slow);
	is(scan_exit(), 3, "@$source archives for which there was no time make the scan partial");
	like(scan_error(), qr/[0-9]+ archives not opened/, 'and are told');
	cmp_ok($report->{coverage}{scanned}, '<', 41, 'and not counted as scanned');
}

# The program that opens them.
is(system(build_dir() . '/jobs/muster-unpack 2>/dev/null') >> 8, 2, 'muster-unpack is not for people');
is(system(build_dir() . '/jobs/muster-unpack 3 1000 < /dev/null') >> 8, 0, 'and ends when nobody asks any more');

# In its fence, what t/fuzz/unpack reads without one: it answers in frames to their end, and lives. What
# other bytes in them do to the readers of formats is theirs: then it may die, never say something else.
my ($entry_max, $unpack, $to, $from) = (65536);
my $got = sub {
	my ($n) = @_;
	my $bytes = '';
	while (length $bytes < $n) {
		sysread($from, $bytes, $n - length $bytes, length $bytes) or return;
	}
	return $bytes;
};
sub answer {
	my ($input) = @_;
	my $left = 1 << 30;
	$unpack //= open2($from, $to, build_dir() . '/jobs/muster-unpack', 3, $entry_max);
	local $SIG{PIPE} = 'IGNORE';
	print {$to} pack('Q', length $input), $input or return 'dead';
	$to->flush or return 'dead';
	while (defined(my $head = $got->(16))) {
		my ($kind, $name_len, $len) = unpack 'LLQ', $head;
		$left -= $len;
		return "a frame $kind of $name_len and $len" if $kind < 1 || $kind > 5 || $name_len > 16384 || $len > ($kind == 1 ? $entry_max : 0) || $left < 0;
		return 'fine' if $kind == 5;
		last if !defined $got->($name_len) || ($len && !defined $got->($len));
	}
	waitpid $unpack, 0;
	undef $unpack;
	return 'dead';
}
my %input = map { m{([^/]+)$} => slurp($_) } glob(src_dir() . '/t/fuzz/corpus/unpack/*');
cmp_ok(scalar keys %input, '>', 30, 'there are archives of every kind');
is_deeply([map { my $said = answer($input{$_}); $said eq 'fine' ? () : "$_: $said" } sort keys %input], [], 'each is answered');
srand 7;
my @wrong;
for my $round (1 .. 20) {
	for my $name (sort keys %input) {
		my $bytes = $input{$name};
		substr($bytes, rand length $bytes, 1) ^= chr(1 << rand 8) for 1 .. 1 + rand 4;
		$bytes = substr($bytes, 0, rand length $bytes) if rand() < 0.1;
		my $said = answer($bytes);
		push @wrong, "$name, round $round: $said" if $said !~ /^(?:fine|dead)$/;
	}
}
is_deeply(\@wrong, [], 'and nothing but frames comes out when there are other bytes in them');
close $to if $unpack;
is(waitpid($unpack, 0) && $? >> 8, 0, 'it ends well') if $unpack;
done_testing;
