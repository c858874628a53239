# SPDX-License-Identifier: MIT
package Muster::Audit;

# Repositories made by git, muster audit run on them, and git asked the same questions.
#
#	my $dir = audit_folder();
#	repo("$dir/thing", remote => 'https://github.com/me/thing.git');
#	my $report = audit_json($dir);
#	agrees_with_git($_) for @{ $report->{repos} };
#
# git runs with a configuration of ours alone; HOME and the cache are below the test's folder.

use strict;
use warnings;
use Exporter qw(import);
use File::Path qw(make_path);
use File::Temp ();
use JSON::PP ();
use Test::More ();

use Muster::Test qw(build_dir slurp spew);

our @EXPORT = qw(audit_folder repo git git_out put commit audit_run audit_json audit_exit audit_error
	rows count_status agrees_with_git unquote without_times);

my ($home, $exit, $error);

# A new empty folder that goes away with the test.
sub audit_folder {
	my $top = File::Temp->newdir(CLEANUP => 1);
	our @keep;
	push @keep, $top;
	unless ($home) {
		$home = "$top/home";
		make_path($home);
		spew("$home/gitconfig", <<'END');
[user]
	name = A U Thor
	email = author@example.com
[init]
	defaultBranch = main
[protocol "file"]
	allow = always
[commit]
	gpgsign = false
[safe]
	directory = *
END
		$ENV{HOME} = $home;
		$ENV{XDG_CONFIG_HOME} = "$home/config";
		$ENV{XDG_CACHE_HOME} = "$home/cache";
		$ENV{GIT_CONFIG_NOSYSTEM} = 1;
		$ENV{GIT_CONFIG_GLOBAL} = "$home/gitconfig";
		delete $ENV{$_} for qw(MUSTER_CONF GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE);
	}
	mkdir "$top/src" or die $!;
	return "$top/src";
}

sub put {
	my ($path, $text) = @_;
	make_path($1) if $path =~ m{^(.*)/}s && !-d $1;
	spew($path, $text);
	return;
}

# Standard output, without a shell; dies when git does.
sub git_out {
	my ($folder, @args) = @_;
	open my $out, '-|', 'git', '-C', $folder, @args or die "git: $!\n";
	local $/;
	my $text = <$out>;
	close $out or die "git @args in $folder: exit @{[$? >> 8]}\n";
	return $text // '';
}

sub git {
	my ($folder, @args) = @_;
	my $text = git_out($folder, @args);
	chomp $text;
	return $text;
}

# A commit of everything; %at: date => seconds since 1970.
sub commit {
	my ($path, $subject, %at) = @_;
	local $ENV{GIT_AUTHOR_DATE} = "$at{date} +0000" if $at{date};
	local $ENV{GIT_COMMITTER_DATE} = "$at{date} +0000" if $at{date};
	git($path, 'add', '-A');
	git($path, 'commit', '-q', '--allow-empty', '-m', $subject);
	return git($path, 'rev-parse', 'HEAD');
}

# A repository with the files each should have and one commit.
sub repo {
	my ($path, %with) = @_;
	make_path($path);
	git($path, 'init', '-q');
	put("$path/$_", "$_ of it\n") for qw(README.md LICENSE .gitignore);
	put("$path/.gitignore", "*.ignored\n");
	commit($path, 'first', %with);
	git($path, 'remote', 'add', 'origin', $with{remote}) if $with{remote};
	return $path;
}

# Standard output of muster audit; its exit code and its messages are kept.
sub audit_run {
	my (@args) = @_;
	my $errors = File::Temp->new;
	my $pid = open(my $out, '-|') // die $!;
	if (!$pid) {
		open STDERR, '>', $errors->filename or die $!;
		exec build_dir() . '/jobs/muster', 'audit', @args or die $!;
	}
	local $/;
	my $text = <$out> // '';
	close $out;
	$exit = $? & 127 ? "signal " . ($? & 127) : $? >> 8;
	$error = slurp($errors->filename);
	return $text;
}

sub audit_exit { return $exit }
sub audit_error { return $error }

sub audit_json {
	my (@args) = @_;
	my $text = audit_run('--format', 'json', @args);
	my $report = eval { JSON::PP->new->utf8->decode($text) };
	return $report if $report;
	die "muster audit @args: exit $exit: $error\n";
}

# name => row
sub rows {
	my ($report) = @_;
	return map { $_->{name} => $_ } @{ $report->{repos} };
}

sub count_status {
	my ($report, $status) = @_;
	return scalar grep { $_->{status} eq $status } @{ $report->{repos} };
}

# The bytes meant by the quoted form.
sub unquote {
	my ($quoted) = @_;
	utf8::encode(my $bytes = $quoted);
	$bytes =~ s/%([0-9A-F]{2})/chr hex $1/ge;
	return $bytes;
}

# A report without what is never the same twice.
sub without_times {
	my ($report) = @_;
	my $copy = JSON::PP->new->canonical->encode($report);
	$copy = JSON::PP->new->decode($copy);
	delete $copy->{$_} for qw(timestamp report_id duration_ms);
	return JSON::PP->new->canonical->pretty->encode($copy);
}

# Everything in a row that git can be asked for as well.
sub agrees_with_git {
	my ($row) = @_;
	my $path = unquote($row->{local_path});
	my $name = $row->{name};
	my %counts = (staged => 0, unstaged => 0, untracked => 0, unmerged => 0);
	my @entries;

	unless ($row->{is_bare}) {
		@entries = split /\0/, git_out($path, qw(status --porcelain=v2 --no-renames -z));
		for my $entry (@entries) {
			$counts{untracked}++ if $entry =~ /^\?/;
			$counts{unmerged}++ if $entry =~ /^u/;
			next unless $entry =~ /^1 (.)(.)/;
			$counts{staged}++ if $1 ne '.';
			$counts{unstaged}++ if $2 ne '.';
		}
		my %ours = map { $_ => $row->{counts}{$_} } keys %counts;
		Test::More::is_deeply(\%ours, \%counts, "$name: git status counts the same");
		Test::More::is($row->{changed}, scalar @entries, "$name: and lists as many entries");
		Test::More::is($row->{status} eq 'dirty' ? 1 : 0, @entries ? 1 : 0, "$name: it is dirty when git says so")
			if $row->{status} =~ /^(?:clean|dirty)$/;
	}
	my $head = qx(git -C '@{[$path =~ s/'/'\\''/gr]}' rev-parse -q --verify HEAD 2>/dev/null);
	chomp $head;
	Test::More::is($row->{lastCommitSha} // '', $head, "$name: HEAD is the same commit");
	return unless $head;
	my $branch = git($path, qw(rev-parse --abbrev-ref HEAD));
	Test::More::is($row->{branch} // 'HEAD', $branch, "$name: the branch is the same");
	my ($time, $subject) = split /\n/, git($path, qw(log -1 --format=%ct%n%s)), 2;
	my @t = gmtime $time;
	Test::More::is($row->{lastCommit}, sprintf('%04d-%02d-%02dT%02d:%02d:%02dZ', $t[5] + 1900, $t[4] + 1, @t[3, 2, 1, 0]),
		"$name: the last commit is as old");
	Test::More::is($row->{commits}, git($path, qw(rev-list --count HEAD)), "$name: as many commits");
	Test::More::is($row->{commits_30d}, git($path, qw(rev-list --count --since=30.days HEAD)), "$name: as many in 30 days");
	my %authors = map { lc $_ => 1 } split /\n/, git($path, qw(log --format=%ae));
	Test::More::is($row->{contributors}, scalar keys %authors, "$name: as many contributors");
	my $files = () = git_out($path, qw(ls-tree -r -z --name-only HEAD)) =~ /\0/g;
	Test::More::is($row->{files}, $files, "$name: as many files in HEAD");
	for my $branch (@{ $row->{branches} }) {
		next unless defined $branch->{ahead};
		my $ref = unquote($branch->{name});
		my $both = git($path, qw(rev-list --left-right --count), "refs/heads/$ref...$ref\@{upstream}");
		Test::More::is("$branch->{ahead}\t$branch->{behind}", $both, "$name: $ref is as far from its upstream");
	}
	my $stashes = () = git_out($path, qw(stash list -z --format=%H)) =~ /\0/g;
	Test::More::is($row->{counts}{stashes}, $stashes, "$name: as many stashes");
	return;
}

1;
