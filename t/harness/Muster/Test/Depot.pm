# SPDX-License-Identifier: MIT
package Muster::Test::Depot;

# What a depot reads, beside git; and packs written by hand. Core modules only.
#
#	use Muster::Test::Depot;
#	depot_same($repo, 'a deep chain');		# every way of reading gives git's bytes
#	my ($out, $err, $code) = depot_dump('--verify', "$repo/.git/objects");
#	my @oids = pack_write("$repo/.git/objects/pack/pack-x", \@entries);
#
# An entry is a hash: type (commit, tree, blob, tag), data, and for a delta base (the number of an
# earlier entry) or base_oid, with delta (its instructions, made by delta()). oid, size and stored
# (the deflated bytes) can be claimed otherwise.

use strict;
use warnings;
use Compress::Zlib qw(compress);
use Digest::SHA qw(sha1 sha1_hex);
use Exporter qw(import);
use File::Temp;
use Test::More;
use Muster::Test::Git;

our @EXPORT = qw(depot_dump depot_same depot_problems git_all records pack_write pack_entry idx_write
	delta oid_of objects_of);

my $build = $ENV{MUSTER_BUILDDIR} || '.';
my $program = "$build/t/jobs/scan-depot-dump";

# (standard output, standard error, exit code)
sub depot_dump {
	my (@arguments) = @_;
	my $err = File::Temp->new;
	my $pid = open(my $fh, '-|') // die "fork: $!";
	if (!$pid) {
		open(STDERR, '>&', $err) or exit 127;
		exec($program, @arguments) or exit 127;
	}
	binmode($fh);
	local $/ = undef;
	my $out = <$fh> // '';
	close($fh);
	my $code = $? & 127 ? "signal $?" : $? >> 8;
	my $said = get("$err");
	diag($said) if $code !~ /^[0-3]$/;
	return ($out, $said, $code);
}

sub objects_of {
	my ($repo) = @_;
	return -d "$repo/.git" ? "$repo/.git/objects" : "$repo/objects";
}

# All that git has, in the order of names.
sub git_all {
	my ($repo) = @_;
	my $pid = open(my $fh, '-|') // die "fork: $!";
	if (!$pid) {
		$ENV{GIT_NO_LAZY_FETCH} = 1;
		open(STDERR, '>', '/dev/null') or exit 127; # a partial clone is warned of
		exec('git', '-C', $repo, qw(cat-file --batch-all-objects --batch)) or exit 127;
	}
	binmode($fh);
	local $/ = undef;
	my $all = <$fh> // '';
	close($fh) or die "git cat-file in $repo failed\n";
	return $all;
}

# oid => "<type> <size>\n<bytes>"
sub records {
	my ($text) = @_;
	my %record;
	my $at = 0;
	while ($at < length $text) {
		substr($text, $at, 200) =~ /\A([0-9a-f]{40}) ((\w+) (\d+)\n)/ or die "no record at $at\n";
		$record{$1} = $2 . substr($text, $at + length($1) + 1 + length($2), $4);
		$at += length($1) + 1 + length($2) + $4 + 1;
	}
	return \%record;
}

# "<name or path>" => reason
sub depot_problems {
	my ($err) = @_;
	return { map { /^problem (\d+) (\S+)/ ? ($2 => $1) : () } split /\n/, $err };
}

# Each way of reading, beside git's bytes. `all`: what to expect, else git is asked.
sub depot_same {
	my ($repo, $name, %option) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @folders = (objects_of($repo), @{ $option{folders} || [] });
	my $all = $option{all} // git_all($repo);
	my @wrong;
	for my $way ([], ['--verify'], ['--keep-base'], ['--threads', 1], ['--threads', 4, '--memory', 1], ['--read']) {
		my ($out, $err, $code) = depot_dump(@$way, @folders);
		push @wrong, "@$way ends with $code: $err" if $code ne ($option{code} // 0);
		push @wrong, "@$way gives other bytes" if $out ne $all;
	}
	my $record = records($all);
	for my $every (3, 40) {
		my ($out, $err, $code) = depot_dump('--few', $every, @folders);
		my $few = records($out);
		push @wrong, "every $every: $code: $err" if $code ne ($option{code} // 0);
		push @wrong, "every $every: " . keys(%$few)
			if keys(%$few) != int((keys(%$record) + $every - 1) / $every);
		push @wrong, map { "every $every: $_" } grep { $few->{$_} ne ($record->{$_} // '') } sort keys %$few;
	}
	for my $type (qw(commit tree blob)) {
		my ($out) = depot_dump('--types', substr($type, 0, 1), @folders);
		my $one = records($out);
		my @want = grep { $record->{$_} =~ /^$type / } keys %$record;
		push @wrong, "$type: " . keys(%$one) . ' of ' . @want if keys(%$one) != @want;
		push @wrong, map { "$type: $_" } grep { $one->{$_} ne ($record->{$_} // '') } sort keys %$one;
	}
	return ok(!@wrong, $name) || diag(map { substr($_, 0, 300) . "\n" } @wrong);
}

sub oid_of {
	my ($type, $data) = @_;
	return sha1_hex("$type " . length($data) . "\0$data");
}

# A number as deltas and entries have it, seven bits a byte, the lowest first.
sub number {
	my ($n) = @_;
	my $out = '';
	while ($n > 127) {
		$out .= chr(128 | ($n & 127));
		$n >>= 7;
	}
	return $out . chr($n);
}

# delta(base length, object length, 'new bytes', [from, length], …)
sub delta {
	my ($base_len, $len, @parts) = @_;
	my $out = number($base_len) . number($len);
	for my $part (@parts) {
		if (ref $part) {
			my ($from, $n) = @$part;
			while ($n > 0) {
				my $run = $n > 0xffff ? 0xffff : $n;
				$out .= chr(0xbf) . pack('V', $from) . pack('v', $run);
				$from += $run;
				$n -= $run;
			}
		} else {
			$out .= chr(length $1) . $1 while $part =~ /(.{1,127})/sg;
		}
	}
	return $out;
}

my %kind = (commit => 1, tree => 2, blob => 3, tag => 4);

# The bytes of one entry at an offset; base_offset when it is a delta on an earlier one.
sub pack_entry {
	my ($e, $offset, $base_offset) = @_;
	my $inflated = $e->{delta} // $e->{data};
	my $size = $e->{size} // length $inflated;
	my $is_delta = defined $e->{delta};
	my $kind = $e->{kind} // ($is_delta ? (defined $e->{base_oid} ? 7 : 6) : $kind{ $e->{type} });
	my $rest = $size >> 4;
	my $head = chr(($rest ? 128 : 0) | $kind << 4 | ($size & 15));
	$head .= number($rest) if $rest;
	if ($kind == 7) {
		$head .= pack('H40', $e->{base_oid});
	} elsif ($kind == 6) {
		my $distance = $e->{distance} // $offset - $base_offset;
		my $text = chr($distance & 127);
		$text = chr(128 | (--$distance & 127)) . $text while $distance >>= 7;
		$head .= $text;
	}
	return $head . ($e->{stored} // compress($inflated));
}

# rows: [oid, offset]. Options: fanout, trailer (the pack's), large (offsets in the long table).
sub idx_write {
	my ($path, $rows, %option) = @_;
	my @sorted = $option{unsorted} ? @$rows : sort { $a->[0] cmp $b->[0] } @$rows;
	my @fanout = (0) x 256;
	for my $row (@sorted) {
		$fanout[$_]++ for hex(substr($row->[0], 0, 2)) .. 255;
	}
	@fanout = @{ $option{fanout} } if $option{fanout};
	my ($short, $long) = ('', '');
	for my $row (@sorted) {
		if ($option{large} || $row->[1] >= 0x80000000) {
			$short .= pack('N', 0x80000000 | length($long) / 8);
			$long .= pack('Q>', $row->[1]);
		} else {
			$short .= pack('N', $row->[1]);
		}
	}
	my $idx = "\377tOc" . pack('N', 2) . pack('N256', @fanout) . join('', map { pack('H40', $_->[0]) } @sorted) .
		"\0\0\0\0" x @sorted . $short . $long . $option{trailer};
	put($path, $idx . sha1($idx));
	return;
}

# Writes <path>.pack and .idx; gives the names of the entries.
sub pack_write {
	my ($path, $entries, %option) = @_;
	my $pack = 'PACK' . pack('NN', 2, scalar @$entries);
	my (@offset, @oid, @rows);
	for my $e (@$entries) {
		push @offset, length $pack;
		push @oid, $e->{oid} // oid_of($e->{type}, $e->{data});
		$pack .= pack_entry($e, $offset[-1], defined $e->{base} ? $offset[ $e->{base} ] : undef);
		push @rows, [$oid[-1], $e->{offset} // $offset[-1]];
	}
	my $trailer = sha1($pack);
	put("$path.pack", $pack . $trailer);
	idx_write("$path.idx", \@rows, %option, trailer => $trailer);
	return @oid;
}

1;
