# SPDX-License-Identifier: MIT
package Muster::Scan;

# Secrets made of pieces, muster scan run on what holds them, and its JSON understood.
#
#	my $dir = audit_folder();
#	repo("$dir/thing");
#	put("$dir/thing/a.env", 'TOKEN=' . token(1) . "\n");
#	commit("$dir/thing", 'leak');
#	my $report = scan_json("$dir/thing");
#	is_deeply([found($report)], ['a.env:1'], 'it is found');
#
# Rules are the family github alone unless --enable-rule, --rules or --no-builtin-rules is given, so that a
# start costs milliseconds. State is below the test's folder.

use strict;
use warnings;
use Compress::Zlib qw(crc32);
use Digest::SHA qw(sha256);
use Exporter qw(import);
use File::Temp ();
use JSON::PP ();
use Test::More;

use Muster::Audit;
use Muster::Test qw(build_dir slurp);

our @EXPORT = qw(token leak leaky_history scan_program scan_run scan_with scan_json scan_exit scan_error found
	finding_at lines_are);

my ($exit, $error);
my @digits = ('0' .. '9', 'A' .. 'Z', 'a' .. 'z');

sub base62 {
	my ($number, $width) = @_;
	my $text = '';
	while ($width--) {
		$text = $digits[$number % 62] . $text;
		$number = int($number / 62);
	}
	return $text;
}

# A GitHub token that no GitHub gave out; another one for each number.
sub token {
	my ($number) = @_;
	my $body = join '', map { $digits[$_ % 62] } unpack 'C30', sha256("first $number") . sha256("second $number");
	return 'gh' . 'p_' . $body . base62(crc32($body), 6);
}

# Puts token $number into the second line of a file.
sub leak {
	my ($path, $number) = @_;
	put($path, "# a file\nTOKEN=" . token($number) . "\n");
	return;
}

# main: gone.env comes, goes, kept.env comes; side: main and side.env; tag v1: main and tag.env, on no
# branch. A day apart. Returns main's commits behind the first.
sub leaky_history {
	my ($repo) = @_;
	my $at = 1_600_000_000;
	my $commit = sub { return commit($repo, $_[0], date => $at += 86400) };
	repo($repo, date => $at);
	leak("$repo/gone.env", 1);
	my @main = $commit->('leak');
	unlink "$repo/gone.env";
	push @main, $commit->('remove');
	leak("$repo/kept.env", 2);
	push @main, $commit->('keep');
	git($repo, qw(checkout -q -b side));
	leak("$repo/side.env", 3);
	$commit->('side');
	git($repo, qw(checkout -q main));
	git($repo, qw(checkout -q --detach));
	leak("$repo/tag.env", 4);
	$commit->('tag');
	git($repo, qw(tag -a -m tag v1));
	git($repo, qw(checkout -q main));
	return @main;
}

sub scan_program { return build_dir() . '/jobs/muster' }

# Standard output; exit code and messages are kept. $with->{stdin}: bytes; {env}: of the program;
# {under}: a command that runs it.
sub scan_with {
	my ($with, @args) = @_;
	my ($errors, $input) = (File::Temp->new, File::Temp->new);
	print {$input} $with->{stdin} // '';
	close $input;
	unshift @args, '--enable-rule', 'github'
		unless grep { /^--(?:enable-rule|rules|config|no-builtin-rules|help)/ || $_ eq '-c' } @args;
	my $pid = open(my $out, '-|') // die $!;
	if (!$pid) {
		open STDIN, '<', $input->filename or die $!;
		open STDERR, '>', $errors->filename or die $!;
		chdir $with->{folder} or die $! if $with->{folder};
		@ENV{ keys %{ $with->{env} } } = values %{ $with->{env} };
		exec @{ $with->{under} || [] }, scan_program(), 'scan', @args or die $!;
	}
	local $/;
	my $text = <$out> // '';
	close $out;
	$exit = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
	$error = slurp($errors->filename);
	return $text;
}

sub scan_run { return scan_with({}, @_) }
sub scan_exit { return $exit }
sub scan_error { return $error }

sub scan_json {
	my $with = ref $_[0] ? shift : {};
	my $text = scan_with($with, '--format', 'json', @_);
	my $report = eval { JSON::PP->new->utf8->decode($text) };
	return $report if $report;
	die "muster scan @_: exit $exit: $error\n";
}

# "path:line" of each finding, sorted.
sub found {
	my ($report) = @_;
	my @list = sort map { ($_->{path} // '?') . ":$_->{line}" } @{ $report->{findings} };
	return @list;
}

# A scan finds just these ("path:line", sorted), and exits as it must.
sub lines_are {
	my ($name, $want, @args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $report = scan_json(@args);
	is_deeply([found($report)], $want, $name) or diag(scan_error());
	is(scan_exit(), @$want ? 1 : 0, "$name: the exit code says so");
	return $report;
}

# The one finding at a path.
sub finding_at {
	my ($report, $path) = @_;
	my @list = grep { ($_->{path} // '?') eq $path } @{ $report->{findings} };
	die scalar(@list) . " findings at $path\n" if @list != 1;
	return $list[0];
}

1;
