#!/usr/bin/perl
# Names and sizes of files, and what no file of ours may hold.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Tree;

my @files = tree_files();
my $ours = qr/\.(?:c|h|js|mjs|css|html|sql|pl|pm|t|sh|mk|am|ac)$/;

# The runner's helper is a term of the field: the process that job children are forked from.
my $empty_word = qr{(?:^|[/_.-])(?:utils?|misc|helpers?|common|managers?)(?:[/_.-]|$)}i;
none([grep { $_ =~ $empty_word && !m{^jobs/run_helper} } @files],
	'no file is called by a word that says nothing');

# Tables, rules and migrations are as long as they are; locks and corpora are not ours.
my $long = qr{^(?:lib/conf_keys\.c|lib/event_kinds\.c|cgi/routes\.c|t/db/rls\.t|sql/migration/|t/.*corpus/|t/data/)|package-lock\.json$};
none([grep { $_ =~ $ours && $_ !~ $long && (() = tree_read($_) =~ /\n/g) > 800 } @files],
	'no file has more than 800 lines');

my @c = grep { /\.[ch]$/ } @files;
none([grep { tree_read($_) !~ m{\A/\* SPDX-License-Identifier: MIT \*/\n} } @c],
	'every C file starts with its licence');

my $unfinished = join '|', 'TO' . 'DO', 'FIX' . 'ME', 'X' . 'XX';
none([grep { $_ =~ $ours && tree_read($_) =~ /\b(?:$unfinished)\b/ } @files],
	'nothing is marked as unfinished');

# Functions that overflow, split badly, start a shell, or have a better one in GLib.
my $banned = join '|', qw(strcpy strcat sprintf vsprintf strtok gets system popen tmpnam mktemp
	localtime gmtime asctime ctime alloca strncpy strncat atof scanf sscanf strerror
	g_spawn_command_line_sync g_spawn_command_line_async wordexp execlp execvp execl rand srand);
my @used;
for my $path (grep { !m{^t/} } @c) {
	my $text = tree_read($path);
	$text =~ s{/\*.*?\*/|"(?:[^"\\\n]|\\.)*"}{ }gs;
	push @used, "$path: $1" while $text =~ /(?<![\w.>])($banned)\s*\(/g;
}
none(\@used, 'no banned function is called');

my @space;
for my $path (grep { $_ =~ $ours || /\.md$/ } @files) {
	my $text = tree_read($path);
	push @space, "$path: space at the end of a line" if $text =~ /[ \t]+$/m;
	push @space, "$path: no newline at the end" if length $text && $text !~ /\n\z/;
	push @space, "$path: carriage returns" if $text =~ /\r\n/;
}
none(\@space, 'lines end where they end');

none([grep { !m{^t/(?:.*corpus|data)/} && m{[^A-Za-z0-9_./-]} } @files], 'names of files are plain');
done_testing;
