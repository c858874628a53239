#!/usr/bin/perl
# muster diff: what changed in a working tree, beside git's own difference.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Audit;
use Muster::Test qw(build_dir slurp);

my $exit;

sub diff_run {
	my (@args) = @_;
	open my $out, '-|', build_dir() . '/jobs/muster', 'diff', @args or die $!;
	local $/;
	my $text = <$out> // '';
	close $out;
	$exit = $? >> 8;
	return $text;
}

sub diff_json {
	return JSON::PP->new->utf8->decode(diff_run('--format', 'json', @_));
}

# The lines of git diff HEAD for one file: what stands behind each + and -.
sub lines_of_git {
	my ($path, $file) = @_;
	my $text = git_out($path, qw(diff --no-ext-diff --no-renames HEAD --), $file);
	$text =~ s/\A.*?^(?=\@\@)//ms or return [];
	return [grep { /^[+ -]/ } split /\n/, $text];
}

sub lines_of_ours {
	my ($file) = @_;
	my %sign = (add => '+', delete => '-', context => ' ');
	return [map { my $h = $_; map { $sign{ $_->{kind} } . $_->{text} } @{ $h->{lines} } } @{ $file->{hunks} }];
}

my $dir = audit_folder();
my $path = repo("$dir/thing");
put("$path/long.txt", join '', map { "line $_\n" } 1 .. 100);
put("$path/gone.txt", "one\ntwo\n");
put("$path/a name with\nnewline", "x\n");
put("$path/picture", "a\0b");
commit($path, 'files');

is(diff_run($path), '', 'an unchanged tree has no difference');
is($exit, 0, 'and the exit code is 0');

put("$path/long.txt", join '', map { $_ == 50 ? "changed\n" : $_ == 90 ? '' : "line $_\n" } 1 .. 100);
unlink "$path/gone.txt" or die $!;
put("$path/staged.txt", "new and staged\n");
git($path, 'add', 'staged.txt');
put("$path/untracked.txt", "not\nadded\n");
put("$path/a name with\nnewline", "y\n");
put("$path/picture", "a\0c");
put("$path/folder/inside", "x\n");
put("$path/latin", "caf\xe9 \e[31m\n");
symlink '/etc/passwd', "$path/link" or die $!;
put("$path/big", 'x' x 3_000_000);

my $diff = diff_json($path);
is($exit, 1, 'a changed tree makes the exit code 1');
is($diff->{repo}, 'thing', 'the repository is named');
my %file = map { $_->{path} => $_ } @{ $diff->{files} };

is($file{'long.txt'}{status}, 'modified', 'a changed file is modified');
is_deeply(lines_of_ours($file{'long.txt'}), lines_of_git($path, 'long.txt'), 'its lines are those of git');
is(scalar @{ $file{'long.txt'}{hunks} }, 2, 'two places are two hunks');
is($file{'long.txt'}{additions} . ' ' . $file{'long.txt'}{deletions}, '1 2', 'and are counted');
my ($added) = grep { $_->{kind} eq 'add' } @{ $file{'long.txt'}{hunks}[0]{lines} };
is_deeply([$added->{old}, $added->{new}], [undef, 50], 'an added line has a number on the new side alone');
is($file{'gone.txt'}{status}, 'deleted', 'a removed file is deleted');
is_deeply(lines_of_ours($file{'gone.txt'}), ['-one', '-two'], 'with all of its lines');
is($file{'staged.txt'}{status}, 'added', 'a staged file is added');
is($file{'untracked.txt'}{status}, 'untracked', 'an untracked file is untracked');
is_deeply(lines_of_ours($file{'untracked.txt'}), ['+not', '+added'], 'with all of its lines');
is($file{'a name with%0Anewline'}{status}, 'modified', 'a name with a newline is quoted');
ok($file{picture}{binary}, 'bytes that are no text are binary');
is_deeply($file{picture}{hunks}, [], 'and have no lines');
is_deeply($file{'folder/'}{hunks}, [], 'an untracked folder is named alone');
is_deeply(lines_of_ours($file{link}), ['+/etc/passwd'], 'a symbolic link is its target, not what it points to');
is($file{latin}{hunks}[0]{lines}[0]{text}, "caf\x{fffd} \x{fffd}[31m", 'no control character and no broken UTF-8 comes through');
ok($file{big}{truncated}, 'a large file is cut');
ok($diff->{truncated}, 'and the whole says so');
my @short = split /\n/, git_out($path, qw(-c core.quotePath=false status --short --no-renames));
my ($head) = $diff->{diff} =~ /\A(.*?)^---$/ms;
is(scalar(split /\n/, $head), scalar @short, 'the text begins with the lines of git status --short');
like(diff_run($path), qr/^\+changed$/m, 'the text has the lines');

my $empty = "$dir/empty";
git($dir, 'init', '-q', 'empty');
put("$empty/first", "x\n");
is(diff_json($empty)->{files}[0]{status}, 'untracked', 'before the first commit all is untracked');

git($dir, 'init', '-q', '--bare', 'bare.git');
{
	open my $saved, '>&', \*STDERR or die $!;
	open STDERR, '>', '/dev/null' or die $!;
	diff_run("$dir/bare.git");
	is($exit, 3, 'a bare repository has no working tree to look at');
	diff_run("$dir/none");
	is($exit, 2, 'a path that is not there is a usage error');
	diff_run();
	is($exit, 2, 'so is no path');
	open STDERR, '>&', $saved or die $!;
}

# A repository that is led elsewhere, below a folder that is all that may be read.
{
	my $private = repo("$dir/private");
	put("$private/letter", "dear diary\n");
	commit($private, 'private');
	my $inside = repo("$dir/allowed/inside");
	put("$inside/mine", "mine\n");
	mkdir "$dir/allowed/$_" for qw(file link objects);
	put("$dir/allowed/file/.git", "gitdir: $private/.git\n");
	symlink "$private/.git", "$dir/allowed/link/.git";
	system('cp', '-a', "$private/.git", "$dir/allowed/objects/.git") == 0 or die 'cp';
	system('rm', '-rf', "$dir/allowed/objects/.git/objects") == 0 or die 'rm';
	symlink "$private/.git/objects", "$dir/allowed/objects/.git/objects";
	like(diff_run("$dir/allowed/file"), qr/dear diary/, 'a person may look wherever the .git file leads');
	is_deeply([map { $_->{path} } @{ diff_json('--within', "$dir/allowed", $inside)->{files} }], ['mine'],
		'a repository within the folder is read as ever');
	open my $saved, '>&', \*STDERR or die $!;
	open STDERR, '>', '/dev/null' or die $!;
	for my $how (qw(file link objects)) {
		unlike(diff_run('--within', "$dir/allowed", "$dir/allowed/$how"), qr/dear diary/,
			"one whose $how leads out of it tells nothing");
		is($exit, 3, 'and is unreadable');
	}
	diff_run('--within', "$dir/allowed", $private);
	isnt($exit, 0, 'one that lies outside is not read');
	open STDERR, '>&', $saved or die $!;
}

my @many = map { "$dir/thing/many-$_" } 1 .. 400;
put($_, "x\n") for @many;
$diff = diff_json($path);
cmp_ok(scalar @{ $diff->{files} }, '<=', 300, 'at most 300 files are shown');
ok($diff->{truncated}, 'and the rest is said to be left out');
done_testing;
