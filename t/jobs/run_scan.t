#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A scan as a job: asked for by people, done by the runner, told to all, with real repositories.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Fcntl qw(:flock);
use File::Path qw(remove_tree);
use JSON::PP ();
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Stack;
use Muster::Test;

my $dir = audit_folder();
my $stack = Muster::Stack->new(front => 'none', conf => { 'log.level' => 'debug', 'job.concurrency' => 2 });
my $db = $stack->db;
# Each is asked for here, and nothing else is.
$db->sql(q{insert into muster.setting (key, value) values ('scan.first', '"no"')});
my $conf = $stack->conf;
my $state = $stack->stand->state_dir;
my $program = $stack->stand->dir;
$ENV{HOME} = $stack->stand->dir;
$stack->account('ann@example.org', 'developer');
my $ann = $stack->session('ann@example.org');

my @main = leaky_history("$dir/leaky");
leaky_history("$dir/again");
repo("$dir/clean");
put("$dir/clean/a.txt", "nothing\n");
commit("$dir/clean", 'nothing');
$stack->root($dir);
my @reported = map { { name => $_, status => 'clean', path => "$dir/$_" } } qw(leaky clean gone broken again);
$stack->report(\@reported);

sub ask {
	my ($repo, %more) = @_;
	my $answer = $stack->cgi(POST => '/api/v1/analysis/scan', session => $ann, body => { repository_id => $repo, %more });
	is $answer->{status}, 202, "a scan of $repo is asked for" or diag $answer->{body};
	return $answer->{json}{scan_id};
}
sub scan { my ($id) = @_; return $stack->cgi(GET => "/api/v1/analysis/scan/$id", session => $ann)->{json} }
sub job { my ($id) = @_; return $db->json(q{select to_jsonb(j) from muster.job j where run_id = $1}, $id) }
sub run_once { return run_program([program('muster'), 'run', '--once', '--conf', $conf], env => { HOME => $ENV{HOME} }) }
sub events {
	my ($type) = @_;
	return map { JSON::PP->new->utf8->decode($_->[0]) } $db->rows(q{select data from muster.event where type = $1 order by id}, $type);
}
sub kept { return [$db->rows(q{select path, state, in_head from muster.finding order by path})] }

# ---- from the request to the findings ----

my $id = ask('leaky', commit_sha => $main[-1], branch => 'main');
is ask('leaky', commit_sha => $main[-1], branch => 'main'), $id, 'asked twice it is the one run';
my ($code, $out, $err) = run_once();
is $code, 0, 'the runner does it' or diag $err;
my $done = scan($id);
is_deeply [@{$done}{qw(status progress error)}], ['completed', 100, undef], 'and it is complete';
is_deeply kept(), [['gone.env', 'open', 'f'], ['kept.env', 'open', 't'], ['side.env', 'open', 'f'],
	['tag.env', 'open', 'f']], 'each place in all of history is a finding';
is $done->{findings_count}, 4, 'counted for the run';
is $done->{critical_count} + $done->{high_count} + $done->{medium_count} + $done->{low_count}, 4, 'by severity';
is scalar @{ $done->{results} }, 4, 'and shown with it';
is $db->value('select total_results from muster.run where id = $1', $id), 4, 'the run counts them';
is $db->value(q{select count(*) from muster.finding where run_id = $1}, $id), 4, 'they are of this run';
ok $db->value(q{select scanned_at is not null from muster.repo where name = 'leaky'}), 'the repository was scanned';

my $everything = join "\n", map { @$_ } $db->rows(q{select (to_jsonb(j))::text from muster.job j
	union all select (to_jsonb(f))::text from muster.finding f union all select data::text from muster.event});
for my $number (1 .. 4) {
	is index($everything, token($number)), -1, "the secret $number is nowhere";
	is index($err, token($number)), -1, 'and in no log';
}
my @named = $db->rows(q{select distinct secret_id from muster.finding where secret_id is not null});
is scalar @named, 4, 'each secret has a name of its own';
my $cli = scan_json('--enable-rule', 'github', '--no-state', '--key-file', "$state/key", "$dir/leaky");
is_deeply [sort map { $_->[0] } @named], [sort map { $_->{secret_id} } @{ $cli->{findings} }],
	'which is the one that the master key gives it';
my $payload = $db->value(q{select payload::text from muster.job where run_id = $1}, $id);
unlike $payload, qr/"key"/, 'that key is not in the queue';

my @steps = map { "$_->{progress_percentage} $_->{message}" } grep { $_->{run_id} == $id } events('progress_update');
is_deeply \@steps, ['25 Cloning repository...', '50 Running SAST analysis...', '75 Analyzing dependencies...', '100 Complete'],
	'its steps were told';
is_deeply [map { $_->{status} } grep { $_->{run_id} == $id } events('status_change')],
	['pending', 'in_progress', 'completed'], 'so was its state';
is +(grep { $_->{run_id} == $id } events('status_change'))[-1]{total_results}, 4, 'with how much was found';
my $repo_id = $db->value(q{select id from muster.repo where name = 'leaky'});
is_deeply [events('scan_complete')], [{ scan_id => $id + 0, repository_id => $repo_id }], 'and that it is complete';
is $db->value(q{select channel from muster.event where type = 'scan_complete'}), 'scans', 'on the channel of scans';
like job($id)->{log}, qr/code and dependencies are analyzed by nothing/, 'what was not done is said';

# ---- again ----

my $first = job($id)->{result};
cmp_ok $first->{scanned}, '>', 0, 'the first scan read what there was';
is $first->{known}, 0, 'and knew nothing';
$id = ask('leaky');
run_once();
my $second = job($id)->{result};
is_deeply [@{$second}{qw(scanned known total_results added)}], [0, $first->{scanned}, 4, 0], 'the second one reads nothing';
leak("$dir/leaky/new.env", 5);
my $commit = commit("$dir/leaky", 'one more', date => 1_700_000_000);
$id = ask('leaky');
run_once();
my $third = job($id)->{result};
is_deeply [@{$third}{qw(scanned known total_results added)}], [1, $first->{scanned}, 5, 1], 'the third one reads what is new';
is $db->value(q{select commit from muster.finding where path = 'new.env'}), $commit, 'and says who brought it';
is_deeply [map { $_->{path} } @{ scan($id)->{results} }], ['new.env'], 'which is shown with the run that found it';
is scan($id)->{findings_count}, 5, 'of all that it saw';
git("$dir/leaky", qw(branch -q -D side));
$id = ask('leaky');
run_once();
is job($id)->{result}{gone}, 1, 'what no ref leads to is gone';
is scan($id)->{findings_count}, 4, 'and not counted';
is $db->value(q{select state from muster.finding where path = 'side.env'}), 'resolved', 'it is resolved';
ok -d "$state/scan/$repo_id", 'what is known lies in a folder of the repository\'s own';
ok scalar(my @sieves = glob "$state/sieve/*"), 'and the compiled rules where no job can write';

# ---- what goes wrong ----

sub fails {
	my ($name, $repo, $pattern, %more) = @_;
	my $failing = ask($repo, %more);
	run_once();
	my $seen = scan($failing);
	is_deeply [@{$seen}{qw(status findings_count)}], ['failed', undef], "$name: the run failed, and counts nothing";
	like $seen->{error}, $pattern, 'and says why';
	is job($failing)->{state}, 'dead', 'it is not tried again';
	return;
}

fails('a commit that is not there', 'leaky', qr/there is no commit '0{40}'/, commit_sha => '0' x 40);
fails('a branch that is not there', 'leaky', qr/there is no branch or ref 'nowhere'/, branch => 'nowhere');
fails('a repository that is gone', 'gone', qr/not there any more/);
mkdir "$dir/broken";
mkdir "$dir/broken/.git";
spew("$dir/broken/.git/HEAD", "ref: refs/heads/main\n");
mkdir "$dir/broken/.git/$_" for qw(objects refs);
spew("$dir/broken/.git/config", "[core\n");
fails('a repository that is broken', 'broken', qr/broken/);
is scalar(grep { $_->{repository_id} ne $repo_id } events('scan_complete')), 0, 'and none of them is called complete';

$id = ask('clean');
$db->sql(q{update muster.repo set removed_at = now() where name = 'clean'});
run_once();
is scan($id)->{status}, 'failed', 'a repository that was removed meanwhile';
like scan($id)->{error}, qr/removed meanwhile/, 'is told';
$db->sql(q{update muster.repo set removed_at = null where name = 'clean'});

# What lies elsewhere is another's, whatever a repository says.
my $outside = $stack->stand->dir . '/outside';
leaky_history($outside);
git($dir, 'clone', '-q', '--bare', '--shared', $outside, "$dir/shared");
mkdir "$dir/pointer";
spew("$dir/pointer/.git", "gitdir: $outside/.git\n");
$stack->report([@reported, map { { name => $_, status => 'clean', path => "$dir/$_" } } qw(shared pointer)]);
SKIP: {
	skip 'this kernel has no Landlock', 9 if $err =~ /no Landlock/;
	fails('a repository whose git folder lies outside of what is watched', 'pointer', qr/names a folder outside of the watched one/);
	fails('one whose objects do', 'shared', qr/nothing of it could be read: .*outside.*could not be read/);
	is $db->value(q{select count(*) from muster.finding f join muster.repo r on r.id = f.repo_id
		where r.name in ('shared', 'pointer')}), 0, 'and nothing is told of what lies there';
}

# Who works in it, and a scan, wait for each other.
open my $lock, '<', "$dir/clean" or die $!;
flock $lock, LOCK_EX or die $!;
$id = ask('clean');
my $waiting = $stack->stand->start('waiting', [program('muster'), 'run', '--once', '--conf', $conf], env => { HOME => $ENV{HOME} });
wait_for { $waiting->output =~ /child started/ } 'the scan to begin';
my $beside = ask('leaky');
wait_for { scan($beside)->{status} eq 'completed' } 'another';
is scan($id)->{status}, 'in_progress', 'a scan waits for who works in the repository';
close $lock;
wait_for { scan($id)->{status} eq 'completed' } 'the lock to be given back';
pass 'and goes on then';
is $waiting->wait(20), 0, 'all is well';

# A child that dies is followed by another, and what is found is stored once.
open $lock, '<', "$dir/again" or die $!;
flock $lock, LOCK_EX or die $!;
$id = ask('again');
my $dying = $stack->stand->start('dying', [program('muster'), 'run', '--once', '--conf', $conf], env => { HOME => $ENV{HOME} });
kill KILL => wait_for { $dying->output =~ /child started" pid=(\d+)/ && $1 } 'the scan to begin';
wait_for { job($id)->{state} eq 'queued' } 'its death to be seen';
close $lock;
$dying->wait(20);
$db->sql(q{update muster.job set run_at = now() where run_id = $1}, $id);
run_once();
is_deeply [scan($id)->{status}, job($id)->{attempt}, scan($id)->{findings_count}], ['completed', 2, 4], 'a scan that was killed is done again';
is $db->value(q{select count(*) from muster.finding where run_id = $1}, $id), 4, 'and stored once';
is scalar(grep { $_->{scan_id} == $id } events('scan_complete')), 1, 'and told once';
is $db->value(q{select muster.scan_record(id, gen_random_uuid(), '{}') from muster.job where run_id = $1}, $id), 'f',
	'a late child, whose lease is lost, stores nothing';

# What cannot be kept for the next time (a full disk, say) is of no consequence for this one.
my $clean = $db->value(q{select id from muster.repo where name = 'clean'});
remove_tree("$state/scan/$clean");
spew("$state/scan/$clean", 'no folder');
$id = ask('clean');
run_once();
is scan($id)->{status}, 'completed', 'a scan whose state cannot be kept is complete' or diag scan($id)->{error};
like job($id)->{log}, qr/\Q$clean\E/, 'and says so';
unlink "$state/scan/$clean";

# A pack's bytes are not what they were.
git("$dir/leaky", qw(repack -q -a -d));
my ($pack) = glob "$dir/leaky/.git/objects/pack/*.pack";
chmod 0600, $pack;
open my $file, '+<:raw', $pack or die $!;
seek $file, int((-s $pack) / 2), 0;
print {$file} "\xff" x 40;
close $file;
remove_tree("$state/scan/$repo_id");
my $before = $db->value(q{select scanned_at from muster.repo where name = 'leaky'});
my $open = $db->value(q{select count(*) from muster.finding where state = 'open'});
$id = ask('leaky');
run_once();
is $db->value('select message from muster.run where id = $1', $id), 'Complete, but not everything could be read',
	'a damaged repository is read as far as it goes, which is said' or diag scan($id)->{error};
ok !job($id)->{result}{whole}, 'and the scan is not whole';
is $db->value(q{select scanned_at from muster.repo where name = 'leaky'}), $before, 'the repository does not count as scanned';
is $db->value(q{select count(*) from muster.finding where state = 'open'}), $open, 'what was not seen is not gone';
cmp_ok length(job($id)->{log}), '>', 100, 'the log says what could not be read';

# ---- rules of one's own ----

my %rule = map { $_ => "[[rules]]\nid = \"$_\"\nregex = '${_}_[a-z]{12}'\nkeywords = [\"${_}_\"]\n" } qw(alpha beta);
my $own = $stack->stand->dir . '/own.toml';
repo("$dir/own");
put("$dir/own/a.txt", 'alpha_' . 'qwertzuiopas' . "\n");
put("$dir/own/b.txt", 'beta_' . 'yxcvbnmlkjhg' . "\n");
commit("$dir/own", 'leaks');
$stack->report([@reported, { name => 'own', status => 'clean', path => "$dir/own" }]);
spew($own, $rule{alpha});
my $runner = $stack->stand->start('runner', [program('muster'), 'run', '--forever', '--conf', $conf],
	env => { HOME => $ENV{HOME}, MUSTER_SCAN_RULES => " $own ;" });
sub ended {
	my $asked = ask('own');
	wait_for { scan($asked)->{status} =~ /^(?:completed|failed)$/ } 'the scan';
	return (scan($asked), job($asked)->{result});
}
sub paths { return [map { $_->[0] } $db->rows(q{select f.path from muster.finding f join muster.repo r on r.id = f.repo_id
	where r.name = 'own' and f.state = 'open' order by 1})] }
my ($seen, $before_it) = ended();
is_deeply paths(), ['a.txt'], 'rules of a file are looked for' or diag $seen->{error};
spew($own, $rule{alpha} . $rule{beta});
($seen, my $result) = ended();
is_deeply paths(), ['a.txt', 'b.txt'], 'a rule that comes into the file is, too, with the runner as it is';
is_deeply [@{$result}{qw(scanned known)}], [0, $before_it->{scanned}], 'alone, over what is known already';
($seen, $result) = ended();
is_deeply [@{$result}{qw(scanned total_results)}], [0, 2], 'and rules that are as they were find the same';
spew($own, "[[rules]\n");
($seen) = ended();
is $seen->{status}, 'failed', 'a mistake in the file';
like $seen->{error}, qr{\Q$own\E:1}, 'is told with its place';
spew($own, $rule{beta});
($seen) = ended();
is_deeply paths(), ['b.txt'], 'and mended is all that it takes';
$runner->stop;
ask('own');
run_program([program('muster'), 'run', '--once', '--conf', $conf], env => { HOME => $ENV{HOME}, MUSTER_SCAN_RULES => 'own.toml' });
like $db->value('select error from muster.run order by id desc limit 1'), qr{scan\.rules: 'own\.toml'}, 'a file is named in full';
done_testing;
