#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A repository that was added by its address: cloned by a job over https from a real web server, put
# below a root that is audited; and what no job fetches.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Fcntl qw(:flock);
use IO::Socket::INET;
use Test::More;
use Muster::Test;
use Muster::Stack;

delete @ENV{qw(http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY)};
my ($nginx) = grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'nginx is not here' if !$nginx;
plan skip_all => 'openssl is not here' if system('openssl version >/dev/null 2>&1');

my $stack = Muster::Stack->new(front => 'none');
my $dir = $stack->stand->dir;
my $db = $stack->db;

# A certificate of our own, and a bare repository as files.
sub quiet { my ($code, $out, $err) = run_program([@_]); is $code, 0, "$_[0] $_[1]" or diag $err; return }
spew("$dir/ssl.conf", "[req]\ndistinguished_name=n\n[n]\n[x]\nsubjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:TRUE\n");
quiet('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
	'-config', "$dir/ssl.conf", '-extensions', 'x', '-keyout', "$dir/tls.key", '-out', "$dir/tls.crt");
mkdir "$dir/www";
mkdir "$dir/work";
my %git = (env => { HOME => $dir, GIT_CONFIG_NOSYSTEM => 1, GIT_AUTHOR_NAME => 'A', GIT_AUTHOR_EMAIL => 'a@example.org',
	GIT_COMMITTER_NAME => 'A', GIT_COMMITTER_EMAIL => 'a@example.org' });
sub git { my ($code, $out, $err) = run_program(['git', @_], %git); is $code, 0, "git $_[2]" or diag $err; return }
git('-C', "$dir/work", 'init', '-q', '-b', 'main');
spew("$dir/work/README.md", "hello\n");
symlink 'README.md', "$dir/work/link";
git('-C', "$dir/work", 'add', '.');
git('-C', "$dir/work", 'commit', '-qm', 'Begin');
git('-C', $dir, 'clone', '-q', '--bare', "$dir/work", "$dir/www/tools.git");
git('-C', "$dir/www/tools.git", 'update-server-info');

my $port = $stack->stand->port;
spew("$dir/nginx.conf", "daemon off;\nmaster_process off;\npid $dir/nginx.pid;\nerror_log $dir/nginx.err;\nevents {}\n"
	. "http { access_log $dir/access.log; " . join('', map { "${_}_temp_path $dir/$_;" } qw(client_body proxy fastcgi uwsgi scgi))
	. " server { listen 127.0.0.1:$port ssl; ssl_certificate $dir/tls.crt; ssl_certificate_key $dir/tls.key;"
	. " root $dir/www; location /moved { return 302 /tools.git\$is_args\$args; } } }\n");
my $web = $stack->stand->start('nginx', [$nginx, '-e', "$dir/nginx.err", '-c', "$dir/nginx.conf"]);
wait_for { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) } 'nginx listens';

$stack->account('lead@example.org', 'team_lead');
my $lead = $stack->session('lead@example.org');
sub add {
	my ($url, @more) = @_;
	my $answer = $stack->cgi(POST => '/api/v1/repos', session => $lead, body => { url => $url, @more });
	is $answer->{status}, 202, "$url is taken" or diag $answer->{body};
	return $answer->{json}{run_id};
}
sub work {
	my ($code, $out, $err) = run_program([program('muster-server'), 'run', '--once', '--conf', $stack->conf],
		env => { SSL_CERT_FILE => "$dir/tls.crt", HOME => $dir });
	return $err;
}
sub run_of { return $db->json(q{select to_jsonb(r) from muster.run r where id = $1}, $_[0]) }

$db->sql(q{insert into muster.setting (organization_id, key, value) values (null, 'repo.private_addresses', '"yes"'), (null, 'scan.first', '"no"')});
my $clones = $stack->stand->state_dir . '/clones/default';
# One that was killed in the middle left something, and somebody else is at it just now.
my $part = "$clones/.tools.muster.part";
mkdir $_ for $clones =~ s{/[^/]+\z}{}r, $clones, $part;
git('-C', $part, 'init', '-q');
open my $at, '<', $part or die "$part: $!";
flock $at, LOCK_EX or die "$part: $!";
my $run = add("https://localhost:$port/tools.git");
my $said = work();
like $db->value(q{select error from muster.job where kind = 'clone' and state = 'queued' and attempt = 0}),
	qr/somebody else is cloning it/, 'two never clone the same thing at once' or diag $said;
close $at;
$db->sql(q{update muster.job set run_at = now() where kind = 'clone'});
$said = work();
is run_of($run)->{status}, 'completed', 'the run is done' or diag $said, run_of($run)->{error};
ok !-e $part, 'what was left is gone';
ok -f "$clones/tools/README.md", 'the clone is there';
is readlink "$clones/tools/link", 'README.md', 'with its links';
is_deeply [$db->rows(q{select slug, watched, path from muster.root})], [['clones', 't', $clones]], 'below a root that is watched';
work();
is $db->value(q{select count(*) from muster.repo where name = 'tools' and status = 'clean'}), 1, 'and audited';
is $stack->cgi(POST => '/api/v1/repos', session => $lead, body => { url => "https://localhost:$port/tools" })->{status}, 409,
	'then it is there already';

# Its first scan has no use of what is there already.
for my $ago (['0', 0, 'what was cloned just now is not fetched for its first scan'], ['1 hour', 1, 'what was cloned long ago is']) {
	$db->sql(q{update muster.job set finished_at = now() - $1::interval where kind = 'clone'}, $ago->[0]);
	$db->sql('update muster.root set scan_from = 0');
	is $db->value('select jobs from muster.analysis_first()'), 1, 'a scan is queued';
	is $db->value(q{select count(*) from muster.job where kind = 'fetch'}), $ago->[1], $ago->[2];
	$db->sql(q{delete from muster.job where kind in ('scan', 'fetch')});
	$db->sql(q{delete from muster.run where kind = 'scan'});
}

# A scan of it waits until what was pushed meanwhile is fetched.
my $tools = $db->value(q{select id from muster.repo where name = 'tools'});
my $scan = sub {
	my $answer = $stack->cgi(POST => '/api/v1/analysis/scan', session => $lead, body => { repository_id => $tools });
	ok $answer->{status} < 300, 'a scan is asked for' or diag $answer->{body};
	work() for 1 .. 2;
	return $db->json(q{select to_jsonb(r) from muster.run r where kind = 'scan' order by id desc limit 1});
};
my $push = sub {
	spew("$dir/work/README.md", "$_[0]\n");
	git('-C', "$dir/work", 'commit', '-qam', $_[0]);
	git('-C', "$dir/work", 'push', '-q', "$dir/www/tools.git", 'main');
	git('-C', "$dir/www/tools.git", 'update-server-info');
};
$push->('pushed');
spew("$dir/trap", "#!/bin/sh\ntouch '$dir/ran'\n");
chmod 0755, "$dir/trap";
mkdir "$clones/tools/.git/hooks";
for my $hook (qw(post-merge reference-transaction post-checkout)) {
	spew("$clones/tools/.git/hooks/$hook", "#!/bin/sh\ntouch '$dir/ran'\n");
	chmod 0755, "$clones/tools/.git/hooks/$hook";
}
# What a git that was killed left an hour ago; and what somebody is at just now.
my @left = map { "$clones/tools/.git/$_" } qw(index.lock packed-refs.lock refs/remotes/origin/main.lock objects/pack/tmp_pack_a1B2c3);
my @fresh = map { "$clones/tools/.git/$_" } qw(refs/remotes/origin/other.lock objects/pack/tmp_pack_d4E5f6);
spew($_, 'half') for @left, @fresh;
utime time - 3700, time - 3700, @left;
is $scan->()->{status}, 'completed', 'and done' or diag $said;
is_deeply [grep { -e } @left, @fresh], \@fresh, 'what a killed one left is in nobody\'s way, and what is new stays';
unlink @fresh;
is slurp("$clones/tools/README.md"), "pushed\n", 'the clone followed';
ok !-e "$dir/ran", 'without a hook';
is $db->value(q{select bool_and(f.finished_at <= s.started_at) from muster.job s
	join muster.job f on f.kind = 'fetch' and f.id = (s.payload ->> 'fetch')::bigint where s.kind = 'scan' and s.state = 'done'}), 't',
	'the fetch came first';
spew("$clones/tools/README.md", "mine\n");
$push->('again');
is $scan->()->{status}, 'completed', 'with changes of its own it is fetched as well';
is slurp("$clones/tools/README.md"), "mine\n", 'and keeps them';
like $db->value(q{select log from muster.job where kind = 'fetch' order by id desc limit 1}), qr/Its files stay as they are: /, 'as is said';
open my $held, '<', "$clones/tools" or die;
flock $held, LOCK_EX or die;
$db->sql(q{select muster.fetch_add(r) from muster.repo r where id = $1}, $tools);
work();
like $db->value(q{select error from muster.job where kind = 'fetch' order by id desc limit 1}), qr/another job works in it/,
	'nothing is fetched while another works there';
close $held;
rename "$dir/www/tools.git", "$dir/www/away.git";
$db->sql(q{update muster.job set attempts_max = 1, run_at = now() where kind = 'fetch' and state = 'queued'});
my $stale = $scan->();
is $stale->{status}, 'completed', 'what cannot be fetched is scanned as it is';
like $stale->{message}, qr/^Complete; of the state before, because it cannot be fetched: /, 'as the run says';
like $db->value(q{select string_agg(text, '' order by number) from muster.run_log where run_id = $1}, $stale->{id}),
	qr/\AWhat it waited for failed: it cannot be fetched: .*\nIt goes on with what is there\.\n/, 'and its log from the beginning';
is $db->value(q{select result -> 'fetched' from muster.job where run_id = $1}, $stale->{id}), 'false', 'and its result';
rename "$dir/www/away.git", "$dir/www/tools.git";
spew("$clones/tools/README.md", "pushed\n");

run_program(['cp', '-r', "$dir/www/tools.git", "$dir/www/more.git"]);
$stack->cgi(POST => '/api/v1/projects', session => $lead, body => { slug => 'web', name => 'Web' });
add("https://localhost:$port/more.git", project_id => 'web');
work() for 1 .. 2;
is_deeply [$db->rows(q{select r.name, p.slug from muster.repo r join muster.project p on p.id = r.project_id order by 1})],
	[['more', 'web'], ['tools', 'default']], 'another one belongs to the project that it was added to';

$run = add("https://localhost:$port/moved/x.git");
work();
like $db->value('select error from muster.job where run_id = $1', $run) // '', qr/cannot be cloned/, 'nobody is led elsewhere by a redirect';
$run = add("https://localhost:$port/nothing.git");
work();
like $db->value('select error from muster.job where run_id = $1', $run) // '', qr/cannot be cloned/, 'what is not there is said';
is_deeply [map { s{.*/}{}r } glob "$clones/*"], ['more', 'tools'], 'and leaves nothing behind';

# One that a watched folder misses is put there.
mkdir "$dir/src";
$stack->root("$dir/src");
my $missing = sub {
	my ($name, $path) = @_;
	$db->sql(q{update muster.root set reported_at = null});
	$stack->report([{ name => $name, status => 'missing', path => $path, clone_url => "https://localhost:$port/tools.git" }]);
	my $answer = $stack->cgi(POST => '/audit/clone', session => $lead, body => { repo => $name });
	is $answer->{status}, 202, "$name is to be cloned" or diag $answer->{body};
	$db->sql(q{delete from muster.job where kind = 'audit'});
	$said = work();
	return run_of($answer->{json}{run_id});
};
is $missing->('missing', "$dir/src/missing")->{message}, "Cloned https://localhost:$port/tools.git.", 'a missing one is cloned' or diag $said;
ok -f "$dir/src/missing/README.md", 'to where it was missed';
is $db->value(q{select status from muster.repo where name = 'missing' and removed_at is null}), 'mismatched', 'and audited: it is called tools elsewhere';
mkdir "$dir/elsewhere";
symlink "$dir/elsewhere", "$dir/src/link";
like $missing->('led', "$dir/src/link/led")->{error}, qr/a link or a file is in the way/, 'a link leads it nowhere else';
like $missing->('out', "$dir/elsewhere/out")->{error}, qr/does not lie below/, 'nor does a path';
is_deeply [glob "$dir/elsewhere/*"], [], 'where nothing comes to lie';
mkdir "$dir/src/full";
spew("$dir/src/full/file", "mine\n");
like $missing->('full', "$dir/src/full")->{error}, qr/something else lies there/, 'nothing is put in the place of something else';

# By ssh: it is told the address that was looked at, whatever a name server would say to it.
SKIP: {
	skip 'ssh is not here', 2 if !grep { -x "$_/ssh" } split /:/, $ENV{PATH};
	my $closed = $stack->stand->port;
	for my $host ('localhost', '[::1]') {
		my $job = $db->value(q{select muster.job_add((select id from muster.organization), 'clone', $1, jsonb_build_object(
			'organization', 'default', 'project', 'default', 'private', true, 'url', $1::text), p_attempts_max => 1)},
			"ssh://git\@$host:$closed/ours/far.git");
		work();
		like $db->value('select error from muster.job where id = $1', $job),
			qr/ssh: connect to host (?:127\.0\.0\.1|::1) port $closed: /, "ssh goes to the address of $host";
	}
}

# The name is looked at again where it is used: a job that was asked for when it was all right.
$db->sql(q{update muster.setting set value = '"no"' where key = 'repo.private_addresses'});
is $stack->cgi(POST => '/api/v1/repos', session => $lead, body => { url => "https://localhost:$port/b.git" })->{status}, 400,
	'without the setting a private network is refused';
my $before = -s "$dir/access.log";
my $id = $db->value(q{select muster.job_add((select id from muster.organization), 'clone', 'x', jsonb_build_object(
	'organization', 'default', 'project', 'default', 'private', false, 'url', $1::text), p_attempts_max => 1)},
	"https://localhost:$port/tools2.git");
work();
like $db->value('select error from muster.job where id = $1', $id), qr/leads into a private network/, 'by the job as well';
is -s "$dir/access.log", $before, 'before anybody is asked';
for my $bad ('file:///etc', '/etc', "ext::sh -c 'touch $dir/x'") {
	my $job = $db->value(q{select muster.job_add((select id from muster.organization), 'clone', $1, jsonb_build_object(
		'organization', 'default', 'project', 'default', 'private', true, 'url', $1::text), p_attempts_max => 1)}, $bad);
	work();
	is $db->value('select state from muster.job where id = $1', $job), 'dead', "$bad is not cloned";
}
done_testing;
