#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Ignore files made at random decide as git decides. The seed is fixed; MUSTER_SEED changes it, and
# MUSTER_ROUNDS how many trees are tried.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Path qw(make_path remove_tree);
use Test::More;
use Muster::Test::Git;

my $seed = $ENV{MUSTER_SEED} || 20240506;
my $rounds = $ENV{MUSTER_ROUNDS} || 60;
srand($seed);

# Two names that differ in case only are two names here, whatever core.ignoreCase says, but not to
# git: with it on, no such pair is made.
my @parts = (qw(a b ab abc foo foo.o bar.c build .x x-y [z] *q 0 !), '#k', 'b ', 'c\d', 'A');
my $is_ignorecase = 0;

sub pick { return $_[rand @_] }

sub part {
	return $is_ignorecase ? pick(@parts[0 .. $#parts - 1]) : pick(@parts);
}

sub path {
	my $depth = 1 + int(rand 4);
	return join '/', map { part() } 1 .. $depth;
}

# Words of patterns, so put together that many match something.
sub pattern {
	my @words = (
		sub { part() }, sub { '*' }, sub { '**' }, sub { '?' }, sub { '*' . part() },
		sub { part() . '*' }, sub { pick('[ab]', '[a-c]', '[!a]', '[^b]', '[]a]', '[a', '[[:alpha:]]*', '[[:digit:]]',
				'[[:bad:]]', '[a-]', '[\\]]', '[--0]', '[A-Z]', '[!-z]') },
		sub { pick('a*b', '*.o', '*.?', 'f*o', '**b', 'a**', '*a*b*', '\\a', '\\*q', '\\[z]', 'c\\\\d', '\\', 'foo\\') },
	);
	my $text = join '/', map { pick(@words)->() } 1 .. 1 + int(rand 3);
	$text = "/$text" if rand() < 0.2;
	$text .= '/' if rand() < 0.2;
	$text = "!$text" if rand() < 0.2;
	$text .= pick(' ', '  ', '\\ ', "\t", "\r") if rand() < 0.08;
	$text = pick("#$text", "\\#$text", "\\!$text", " $text", '', '/', '!', '**/', '//', '!/') if rand() < 0.06;
	return $text;
}

sub patterns {
	my $text = join "\n", map { pattern() } 1 .. 1 + int(rand 6);
	$text = "\xef\xbb\xbf$text" if rand() < 0.05;
	return rand() < 0.9 ? "$text\n" : $text;
}

for my $round (1 .. $rounds) {
	my $repo = git_new("round$round");
	$is_ignorecase = rand() < 0.15;
	my %folders = ('' => 1);
	for (1 .. 40) {
		my $path = path();
		my @inner = split m{/}, $path;
		pop @inner;
		next if -e "$repo/$path";
		next if grep { my $at = join '/', @inner[0 .. $_]; -e "$repo/$at" && !-d _ } 0 .. $#inner;
		put("$repo/$path", 'x');
		$folders{ join('/', @inner[0 .. $_]) . '/' } = 1 for 0 .. $#inner;
	}
	# Some are tracked before anything is ignored.
	my @files = grep { $_ ne '' } split /\0/, git($repo, qw(ls-files -z -o));
	for (1 .. int(rand 8)) {
		git($repo, 'add', '-f', '--', ":(literal)" . pick(@files));
	}
	my $text = patterns();
	put("$repo/.gitignore", $text);
	for my $folder (sort keys %folders) {
		put("$repo/$folder.gitignore", $text .= patterns()) if $folder ne '' && rand() < 0.2;
	}
	put("$repo/.git/info/exclude", patterns()) if rand() < 0.3;
	set_config($repo, 'core.ignorecase', 'true') if $is_ignorecase;
	same($repo, "tree $round of seed $seed")
		or diag("patterns:\n", $text =~ s/^/  |/mgr);
	last if !Test::More->builder->is_passing;
	remove_tree($repo);
}

# Deep backtracking ends: a person would write none of these, someone else may.
my $repo = git_new('hostile');
put("$repo/" . 'a' x 200, '');
put("$repo/" . join('/', ('a') x 60) . '/b', '');
put("$repo/.gitignore", join("\n", '*a' x 40 . 'x', '**/' . 'a*/**/' x 30 . 'x', '[a-z]*' x 50 . '[!a]') . "\n");
my @ours = actual($repo);
is(scalar(@ours), 3, 'patterns that backtrack without end are given up and ignore nothing');

done_testing;
