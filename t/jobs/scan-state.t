#!/usr/bin/perl
# What a scan leaves for the next one: the same findings as without it, whatever happened to the
# repository, to the rules or to the files of the state in between.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Fcntl qw(:flock);
use File::Path qw(remove_tree);
use Test::More;
use JSON::PP ();
use Muster::Audit;
use Muster::Test qw(build_dir slurp spew);

my $dir = audit_folder();
my $seed = $ENV{MUSTER_TEST_SEED} // 20261122;
my $steps = $ENV{MUSTER_TEST_STEPS} // ($ENV{MUSTER_TEST_ALL} ? 600 : 30);
my $json = JSON::PP->new->canonical->utf8;
my $state = "$dir/state";

# Rules by name; a file for each set of them.
my %rule = (
	alpha => "[[rules]]\nid = \"alpha\"\ndescription = \"alpha\"\nregex = '''alpha_[a-z]{12}'''\nkeywords = [\"alpha_\"]\n",
	beta => "[[rules]]\nid = \"beta\"\ndescription = \"beta\"\nregex = '''beta_[a-z]{12}'''\nkeywords = [\"beta_\"]\n",
);
spew("$dir/a.toml", $rule{alpha});
spew("$dir/b.toml", $rule{beta});
spew("$dir/ab.toml", $rule{alpha} . $rule{beta});
spew("$dir/less.toml", "$rule{alpha}$rule{beta}\n[[allowlists]]\ndescription = \"none with x\"\nregexes = ['''x''']\n");

# At some paths it is nothing: no digest is needed there, until it moves.
spew("$dir/here.toml", "$rule{alpha}\n[[rules.allowlists]]\npaths = ['''^(conf/|other)''']\n$rule{beta}\n"
	. "[[allowlists]]\npaths = ['''^b''']\n");

# Letters that no two numbers share.
sub token {
	my ($kind, $n) = @_;
	my $text = '';
	for (1 .. 12) {
		$text .= chr(ord('a') + ($n * 7 + $_ * 5 + int($n / 26) * $_) % 26);
	}
	return "${kind}_$text";
}

my ($exit, $error, $coverage);
sub scan {
	my ($rules, $repo, @args) = @_;
	my @command = (build_dir() . '/jobs/muster', 'scan', '--no-builtin-rules', "--rules=$dir/$rules.toml", qw(--format json), @args, $repo);
	my $pid = open(my $out, '-|') // die $!;
	if (!$pid) {
		open STDERR, '>', "$dir/errors" or die $!;
		exec @command or die $!;
	}
	local $/;
	my $text = <$out> // '';
	close $out;
	$exit = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
	$error = slurp("$dir/errors");
	my $report = eval { $json->decode($text) };
	return fail("a report: exit $exit, $error") && {} if !$report;
	$coverage = $report->{coverage};
	my %by = (present => [], removed => []);
	push @{ $by{ $_->{status} } }, $_ for @{ $report->{findings} };
	return \%by;
}

sub key { return "$_[0]{rule} $_[0]{location_id}" }

# Which fields of which findings differ.
sub differences {
	my ($want, $got) = @_;
	my %want = map { key($_) => $_ } @$want;
	my %got = map { key($_) => $_ } @$got;
	my @wrong;
	for my $key (sort keys %{ { %want, %got } }) {
		my ($w, $g) = ($want{$key}, $got{$key});
		push @wrong, $w ? "$key is missed" : "$key should not be there" if !$w || !$g;
		next if !$w || !$g;
		for my $field (sort keys %{ { %$w, %$g } }) {
			my ($x, $y) = map { $json->allow_nonref->encode($_->{$field}) } $w, $g;
			push @wrong, "$key: $field is $y and should be $x" if $x ne $y;
		}
	}
	push @wrong, 'some are there twice' if @$want != keys %want || @$got != keys %got;
	return @wrong;
}

# What a scan without a state says, and its exit code.
sub wanted {
	my ($rules, $repo) = @_;
	return [scan($rules, $repo, '--no-state'), $exit];
}

# A scan with the state and one without say the same of what is there. $known: what the latter said, of
# a repository that is as it was.
sub agrees {
	my ($rules, $repo, $name, $known) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($want, $want_exit) = @{ $known // wanted($rules, $repo) };
	my $got = scan($rules, $repo, "--state=$state");
	my @wrong = differences($want->{present}, $got->{present});
	my $is_fine = is(scalar(@wrong), 0, $name) or diag(join "\n", @wrong[0 .. ($#wrong < 5 ? $#wrong : 5)]);
	$want_exit = 1 if $want_exit eq 0 && @{ $got->{removed} };
	is($exit, $want_exit, "$name: the exit code, too") or diag($error);
	return ($got, $is_fine);
}

sub leak { return put("$_[0]/$_[1]", "# a file\nkey = $_[2]\n") }

# ---- what happens to repositories ----

my $r = repo("$dir/r");
my $next = 0;
my @path = ('a.env', 'b.env', 'conf/a.env', 'conf/deep/er/b.env', 'other/a b.env');

sub attempt { return !system('git', '-C', $r, '-c', 'advice.detachedHead=false', @_) }
sub branches { return split /\n/, git($r, qw(for-each-ref --format=%(refname:short) refs/heads)) }
sub any { return $_[rand @_] }

sub edit {
	my $path = any(@path);
	my $how = rand;
	if ($how < 0.5 || !-e "$r/$path") {
		my @lines = map { "line $_ of " . int(rand 3) . "\n" } 1 .. 12;
		my @kinds = (('alpha', 'beta')[rand 2]) x int(rand 3);
		splice @lines, int(rand 12), 0, 'key = ' . token($_, int rand 9) . "\n" for @kinds;
		put("$r/$path", join '', @lines);
	} elsif ($how < 0.7) {
		unlink "$r/$path";
	} else {
		my $text = slurp("$r/$path");
		unlink "$r/$path" if rand() < 0.6;
		put("$r/" . any(@path), $text);
	}
	return;
}

sub step {
	my $how = rand;
	my $date = 1_600_000_000 + 1000 * ++$next - (rand() < 0.1 ? 50_000 : 0);
	local $ENV{GIT_AUTHOR_DATE} = "$date +0100";
	local $ENV{GIT_COMMITTER_DATE} = "$date -0200";
	open my $loud, '>&', \*STDERR or die $!;
	open my $out, '>&', \*STDOUT or die $!;
	open STDERR, '>', '/dev/null' or die $!;
	open STDOUT, '>', '/dev/null' or die $!;
	if ($how < 0.4) {
		edit() for 0 .. rand 3;
		commit($r, "step $next", date => $date);
	} elsif ($how < 0.5) {
		attempt(qw(checkout -q -f -B), "b$next", git($r, 'rev-parse', any(branches())));
		edit();
		commit($r, "step $next", date => $date);
	} elsif ($how < 0.65) {
		my @other = (any(branches()), rand() < 0.2 ? any(branches()) : ());
		attempt(qw(merge -q --no-edit -X), any('ours', 'theirs'), @other) or attempt(qw(merge -q --no-edit -s ours), @other)
			or attempt(qw(merge --abort));
		if (rand() < 0.3) {
			edit();
			attempt(qw(add -A));
			attempt(qw(commit -q --amend --no-edit --allow-empty));
		}
	} elsif ($how < 0.7) {
		attempt(qw(revert --no-edit HEAD)) or attempt(qw(revert --abort));
	} elsif ($how < 0.77) {
		edit();
		attempt(qw(add -A));
		attempt(qw(commit -q --amend --allow-empty -m), "amended $next");
	} elsif ($how < 0.83) {
		attempt(qw(reset -q --hard), any('HEAD~1', 'HEAD~2', 'HEAD~4', any(branches())));
	} elsif ($how < 0.88) {
		my $name = any(branches());
		attempt(qw(checkout -q -f --detach)) if rand() < 0.2;
		attempt(qw(branch -q -D), $name);
	} elsif ($how < 0.92) {
		edit();
		attempt(qw(stash -q -u)) if rand() < 0.7;
		attempt(qw(stash drop -q)) if rand() < 0.5;
		attempt(qw(checkout -q -f), any(branches(), 'HEAD'));
	} elsif ($how < 0.95) {
		attempt('tag', (rand() < 0.5 ? (qw(-a -m tag)) : ()), "t$next", any('HEAD', 'HEAD^{tree}', any(branches())));
		my @tags = split /\n/, git($r, 'tag');
		attempt(qw(tag -d), any(@tags)) if @tags && rand() < 0.5;
	} else {
		attempt(qw(reflog expire --expire=now --expire-unreachable=now --all)) if rand() < 0.5;
		attempt(any([qw(gc -q --prune=now)], [qw(repack -q -a -d -f)], [qw(repack -q -d)], [qw(pack-refs --all)])->@*);
	}
	open STDERR, '>&', $loud or die $!;
	open STDOUT, '>&', $out or die $!;
	return;
}

srand $seed;
my ($before, $told, $n_found, $n_removed) = ({}, undef, 0, 0);
my $rules = 'ab';
for my $n (1 .. $steps) {
	step() for 0 .. rand 3;
	my $old = $rules;
	$rules = any(qw(a b ab less here)) if rand() < 0.15;
	my ($got, $is_fine) = agrees($rules, $r, "step $n: with and without a state ($rules)");
	diag("MUSTER_TEST_SEED=$seed") if !$is_fine;
	my %now = map { key($_) => 1 } @{ $got->{present} };
	if ($rules eq $old || "$rules $old" !~ /less|here/) {
		my @gone = sort grep { !$now{$_} && $rules =~ /^less|^here|@{[substr $_, 0, 1]}/ } keys %$before;
		is_deeply([sort map { key($_) } @{ $got->{removed} }], \@gone, "step $n: what is gone is told");
		$n_removed += @gone;
	}
	$n_found += keys %now;
	my $again = scan($rules, $r, "--state=$state");
	is_deeply([map { key($_) } @{ $again->{removed} }], [], "step $n: and told once");
	$before = \%now;
}
cmp_ok($n_found, '>', $steps, 'there was something to find');
cmp_ok($n_removed, '>', 0, 'and something to miss');

my @kept = glob("$state/*/*");
cmp_ok(scalar @kept, '>', 0, 'a state was kept');
is(scalar(grep { slurp($_) =~ /(?:alpha|beta)_[a-z]{12}/ } @kept), 0, 'it holds no secret');

# ---- rules ----

$r = repo("$dir/rules");
leak($r, 'a.env', token('alpha', 1));
leak($r, 'b.env', token('beta', 2));
commit($r, 'leaks');
git($r, qw(checkout -q -b side));
leak($r, 'side.env', token('beta', 3));
my $side = commit($r, 'leak');
git($r, qw(checkout -q main));
agrees('a', $r, 'one rule');
my ($got) = agrees('ab', $r, 'a rule that is new finds what is there');
is($coverage->{scanned}, 0, 'and no other rule looks again');
agrees('ab', $r, 'nothing new');
is($coverage->{scanned}, 0, 'nothing is read then');
agrees('b', $r, 'what a rule found goes with it');
agrees('ab', $r, 'and comes back with it');

git($r, qw(bundle create -q), "$dir/side.bundle", 'side');
scan('a', $r, "--state=$state");
git($r, qw(branch -q -D side));
git($r, qw(reflog expire --expire=now --all));
git($r, qw(gc -q --prune=now));
agrees('ab', $r, 'a new rule after the garbage is gone');
git($r, qw(fetch -q), "$dir/side.bundle", 'side:side');
agrees('ab', $r, 'it looks at what came back');

# A digest for what is a finding, none for what is dropped at its path.
$r = repo("$dir/dropped");
leak($r, "other/$_.env", token('alpha', $_)) for 1 .. 40;
leak($r, 'kept.env', token('alpha', 50));
commit($r, 'leaks');
remove_tree($state);
for my $how (['--no-state'], ["--state=$state"], ['--worktree']) {
	is(@{ scan('here', $r, @$how)->{present} }, 1, "@$how: one is a finding");
	is($coverage->{digests}, 1, "@$how: a digest for that one");
}
is(@{ scan('a', $r, '--no-state')->{present} }, 41, 'without the allowlist all are findings');
is($coverage->{digests}, 41, 'and have digests');
# One of them comes to a path where it counts; its bytes are read again.
git($r, qw(mv other/7.env seven.env));
commit($r, 'moved');
agrees('here', $r, 'one is moved to where it counts');
is($coverage->{digests}, 1, 'a digest for that one');
leak($r, 'again.env', token('alpha', 8));
leak($r, 'new.env', token('alpha', 51));
commit($r, 'one that was dropped, and a new one');
agrees('here', $r, 'one that was dropped is in a new file');
is($coverage->{digests}, 2, 'digests for both');
agrees('here', $r, 'and then nothing is new');
is($coverage->{digests}, 0, 'no digest is made again');
is(scalar(grep { slurp($_) =~ /(?:alpha|beta)_[a-z]{12}/ } glob("$state/*/*")), 0, 'the state holds no secret');

# What a rule finds in the sample of another one is masked there, whichever came first.
my $pin = "[[rules]]\nid = \"pin\"\ndescription = \"pin\"\nregex = '''auth \\S+ pin=([a-z]{12})'''\nkeywords = [\"pin=\"]\n";
spew("$dir/pin.toml", $pin);
spew("$dir/apin.toml", $rule{alpha} . $pin);
for my $first (qw(a pin)) {
	$r = repo("$dir/beside-$first");
	put("$r/auth.txt", 'auth ' . token('alpha', 30) . " pin=qwertzuiopas\n");
	put("$r/more.txt", 'auth ' . token('alpha', 31) . " pin=qwertzuiopas\nand " . token('alpha', 30) . "\n");
	commit($r, 'leaks');
	remove_tree($state);
	agrees($first, $r, "rule $first alone");
	my $text = $json->encode((agrees('apin', $r, "then both rules ($first first)"))[0]);
	unlike($text, qr/alpha_[a-z]{12}|qwertzuiopas/, 'no sample shows a secret');
	like($text, qr/auth \*+ pin=\*+/, 'but what is around it');
	agrees('apin', $r, 'and once more');
	is(scalar(grep { slurp($_) =~ /alpha_[a-z]{12}|qwertzuiopas/ } glob("$state/*/*")), 0, 'the state holds no secret');
	agrees($first, $r, 'one of them goes') if $first eq 'a';
}
remove_tree($state);

# ---- what is passed over by intent ----

# It is told by each scan, and is not among what is known.
$r = repo("$dir/over");
sub tells {
	my ($rules, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	scan($rules, $r, '--no-state', '--max-target-megabytes=1');
	my $want = $coverage->{targets}[0];
	scan($rules, $r, "--state=$state", '--max-target-megabytes=1');
	my $target = $coverage->{targets}[0];
	is_deeply($target->{skipped}, $want->{skipped}, "$name: what is not read is told");
	is($target->{known} + $target->{scanned}, $want->{scanned}, "$name: the others are known or scanned");
	return $target->{scanned};
}
put("$r/text", "text\n");
put("$r/zeros", "\0" x 100);
put("$r/big", 'x' x 1_100_000);
commit($r, 'one');
cmp_ok(tells('a', 'the first scan'), '>', 0, 'all is scanned');
is(tells('a', 'the same again'), 0, 'nothing is scanned');
put("$r/ones", "\0" . "\1" x 100);
put("$r/more", "more\n");
commit($r, 'two');
is(tells('a', 'a commit later'), 1, 'what is new is scanned');
is(tells('ab', 'a new rule'), 0, 'nothing is new');
is(tells('ab', 'and again'), 0, 'nothing is new then, either');

# ---- worktrees ----

# What only the HEAD of one of them leads to is there for all of them.
$r = repo("$dir/trees");
put("$r/a", "1\n");
commit($r, 'one');
git($r, qw(worktree add -q -b linked), "$dir/linked");
git($r, qw(checkout -q --detach));
leak($r, 'main.env', token('alpha', 40));
commit($r, 'on no branch');
git("$dir/linked", qw(checkout -q --detach));
leak("$dir/linked", 'linked.env', token('alpha', 41));
commit("$dir/linked", 'nor this');
for my $from ($r, "$dir/linked", $r) {
	($got) = agrees('ab', $from, 'worktrees that are on no branch');
	is_deeply([sort map { $_->{path} } @{ $got->{present} }], [qw(linked.env main.env)], 'each is seen from each');
	is_deeply($got->{removed}, [], 'nothing is gone');
}
# Refs of one worktree alone, which git bisect and people make.
my @own = map { my $n = $_; leak("$dir/linked", "own$n.env", token('alpha', $n)); commit("$dir/linked", "own $n") } 42, 43;
git("$dir/linked", qw(update-ref refs/bisect/bad), $own[0]);
git("$dir/linked", qw(update-ref refs/worktree/deep/er), $own[1]);
git("$dir/linked", qw(reset -q --hard HEAD~2));
leak($r, 'own44.env', token('alpha', 44));
my $own = commit($r, 'own 44');
git($r, qw(update-ref refs/worktree/mine), $own);
git($r, qw(reset -q --hard HEAD~1));
for my $from ($r, "$dir/linked", $r) {
	($got) = agrees('ab', $from, 'refs of one worktree');
	is_deeply([sort map { $_->{path} } @{ $got->{present} }], [qw(linked.env main.env own42.env own43.env own44.env)], 'are seen from each');
	is_deeply($got->{removed}, [], 'nothing is gone');
}
is_deeply([map { @{ $_->{refs} } } grep { $_->{path} eq 'own43.env' } @{ $got->{present} }], ['worktrees/linked/refs/worktree/deep/er'], "with git's name of them");
git("$dir/linked", qw(update-ref -d), $_) for qw(refs/bisect/bad refs/worktree/deep/er);
git($r, qw(update-ref -d refs/worktree/mine));
agrees('ab', $r, 'without them');
git("$dir/linked", qw(checkout -q linked));
($got) = agrees('ab', "$dir/linked", 'one of them is on a branch again');
is_deeply([map { $_->{path} } @{ $got->{removed} }], ['linked.env'], 'what it had is gone');

# ---- what cannot be read ----

# Objects of a repository of its own, each broken in turn, and whole again.
my $b = repo("$dir/broken");
leak($b, "f$_/x.env", token('alpha', $_)) for 1 .. 3;
my $old = commit($b, 'old', date => 1_600_000_000);
leak($b, 'f1/x.env', token('beta', 4));
leak($b, 'g/y.env', token('alpha', 5));
my $mid = commit($b, 'middle', date => 1_600_001_000);
git($b, qw(rm -q -r g));
leak($b, 'f2/z.env', token('alpha', 6));
commit($b, 'new', date => 1_600_002_000);
git($b, qw(tag -a -m tag tagged), $old);
git($b, qw(checkout -q -b stray));
leak($b, 'stray.env', token('alpha', 7));
my $stray = commit($b, 'stray', date => 1_600_003_000);
my %object = (
	'a blob of HEAD' => 'main:f2/z.env',
	'a blob of before' => 'main~1:g/y.env',
	'a folder of HEAD' => 'main:f3',
	'a folder of before' => 'main~1:g',
	'a tree' => 'main~1^{tree}',
	'a commit in the middle' => $mid,
	'the first commit' => $old,
	'a tag' => 'tagged',
	'a blob nothing leads to' => "$stray:stray.env",
	'a folder nothing leads to' => "$stray^{tree}",
	'a commit nothing leads to' => $stray,
);
$_ = git($b, 'rev-parse', $_) for values %object;
git($b, qw(checkout -q -f main));
git($b, qw(branch -q -D stray));
git($b, qw(reflog expire --expire=now --all));

sub path_of { return "$b/.git/objects/" . substr($_[0], 0, 2) . '/' . substr $_[0], 2 }

for my $what (sort keys %object) {
	my $path = path_of($object{$what});
	my $bytes = slurp($path);
	for my $how ($ENV{MUSTER_TEST_ALL} ? qw(missing garbage) : any(qw(missing garbage))) {
		my $break = sub {
			unlink $path or die $!;
			spew($path, 'no object') if $how eq 'garbage';
		};
		remove_tree($state);
		$break->();
		my $broken = wanted('ab', $b);
		agrees('ab', $b, "$what, $how", $broken);
		agrees('ab', $b, "$what, $how, once more", $broken);
		commit($b, "beside $what", date => 1_600_010_000 + int rand 1000);
		agrees('ab', $b, "$what, $how, after a commit");
		unlink $path;
		spew($path, $bytes);
		agrees('ab', $b, "$what, there again");
		is($exit, 1, "$what, there again: all was read");
		my $whole = scan('ab', $b, "--state=$state");
		$break->();
		is_deeply(scan('ab', $b, "--state=$state"), $whole, "$what, $how later: what is known stays known");
		unlink $path;
		spew($path, $bytes);
	}
}

# ---- files of the state ----

# Enough blobs and commits for the tables to be files of their own.
my $big = "$dir/big.git";
git($dir, qw(init -q --bare), $big);
my $stream = '';
for my $n (1 .. 4500) {
	my $text = "number $n\n" . ($n % 500 ? '' : 'key = ' . token($n % 1000 ? 'alpha' : 'beta', $n) . "\n");
	my $at = 1_600_000_000 + $n;
	$stream .= "commit refs/heads/main\ncommitter C <c\@example.com> $at +0000\ndata 1\nm\nM 100644 inline d@{[$n % 7]}/f@{[$n % 50]}\ndata "
		. length($text) . "\n$text\n";
}
sub feed {
	my ($text) = @_;
	open my $in, '|-', 'git', '-C', $big, qw(fast-import --quiet --force) or die $!;
	print $in $text;
	close $in or die 'fast-import';
	return;
}
feed($stream);
my $n_extra = 0;
sub grow {
	my $text = "extra $n_extra\n" . ($n_extra % 2 ? 'key = ' . token('alpha', 20 + $n_extra) . "\n" : '');
	my $at = 1_600_100_000 + ++$n_extra;
	feed("commit refs/heads/main\ncommitter C <c\@example.com> $at +0000\ndata 1\nm\nfrom refs/heads/main^0\nM 100644 inline e$n_extra\ndata "
		. length($text) . "\n$text\n");
	return;
}

remove_tree($state);
agrees('ab', $big, 'a larger history');
my ($folder) = glob("$state/????????????????????????????????");
my %name = map { s{^.*/}{}r =~ s/-.*//r => s{^.*/}{}r } glob("$folder/*");
is_deeply([sort keys %name], [qw(blobs graph head lock)], 'its state is three files and a lock');
is((stat $folder)[2] & 0777, 0700, 'which are nobody else\'s business');
grow();
agrees('ab', $big, 'one commit more');
is($coverage->{scanned}, 1, 'one blob is read');
is_deeply({ map { s{^.*/}{}r =~ s/-.*//r => s{^.*/}{}r } glob("$folder/*") }, \%name, 'the tables stay as they are');
system('cp', '-a', $folder, "$dir/good") == 0 or die;
grow();

my $whole = wanted('ab', $big);
sub damaged {
	my ($name, $break, $note) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	remove_tree($folder);
	system('cp', '-a', "$dir/good", $folder) == 0 or die;
	$break->($folder);
	agrees('ab', $big, "$name: all is found", $whole);
	is(scalar(grep { !/damaged|cut off|is not one of ours|is not used|another/ } split /\n/, $error), 0, "$name: at most a note");
	like($error, qr/^muster scan: what the last scan left .*\n\z/, "$name: a note, once") if $note;
	scan('ab', $big, "--state=$state");
	is($coverage->{scanned}, 0, "$name: the state is whole again");
	is($error, '', "$name: and nothing is said any more");
	return;
}

sub change {
	my ($path, $how) = @_;
	my $bytes = slurp($path);
	$how->($bytes);
	unlink $path;
	spew($path, $bytes);
	return;
}

for my $kind (qw(head blobs graph)) {
	my $file = $name{$kind};
	my $len = -s "$dir/good/$file";
	for my $to (0, 20, int($len / 2), $len - 1) {
		damaged("$kind cut to $to bytes", sub { truncate "$_[0]/$file", $to or die }, 1);
	}
	my @bits = $ENV{MUSTER_TEST_ALL} ? (0 .. 63, map { int rand $len } 1 .. 100) : (0, 8, 24, 40, $len - 1, map { int rand $len } 1 .. 3);
	for my $at (@bits) {
		damaged("$kind with a wrong bit in byte $at", sub {
			change("$_[0]/$file", sub { substr($_[0], $at, 1) = chr(ord(substr $_[0], $at, 1) ^ 1 << int rand 8) });
		});
	}
	damaged("$kind removed", sub { unlink "$_[0]/$file" });
	damaged("$kind a folder", sub { unlink "$_[0]/$file"; mkdir "$_[0]/$file" }) if $kind ne 'head';
	damaged("$kind a link to what never ends", sub { unlink "$_[0]/$file"; symlink '/dev/zero', "$_[0]/$file" });
	damaged("$kind something else", sub { spew("$_[0]/$file", join '', map { chr int rand 256 } 1 .. 9000) });
}
damaged('all removed', sub { remove_tree($_[0]) });
my ($other) = grep { $_ ne $folder } do { agrees('ab', $r, 'another repository'); glob("$state/????????????????????????????????") };
damaged('another repository\'s', sub { system('cp', "$other/head", "$_[0]/head") == 0 or die }, 1);

# Of another version, older or newer, whole by its own sum: told, and made again. A version's number
# is beneath the sum, so that what is behind it is not even looked at.
for my $version (1, 2, 3, 5, 0xffff_ffff) {
	damaged("a head of version $version", sub {
		change("$_[0]/$name{head}", sub { substr($_[0], 8, 4) = pack 'L', $version });
	}, 1);
}
damaged('a head of the old form', sub {
	change("$_[0]/$name{head}", sub { $_[0] = 'MUSTSCAN' . pack('LLQQ', 2, 21, 32 + 21 * 24, 0) . "\1" x (21 * 24) });
}, 1);
{
	my @folders = map { "$dir/old-$_" } 1, 2;
	for my $old (@folders) {
		put(repo($old) . '/a', "a\n");
		commit($old, 'one');
		scan('ab', $old, "--state=$dir/old-state");
	}
	change($_, sub { substr($_[0], 8, 4) = pack 'L', 2 }) for glob("$dir/old-state/*/head");
	scan('ab', $folders[0], "--state=$dir/old-state", $folders[1]);
	is($error, "muster scan: what the last scan left was made by another version of Muster: everything is read again\n",
		'two states of another version: told once');
	is(scalar(grep { $_->{known} } @{ $coverage->{targets} }), 0, 'neither is used');
	scan('ab', $folders[0], "--state=$dir/old-state", $folders[1]);
	is($error, '', 'and both are made again');
	is(scalar(grep { $_->{known} } @{ $coverage->{targets} }), 2, 'and used');
}

# Other settings are not damage: all is read again, and nothing is said.
scan('ab', $big, "--state=$state", '--max-decode-depth=0');
is($error, '', 'with other settings nothing is said');
cmp_ok($coverage->{scanned}, '>', 4000, 'and all is read');

agrees('ab', $big, 'back again');
scan('ab', $big, "--state=$state", '--verify');
cmp_ok($coverage->{scanned}, '>', 4000, 'what was not verified does not count when names are to be');
scan('ab', $big, "--state=$state", '--verify');
is($coverage->{scanned}, 0, 'and what was, does');

# A look for some rules does not cost the next scan what is known of the others.
agrees('ab', $big, 'before a look for one rule');
scan('ab', $big, "--state=$state", '--enable-rule=alpha');
cmp_ok($coverage->{scanned}, '>', 4000, 'one rule alone: all is read');
agrees('ab', $big, 'after it');
is($coverage->{scanned}, 0, 'nothing is read again');

# ---- what cannot be kept ----

remove_tree($folder);
system('cp', '-a', "$dir/good", $folder) == 0 or die;
my %good = map { $_ => slurp("$folder/$_") } values %name;
{
	local $SIG{XFSZ} = 'IGNORE';
	my $want = scan('ab', $big, '--no-state');
	my $muster = build_dir() . '/jobs/muster';
	my $text = qx(bash -c 'ulimit -f 2; exec "\$@"' bash $muster scan --no-builtin-rules --rules=$dir/ab.toml --format json --state=$state $big 2>$dir/../errors);
	is($? >> 8, 1, 'a disk that is full does not change the exit code');
	my $report = eval { $json->decode($text) };
	is($json->encode($report->{findings}), $json->encode([@{ $want->{present} }]), 'nor the findings');
	like(slurp("$dir/../errors"), qr/^muster scan: what this scan found out could not be kept: .*(?:space|large)/i, 'it is said');
	is_deeply({ map { s{^.*/}{}r => slurp($_) } glob("$folder/* $folder/.[a-z]*") }, \%good, 'and the state stays as it was');
}
agrees('ab', $big, 'the next scan is as if nothing had been');

grow();
{
	open my $lock, '+<', "$folder/lock" or die $!;
	my $before = slurp("$folder/head");
	SKIP: {
		skip 'locks are of another kind', 3 if !flock $lock, LOCK_EX;
		agrees('ab', $big, 'while another one is writing');
		is($error, '', 'nothing is said');
		is(slurp("$folder/head"), $before, 'and nothing is written');
	}
}
agrees('ab', $big, 'and then it is kept');
spew("$dir/file", '');
scan('ab', $r, "--state=$dir/file");
is($exit, 1, 'a folder that cannot be: the findings are there');
like($error, qr/could not be kept|Not a directory/, 'with a message');

done_testing;
