#!/usr/bin/perl
# What the audit says of commits, with git as the oracle; and that keeping it changes nothing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Audit;
use Muster::Test qw(slurp spew);

my $dir = audit_folder();
my $seed = $ENV{MUSTER_TEST_SEED} // 20261121;
srand $seed;
my $now = time;
my $day = 86_400;

# A repository with a remote, branches in every state, tags, and a clock that went wrong once.
git($dir, qw(init -q --bare origin.git));
my $path = repo("$dir/work", date => $now - 400 * $day);
git($path, qw(remote add origin), "$dir/origin.git");
put("$path/data/large.bin", 'x' x 12_000_000);
my $added = commit($path, 'add something large', date => $now - 300 * $day);
git($path, qw(tag -a -m old old));
git($path, qw(push -q -u origin main));
commit($path, "commit $_", date => $now - (60 - $_) * $day) for 1 .. 59;
git($path, qw(-c user.email=Other@Example.com commit -q --allow-empty -m other));
git($path, qw(checkout -q -b diverged main~3));
commit($path, 'on a side');
git($path, qw(branch -q --set-upstream-to=origin/main diverged));
git($path, qw(branch -q behind main~10));
git($path, qw(branch -q ancient), $added);
git($path, qw(push -q origin ancient));
git($path, qw(checkout -q main));
git($path, qw(branch -q lonely));
commit($path, 'lonely stays behind it');
git($path, qw(branch -q --track gone origin/ancient));
git($path, qw(config branch.gone.merge refs/heads/vanished));
git($path, qw(checkout -q -b skewed));
commit($path, 'from the past', date => $now - 1000 * $day);
commit($path, 'from now');
git($path, qw(branch -q --set-upstream-to=main skewed));
git($path, qw(checkout -q main));
git($path, qw(merge -q --no-ff -m), 'a merge', 'diverged');
put("$path/.env", "A=b\n");
put("$path/.env.example", "A=\n");
put("$path/keys/server.key", "-----BEGIN PRIVATE KEY-----\n");
put("$path/keys/public.pem", "-----BEGIN CERTIFICATE-----\n");
my $secret = commit($path, 'secrets');
put("$path/README.md", "stash me\n");
git($path, 'stash');

my $report = audit_json('--no-cache', $path);
my ($row) = @{ $report->{repos} };
agrees_with_git($row);
my %branch = map { $_->{name} => $_ } @{ $row->{branches} };
is_deeply([sort keys %branch], [qw(ancient behind diverged gone lonely main skewed)], 'all branches are there');
ok($branch{main}{is_head}, 'one of them is the current one');
ok($branch{gone}{upstream_gone}, 'an upstream that is gone is told');
ok($branch{ancient}{is_pushed}, 'a branch that is on the remote is pushed');
ok(!$branch{behind}{is_pushed}, 'one that is not is not');
ok($branch{ancient}{is_stale}, 'a branch without commits for long is stale');
ok(!$branch{main}{is_stale}, 'another is not');
is($row->{ahead}, $branch{main}{ahead}, "the row's distance is that of its branch");
is($row->{staleTags}, 1, 'an old tag is counted');
is_deeply([map { [@$_{qw(path size_bytes added_by)}] } @{ $row->{large_blobs} }], [['data/large.bin', 12_000_000, $added]],
	'a large file is named with the commit that added it');
is($row->{large_blobs}[0]{author}, 'A U Thor', 'and who did it');
is_deeply([map { [@$_{qw(path added_by)}] } @{ $row->{tracked_secrets} }], [['.env', $secret], ['keys/server.key', $secret]],
	'files that should not be tracked are named, examples and certificates are not');
is_deeply($row->{missingFiles}, [], 'the files that should be there are there');
is($row->{signed_share}, 0, 'no commit is signed');
ok(!$row->{isStale}, 'a repository with a new commit is not stale');
is($row->{healthScore}, 100 - 1 - 2 * 15 + 5, 'the score follows the formula');
is_deeply([sort @{ $row->{health_unknown} }], [qw(critical high secrets)], 'what no scan found is unknown');
my %check = map { $_->{id} => $_ } @{ $row->{checks} };
is($check{$_}{status}, 'warn', "the check $_ warns") for qw(ahead never-pushed upstream-gone stashes stale-branches stale-tags);
is($check{$_}{status}, 'fail', "the check $_ fails") for qw(large-blobs tracked-secrets);
is($check{$_}{status}, 'pass', "the check $_ passes") for qw(readme license gitignore stale readable uncommitted);
my $du = 0;
for my $file (split /\n/, qx(find '$path/.git/objects' -type f)) { $du += -s $file }
is($row->{disk}, $du, 'the bytes of the object store are counted');

# Kept results are the same as fresh ones, after any sequence of changes.
sub change {
	my ($n) = @_;
	my @moves = (
		sub { commit($path, "change $n") },
		sub { commit($path, "old change $n", date => $now - int(rand 100) * $day) },
		sub { git($path, qw(commit -q --amend --allow-empty -m), "amended $n") },
		sub { git($path, qw(reset -q --hard HEAD~1)) },
		sub { git($path, 'branch', '-f', "b" . int(rand 4), 'HEAD~' . int(rand 3)) },
		sub { git($path, 'tag', '-f', "t" . int(rand 4), 'HEAD~' . int(rand 3)) },
		sub { put("$path/data/large" . int(rand 3), chr(65 + int rand 26) x 11_000_000); commit($path, "large $n") },
		sub { unlink glob("$path/data/large?"); commit($path, "no large $n") },
		sub { git($path, qw(push -q -f origin main)) },
		sub { git($path, qw(gc -q)) },
		sub { git($path, qw(pack-refs --all)) },
		sub { put("$path/new$n", "x\n"); git($path, 'add', "new$n") },
		sub { git($path, 'config', 'branch.main.merge', 'refs/heads/' . (rand() < 0.5 ? 'main' : 'ancient')) },
		sub { git($path, qw(checkout -q --detach)); commit($path, "detached $n"); git($path, qw(branch -f main)); git($path, qw(checkout -q main)) },
	);
	my $at = int rand @moves;
	eval { local $SIG{__WARN__} = sub { }; $moves[$at]->(); 1 } or git($path, qw(status));
	return $at;
}
my @different;
for my $n (1 .. 20) {
	my $moves = join ' ', map { change($n) } 1 .. 1 + int rand 2;
	my $kept = without_times(audit_json($path));
	my $again = without_times(audit_json($path));
	my $fresh = without_times(audit_json('--no-cache', $path));
	push @different, "round $n, moves $moves" if $kept ne $fresh || $again ne $fresh;
}
is_deeply(\@different, [], "what is kept never changes what is said (seed $seed)");

# The file that is kept: one a repository, and nothing is believed of a broken one.
my @files = glob("$ENV{XDG_CACHE_HOME}/muster/audit/*.json");
is(scalar @files, 1, 'one file is kept for one repository');
is((stat $files[0])[2] & 07777, 0600, 'that only its owner can read');
my $good = slurp($files[0]);
my $expected = without_times(audit_json('--no-cache', $path));
for my $case (
	['empty', ''], ['cut', substr($good, 0, length($good) / 2)], ['garbage', "\0" x 100],
	['another repository\'s', $good =~ s{work/\.git}{wxrk/.git}r], ['changed in one digit', $good =~ s/("commits": ?)(\d)/$1 . (($2 + 1) % 10)/er],
) {
	spew($files[0], $case->[1]);
	is(without_times(audit_json($path)), $expected, "a kept file that is $case->[0] is made again");
	is(length slurp($files[0]), length $good, 'and is whole afterwards');
}

# What nobody asks for any more goes away, by and by.
my $unused = $files[0] =~ s/[0-9a-f]{8}\.json$/00000000.json/r;
spew($unused, $good);
utime $now - 91 * $day, $now - 91 * $day, $unused or die $!;
utime $now - 91 * $day, $now - 91 * $day, $files[0] or die $!;
audit_json($path);
ok(-e $unused, 'what was not used is not looked for at every run');
utime $now - 8 * $day, $now - 8 * $day, $files[0] =~ s{[^/]+$}{pruned}r or die $!;
audit_json($path);
ok(!-e $unused, 'but once a week, and removed when it is old');
ok(-e $files[0], 'while what is used is kept, whenever it was written');

# A shallow clone ends where it ends, and deepening it is noticed.
git($dir, qw(clone -q --depth 3), "file://$path", 'shallow');
my %shallow = rows(audit_json("$dir/shallow"));
is($shallow{shallow}{commits}, git("$dir/shallow", qw(rev-list --count HEAD)), 'a shallow clone has the commits it has');
ok($shallow{shallow}{history_partial}, 'and is said to be one');
git("$dir/shallow", qw(fetch -q --unshallow));
%shallow = rows(audit_json("$dir/shallow"));
is($shallow{shallow}{commits}, git("$dir/shallow", qw(rev-list --count HEAD)), 'fetching the rest is noticed, though no tip moved');
ok(!$shallow{shallow}{history_partial}, 'and then it is whole');

# A commit that is not there.
my $broken = repo("$dir/broken");
commit($broken, 'two');
commit($broken, 'three');
my $lost = git($broken, qw(rev-parse HEAD~1));
unlink "$broken/.git/objects/" . substr($lost, 0, 2) . '/' . substr($lost, 2) or die $!;
my %broken = rows(audit_json($broken));
is($broken{broken}{commits}, undef, 'history with a hole has no count');
%check = map { $_->{id} => $_ } @{ $broken{broken}{checks} };
is($check{readable}{status}, 'fail', 'and a check that says why');
like($check{readable}{message}, qr/\Q$lost\E/, 'by the name of what is missing');
is(audit_exit(), 3, 'and the exit code says that something could not be read');
done_testing;
