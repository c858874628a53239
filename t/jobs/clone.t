#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A repository that was added by its address: cloned by a job over https from a real web server, put
# below a root that is audited; and what no job fetches.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
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
		env => { SSL_CERT_FILE => "$dir/tls.crt", HOME => $dir }, timeout_s => 60);
	return $err;
}
sub run_of { return $db->json(q{select to_jsonb(r) from muster.run r where id = $1}, $_[0]) }

$db->sql(q{insert into muster.setting (organization_id, key, value) values (null, 'repo.private_addresses', '"yes"')});
my $run = add("https://localhost:$port/tools.git");
my $said = work();
is run_of($run)->{status}, 'completed', 'the run is done' or diag $said, run_of($run)->{error};
my $clones = $stack->stand->state_dir . '/clones/default';
ok -f "$clones/tools/README.md", 'the clone is there';
is_deeply [$db->rows(q{select slug, watched, path from muster.root})], [['clones', 't', $clones]], 'below a root that is watched';
work();
is $db->value(q{select count(*) from muster.repo where name = 'tools' and status = 'clean'}), 1, 'and audited';
is $stack->cgi(POST => '/api/v1/repos', session => $lead, body => { url => "https://localhost:$port/tools" })->{status}, 409,
	'then it is there already';

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
