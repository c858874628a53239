#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What jobs/git says of a working tree is what git says, over odd repositories.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Fcntl qw(S_IXUSR);
use File::Path qw(make_path remove_tree);
use POSIX qw(mkfifo);
use Test::More;
use Muster::Test::Git;

sub committed {
	my ($name, %files) = @_;
	my $repo = git_new($name);
	put("$repo/$_", $files{$_}) for keys %files;
	git($repo, qw(add -A));
	git($repo, qw(commit -q --allow-empty -m one));
	return $repo;
}

subtest 'a repository without a commit' => sub {
	my $repo = git_new('unborn');
	same($repo, 'nothing in it is clean');
	put("$repo/a", "1\n");
	put("$repo/d/b", "1\n");
	same($repo, 'files in it are untracked');
	git($repo, qw(add -A));
	same($repo, 'files added to it are staged');
	put("$repo/a", "12\n");
	unlink("$repo/d/b");
	same($repo, 'a file can be staged and changed, or staged and gone');
};

subtest 'ordinary changes' => sub {
	my $repo = committed('plain', map { $_ => "text of $_\n" }
		qw(a b c d/a d/b d/e/f d/e/g d-x/a d.x z/z/z/z top/one));
	same($repo, 'a fresh commit is clean');
	put("$repo/a", "other of a\n");
	put("$repo/b", "text of b, longer\n");
	unlink("$repo/c");
	same($repo, 'changed with the same length, changed with another, deleted');
	remove_tree("$repo/d");
	same($repo, 'a folder is gone');
	put("$repo/d", "a file now\n");
	same($repo, 'a file stands where a folder was');
	unlink("$repo/d");
	symlink('top', "$repo/d");
	same($repo, 'a link to a folder stands where a folder was');
	unlink("$repo/d");
	git($repo, qw(checkout -q -- .));
	same($repo, 'all is back');
	chmod(0755, "$repo/a");
	same($repo, 'the executable bit counts');
	set_config($repo, 'core.filemode', 'false');
	same($repo, 'it does not where core.fileMode is off');
	set_config($repo, 'core.filemode', 'true');
	chmod(0600, "$repo/b");
	same($repo, 'other bits never count');
	git($repo, qw(rm -q --cached d.x));
	same($repo, 'removed from the index only: staged and untracked');
	git($repo, qw(rm -q -r z));
	put("$repo/new/deep/file", "x");
	git($repo, qw(add new));
	put("$repo/new/deep/file", "xy");
	same($repo, 'staged folders come and go');
	git($repo, qw(checkout -q --detach));
	same($repo, 'HEAD may be detached');
	git($repo, qw(read-tree HEAD));
	same($repo, 'an index without stat data is compared by content');
	git($repo, qw(read-tree --empty));
	same($repo, 'an emptied index');
};

subtest 'types' => sub {
	my $repo = committed('types', map { $_ => "$_\n" } qw(f1 f2 f3 f4 f5 l0/x));
	symlink('f1', "$repo/l1");
	symlink('nowhere', "$repo/l2");
	symlink('f1', "$repo/l3");
	git($repo, qw(add -A));
	git($repo, qw(commit -q -m links));
	same($repo, 'links are clean');
	unlink("$repo/f1");
	symlink('f2', "$repo/f1");
	unlink("$repo/l1");
	put("$repo/l1", 'f1');
	unlink("$repo/l2");
	symlink('elsewhere', "$repo/l2");
	same($repo, 'file to link, link to file, link to another target');
	unlink("$repo/f2");
	make_path("$repo/f2");
	same($repo, 'an empty folder stands where a file was');
	put("$repo/f2/inner", 'x');
	same($repo, 'a folder with a file stands where a file was');
	unlink("$repo/f3");
	mkfifo("$repo/f3", 0600);
	mkfifo("$repo/fifo", 0600);
	same($repo, 'a pipe in the place of a file; one of its own is nothing');
	unlink("$repo/f4");
	make_path("$repo/f4");
	git("$repo/f4", qw(init -q));
	same($repo, 'a repository without a commit stands where a file was');
	git("$repo/f4", qw(commit -q --allow-empty -m one));
	same($repo, 'a repository stands where a file was');
	set_config($repo, 'core.symlinks', 'false');
	unlink("$repo/l3");
	put("$repo/l3", 'f1');
	same($repo, 'without symbolic links a file may hold the target');
	put("$repo/l3", 'f2');
	same($repo, 'and then its text counts');
};

subtest 'untracked files and folders' => sub {
	my $repo = committed('untracked', 'd/t' => 'x', 'e/f/t' => 'x', '.gitignore' => "*.o\nbuild/\n/only\n");
	put("$repo/a.o", '');
	put("$repo/only", '');
	put("$repo/d/only", '');
	put("$repo/build/x", '');
	put("$repo/e/build/x", '');
	put("$repo/new/a.o", '');
	make_path("$repo/empty/empty");
	same($repo, 'ignored files, empty folders and folders of ignored files are nothing');
	put("$repo/new/deeper/b.c", '');
	put("$repo/empty/empty/x", '');
	same($repo, 'one file that is not ignored makes its topmost folder untracked');
	put("$repo/d/.gitignore", "!a.o\nsub\n");
	put("$repo/d/a.o", '');
	put("$repo/d/sub/x", '');
	same($repo, 'a nested .gitignore overrules');
	put("$repo/.git/info/exclude", "*.tmp\n");
	put("$repo/x.tmp", '');
	put(git_home() . '/.config/git/ignore', "*.swp\n");
	put("$repo/x.swp", '');
	same($repo, 'info/exclude and the person\'s own file count');
	put(git_home() . '/mine', "*.mine\n");
	put("$repo/x.mine", '');
	set_config($repo, 'core.excludesfile', '~/mine');
	same($repo, 'core.excludesFile replaces that');
	git($repo, qw(config --unset core.excludesfile));
	my $person = get(git_home() . '/.gitconfig');
	put(git_home() . '/.gitconfig', "$person\n[include]\n\tpath = inner/config\n");
	put(git_home() . '/inner/config', "[include]\n\tpath = ../.gitconfig\n[core]\n\texcludesFile = ~/mine\n");
	is((actual($repo))[-1] =~ /mine/ ? 1 : 0, 0, 'a person\'s configuration may include files, in a circle too');
	put(git_home() . '/inner/config', "[core]\n\texcludesFile = ~/mine\n");
	same($repo, 'and what they say counts');
	put(git_home() . '/.gitconfig', $person);
	unlink(git_home() . '/.config/git/ignore');
	put("$repo/build/tracked", 'x');
	git($repo, qw(add -f build/tracked));
	same($repo, 'a tracked file in an ignored folder does not show its neighbours');
	symlink('d', "$repo/link");
	symlink('nowhere', "$repo/dangling");
	same($repo, 'links are files');
	remove_tree("$repo/d");
	same($repo, 'a .gitignore that is gone counts no more');
	unlink("$repo/.gitignore");
	symlink('e/f/t', "$repo/.gitignore");
	same($repo, 'a .gitignore that is a link is not followed');
	git($repo, qw(rm -r -q --cached --ignore-unmatch -- :/));
	same($repo, 'everything is untracked');
};

subtest 'repositories in the repository' => sub {
	my $repo = committed('nested', 'a/t' => 'x');
	git(git_new('nested/a/inner'), qw(commit -q --allow-empty -m x));
	git_new('nested/unborn');
	put("$repo/unborn/file", 'x');
	git_new('nested/deep/er/inner');
	make_path("$repo/fake/.git");
	make_path("$repo/fake2/.git");
	put("$repo/fake2/x", '');
	same($repo, 'each is one untracked folder, a .git folder alone makes none');
	git($repo, qw(init -q --bare bare.git));
	same($repo, 'a bare one is a folder of files');
	put("$repo/.gitignore", "inner\n");
	same($repo, 'they can be ignored');
	git_try($repo, qw(add a/inner unborn));
	git_try($repo, qw(add -f a/inner));
	same($repo, 'one can be added as a link');
};

subtest 'odd names' => sub {
	my @names = ("with space", "new\nline", "tab\tname", "quote\"s", "back\\slash", "\xff\xfe\x80",
		"-dash", "#hash", "!bang", "*star*", "[set]", "trailing ", " leading", "\xc3\xa4", "...",
		"..a", ".git2", ".gitx/.g", "a" x 255, "\x01\x02", "dir with\nnewline/file");
	my $repo = committed('names', map { $_ => "x\n" } @names);
	same($repo, 'are clean');
	put("$repo/$_", "yyy\n") for @names;
	same($repo, 'are changed');
	put("$repo/$_", "x\n") for @names;
	git($repo, qw(rm -r -q --cached .));
	same($repo, 'are staged as deleted and untracked at once');
	git($repo, qw(update-index --index-version 4));
	git($repo, qw(add -A));
	same($repo, 'survive index version 4');
};

subtest 'a merge with conflicts' => sub {
	my $repo = committed('conflict', map { $_ => "base of $_\n" } qw(both ours theirs gone1 gone2 keep dir/x));
	git($repo, qw(checkout -q -b other));
	put("$repo/both", "other\n");
	put("$repo/added", "other\n");
	unlink("$repo/ours");
	put("$repo/theirs", "other change\n");
	git($repo, qw(mv gone1 moved-other));
	remove_tree("$repo/dir");
	put("$repo/dir", "file\n");
	git($repo, qw(add -A));
	git($repo, qw(commit -q -m other));
	git($repo, qw(checkout -q main));
	put("$repo/both", "main\n");
	put("$repo/added", "main\n");
	put("$repo/ours", "main change\n");
	unlink("$repo/theirs");
	git($repo, qw(mv gone1 moved-main));
	put("$repo/dir/x", "main change\n");
	git($repo, qw(add -A));
	git($repo, qw(commit -q -m main));
	git_try($repo, qw(merge other));
	same($repo, 'every kind of unmerged path');
	put("$repo/extra", '');
	unlink("$repo/both");
	same($repo, 'an unmerged file may be gone');
	my ($out) = dump_run('-r', $repo);
	like($out, qr/^operation merge$/m, 'the merge is in progress');
	set_config($repo, 'core.splitIndex', 'true');
	git($repo, qw(update-index --split-index));
	same($repo, 'unmerged paths in a split index');
};

subtest 'index formats' => sub {
	my %files = map { ("d$_/file$_" => "$_\n", "file$_" => "$_\n") } 1 .. 60;
	my $repo = committed('formats', %files);
	for my $version (2, 3, 4) {
		git($repo, 'update-index', '--index-version', $version);
		same($repo, "version $version is clean");
		put("$repo/d7/file7", "changed $version\n");
		put("$repo/new$version", '');
		git($repo, 'add', "new$version");
		same($repo, "version $version with changes");
	}
	set_config($repo, 'core.splitIndex', 'true', 'splitIndex.maxPercentChange', '100');
	git($repo, qw(update-index --split-index));
	same($repo, 'a split index');
	put("$repo/d8/file8", "changed\n");
	git($repo, qw(add d8/file8));
	same($repo, 'one entry replaced');
	git($repo, qw(rm -q --cached d9/file9 file10));
	same($repo, 'two entries deleted');
	put("$repo/aaa", 'x');
	put("$repo/zzz", 'x');
	put("$repo/d30/x", 'x');
	git($repo, qw(add aaa zzz d30/x));
	same($repo, 'entries added');
	git($repo, 'update-index', '--index-version', 4);
	same($repo, 'split and version 4');
	set_config($repo, 'core.splitIndex', 'false');
	git($repo, qw(update-index --no-split-index));
	same($repo, 'no longer split');
	set_config($repo, 'core.untrackedCache', 'true', 'index.threads', '4', 'feature.manyFiles', 'true',
		'index.skipHash', 'true');
	git($repo, qw(update-index --untracked-cache));
	local $ENV{GIT_OPTIONAL_LOCKS} = 1;
	git($repo, qw(status));
	same($repo, 'with an untracked cache and an offset table');
};

subtest 'flags of entries' => sub {
	my $repo = committed('flags', map { $_ => "text of $_\n" } qw(assumed skipped ita-later plain d/skipped d/x));
	git($repo, qw(update-index --assume-unchanged assumed));
	git($repo, qw(update-index --skip-worktree skipped d/skipped));
	put("$repo/assumed", "changed and longer\n");
	put("$repo/skipped", "changed and longer\n");
	unlink("$repo/d/skipped");
	same($repo, 'assume-unchanged and skip-worktree are not looked at');
	unlink("$repo/assumed");
	same($repo, 'not even when gone');
	set_config($repo, 'core.sparseCheckout', 'true');
	same($repo, 'in a sparse checkout a skipped file that is there is looked at');
	set_config($repo, 'sparse.expectFilesOutsideOfPatterns', 'true');
	same($repo, 'unless that is expected');
	git($repo, qw(config core.sparseCheckout false));
	put("$repo/ita", "new\n");
	put("$repo/ita-gone", "new\n");
	put("$repo/ita-empty", '');
	git($repo, qw(add -N ita ita-gone ita-empty));
	unlink("$repo/ita-gone");
	same($repo, 'intent to add');
	git($repo, qw(rm -q --cached ita-later));
	git($repo, qw(add -N ita-later));
	same($repo, 'intent to add what HEAD has');
};

subtest 'a sparse checkout' => sub {
	my %files = map { ("in/f$_" => "$_\n", "out/f$_" => "$_\n", "out/deep/f$_" => "$_\n", "out2/f$_" => "$_\n") } 1 .. 5;
	my $repo = committed('sparse', %files, top => "x\n", 'out/.gitignore' => "*.o\n");
	git($repo, qw(sparse-checkout set --cone --sparse-index in));
	same($repo, 'a sparse index is clean');
	put("$repo/in/f1", "changed\n");
	put("$repo/new", '');
	same($repo, 'changes inside show');
	put("$repo/out/f1", "1\n");
	same($repo, 'a file outside that is as it should be');
	put("$repo/out/f2", "changed\n");
	put("$repo/out/new", '');
	put("$repo/out/new.o", '');
	same($repo, 'files outside that are changed, new, or ignored by a file that is not there');
	remove_tree("$repo/out");
	git($repo, qw(rm -q --cached --sparse out2/f1));
	same($repo, 'a staged change outside');
	git($repo, qw(reset -q --soft HEAD));
	git($repo, qw(commit -q --allow-empty -m two));
	git($repo, qw(reset -q --soft HEAD~1));
	same($repo, 'HEAD moved');
	set_config($repo, 'index.sparse', 'false');
	git($repo, qw(sparse-checkout reapply));
	same($repo, 'without a sparse index');
};

subtest 'the cache tree' => sub {
	my %files = map { ("d$_/e/f" => "$_\n", "d$_/g" => "$_\n") } 1 .. 12;
	my $repo = committed('cachetree', %files);
	put("$repo/d5/e/f", "changed\n");
	git($repo, qw(add d5));
	same($repo, 'part of it is invalid');
	git($repo, qw(write-tree));
	same($repo, 'valid, but not HEAD');
	git($repo, qw(rm -q -r --cached d6 d7/e));
	same($repo, 'folders are gone from it');
	git($repo, qw(commit -q -m two));
	git($repo, qw(gc -q));
	same($repo, 'objects in a pack');
	put("$repo/d$_/g", "more\n" x $_) for 1 .. 12;
	git($repo, qw(add -A));
	git($repo, qw(commit -q -m three));
	git($repo, qw(repack -q -a -d -f --depth=50 --window=50));
	git($repo, qw(reset -q --soft HEAD~2));
	same($repo, 'trees as deltas');
	git($repo, qw(read-tree HEAD));
	git($repo, qw(update-index --force-remove d1/g));
	same($repo, 'no cache tree at all');
	git(git_home(), 'clone', '-q', '--shared', $repo, git_home() . '/shared');
	my $clone = git_home() . '/shared';
	git($clone, qw(rm -q --cached d2/g));
	same($clone, 'objects in another repository');
};

subtest 'linked worktrees' => sub {
	my $repo = committed('main-tree', 'a' => "x\n", 'd/b' => "x\n");
	my $linked = git_home() . '/linked';
	git($repo, 'worktree', 'add', '-q', '-b', 'side', $linked);
	same($linked, 'a linked worktree is clean');
	put("$linked/a", "yy\n");
	put("$linked/new", '');
	put("$repo/.git/info/exclude", "*.x\n");
	put("$linked/q.x", '');
	same($linked, 'has its own changes and the common exclude file');
	same($repo, 'the main one does not have them');
	git($repo, qw(clone -q --bare . ../bare.git));
	my $bare = git_home() . '/bare.git';
	my ($out, $code) = dump_run($bare);
	is($code >> 8, 3, 'a bare repository has no working tree');
	git($bare, 'worktree', 'add', '-q', '../of-bare', 'main');
	same(git_home() . '/of-bare', 'a worktree of a bare repository');
	git(git_home(), 'clone', '-q', '--separate-git-dir', git_home() . '/sep.git', $repo, 'sep');
	put(git_home() . '/sep/new', '');
	same(git_home() . '/sep', 'a .git file');
};

subtest 'submodules' => sub {
	my $library = committed('library', 'lib.c' => "x\n", '.gitignore' => "*.o\n");
	git($library, qw(commit -q --allow-empty -m two));
	my $repo = committed('super', 'main.c' => "x\n");
	git_try($repo, 'submodule', 'add', '-q', $library, $_) for qw(one two three four/deep five);
	git($repo, qw(commit -q -m modules));
	same($repo, 'clean');
	git("$repo/one", qw(checkout -q HEAD~1));
	put("$repo/two/lib.c", "changed\n");
	put("$repo/three/new", '');
	put("$repo/four/deep/new.o", '');
	remove_tree("$repo/five");
	same($repo, 'new commits, changed files, untracked files, ignored files, gone');
	make_path("$repo/five");
	put("$repo/one/new", '');
	put("$repo/one/lib.c", "longer change\n");
	same($repo, 'not checked out is fine; all three at once');
	git($repo, 'config', '-f', '.gitmodules', 'submodule.one.ignore', 'dirty');
	git($repo, 'config', 'submodule.two.ignore', 'all');
	git($repo, 'config', 'submodule.three.ignore', 'untracked');
	same($repo, 'submodule.ignore is obeyed');
	git($repo, qw(add one));
	same($repo, 'a new commit is staged');
	my $outer = committed('outer', 'x' => "x\n");
	git_try($outer, 'submodule', 'add', '-q', $repo, 'super');
	git($outer, qw(submodule -q update --init --recursive));
	git($outer, qw(commit -q -m nested));
	same($outer, 'nested and clean');
	put("$outer/super/three/new", '');
	same($outer, 'nested and with an untracked file');
	put("$outer/super/three/lib.c", "changed\n");
	same($outer, 'nested and changed');
	same("$outer/super", 'a submodule on its own');
	remove_tree("$repo/two");
	put("$repo/two", 'a file');
	git($repo, 'config', '--unset', 'submodule.two.ignore');
	same($repo, 'a file stands where a submodule was');
};

subtest 'line endings' => sub {
	my @bodies = (
		"lf\nlf\n", "crlf\r\ncrlf\r\n", "mixed\r\nlf\n", "lone\rcr\n", "bin\0\r\n", "", "\r\n", "a\r\n\x1a",
		"x" x 300 . "\x01\x02\x03\r\n", "no end\r", "cr cr\r\r\n",
	);
	my $n = 0;
	my @attributes = (
		'', '* text', '* text=auto', '* -text', '* text eol=crlf', '* text=auto eol=lf',
		'* eol=lf', '* crlf=input', '* -crlf', '* crlf', "* text=auto\n*3 -text\n*1 text\n*0 binary\n",
		"[attr]mine text\n* mine\n", "[attr]mine text\n* mine\n*2 -mine\n",
		"[attr]a b\n[attr]b a -text\n* text=auto\n*1 a\n", '"*" text=auto eol=crlf', "d/** text\n*5 !text\n",
	);
	for my $autocrlf (qw(false true input)) {
		for my $attributes (@attributes) {
			my $repo = git_new('eol' . $n++);
			# First as the bytes are, then under the rules: both sides have all endings.
			put("$repo/d/f$_", $bodies[$_]) for 0 .. $#bodies;
			put("$repo/f$_", $bodies[$_]) for 0 .. $#bodies;
			git($repo, qw(-c core.autocrlf=false -c core.safecrlf=false add -A));
			git($repo, qw(commit -q -m one));
			set_config($repo, 'core.autocrlf', $autocrlf, 'core.safecrlf', 'false');
			put("$repo/.gitattributes", $attributes);
			# The same length at another time: content must tell.
			for my $file (map { ("d/f$_", "f$_") } 0 .. $#bodies) {
				utime(1_600_000_000, 1_600_000_000, "$repo/$file");
			}
			same($repo, "autocrlf=$autocrlf, attributes: $attributes");
			git($repo, qw(read-tree HEAD));
			for my $i (0 .. $#bodies) {
				my $text = $bodies[$i];
				$text =~ s/\r?\n/\r\n/g;
				put("$repo/f$i", $text);
			}
			same($repo, "autocrlf=$autocrlf, all CRLF, attributes: $attributes");
		}
	}
};

subtest 'ident' => sub {
	my $repo = committed('ident', 'a' => "x \$Id\$ y\n", 'b' => "\$Id: old \$\n", '.gitattributes' => "* ident\n");
	git($repo, qw(read-tree HEAD));
	put("$repo/a", "x \$Id: 0123 \$ y\n");
	put("$repo/b", "\$Id: unended\n\$\n");
	same($repo, 'the expanded form is the same file');
};

subtest 'filters are never run' => sub {
	my $mark = git_home() . '/filter-ran';
	my $repo = committed('filter', map { $_ => "text\n" } qw(a.f b.f c d.other));
	put("$repo/.gitattributes", "*.f filter=mine\n*.other filter=unknown\n");
	put("$repo/.git/hooks/fsmonitor", "#!/bin/sh\ntouch $mark\n");
	chmod(0755, "$repo/.git/hooks/fsmonitor");
	my $filter = "touch $mark; cat";
	set_config($repo, 'filter.mine.clean', $filter, 'filter.mine.smudge', $filter);
	utime(1_600_000_000, 1_600_000_000, "$repo/$_") for qw(a.f c d.other);
	put("$repo/b.f", "longer text\n");
	my @ours = actual($repo);
	ok(!-e $mark, 'neither clean nor smudge');
	set_config($repo, 'core.fsmonitor', "$repo/.git/hooks/fsmonitor");
	@ours = actual($repo);
	ok(!-e $mark, 'nor fsmonitor');
	git($repo, qw(config --unset core.fsmonitor));
	same($repo, 'a file whose comparison needs one is unverified', unverified => ['a.f']);
	put("$repo/.gitattributes", "*.f working-tree-encoding=UTF-16\nc working-tree-encoding=UTF-8\n");
	@ours = actual($repo);
	ok((grep { $_ eq 'x a.f' } @ours), 'so is one in another encoding');
};

subtest 'Git LFS' => sub {
	my ($out) = Muster::Test::Git::run(1, qw(git lfs version));
	plan skip_all => 'git-lfs is not installed' if $out !~ /^git-lfs/;
	my $repo = git_new('lfs');
	git($repo, qw(lfs install --local));
	put("$repo/.gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
	put("$repo/$_.bin", "content of $_\n" x 100) for qw(a b c d);
	put("$repo/empty.bin", '');
	git($repo, qw(add -A));
	git($repo, qw(commit -q -m one));
	same($repo, 'clean');
	utime(1_600_000_000, 1_600_000_000, "$repo/$_.bin") for qw(a b c d empty);
	same($repo, 'touched files are compared with their pointers');
	my $text = get("$repo/b.bin");
	substr($text, 5, 1) = 'X';
	put("$repo/b.bin", $text);
	put("$repo/c.bin", 'longer' x 1000);
	unlink("$repo/d.bin");
	same($repo, 'changed with the same length, with another, gone');
	git($repo, qw(read-tree HEAD));
	put("$repo/d.bin", git($repo, 'show', 'HEAD:d.bin'));
	same($repo, 'a pointer in the place of its content is the same');
};

subtest 'racy entries' => sub {
	my $repo = committed('racy', map { ("f$_" => "a\n") } 1 .. 20);
	for my $round (1 .. 15) {
		put("$repo/f$_", "$round\n") for 1 .. 20;
		git($repo, qw(add -A));
		put("$repo/f$_", chr(64 + $round) . ($round > 9 ? 'x' : '') . "\n") for 1 .. 10;
		same($repo, "a change of the same length in the same second, round $round");
	}
	local $ENV{GIT_OPTIONAL_LOCKS} = 1;
	git($repo, qw(status));
	same($repo, 'after git has marked them');
	set_config($repo, 'core.checkStat', 'minimal', 'core.trustctime', 'false');
	same($repo, 'with less stat data');
};

subtest 'ignorecase' => sub {
	my $repo = committed('case', 'Read.me' => "x\n", 'Dir/File' => "x\n", '.gitignore' => "*.OBJ\n");
	set_config($repo, 'core.ignorecase', 'true');
	put("$repo/a.obj", '');
	put("$repo/READ.ME", "y\n");
	same($repo, 'names that differ in case are the same name');
};

subtest 'folders that cannot be read' => sub {
	plan skip_all => 'root may read everything' if $> == 0;
	my $repo = committed('closed', 'd/a' => "x\n", 'e/b' => "x\n");
	put("$repo/d/new", '');
	chmod(0, "$repo/d");
	my @ours = actual($repo);
	is_deeply(\@ours, ['x d/a'], 'leave their files unverified');
	chmod(0755, "$repo/d");
};

subtest 'repositories that are not read say why' => sub {
	my $repo = git_new('sha256', '--object-format=sha256');
	my ($out, $code) = Muster::Test::Git::run(0, 'sh', '-c', 'exec "$0" "$1" 2>&1',
		($ENV{MUSTER_BUILDDIR} || "$FindBin::Bin/../..") . '/t/jobs/git-status-dump', $repo);
	is($code >> 8, 3, 'SHA-256');
	like($out, qr/SHA-256/, 'with a sentence that names it');
	$repo = committed('reftable', 'a' => 'x');
	set_config($repo, 'core.repositoryformatversion', '1', 'extensions.refstorage', 'reftable');
	($out, $code) = dump_run($repo);
	is($code >> 8, 3, 'reftable');
	$repo = committed('extensions', 'a' => 'x');
	put("$repo/.git/config", get("$repo/.git/config") . <<'END');
[core]
	repositoryformatversion = 1
[extensions]
	preciousObjects = true
	worktreeConfig = true
	relativeWorktrees
END
	($out, $code) = dump_run($repo);
	is($code, 0, 'extensions that do not matter here are accepted');
	$repo = committed('elsewhere', 'a' => 'x');
	set_config($repo, 'core.worktree', '/etc');
	($out, $code) = dump_run($repo);
	is($code >> 8, 3, 'a core.worktree that leads elsewhere is refused');
	make_path(git_home() . '/nothing');
	($out, $code) = dump_run(git_home() . '/nothing');
	is($code >> 8, 3, 'no repository');
	$repo = committed('broken', 'a' => 'x');
	put("$repo/.git/HEAD", "garbage\n");
	($out, $code) = dump_run($repo);
	is($code >> 8, 3, 'a broken HEAD');
};

subtest 'refs' => sub {
	my $repo = committed('refs', 'a' => "x\n");
	git($repo, qw(tag -a -m t v1));
	git($repo, qw(tag light));
	git($repo, qw(branch side/branch));
	git($repo, qw(symbolic-ref refs/remotes/origin/HEAD refs/heads/main));
	my $list = sub {
		my ($out) = dump_run('-r', $repo);
		return join '', sort grep { m{^[0-9a-f]{40} refs/} } split /^/m, $out;
	};
	my $git = sub {
		return join '', sort split /^/m, git($repo, 'for-each-ref', '--format=%(objectname) %(refname)');
	};
	is($list->(), $git->(), 'loose ones are listed');
	git($repo, qw(pack-refs --all));
	git($repo, qw(branch later));
	put("$repo/a", "y\n");
	git($repo, qw(commit -q -a -m two));
	is($list->(), $git->(), 'a loose one hides the packed one');
	my ($before) = dump_run('-r', $repo);
	my ($again) = dump_run('-r', $repo);
	is($again, $before, 'the sum over the tips stays while nothing moves');
	git($repo, qw(branch another));
	my ($after) = dump_run('-r', $repo);
	isnt(($after =~ /^tips (.*)$/m)[0], ($before =~ /^tips (.*)$/m)[0], 'and changes with a branch');
	put("$repo/a", "stash me\n");
	git($repo, qw(stash -q));
	put("$repo/a", "stash me too\n");
	git($repo, qw(stash -q));
	my ($out) = dump_run('-r', $repo);
	like($out, qr/^stash 2$/m, 'stashes are counted');
};

subtest 'a large tree on threads' => sub {
	my $repo = git_new('large');
	for my $folder (map { "d$_" } 1 .. 60) {
		put("$repo/$folder/sub/f$_", "$folder $_\n") for 1 .. 80;
		put("$repo/$folder/.gitignore", "*.ign\n");
	}
	git($repo, qw(add -A));
	git($repo, qw(commit -q -m one));
	same($repo, 'is clean', ours => ['-j4']);
	put("$repo/d$_/sub/f1", "changed\n") for 1 .. 60;
	put("$repo/d$_/sub/x.ign", '') for 1 .. 60;
	put("$repo/d$_/sub/new/x", '') for 1 .. 60;
	unlink("$repo/d$_/sub/f9") for 1 .. 60;
	same($repo, 'has its changes', ours => ['-j4']);
	same($repo, 'and the same ones on one thread');
	put("$repo/flat/f$_", "$_\n") for 1 .. 5000;
	put("$repo/flat/f2500.d/inner", "x\n");
	git($repo, qw(add flat));
	git($repo, qw(commit -q -m flat));
	put("$repo/flat/f$_", "other\n") for 1, 2400, 5000;
	unlink("$repo/flat/f$_") for 2, 2401, 4999;
	put("$repo/flat/new$_", '') for 1 .. 3;
	put("$repo/flat/f2500.d/inner", "yy\n");
	same($repo, 'one large folder is done in slices', ours => ['-j4']);
	my ($out) = dump_run('-c', '-j3', $repo);
	like($out, qr/^staged 0 unstaged 127 untracked 63 unmerged 0 unverified 0 /, 'counting lists nothing');
};

done_testing;
