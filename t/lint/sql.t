#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The SQL keeps to the house rules: text is put together in few known places and never from a
# request, functions pin their search path, constraints have names that the error map can use.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Tree;

# Functions that put SQL text together, and what goes into it. Nothing else may.
my %puts_together = (
	'account_drop' => 'names of the catalogue',
	'finding_estimate' => 'a constant',
	'finding_export_page' => 'constants of its own, by what is asked for',
	'finding_page' => 'constants of its own, by what is asked for',
	'repo_list' => 'a clause out of its own array',
	'event_extend' => 'names and numbers of partitions',
	'prune' => 'a name of the catalogue',
	'admin_account_list' => 'the filters that were given, of constants',
	'search_repos' => 'clauses, numbers of counts',
	'search_alike' => 'a name of the catalogue',
	'removal_piece' => 'names of the catalogue, numbers of pages',
);

my (@bare, @execute, @request, @path, @unnamed, @comment, @license, @undocumented, @order, @unplanned);
for my $file (tree_files(qr{^sql/.*\.sql$})) {
	my $text = tree_read($file);
	push @license, $file unless $text =~ /\A-- SPDX-License-Identifier: MIT\n/;
	push @comment, $file unless $text =~ /\A-- SPDX[^\n]*\n-- \S/;
	if ($file =~ m{^sql/migration/}) {
		push @order, $file unless $file =~ m{/\d{4}_[a-z]+\.sql$};
		# A table constraint or a column's check without a name gets one that may change.
		while ($text =~ /^(.*\b(?:references|check \(|unique\b).*)$/mg) {
			my $line = $1;
			next if $line =~ /^\s*--/ || $line =~ /create unique index \w+_key\b/;
			my $before = substr $text, 0, pos($text) - length $line;
			push @unnamed, "$file: $line"
				unless "$before$line" =~ /constraint \w+_(?:key|fkey|check)\s+(?:(?:references|check|unique)[^\n]*|\n?[^\n]*)\z/;
		}
	}
	next unless $file =~ m{^sql/api/};
	while ($text =~ /^create function muster\.(\w+)\((.*?)^(?:\$\$;|end;|return .*?;)$/msg) {
		my ($name, $body) = ($1, $2);
		push @path, "$file: $name" if $body =~ /security definer/
			&& $body !~ /set search_path = pg_catalog, muster, pg_temp/;
		push @unplanned, "$file: $name" if $name =~ /_list\z/ && $body =~ /\bp_cursor\b/
			&& $body !~ /set plan_cache_mode = force_custom_plan/;
		push @execute, "$file: $name" if $body =~ /^\s*(?:return query )?execute\b/m && !$puts_together{$name};
		next unless $body =~ /\bexecute\s+format\((.*?)\)\s*(?:into|using|;)/s;
		# What is put in: constants of the function, never an argument.
		push @request, "$file: $name" if $body =~ /\bexecute\s+format\([^;]*?\$query\$,([^;]*?)\)\s*into/s
			&& $1 =~ /\bp_/;
		push @request, "$file: $name" if $body =~ /'[^']*'\s*\|\|\s*p_\w+[^;]*\bexecute\b/s;
	}
}
none(\@license, 'every file says its licence');
none(\@comment, 'every file says what it is for');
none(\@order, 'migrations are numbered');
none(\@unnamed, 'every constraint has its name');
none(\@path, 'what runs as its owner pins its search path');
none(\@execute, 'SQL text is put together in the known places only');
none(\@request, 'and never out of an argument');
none(\@unplanned, 'a list is planned for the filters it is given');
my ($orders) = tree_read('sql/api/repo.sql') =~ /v_clauses constant text\[\]\[\] := array\[(.*?)\];/s;
like($orders // '', qr/\A(?:\s*\[(?:'(?:[^']|'')*'(?:,\s*)?)+\],?)+\z/, 'orders are rows of a constant array');
my $n = 0;
none([grep { $n++; !m{/\Q@{[sprintf '%04d', $n]}\E_} } sort(tree_files(qr{^sql/migration/}))], 'migrations are numbered without a gap');

# The build installs every file there is.
my $made = tree_read('sql/local.mk');
none([grep { $made !~ /\b\Q$_\E\b/ } tree_files(qr{^sql/.*\.sql$})], 'the build installs every file');
done_testing;
