#!/usr/bin/perl
# Each header compiles alone, twice in a row, and all of them together.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Temp qw(tempdir);
use Test::More;
use Muster::Tree;

my $build = $ENV{MUSTER_BUILDDIR} // '.';
my $flags = qx(pkg-config --cflags glib-2.0 gio-unix-2.0 json-c libsodium libpq libcurl libgit2 zlib libwebsockets);
chomp $flags;
plan skip_all => 'the libraries for compiling are not here' if $?;
my @headers = tree_files(qr{^(?:lib|jobs|cgi|pusher|t)/.*\.h$});
my $folder = tempdir(CLEANUP => 1);

sub compile {
	my ($name, $text) = @_;
	open my $out, '>', "$folder/$name.c" or die $!;
	print $out $text;
	close $out;
	my $said = qx(cc -std=gnu11 -D_GNU_SOURCE -fsyntax-only -Wall -Wextra -Wno-unused-parameter -Werror -I'@{[tree_top()]}' -I'$build' $flags '$folder/$name.c' 2>&1);
	return $? ? $said : '';
}

my @fail = grep { my $said = compile('one', qq(#include "$_"\n#include "$_"\n)); diag($said) if $said; $said } @headers;
none(\@fail, 'each header brings what it needs and can be included twice');
my $all = join '', qq(#include "config.h"\n), map { qq(#include "$_"\n) } @headers;
is(compile('all', $all), '', 'all headers go together');
my @unguarded = grep {
	my $guard = uc(s{[/.-]}{_}gr);
	tree_read($_) !~ /^#ifndef (?:MUSTER_)?\Q$guard\E\n#define (?:MUSTER_)?\Q$guard\E\n/m
} @headers;
none(\@unguarded, "a header's guard is its path");
done_testing;
