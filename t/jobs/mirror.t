#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Repositories of which nothing lies on a host of ours: mirrors of them are fetched over https from a real web
# server that asks for a password, when they are scanned, on request and by schedule.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Fcntl qw(:flock);
use IO::Socket::INET;
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Stack;
use Muster::Test;

delete @ENV{qw(http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY)};
my ($nginx) = grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'nginx is not here' if !$nginx;
plan skip_all => 'openssl is not here' if system('openssl version >/dev/null 2>&1');

audit_folder(); # and who commits
my $stack = Muster::Stack->new(front => 'none');
my $dir = $stack->stand->dir;
my $db = $stack->db;
my $state = $stack->stand->state_dir;
$ENV{HOME} = $dir;

sub quiet { my ($code, $out, $err) = run_program([@_]); is $code, 0, "$_[0] $_[1]" or diag $err; return }
spew("$dir/ssl.conf", "[req]\ndistinguished_name=n\n[n]\n[x]\nsubjectAltName=DNS:localhost\nbasicConstraints=critical,CA:TRUE\n");
quiet('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
	'-config', "$dir/ssl.conf", '-extensions', 'x', '-keyout', "$dir/tls.key", '-out', "$dir/tls.crt");
my $password = join '', map { ('a' .. 'z', 0 .. 9)[rand 36] } 1 .. 30;
spew("$dir/passwords", "git:{PLAIN}$password\n");
my $port = $stack->stand->port;
spew("$dir/nginx.conf", "daemon off;\nmaster_process off;\npid $dir/nginx.pid;\nerror_log $dir/nginx.err;\nevents {}\n"
	. "http { access_log off; " . join('', map { "${_}_temp_path $dir/$_;" } qw(client_body proxy fastcgi uwsgi scgi))
	. " server { listen 127.0.0.1:$port ssl; ssl_certificate $dir/tls.crt; ssl_certificate_key $dir/tls.key;"
	. " root $dir/www; auth_basic git; auth_basic_user_file $dir/passwords; } }\n");
$stack->stand->start('nginx', [$nginx, '-e', "$dir/nginx.err", '-c', "$dir/nginx.conf"]);
wait_for { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) } 'nginx listens';

mkdir "$dir/www";
my $work = "$dir/work";
leaky_history($work);
git($dir, 'clone', '-q', '--bare', $work, "$dir/www/far.git");
my $publish = sub {
	git($work, 'push', '-q', '--mirror', "$dir/www/far.git");
	git("$dir/www/far.git", 'update-server-info');
};
$publish->();

$stack->account('dev@example.org', 'developer');
$stack->account('admin@example.org', 'org_admin');
my ($dev, $admin) = map { $stack->session("$_\@example.org") } qw(dev admin);
$db->sql(q{insert into muster.setting (organization_id, key, value) values (null, 'repo.private_addresses', '"yes"')});
is $stack->cgi(POST => '/api/v1/credentials', session => $admin, body => { host => "localhost:$port", password => $password })->{status}, 201,
	'what opens the host is said';
# A report from elsewhere: nothing of these lies on a host of ours.
my $url = "https://localhost:$port/far.git";
$stack->report([{ name => 'far', status => 'clean', clone_url => $url }, { name => 'never', status => 'clean', clone_url => "https://localhost:$port/never.git" },
	{ name => 'nowhere', status => 'clean' }, { name => 'by-ssh', status => 'clean', clone_url => 'ssh://git@localhost/far.git' }]);
my %id = map { @$_ } $db->rows('select name, id from muster.repo');
my $organization = $db->value('select id from muster.organization');
my $folder = "$state/mirrors/$organization/$id{far}";
my $mirror = "$folder/mirror.git";

my $said = '';
sub work {
	my ($code, $out, $err) = run_program([program('muster-server'), 'run', '--once', '--conf', $stack->conf],
		env => { SSL_CERT_FILE => "$dir/tls.crt", HOME => $dir });
	$said .= $err;
	return;
}
sub run_of { return $db->json('select to_jsonb(r) from muster.run r where id = $1', $_[0]) }
sub scan {
	my ($name) = @_;
	my $answer = $stack->cgi(POST => '/api/v1/analysis/scan', session => $dev, body => { repository_id => $name });
	is $answer->{status}, 202, "a scan of $name is asked for" or diag $answer->{body};
	$db->sql(q{update muster.job set attempts_max = 1 where state = 'queued' and kind = 'fetch'});
	work() for 1 .. 2;
	return run_of($answer->{json}{id});
}
sub asked { return $stack->cgi(GET => "/api/v1/repos/$_[0]/fetch", session => $dev)->{json} }

# ---- the first time ----

is_deeply [@{ asked('far') }{qw(manner url host fetched_at error job_id)}], ['mirror', $url, undef, undef, undef, undef], 'nothing was fetched yet';
my $run = scan('far');
is $run->{status}, 'completed', 'it is fetched and scanned' or diag $run->{error}, $said;
is $run->{total_results}, 4, 'all of its history';
ok -f "$mirror/HEAD", 'from a mirror';
is_deeply [grep { !m{/mirror\.git$} } glob "$folder/*"], [], 'and nothing beside it';
my $seen = asked('far');
is $seen->{host}, 'localhost', 'which lies on the host that fetched it';
like $seen->{fetched_at}, qr/^20/, 'as of then';
cmp_ok $seen->{size_bytes} // 0, '>=', (-s "$mirror/HEAD") + (-s "$mirror/config"), 'and so large on its disk';
is $db->value(q{select host from muster.job where kind = 'scan'}), 'localhost', 'where it is scanned as well';
is $db->value(q{select count(*) from muster.run where kind = 'audit'}), 0, 'no audit is asked for';

$run = scan('never');
is $run->{status}, 'failed', 'what was never fetched cannot be scanned';
like $run->{error}, qr/^What it waited for failed: it cannot be fetched: /, 'and it is said why';
like asked('never')->{error}, qr/^it cannot be fetched: /, 'to who asks for it, too';
is $db->value('select count(*) from muster.mirror'), 1, 'and there is no mirror of it';
for my $name (qw(nowhere by-ssh)) {
	is $stack->cgi(POST => '/api/v1/analysis/scan', session => $dev, body => { repository_id => $name })->{status}, 409, "$name is not scanned";
	is $stack->cgi(POST => "/api/v1/repos/$name/fetch", session => $dev)->{status}, 409, 'nor fetched';
	is asked($name)->{manner}, undef, 'which is said';
}

# ---- again ----

leak("$work/new.env", 5);
my $commit = commit($work, 'one more', date => 1_700_000_000);
git($work, qw(branch -q -D side));
$publish->();
my $answer = $stack->cgi(POST => '/api/v1/repos/far/fetch', session => $dev);
is $answer->{status}, 202, 'it is asked for' or diag $answer->{body};
is $stack->cgi(POST => '/api/v1/repos/far/fetch', session => $dev)->{json}{run_id}, $answer->{json}{run_id}, 'asked twice it is the one run';
ok asked('far')->{job_id}, 'which waits';
# What a git that was killed leaves.
my @left = map { "$mirror/$_" } qw(packed-refs.lock refs/heads/main.lock objects/pack/tmp_pack_a1B2c3);
mkdir "$mirror/refs/heads";
spew($_, 'half') for @left;
work();
is_deeply [grep { -e } @left], [], 'what a killed one left is in nobody\'s way';
is run_of($answer->{json}{run_id})->{message}, "Fetched $url.", 'done' or diag $said;
is git($mirror, 'rev-parse', 'main'), $commit, 'what was pushed is there';
is git($mirror, 'branch', '--list', 'side'), '', 'and what was removed is not';

# Another branch is the first from now on.
git($work, qw(branch -m main trunk));
git($work, 'push', '-q', "$dir/www/far.git", 'trunk');
git("$dir/www/far.git", qw(symbolic-ref HEAD refs/heads/trunk));
$publish->();
sub fetch {
	my $job = $db->value(q{select muster.fetch_add(r) from muster.repo r where name = 'far'});
	$db->sql('update muster.job set attempts_max = 1 where id = $1', $job);
	work();
	return $db->json('select to_jsonb(j) from muster.job j where id = $1', $job);
}
is fetch()->{state}, 'done', 'its first branch has another name now' or diag $said;
is git($mirror, 'symbolic-ref', 'HEAD'), 'refs/heads/trunk', 'so it is the first here';
is git($mirror, 'rev-parse', 'HEAD'), $commit, 'with what was pushed';

# What many fetches brought, and no ref leads to any more.
mkdir "$dir/many";
spew("$dir/many/$_", "$_\n") for 1 .. 400;
git($mirror, 'hash-object', '-w', map { "$dir/many/$_" } 1 .. 400);
my @folders = glob "$mirror/objects/[0-9a-f][0-9a-f]";
cmp_ok scalar @folders, '>', 128, 'it lies in many files';
is fetch()->{state}, 'done', 'it is fetched once more' or diag $said;
is_deeply [glob "$mirror/objects/[0-9a-f][0-9a-f]"], [], 'and lies in one pack after that';
is scalar(my @packs = glob "$mirror/objects/pack/*.pack"), 1, 'without what nothing leads to';
is git($mirror, 'rev-parse', 'HEAD'), $commit, 'with all else';

# The keys of this server are for ssh.
mkdir "$dir/.ssh";
spew("$dir/.ssh/extra", "[gc]\n\tauto = 0\n");
git($mirror, 'config', 'include.path', "$dir/.ssh/extra");
SKIP: {
	my $fetched = fetch();
	skip 'this kernel has no Landlock', 1 if $said =~ /no Landlock/;
	like $fetched->{error}, qr{\.ssh/extra.*ermission denied}, 'who fetches by https reads nothing of ssh';
}
git($mirror, 'config', '--unset', 'include.path');

rename "$dir/www/far.git", "$dir/www/away.git";
$run = scan('far');
is $run->{status}, 'completed', 'what cannot be fetched any more is scanned as it is';
like $run->{message}, qr/^Complete; of the state before, because it cannot be fetched: /, 'as the run says';
is $db->value(q{select state from muster.finding where path = 'new.env'}), 'open', 'with what was there';
rename "$dir/www/away.git", "$dir/www/far.git";

# ---- with others ----

open my $held, '<', $mirror or die;
flock $held, LOCK_SH or die;
$db->sql(q{select muster.fetch_add(r) from muster.repo r where name = 'far'});
work();
like $db->value(q{select error from muster.job where kind = 'fetch' order by id desc limit 1}), qr/another job works in it/,
	'nothing is fetched while somebody reads';
close $held;
my $waiting = $db->json(q{select to_jsonb(j) from muster.job j where kind = 'fetch' order by id desc limit 1});
is_deeply [@$waiting{qw(state attempt)}], ['queued', 0], 'it waits, which is no attempt';
$db->sql('update muster.job set run_at = now() where id = $1', $waiting->{id});
work();
is_deeply [$db->rows('select state, attempt from muster.job where id = $1', $waiting->{id})], [['done', 1]], 'and is done after that';
rename $mirror, "$folder/mirror.git.12345678.part";
$db->sql(q{select muster.fetch_add(r) from muster.repo r where name = 'far'});
work();
ok -f "$mirror/HEAD", 'one that is gone is made anew';
is_deeply [grep { !m{/mirror\.git$} } glob "$folder/*"], [], 'and what a killed one left is removed';

# The host that fetched it is gone: another does.
$db->sql(q{update muster.mirror set host = 'gone', fetched_at = now() - interval '25 hours'});
is fetch()->{state}, 'done', 'a mirror of a host that is gone is fetched here' or diag $said;
is asked('far')->{host}, 'localhost', 'where it lies from now on';
$db->sql(q{update muster.mirror set host = 'gone', fetched_at = now() - interval '25 hours'});
is scan('far')->{status}, 'completed', 'and is scanned here' or diag $said;
my $bound = sub {
	my ($fetched_at) = @_;
	$db->sql(q{update muster.mirror set host = 'gone', fetched_at = $1}, $fetched_at);
	my $job = $db->value(q{select muster.fetch_add(r) from muster.repo r where name = 'far'});
	$db->sql(q{update muster.job set host = 'gone', created_at = now() - interval '2 hours' where id = $1}, $job);
	$db->sql('select muster.mirror_free()');
	my $host = $db->value('select host from muster.job where id = $1', $job);
	$db->sql('delete from muster.job where id = $1', $job);
	return $host;
};
is $bound->('-infinity'), undef, 'what waited for that host does so no more';
is $bound->('now'), 'gone', 'while it was there it was waited for';

my $schedule = $stack->cgi(POST => '/api/v1/schedules', session => $admin, body => { kind => 'fetch', cron => '@daily' });
is $schedule->{status}, 201, 'a schedule fetches' or diag $schedule->{body};
is $stack->cgi(POST => "/api/v1/schedules/$schedule->{json}{id}/run", session => $admin)->{json}{jobs}, 1, 'what is fetched at all';
$db->sql(q{delete from muster.job where state = 'queued'});
$schedule = $stack->cgi(POST => '/api/v1/schedules', session => $admin, body => { kind => 'scan', cron => '@daily' });
$answer = $stack->cgi(POST => "/api/v1/schedules/$schedule->{json}{id}/run", session => $admin);
is $answer->{json}{jobs}, 1, 'and one scans it' or diag $answer->{body};
$db->sql(q{delete from muster.job where state = 'queued'});

# Somebody's own, in a folder that is watched, is nobody's to fetch into.
mkdir "$dir/own";
leaky_history("$dir/own/mine");
$db->sql(q{update muster.root set watched = true, path = $1, reported_at = null}, "$dir/own");
$stack->report([{ name => 'mine', status => 'clean', path => "$dir/own/mine", clone_url => $url }]);
is $stack->cgi(POST => '/api/v1/repos/mine/fetch', session => $dev)->{status}, 409, 'what lies here is not fetched';
done_testing;
