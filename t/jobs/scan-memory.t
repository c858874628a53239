#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Large files are many at a time only as far as --memory-megabytes goes, wherever they come from: eight
# threads with a budget of one file get along with memory that half of them would need.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test qw(slurp);

use constant { FILES => 9, FILE_MIB => 24, LIMIT_MIB => 200 };

plan skip_all => 'prlimit is not here' if !grep { -x "$_/prlimit" } split /:/, $ENV{PATH};
plan skip_all => 'a sanitizer has its own memory' if slurp(scan_program()) =~ /__asan_init/;
my $dir = audit_folder();

sub empty {
	my ($path) = @_;
	git($dir, qw(init -q), $path);
	git($path, qw(config core.looseCompression 1));
	return $path;
}

sub plain { return $_[0] }
sub wide { return $_[0] =~ s/(.)/$1\0/sgr }

# FILE_MIB around a token; $as is one of the above.
sub text {
	my ($number, $as) = @_;
	my $line = $as->("a line of text that says nothing of interest, and so does the next one\n");
	my $half = $line x (FILE_MIB * 2**19 / length $line);
	return ($as == \&wide ? "\xff\xfe" : '') . $half . $as->('T=' . token($number) . "\n") . $half;
}

# One file by many names: it is read by each of them.
sub files {
	my ($folder, $bytes) = @_;
	put("$folder/f10.txt", $bytes);
	link "$folder/f10.txt", "$folder/f$_.txt" or die $! for 11 .. 9 + FILES;
	return $folder;
}

sub fits {
	my ($name, $n, @args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @limits = ('--threads=8', '--no-state', '--memory-megabytes', FILE_MIB, '--max-target-megabytes', FILE_MIB + 8);
	my $report = scan_json({ under => ['prlimit', '--data=' . LIMIT_MIB * 2**20] }, @limits, @args);
	return is(scan_exit() . " $report->{coverage}{scanned} " . @{ $report->{findings} }, "1 $n $n", $name) || diag(scan_error());
}

my $text = text(1, \&plain);
fits('files of a folder', FILES, files("$dir/folder", $text));
fits('files of UTF-16', FILES, files("$dir/wide", text(2, \&wide)));
my $r = empty("$dir/staged");
fits('files of a working tree', FILES, '-w', files($r, $text));
git($r, qw(add -A));
fits('what is staged', FILES, '--staged', $r);

# Other bytes each, or they would be one blob.
my $history = empty("$dir/history");
put("$history/f$_.txt", text($_, \&wide)) for 1 .. FILES;
commit($history, 'large');
fits('versions of files of UTF-16', FILES, $history);
done_testing;
