#!/usr/bin/perl
# Repositories and files in odd states: each is read as far as it goes, and what was not read is said.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use POSIX ();
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test qw(slurp spew wait_for);

my $dir = audit_folder();

sub state_is {
	my ($name, $exit, $want, @args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $report = scan_json(@args);
	is(scan_exit(), $exit, "$name: exit $exit") or diag(scan_error());
	is_deeply([found($report)], $want, "$name: what is found");
	is($report->{coverage}{partly}, $exit == 3 ? JSON::PP::true : JSON::PP::false, "$name: whether all was read");
	return $report;
}

# Without commits, without a working tree, in several.
git($dir, qw(init -q empty));
my $report = state_is('a repository without a commit', 0, [], "$dir/empty");
is($report->{coverage}{targets}[0]{head}, undef, 'it has no HEAD');
leak("$dir/empty/new.env", 1);
state_is('its files', 1, ['new.env:2'], '-w', "$dir/empty");
git("$dir/empty", qw(add new.env));
state_is('and what is staged before the first commit', 1, ['new.env:2'], '--staged', "$dir/empty");

my $r = repo("$dir/thing");
leak("$r/a.env", 2);
my $leak = commit($r, 'leak');
git($dir, qw(clone -q --bare thing bare.git));
state_is('a bare repository', 1, ['a.env:2'], "$dir/bare.git");
git($r, qw(worktree add -q), "$dir/linked", qw(-b linked));
leak("$dir/linked/b.env", 3);
commit("$dir/linked", 'in the linked one');
state_is('a linked working tree', 1, [qw(a.env:2 b.env:2)], "$dir/linked");
git("$dir/linked", qw(checkout -q --detach));
leak("$dir/linked/c.env", 4);
commit("$dir/linked", 'on no branch');
state_is('the HEAD of a linked one that is on no branch', 1, [qw(a.env:2 b.env:2 c.env:2)], $r);
repo("$dir/inner");
leak("$dir/inner/i.env", 5);
commit("$dir/inner", 'inner');
repo("$dir/outer");
git("$dir/outer", qw(submodule --quiet add), "$dir/inner", 'sub');
commit("$dir/outer", 'sub');
state_is('history does not go into submodules', 0, [], "$dir/outer");
state_is('files do', 1, ['sub/i.env:2'], '-w', "$dir/outer");
state_is('a submodule alone', 1, ['i.env:2'], "$dir/outer/sub");
git($dir, qw(init -q --object-format=sha256 sha256));
leak("$dir/sha256/x.env", 6);
commit("$dir/sha256", 'x');
scan_run("$dir/sha256");
is(scan_exit(), 3, 'object names of SHA-256 are not read');
like(scan_error(), qr/sha-?256/i, 'and named as the reason');
git($dir, 'clone', '-q', '--depth', '1', "file://$dir/thing", 'shallow');
state_is('a shallow clone', 1, ['a.env:2'], "$dir/shallow");

# What a partial clone has not is looked for again when something came, and not before: the folders
# of objects say so. Their times are set back, for what changed just now might change unseen.
git("$dir/thing", qw(config uploadpack.allowFilter true));
git($dir, qw(clone -q --bare --filter=blob:none), "file://$dir/thing", 'partial');
my $folders = sub { grep { -d } "$dir/partial/objects/pack", glob "$dir/partial/objects/??" };
utime 1, 1, $folders->();
state_is('a partial clone', 3, [], "$dir/partial");
my $missing = scan_error();
like($missing, qr/\d+ versions? of files? (?:is|are) not here.*partial clone/, 'it is said');
my ($idx) = glob "$dir/partial/objects/pack/*.idx";
my $names = slurp($idx);
chmod 0644, $idx;
spew($idx, 'no names at all');
utime 1, 1, $folders->();
state_is('a partial clone to which nothing came', 3, [], "$dir/partial");
is(scan_error(), $missing, 'the same is said, and no pack opened');
spew($idx, $names);
git("$dir/partial", qw(fetch -q --refetch --no-filter origin), 'refs/heads/*:refs/heads/*');
state_is('a partial clone to which all came', 1, [qw(a.env:2 b.env:2)], "$dir/partial");

# Names of any bytes, in every form.
my $odd = repo("$dir/odd \xff\n");
my %names = ("new\nline.env" => 'new%0Aline.env:2', "bad\xff\xc3.env" => 'bad%FF%C3.env:2', "esc\e]0;x\a.env" => 'esc%1B]0;x%07.env:2',
	"\x{c3}\x{a9} %.env" => "\x{e9} %.env:2", "dir\t/\x01" => 'dir%09/%01:2', '-rf' => '-rf:2', 'a"b,c\'d' => 'a"b,c\'d:2',
	'<script>' => '<script>:2', 'C:\\x' => 'C:\\x:2', "]]>" => ']]>:2');
my $n = 20;
leak("$odd/$_", $n++) for sort keys %names;
commit($odd, 'odd names');
state_is('names of any bytes', 1, [sort values %names], $odd);
state_is('as files', 1, [sort values %names], '-w', $odd);
for my $form (qw(table json jsonl sarif csv junit html markdown gitleaks)) {
	my $text = scan_run('--format', $form, $odd);
	is(scan_exit(), 1, "$form: exit 1");
	ok(utf8::decode(my $copy = $text), "$form is UTF-8");
	unlike($text, qr/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/, "$form has no control character");
	is(scalar(() = $text =~ /\n/g), scalar(() = scan_run('--format', $form, '-w', $odd) =~ /\n/g), "$form has as many lines for files")
		if $form =~ /^(?:table|csv|jsonl)$/;
	ok(eval { JSON::PP->new->utf8->decode($text) }, "$form is JSON") if $form =~ /^(?:json|sarif|gitleaks)$/;
}

# Files that cannot be read, or not whole.
my $plain = "$dir/plain";
leak("$plain/ok.env", 40);
SKIP: {
	skip 'root can read everything', 6 if $> == 0;
	leak("$plain/closed.env", 41);
	leak("$plain/closed/x.env", 42);
	chmod 0, "$plain/closed.env", "$plain/closed";
	$report = state_is('files and folders without permission', 3, ['ok.env:2'], $plain);
	like(scan_error(), qr/closed/, 'they are named');
	chmod 0755, "$plain/closed", "$plain/closed.env";
	unlink "$plain/closed.env", "$plain/closed/x.env";
	rmdir "$plain/closed";
}
symlink 'ok.env', "$plain/link" or die $!;
symlink '/dev/zero', "$plain/zero" or die $!;
POSIX::mkfifo("$plain/pipe", 0600) or die $!;
state_is('links, pipes and devices are not read', 1, ['ok.env:2'], $plain);
scan_run("$plain/pipe");
isnt(scan_exit(), 0, 'not even when they are named');
spew("$plain/utf16.env", "\xff\xfe" . join '', map { "$_\0" } split //, 'TOKEN=' . token(43) . "\n");
spew("$plain/binary", "\0" . token(44));
$report = state_is('UTF-16 is read, what is binary is not', 1, ['ok.env:2', 'utf16.env:1'], $plain);
is($report->{coverage}{skipped}, 1, 'which is counted');
is($report->{coverage}{targets}[0]{skipped}{binary}, 1, 'by reason');
open my $large, '>', "$plain/large" or die $!;
truncate $large, 4 << 30 or die $!;
close $large;
$report = state_is('a file of 4 GB is left out', 1, ['ok.env:2', 'utf16.env:1'], $plain);
is((sort values %{ $report->{coverage}{targets}[0]{skipped} })[0], 1, 'and counted');
unlink "$plain/large";
spew("$plain/over", 'x' x 1_100_000 . "\n" . token(45) . "\n");
state_is('the cap can be set', 1, ['ok.env:2', 'utf16.env:1'], '--max-target-megabytes', 1, $plain);
state_is('and raised', 1, ['ok.env:2', 'over:2', 'utf16.env:1'], '--max-target-megabytes', 2, $plain);

# Repositories that are damaged.
sub broken {
	my ($name, $break) = @_;
	my $path = "$dir/$name";
	git($dir, qw(clone -q --no-local), "file://$dir/thing", $name);
	put("$path/second", "x\n" x 50);
	commit($path, 'second');
	git($path, qw(repack -q -a -d));
	$break->($path);
	return $path;
}
my $path = broken('lost', sub {
	my ($path) = @_;
	my $blob = git($path, qw(rev-parse HEAD:second));
	my ($pack) = glob("$path/.git/objects/pack/*.pack");
	rename $pack, "$dir/moved.pack" or die $!;
	unlink glob("$path/.git/objects/pack/*");
	system "git -C '$path' unpack-objects -q < '$dir/moved.pack'";
	unlink "$path/.git/objects/" . substr($blob, 0, 2) . '/' . substr($blob, 2) or die $!;
});
$report = state_is('an object that is missing', 3, [qw(a.env:2 b.env:2)], $path);
like(scan_error(), qr/missing|not here/, 'is said');
isnt(scalar @{ $report->{coverage}{problems} }, 0, 'also in the report');
is_deeply([found(scan_json($path))], [qw(a.env:2 b.env:2)], 'a second scan says it again');
is(scan_exit(), 3, 'with the same exit code');
$path = broken('cut', sub {
	my ($path) = @_;
	my ($pack) = glob("$path/.git/objects/pack/*.pack");
	chmod 0644, $pack;
	truncate $pack, (-s $pack) / 2 or die $!;
});
scan_run('--format', 'json', $path);
is(scan_exit(), 3, 'a pack that is cut off is not whole');
like(scan_error(), qr/pack/, 'and named');
$path = broken('flipped', sub {
	my ($path) = @_;
	my ($pack) = glob("$path/.git/objects/pack/*.pack");
	chmod 0644, $pack;
	my $bytes = slurp($pack);
	substr($bytes, $_, 1) ^= "\x55" for map { 30 + $_ * 7 } 0 .. 20;
	spew($pack, $bytes);
});
scan_run('--format', 'json', $path);
is(scan_exit(), 3, 'so is one with other bytes in it');
$path = broken('unreadable HEAD', sub { spew("$_[0]/.git/HEAD", "nonsense\n") });
scan_run($path);
is(scan_exit(), 3, 'a HEAD that makes no sense') or diag(scan_error());
like(scan_error(), qr/HEAD/, 'is said');
scan_run($path, $r);
is(scan_exit(), 3, 'what cannot be read wins over findings');
is_deeply([found(scan_json($path, $r))], [qw(a.env:2 b.env:2 c.env:2)], 'and does not keep others from being read');

# An interrupt while an address is cloned, which here is a git that never ends.
mkdir "$dir/bin" or die $!;
spew("$dir/bin/git", "#!/bin/sh\necho \$\$ > '$dir/git.pid'\nexec sleep 1000\n");
chmod 0755, "$dir/bin/git";
my $temporary = "$dir/temporary";
mkdir $temporary or die $!;
for my $signal (qw(INT TERM)) {
	my $pid = fork // die $!;
	if (!$pid) {
		open STDERR, '>', "$dir/interrupt" or die $!;
		open STDOUT, '>', "$dir/interrupt.out" or die $!;
		@ENV{qw(PATH TMPDIR)} = ("$dir/bin:$ENV{PATH}", $temporary);
		exec scan_program(), 'scan', '--enable-rule', 'github', '--output', "$dir/never.json", "file://$r" or die $!;
	}
	wait_for { -s "$dir/git.pid" } 'git is started';
	isnt(scalar(() = glob("$temporary/*")), 0, 'a clone is made in a folder of its own');
	kill $signal, $pid;
	waitpid $pid, 0;
	is($? & 127, { INT => 2, TERM => 15 }->{$signal}, "SIG$signal ends it as whoever sent it expects");
	is_deeply([glob("$temporary/*")], [], 'the folder is gone');
	ok(!-e "$dir/never.json", 'there is no report');
	is(slurp("$dir/interrupt") . slurp("$dir/interrupt.out"), '', 'and nothing to say');
	my $git = 0 + slurp("$dir/git.pid");
	ok(!kill(0, $git), 'nor does git go on');
	unlink "$dir/git.pid";
}

# An interrupt while standard input has not ended.
{
	pipe(my $in, my $never) or die $!;
	my $pid = fork // die $!;
	if (!$pid) {
		open STDIN, '<&', $in or die $!;
		open STDERR, '>', "$dir/interrupt" or die $!;
		open STDOUT, '>', "$dir/interrupt.out" or die $!;
		exec scan_program(), 'scan', '--enable-rule', 'github', '-' or die $!;
	}
	close $in;
	# It has asked for bytes when the pipe is empty again.
	syswrite $never, token(60);
	my $left = pack 'i', 1;
	wait_for { ioctl($never, 0x541b, $left) && unpack('i', $left) == 0 } 'it reads'; # FIONREAD
	kill 'INT', $pid;
	waitpid $pid, 0;
	is($? & 127, 2, 'an interrupt ends what waits for standard input');
	is(slurp("$dir/interrupt.out"), '', 'without a report');
}

# A limit of time.
{
	local $ENV{PATH} = "$dir/bin:$ENV{PATH}";
	scan_run('--timeout', 1, "file://$r");
	is(scan_exit(), 4, 'a clone that takes too long');
	like(scan_error(), qr/longer than 1 second/, 'is said');
}
done_testing;
