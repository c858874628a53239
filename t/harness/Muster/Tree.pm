# SPDX-License-Identifier: MIT
package Muster::Tree;

# The files of the source tree, for tests that look at the source itself.
#
#	use Muster::Tree;
#	for my $path (tree_files(qr/\.[ch]$/)) { my $text = tree_read($path); … }
#
# Paths are relative to the top. In a checkout these are the tracked files and those that could be;
# in an unpacked tarball all files but those that autogen.sh and a build leave behind.

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Find ();
use Test::More ();

our @EXPORT = qw(tree_top tree_files tree_read tree_scripts none);

my $top = abs_path($ENV{MUSTER_SRCDIR} || dirname(__FILE__) . '/../../..');
my @all;

sub tree_top { return $top }

my $made = qr{^(?:_build|_inst|build|build-aux|build-[^/]*|autom4te\.cache|node_modules|\.git)(?:/|$)|/node_modules/
	|^(?:aclocal\.m4|configure|configure~|config\.h|config\.h\.in|config\.h\.in~|config\.log|config\.status|libtool
	|Makefile|Makefile\.in|stamp-h1)$|\.(?:o|a|lo|la|gcno|gcda|trs|log)$|/\.deps/|/\.dirstamp$|\.tar\.xz$}x;

sub list {
	return @all if @all;
	if (-e "$top/.git") {
		my $out = qx(git -c safe.directory='*' -C '$top' ls-files -z --cached --others --exclude-standard);
		@all = grep { -e "$top/$_" || -l "$top/$_" } split /\0/, $out;
		return @all if @all;
	}
	File::Find::find({
		no_chdir => 1,
		wanted => sub {
			return if $File::Find::name eq $top;
			my $path = substr($File::Find::name, length($top) + 1);
			if ($path =~ $made) {
				$File::Find::prune = 1;
				return;
			}
			# What is executable and no script was built here.
			push @all, $path if -f $_ && !(-x _ && -B _);
		},
	}, $top);
	return @all = sort @all;
}

sub tree_files {
	my ($pattern) = @_;
	my @files = list();
	die "the source tree has no files\n" unless @files;
	return defined $pattern ? grep { $_ =~ $pattern } @files : @files;
}

sub tree_read {
	my ($path) = @_;
	open my $in, '<:raw', "$top/$path" or die "$path: $!\n";
	local $/;
	return scalar <$in> // '';
}

# Files that start with #! and an interpreter whose name matches.
sub tree_scripts {
	my ($interpreter) = @_;
	return grep { -f "$top/$_" && first_line($_) =~ /^#!.*$interpreter/ } list();
}

# A test that passes when the list is empty and names all that is in it otherwise.
sub none {
	my ($found, $name) = @_;
	my $builder = Test::More->builder;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$builder->ok(!@$found, $name) or $builder->diag(map { "  $_\n" } @$found);
	return;
}

sub first_line {
	my ($path) = @_;
	open my $in, '<:raw', "$top/$path" or return '';
	return readline($in) // '';
}

1;
