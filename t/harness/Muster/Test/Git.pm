# SPDX-License-Identifier: MIT
package Muster::Test::Git;

# Git repositories for tests, and git's answer beside ours. Core modules only, no database.
#
#	use Muster::Test::Git;
#	my $repo = git_new('empty');			# a folder in a private home
#	git($repo, qw(commit -q --allow-empty -m one));
#	put("$repo/a", "text\n");
#	same($repo, 'a new file is untracked');		# git status and git-status-dump agree
#
# The home has a .gitconfig of its own; nothing of the person who runs the tests is read. git may
# not write an index while it is asked: what one of the two sees, the other sees.

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use Test::More;

our @EXPORT = qw(git git_try git_new git_home put get same expected actual dump_run set_config);

my $top = abs_path(dirname(__FILE__) . '/../../../..');
my $build = $ENV{MUSTER_BUILDDIR} || $top;
my $dump = "$build/t/jobs/git-status-dump";
my $home = tempdir('muster-git-XXXXXX', TMPDIR => 1, CLEANUP => 0);

END {
	my $status = $?;
	if ($status == 0 && Test::More->builder->is_passing) {
		system('chmod', '-R', 'u+rwX', $home);
		remove_tree($home);
	} else {
		diag("the repositories are kept in $home");
	}
	$? = $status;
}

delete $ENV{$_} for grep { /^GIT_/ } keys %ENV;
$ENV{HOME} = $home;
$ENV{XDG_CONFIG_HOME} = "$home/.config";
$ENV{GIT_CONFIG_NOSYSTEM} = 1;
$ENV{GIT_OPTIONAL_LOCKS} = 0;
$ENV{LC_ALL} = 'C';
$ENV{GIT_AUTHOR_DATE} = $ENV{GIT_COMMITTER_DATE} = '2024-05-06T07:08:09Z';
$ENV{ASAN_OPTIONS} = 'detect_leaks=1:exitcode=99';
$ENV{UBSAN_OPTIONS} = 'halt_on_error=1:exitcode=99';

put("$home/.gitconfig", <<'END');
[user]
	name = Test
	email = test@example.org
[init]
	defaultBranch = main
[protocol "file"]
	allow = always
[advice]
	detachedHead = false
[gc]
	auto = 0
END

sub git_home { return $home }

sub put {
	my ($path, $text) = @_;
	make_path(dirname($path)) if !-d dirname($path);
	open(my $fh, '>:raw', $path) or die "$path: $!";
	print $fh $text;
	close($fh) or die "$path: $!";
	return;
}

sub get {
	my ($path) = @_;
	open(my $fh, '<:raw', $path) or die "$path: $!";
	local $/ = undef;
	return scalar <$fh>;
}

# Output and exit code of a program; its standard error goes to ours unless quiet.
sub run {
	my ($is_quiet, @command) = @_;
	my $pid = open(my $fh, '-|') // die "fork: $!";
	if (!$pid) {
		open(STDERR, '>', '/dev/null') if $is_quiet;
		exec(@command) or exit 127;
	}
	binmode($fh);
	local $/ = undef;
	my $out = <$fh> // '';
	close($fh);
	return ($out, $?);
}

sub git {
	my ($repo, @arguments) = @_;
	my ($out, $code) = run(0, 'git', '-C', $repo, @arguments);
	die "git @arguments in $repo failed\n" if $code;
	return $out;
}

# For what is meant to fail, such as a merge with conflicts.
sub git_try {
	my ($repo, @arguments) = @_;
	my ($out) = run(1, 'git', '-C', $repo, @arguments);
	return $out;
}

sub git_new {
	my ($name, @arguments) = @_;
	my $path = "$home/$name";
	make_path($path);
	git($path, 'init', '-q', @arguments);
	return $path;
}

sub set_config {
	my ($repo, %values) = @_;
	git($repo, 'config', $_, $values{$_}) for sort keys %values;
	return;
}

# git's lines in the form of ours: modes and object names left out.
sub expected {
	my ($repo, @options) = @_;
	my ($out, $code) = run(1, 'git', '-C', $repo, 'status', '--porcelain=v2', '-z',
		'--no-renames', '--untracked-files=normal', @options);
	return ("git failed: $code") if $code;
	my @lines;
	for my $line (split /\0/, $out) {
		if ($line =~ /\A1 (..) (....) (?:\S+ ){5}(.*)\z/s) {
			push @lines, "1 $1 $2 $3";
		} elsif ($line =~ /\Au (..) (....) (?:\S+ ){7}(.*)\z/s) {
			push @lines, "u $1 $2 $3";
		} else {
			push @lines, $line;
		}
	}
	return sort @lines;
}

sub dump_run {
	my (@arguments) = @_;
	return run(1, $dump, @arguments);
}

sub actual {
	my ($repo, @options) = @_;
	my ($out, $code) = run(0, $dump, @options, $repo);
	return ("git-status-dump failed: $code") if $code;
	return sort split /\0/, $out;
}

# `unverified`: paths that we leave open and git, which runs filters, does not.
sub same {
	my ($repo, $name, %options) = @_;
	my @git = expected($repo, @{ $options{git} || [] });
	my @ours = actual($repo, @{ $options{ours} || [] });
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	if (my $left = $options{unverified}) {
		my %is_left = map { $_ => 1 } @$left;
		@git = grep { !/\A\S \S+ \S+ (.*)\z/s || !$is_left{$1} } @git;
		@git = sort(@git, map { "x $_" } @$left);
	}
	return is_deeply(\@ours, \@git, $name)
		|| diag("git:\n  ", join("\n  ", @git), "\nours:\n  ", join("\n  ", @ours));
}

1;
