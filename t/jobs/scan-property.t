#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What a scan inherits over deltas is what reading every byte of every blob finds: with the real
# pack reader and the real rules, over repositories of random edits, and (MUSTER_TEST_ALL) over
# real ones: those named in MUSTER_TEST_REPOS, and the one this file lies in.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Temp qw(tempdir);
use MIME::Base64 qw(encode_base64);
use Test::More;
use Muster::Test::Git;

my $program = ($ENV{MUSTER_BUILDDIR} // '.') . '/t/jobs/scan_property';
my $is_all = ($ENV{MUSTER_TEST_ALL} // '') eq 'yes';
# Compiling the rules takes longer than all the rest: once for all runs.
$ENV{MUSTER_TEST_CACHE} = tempdir('muster-scan-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $seed = $ENV{MUSTER_TEST_SEED} // time;
srand($seed);

sub one_of {
	return $_[rand @_];
}

sub letters {
	my ($n, @alphabet) = @_;
	return join '', map { $alphabet[rand @alphabet] } 1 .. $n;
}

my @base62 = ('0' .. '9', 'A' .. 'Z', 'a' .. 'z');

# CRC-32 as zlib has it, in base 62, six characters: what ends a GitHub token.
sub crc32_62 {
	my ($text) = @_;
	my $crc = 0xffffffff;
	for my $byte (unpack 'C*', $text) {
		$crc ^= $byte;
		$crc = $crc & 1 ? ($crc >> 1) ^ 0xedb88320 : $crc >> 1 for 1 .. 8;
	}
	$crc ^= 0xffffffff;
	my $out = '';
	for (1 .. 6) {
		$out = $base62[$crc % 62] . $out;
		$crc = int($crc / 62);
	}
	return $out;
}

# Secrets are put together here: no file of ours may hold one.
sub secret {
	my $kind = int rand 6;
	if ($kind == 0) {
		my $body = letters(30, @base62);
		return 'gh' . "p_$body" . crc32_62($body);
	}
	return 'AK' . 'IA' . letters(16, 'A' .. 'Z', '2' .. '7') if $kind == 1;
	return 'xo' . 'xb-' . letters(12, 0 .. 9) . '-' . letters(12, 0 .. 9) . '-' . letters(24, @base62) if $kind == 2;
	return 'post' . 'gres://app:' . letters(20, @base62) . '@db.internal.net:5432/app' if $kind == 3;
	return join("\n", '-----BEGIN RSA PRIV' . 'ATE KEY-----', (map { letters(64, @base62, '+', '/') } 1 .. 2 + rand 12),
		'-----END RSA PRIV' . 'ATE KEY-----') if $kind == 4;
	return 'api_' . "key = \"" . letters(40, @base62) . '"';
}

sub encoded {
	my ($secret) = @_;
	return one_of(encode_base64($secret, ''), unpack('H*', $secret),
		join('', map { sprintf '%%%02x', ord } split //, $secret));
}

sub line {
	my $kind = rand 12;
	return 'token: ' . secret() if $kind < 1.2;
	return 'data: ' . encoded(secret()) if $kind < 1.8;
	return 'key = ' . secret() . '  # ' . one_of('gitleaks:allow', 'pragma: allowlist secret', 'example') if $kind < 2.2;
	return '# pragma: allowlist nextline secret' if $kind < 2.4;
	return letters(rand 400, 'a' .. 'f', 0 .. 9) if $kind < 3;
	return '' if $kind < 4;
	return join ' ', map { letters(1 + rand 9, 'a' .. 'z') } 1 .. 1 + rand 12;
}

# Bytes, not lines: halves of what was whole.
sub edited {
	my ($text, $pool) = @_;
	for (1 .. 1 + rand 4) {
		my ($at, $len) = (int rand(1 + length $text), int rand one_of(3, 40, 400));
		my $kind = int rand 9;
		my $other = one_of(@$pool);
		if ($kind == 0) {
			substr($text, $at, 0) = letters(1 + rand 3, @base62, "\n", ' ', '=', '"');
		} elsif ($kind == 1) {
			substr($text, $at, 0) = "\n" . line() . "\n";
		} elsif ($kind == 2) {
			substr($text, $at, $len) = '';
		} elsif ($kind == 3) { # moved
			my $part = $at < length $text ? substr($text, $at, $len, '') : '';
			substr($text, int rand(1 + length $text), 0) = $part;
		} elsif ($kind == 4) { # from another file
			substr($text, $at, 0) = substr($other, int rand(1 + length $other), $len);
		} elsif ($kind == 5) {
			$text = substr($text, 0, $at) if rand() < 0.3;
		} elsif ($kind == 6) {
			$text =~ s/gitleaks:allow|BEGIN|END|"|AKIA|-/one_of('', 'X', "\n")/e;
		} elsif ($kind == 7) {
			$text .= one_of(line(), substr($text, $at, $len));
		} else {
			substr($text, $at, 0) = secret();
		}
	}
	return $text;
}

sub class_changed {
	my ($text) = @_;
	return one_of("\0$text", $text =~ s/\0//gr, substr($text, 0, 9000) . "\0" . $text, "\xff\xfe" . join('', map { "$_\0" } split //, $text),
		join('', map { "\0$_" } split //, $text));
}

sub repository_make {
	my ($name, $versions, $window, $depth) = @_;
	my $repo = git_new($name);
	my @pool = map { join "\n", map { line() } 1 .. 5 + rand 120 } 1 .. 8;
	open my $import, '|-', 'git', '-C', $repo, 'fast-import', '--quiet', '--depth=1' or die $!;
	for my $version (1 .. $versions) {
		my $file = int rand @pool;
		$pool[$file] = edited($pool[$file], \@pool);
		$pool[$file] = substr($pool[$file], 0, 40_000) if length $pool[$file] > 60_000;
		my $text = rand() < 0.04 ? class_changed($pool[$file]) : $pool[$file];
		$pool[$file] = $text if rand() < 0.3 && length $text < 60_000;
		print $import "commit refs/heads/main\ncommitter a <a\@example.org> ", 1_700_000_000 + $version, " +0000\ndata 0\n",
			"M 100644 inline f$file\ndata ", length $text, "\n", $text, "\n";
	}
	close $import or die 'fast-import failed';
	git($repo, 'repack', '-q', '-a', '-d', '-f', "--window=$window", "--depth=$depth");
	return $repo;
}

sub same_scans {
	my ($name, $objects, @arguments) = @_;
	my $said = do {
		open my $out, '-|', $program, @arguments, $objects or die $!;
		local $/ = undef;
		my $text = <$out>;
		close $out;
		$text;
	};
	like($said, qr/^same /m, $name) or diag("seed $seed\n$said");
	note($said);
	my ($hits, $sieved, $bytes) = $said =~ /^same (\d+) hits, (\d+) of (\d+) bytes/m;
	return ($hits // 0, $sieved // 0, $bytes // 0);
}

my $hits = 0;
my ($sieved, $bytes) = (0, 0);
for my $round (1 .. ($is_all ? 40 : 4)) {
	# Deltas between whatever is near, or the best ones; short chains and long ones. Each in its turn: how
	# much is inherited is mostly the window's doing.
	my $repo = repository_make("edits$round", $is_all ? 2000 : 500, (4, 30)[$round % 2], (5, 50, 200)[$round / 2 % 3]);
	my @sums = same_scans("repository $round of random edits", "$repo/.git/objects", '--threads', 1 + $round % 3);
	$hits += $sums[0];
	$sieved += $sums[1];
	$bytes += $sums[2];
}
cmp_ok($hits, '>', 1000, 'there was much to be found');
cmp_ok($sieved * 3, '<', $bytes * 2, 'and much of it was inherited');

SKIP: {
	skip 'real repositories take minutes: set MUSTER_TEST_ALL=yes', 1 unless $is_all;
	my @repos = split /:/, $ENV{MUSTER_TEST_REPOS} // '';
	my $here = qx(git -c safe.directory='*' -C '$FindBin::Bin' rev-parse --path-format=absolute --git-common-dir 2>/dev/null);
	chomp $here;
	push @repos, $here if $here ne '';
	skip 'there is none', 1 unless @repos;
	for my $repo (@repos) {
		my ($objects) = grep { -d } "$repo/objects", "$repo/.git/objects";
		same_scans("real repository $repo", $objects) if defined $objects;
	}
}
done_testing;
