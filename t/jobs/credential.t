#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What opens repositories on other hosts: a real git server over https that asks for a password, and
# everybody who may see that password and must not.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Muster::Test;
use Muster::Stack;

delete @ENV{qw(http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY)};
my %server;
for my $name (qw(nginx lighttpd)) {
	($server{$name}) = grep { -x } map { "$_/$name" } split(/:/, $ENV{PATH}), '/usr/sbin';
}
for my $name (qw(nginx lighttpd)) {
	plan skip_all => "$name is not here" if !$server{$name};
}
plan skip_all => 'openssl is not here' if system('openssl version >/dev/null 2>&1');
chomp(my $core = `git --exec-path`);
plan skip_all => 'git http-backend is not here' if !-x "$core/git-http-backend";

my $stack = Muster::Stack->new(front => 'none', conf => { 'log.level' => 'debug' });
my $dir = $stack->stand->dir;
my $db = $stack->db;
my $state = $stack->stand->state_dir;

sub quiet { my ($code, $out, $err) = run_program([@_]); is $code, 0, "$_[0] $_[1]" or diag $err; return }
spew("$dir/ssl.conf", "[req]\ndistinguished_name=n\n[n]\n[x]\nsubjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:TRUE\n");
quiet('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
	'-config', "$dir/ssl.conf", '-extensions', 'x', '-keyout', "$dir/tls.key", '-out', "$dir/tls.crt");
my %git = (env => { HOME => $dir, GIT_CONFIG_NOSYSTEM => 1, GIT_AUTHOR_NAME => 'A', GIT_AUTHOR_EMAIL => 'a@example.org',
	GIT_COMMITTER_NAME => 'A', GIT_COMMITTER_EMAIL => 'a@example.org' });
sub git { my ($code, $out, $err) = run_program(['git', @_], %git); is $code, 0, "git $_[2]" or diag $err; return $out }
mkdir "$dir/$_" for qw(work served);
git('-C', "$dir/work", 'init', '-q', '-b', 'main');
spew("$dir/work/README.md", "hello\n");
git('-C', "$dir/work", 'add', '.');
git('-C', "$dir/work", 'commit', '-qm', 'Begin');
git('-C', $dir, 'clone', '-q', '--bare', "$dir/work", "$dir/served/closed.git");
my $push = sub {
	spew("$dir/work/README.md", "$_[0]\n");
	git('-C', "$dir/work", 'commit', '-qam', $_[0]);
	git('-C', "$dir/work", 'push', '-q', "$dir/served/closed.git", 'main');
};

# Made at each run, so that nothing else can have it.
my $password = join '', map { ('a' .. 'z', 0 .. 9)[rand 36] } 1 .. 30;
my $wrong = reverse $password;
spew("$dir/passwords", "robot:{PLAIN}$password\n");
# While git speaks to it, the server looks at every process of this machine but those of its own.
spew("$dir/backend", <<"EOF");
#!/usr/bin/perl
use strict;
my \@needles = ('$password', '@{[encode_base64("robot:$password", '')]}');
my \%own = map { \$_ => 1 } \$\$, getppid;
open my \$seen, '>>', '$dir/seen' or die;
for my \$pid (grep { !\$own{\$_} } map { m{/proc/([0-9]+)} ? \$1 : () } glob '/proc/[0-9]*') {
	for my \$file ('cmdline', 'environ') {
		open my \$in, '<', "/proc/\$pid/\$file" or next;
		my \$text = do { local \$/; <\$in> } // '';
		next if !length \$text;
		print \$seen "looked\\n" if \$file eq 'environ' && \$text =~ /GIT_TERMINAL_PROMPT/;
		print \$seen "\$file of \$pid\\n" if grep { index(\$text, \$_) >= 0 } \@needles;
	}
}
close \$seen;
delete \$ENV{HTTP_AUTHORIZATION};
exec '$core/git-http-backend';
EOF
chmod 0755, "$dir/backend";
# nginx speaks TLS and asks for the password, lighttpd runs the backend.
my ($port, $inner) = map { $stack->stand->port } 1 .. 2;
spew("$dir/lighttpd.conf", <<"EOF");
server.modules = ("mod_alias", "mod_setenv", "mod_cgi")
server.bind = "127.0.0.1"
server.port = $inner
server.document-root = "$dir/served"
server.errorlog = "$dir/lighttpd.err"
server.upload-dirs = ("$dir")
alias.url = ("/git" => "$dir/backend")
setenv.set-environment = ("GIT_PROJECT_ROOT" => "$dir/served", "GIT_HTTP_EXPORT_ALL" => "1")
cgi.assign = ("" => "")
EOF
spew("$dir/nginx.conf", "daemon off;\nmaster_process off;\npid $dir/nginx.pid;\nerror_log $dir/nginx.err;\nevents {}\n"
	. "http { log_format who '\$host \$status \$http_authorization'; access_log $dir/access.log who; "
	. join('', map { "${_}_temp_path $dir/$_;" } qw(client_body proxy fastcgi uwsgi scgi))
	. " server { listen 127.0.0.1:$port ssl; ssl_certificate $dir/tls.crt; ssl_certificate_key $dir/tls.key;"
	. " location / { auth_basic git; auth_basic_user_file $dir/passwords; proxy_pass http://127.0.0.1:$inner; } } }\n");
$stack->stand->start('lighttpd', [$server{lighttpd}, '-D', '-f', "$dir/lighttpd.conf"]);
$stack->stand->start('nginx', [$server{nginx}, '-e', "$dir/nginx.err", '-c', "$dir/nginx.conf"]);
for my $at ($port, $inner) {
	wait_for { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $at) } 'a server listens';
}

$stack->account('lead@example.org', 'team_lead');
$stack->account('admin@example.org', 'org_admin');
my ($lead, $admin) = map { $stack->session("$_\@example.org") } qw(lead admin);
$db->sql(q{insert into muster.setting (organization_id, key, value) values (null, 'repo.private_addresses', '"yes"')});
my $said = '';
sub work {
	my ($code, $out, $err) = run_program([program('muster-server'), 'run', '--once', '--conf', $stack->conf],
		env => { SSL_CERT_FILE => "$dir/tls.crt", HOME => $dir });
	$said .= $err;
	return $err;
}
sub add {
	my ($url) = @_;
	my $answer = $stack->cgi(POST => '/api/v1/repos', session => $lead, body => { url => $url });
	is $answer->{status}, 202, 'an address is taken' or diag $answer->{body};
	$db->sql(q{update muster.job set attempts_max = 1 where state = 'queued'});
	my $err = work();
	return $db->json(q{select to_jsonb(r) from muster.run r where id = $1}, $answer->{json}{run_id});
}
sub say_credential { return $stack->cgi(POST => '/api/v1/credentials', session => $_[0], body => $_[1]) }

my $url = "https://localhost:$port/git/closed.git";
like add($url)->{error}, qr/localhost wants a name and a password, and no credential is kept for it/, 'without one the reason is told';

# ---- who may say it, and what of it is ever seen ----

is say_credential($lead, { host => "localhost:$port", password => $password })->{status}, 403, 'a team lead does not say what opens a host';
is $stack->cgi(GET => '/api/v1/credentials', session => $lead)->{status}, 403, 'nor sees for which there is one';
is say_credential($admin, { host => $_, password => 'x' })->{status}, 400, "'$_' is no host" for 'a b', 'host"]', 'user@', '"b', "x:y:z";
is say_credential($admin, { host => 'a.example', username => 'a:b', password => 'x' })->{status}, 400, 'a name has no colon';
is say_credential($admin, { host => 'a.example', password => "a\x01b" })->{status}, 400, 'a password has no control character';
my $answer = say_credential($admin, { host => "LOCALHOST:$port", username => 'robot', password => $wrong });
is $answer->{status}, 201, 'an administrator says it' or diag $answer->{body};
is $answer->{json}{host}, "localhost:$port", 'hosts are small letters';
is $answer->{json}{used_at}, undef, 'nobody had it yet';
unlike $answer->{body}, qr/$wrong|sealed/, 'and does not see it again';
like add($url)->{error}, qr/localhost does not take the credential that is kept for it/, 'a wrong one is told';
my $refused = $stack->cgi(GET => '/api/v1/credentials', session => $admin)->{json}{items}[0];
like $refused->{error}, qr/does not take the credential/, 'beside what is kept, too';
is $refused->{worked_at}, undef, 'which never worked';
is say_credential($admin, { host => "https://localhost:$port/git", username => 'robot', password => $password })->{status}, 201,
	'another one takes its place';
my $list = $stack->cgi(GET => '/api/v1/credentials', session => $admin);
is scalar @{ $list->{json}{items} }, 1, 'there is one for a host';
is $list->{json}{items}[0]{account}{id}, $db->value(q{select id from muster.account where email = 'admin@example.org'}), 'by whom is said';

# ---- clone and fetch ----

sub kept { return $stack->cgi(GET => '/api/v1/credentials', session => $admin)->{json}{items}[0] }
is_deeply [@{ kept() }{qw(used_at worked_at error job_id)}], [undef, undef, undef, undef], 'nobody had it yet, and it failed nobody';
# Somebody holds its row, which is nobody's failure.
my $holder = $db->session;
$holder->ask('begin; select from muster.credential for update');
is add($url)->{status}, 'completed', 'with the right one it is cloned' or diag $said;
$holder->ask('commit');
is kept()->{used_at}, undef, 'what a lock kept from being written is not waited for';
$db->sql('update muster.credential set used_at = now(), worked_at = now(), job_id = (select max(id) from muster.job)');
my $clone = "$state/clones/default/closed";
is slurp("$clone/README.md"), "hello\n", 'whole';
ok $db->value('select used_at is not null from muster.credential'), 'that it was used is known';
ok kept()->{worked_at}, 'and that it works';
is kept()->{error}, undef, 'without a fault';
ok kept()->{job_id}, 'and which job had it';
work();
$push->('pushed');
$db->sql(q{select muster.fetch_add(r) from muster.repo r where name = 'closed'});
work();
is $db->value(q{select state from muster.job where kind = 'fetch'}), 'done', 'and fetched' or diag $said;
is slurp("$clone/README.md"), "pushed\n", 'so that it follows';
ok $db->value('select c.worked_at > j.created_at from muster.credential c join muster.job j on j.id = c.job_id'), 'which shows as well that it works';

# ---- where it is not ----

my %seen;
$seen{$_}++ for split /\n/, slurp("$dir/seen");
cmp_ok delete $seen{looked} // 0, '>', 0, 'the server saw the processes of git';
is_deeply [sort keys %seen], [], 'and the password in none of their command lines and environments';
my $everything = join "\n", map { @$_ } map { $db->rows($_) } map { "select to_jsonb(t)::text from muster.$_ t" }
	qw(job job_attempt run run_log trail event outbox repo credential setting);
my $basic = encode_base64("robot:$password", '');
for my $needle ($password, $basic, $wrong) {
	is index($everything, $needle), -1, 'it is nowhere in the database';
	is index($said, $needle), -1, 'and in no log';
}
my ($code, $found) = run_program(['grep', '-rlF', '-e', $password, '-e', $basic, $state]);
is $found, '', 'nor in a file of ours';
unlike slurp("$dir/served/closed.git/config") . slurp("$clone/.git/config"), qr/extraHeader/i, 'nor in the clone\'s settings';

# ---- to nobody else ----

my $other = "https://other.localhost:$port/git/closed.git";
like add("https://127.0.0.1:$port/git/closed.git")->{error}, qr/127\.0\.0\.1 wants a name/, 'another name of the same machine is not shown it';
my @log = grep { /^127/ } split /\n/, slurp("$dir/access.log");
cmp_ok scalar @log, '>', 0, 'which was asked';
is scalar(grep { !/ 401 -$/ } @log), 0, 'and was told nothing';
my $acme = $db->value(q{select muster.organization_add('acme')});
my $job = $db->value(q{select muster.job_add($1, 'clone', 'x', jsonb_build_object('organization', 'acme', 'project', 'default',
	'organization_id', $1, 'private', true, 'url', $2::text), p_attempts_max => 1)}, $acme, $url);
work();
like $db->value('select error from muster.job where id = $1', $job), qr/no credential is kept for it/, 'nor is it another organization\'s';

# ---- at the terminal ----

my %env = (env => { PGUSER => 'postgres', MUSTER_CONF => $stack->conf });
sub muster { return run_program([program('muster'), @_], %env) }
my $out = (muster(qw(credential list)))[1];
like $out, qr/\tdefault\tlocalhost:$port\trobot\t.*\t20[^\t]+Z\t20[^\t]+Z\t-\tpassword$/m, 'the terminal lists it, and that it works';
unlike $out, qr/$password/, 'and not what it is';
spew("$dir/token", "$password\n");
is +(muster(qw(credential add), 'git.example.org', '--password-file', "$dir/token"))[0], 0, 'one is added';
is $db->value(q{select username from muster.credential where host = 'git.example.org'}), 'git', 'by the name that most forges take';
is +(muster(qw(credential remove), 'git.example.org'))[0], 0, 'and forgotten';
is +(muster(qw(credential remove), 'git.example.org'))[0], 4, 'once';
spew("$dir/token", "\n");
is +(muster(qw(credential add), 'git.example.org', '--password-file', "$dir/token"))[0], 2, 'nothing is no password';

# ---- the key ----

is +(muster(qw(key rotate)))[0], 0, 'the key gets a successor';
is +(muster(qw(key drop --now)))[0], 0, 'which is the only one then';
$push->('again');
$db->sql(q{select muster.fetch_add(r) from muster.repo r where name = 'closed'});
work();
is slurp("$clone/README.md"), "again\n", 'and opens what was sealed before';
spew("$state/key", 'k' x 32);
chmod 0600, "$state/key";
$db->sql(q{select muster.fetch_add(r) from muster.repo r where name = 'closed'});
work();
like $db->value(q{select error from muster.job where kind = 'fetch' order by id desc limit 1}),
	qr/the credential for localhost:$port was sealed with another master key/, 'another key does not, and it is said';
my $id = $db->value('select id from muster.credential');
is $stack->cgi(DELETE => "/api/v1/credentials/$id", session => $stack->session('admin@example.org'))->{status}, 200, 'it is forgotten';
is $db->value('select count(*) from muster.credential'), 0, 'for good';
done_testing;
