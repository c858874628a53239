#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Repositories that only a key opens, over ssh: a real sshd, an ordinary user's, that looks while it is spoken to at
# every process which could show the key; one that is not who it says; and whoever may not see the key.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use IO::Socket::INET;
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Stack;
use Muster::Test;

my ($sshd) = grep { -x } map { "$_/sshd" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'sshd is not here' if !$sshd;
for my $name (qw(ssh ssh-keygen)) {
	plan skip_all => "$name is not here" if !grep { -x "$_/$name" } split /:/, $ENV{PATH};
}
# A user that no shell lets in can serve nobody: t/root/ssh.t does all of this as root.
plan skip_all => 'sshd lets nobody in as this user' if $> && ((getpwuid $<)[8] || '/bin/sh') =~ m{/(?:nologin|false)\z};
# What root's sshd wants is put over /run, where nobody else sees it; an ordinary user's wants nothing.
my @within = $> ? () : ('unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /run && mkdir -m 0755 /run/sshd && exec "$0" "$@"');
plan skip_all => 'root may not mount anything here' if @within && system(@within, 'true') != 0;

audit_folder(); # and who commits
my $stack = Muster::Stack->new(front => 'none', conf => { 'log.level' => 'debug' });
my $dir = $stack->stand->dir;
my $db = $stack->db;
my $state = $stack->stand->state_dir;
$ENV{HOME} = $dir;
my $me = getpwuid $<;

sub quiet { my ($code, $out, $err) = run_program([@_]); is $code, 0, "$_[0] $_[1]" or diag $err; return }
sub keygen { quiet('ssh-keygen', '-q', '-t', $_[1], '-N', $_[2] // '', '-C', '', '-f', "$dir/$_[0]"); return }
keygen(host => 'ed25519');
keygen(other_host => 'ed25519');
keygen(host_ecdsa => 'ecdsa');
keygen(mine => 'ed25519');
keygen(large => 'rsa');
keygen(stranger => 'ed25519');
keygen(locked => 'ed25519', 'a passphrase');
my $key = slurp("$dir/mine");
# A line from the middle of it: what nothing else has.
my ($needle) = (split /\n/, $key)[3] =~ /(\S{40})/;

mkdir "$dir/$_" for qw(work served);
my $work = "$dir/work";
leaky_history($work);
git($dir, 'clone', '-q', '--bare', $work, "$dir/served/far.git");
# Run by sshd in place of what was asked for: notes who could be seen with the key, then is git.
spew("$dir/serve", <<"EOF");
#!/usr/bin/perl
use strict;
open my \$seen, '>>', '$dir/seen' or die;
for my \$pid (map { m{/proc/([0-9]+)} ? \$1 : () } glob '/proc/[0-9]*') {
	for my \$file ('cmdline', 'environ') {
		open my \$in, '<', "/proc/\$pid/\$file" or next;
		my \$text = do { local \$/; <\$in> } // '';
		print \$seen "looked\\n" if \$file eq 'cmdline' && \$text =~ /HostKeyAlias=pinned/;
		print \$seen "agent of \$pid\\n" if \$file eq 'environ' && \$text =~ /HostKeyAlias=pinned/ && \$text =~ /SSH_AUTH_SOCK/;
		print \$seen "\$file of \$pid\\n" if index(\$text, '$needle') >= 0;
	}
}
close \$seen;
my (\$path) = (\$ENV{SSH_ORIGINAL_COMMAND} // '') =~ /^git-upload-pack '(.*)'\\z/ or die "no\\n";
exec 'git', 'upload-pack', '$dir/served/' . (\$path =~ s{.*/}{}r);
EOF
chmod 0755, "$dir/serve";
spew("$dir/authorized", slurp("$dir/mine.pub") . slurp("$dir/large.pub"));
chmod 0600, "$dir/authorized";
sub serve {
	my ($name, $port, @keys) = @_;
	spew("$dir/$name.conf", join "\n", "Port $port", 'ListenAddress 127.0.0.1', 'StrictModes no', 'UsePAM no', 'PermitRootLogin yes', "PidFile $dir/$name.pid",
		"AuthorizedKeysFile $dir/authorized", 'PasswordAuthentication no', 'KbdInteractiveAuthentication no', "ForceCommand $dir/serve",
		(map { "HostKey $dir/$_" } @keys), '');
	my $server = $stack->stand->start($name, [@within, $sshd, '-D', '-e', '-f', "$dir/$name.conf"]);
	wait_for { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) } "$name listens";
	return $server;
}
my $port = $stack->stand->port;
my $server = serve('sshd', $port, 'host', 'host_ecdsa');

$stack->account('dev@example.org', 'developer');
$stack->account('admin@example.org', 'org_admin');
my ($dev, $admin) = map { $stack->session("$_\@example.org") } qw(dev admin);
$db->sql(q{insert into muster.setting (organization_id, key, value) values (null, 'repo.private_addresses', '"yes"')});
my $said = '';
sub work {
	my ($code, $out, $err) = run_program([program('muster-server'), 'run', '--once', '--conf', $stack->conf],
		env => { HOME => $dir, SSH_AUTH_SOCK => "$dir/agent" }, timeout_s => 90);
	$said .= $err;
	return;
}
my $url = "ssh://$me\@localhost:$port/far.git";
$stack->report([{ name => 'far', status => 'clean', clone_url => $url },
	{ name => 'short', status => 'clean', clone_url => "$me\@elsewhere.example:far.git" }]);
sub fetch {
	my $answer = $stack->cgi(POST => '/api/v1/repos/far/fetch', session => $dev);
	is $answer->{status}, 202, 'it is asked for' or diag $answer->{body};
	$db->sql(q{update muster.job set attempts_max = 1 where state = 'queued'});
	work();
	return $db->json('select to_jsonb(r) from muster.run r where id = $1', $answer->{json}{run_id});
}
sub keep { return $stack->cgi(POST => '/api/v1/credentials', session => $admin, body => { host => "localhost:$port", kind => 'ssh-key', @_ }) }
sub asked { return $stack->cgi(GET => "/api/v1/repos/$_[0]/fetch", session => $dev)->{json} }
my $public = slurp("$dir/host.pub");

# ---- without, and what is taken ----

is asked('far')->{manner}, undef, 'without a key nothing is fetched over ssh';
is $stack->cgi(POST => '/api/v1/repos/far/fetch', session => $dev)->{status}, 409, 'whoever asks';
sub refused {
	my ($what, $field, $like, %body) = @_;
	my $answer = keep(%body);
	is $answer->{status}, 400, "$what is refused";
	is_deeply [map { $_->{field} } @{ $answer->{json}{errors} }], [$field], 'by its name' or diag $answer->{body};
	like $answer->{json}{errors}[0]{message}, $like, 'with the reason';
	unlike $answer->{body}, qr/\Q$needle/, 'and is not said again';
	return;
}
refused('no key', 'private_key', qr/is needed/, host_keys => $public);
refused('a public key', 'private_key', qr/public/, host_keys => $public, private_key => slurp("$dir/mine.pub"));
refused('a key with a passphrase', 'private_key', qr/passphrase/, host_keys => $public, private_key => slurp("$dir/locked"));
refused('half a key', 'private_key', qr/cut off/, host_keys => $public, private_key => substr($key, 0, 200));
refused('a host nobody knows', 'host_keys', qr/ssh-keyscan/, private_key => $key);
refused('a revoked host key', 'host_keys', qr/no key of a host/, private_key => $key, host_keys => "\@revoked localhost $public");
refused('a line of another file', 'host_keys', qr/no key of a host/, private_key => $key, host_keys => "${public}ProxyCommand touch $dir/ran");
refused('an option for a name', 'username', qr/letters/, private_key => $key, host_keys => $public, username => "a' -o ProxyCommand='x");
my $answer = keep(private_key => $key =~ s/\n/\r\n/gr, host_keys => "# localhost:$port\n[localhost]:$port $public");
is $answer->{status}, 201, 'a key is kept' or diag $answer->{body};
is $answer->{json}{host}, "localhost:$port", 'for one host and port';
is $answer->{json}{host_keys}, join(' ', (split ' ', $public)[0, 1]) . "\n", 'by whose keys it is known';
unlike $answer->{body}, qr/\Q$needle|sealed|PRIVATE/, 'and is not shown again';

# ---- with it ----

is asked('far')->{manner}, 'mirror', 'then there can be a mirror';
is asked('short')->{manner}, undef, 'of nothing on another host';
my $run = fetch();
is $run->{status}, 'completed', 'which is fetched' or diag $run->{error}, $said;
my ($mirror) = glob "$state/mirrors/*/*/mirror.git";
is git($mirror, 'rev-list', '--count', '--all'), git($work, 'rev-list', '--count', '--all'), 'whole';
my $list = sub { return $stack->cgi(GET => '/api/v1/credentials', session => $admin)->{json}{items}[0] };
ok $list->()->{worked_at}, 'and the key is known to work';
leak("$work/new.env", 5);
my $commit = commit($work, 'one more', date => 1_700_000_000);
git($work, 'push', '-q', "$dir/served/far.git", 'HEAD:refs/heads/more');
is fetch()->{status}, 'completed', 'it is fetched again' or diag $said;
is git($mirror, 'rev-parse', 'more') =~ s/\s//gr, $commit =~ s/\s//gr, 'and follows';
is keep(private_key => slurp("$dir/large"), host_keys => slurp("$dir/host_ecdsa.pub"), username => 'git')->{status}, 201,
	'another kind of key takes its place, for another one of the host';
is fetch()->{status}, 'completed', 'and opens it' or diag $said;
my $schedule = $stack->cgi(POST => '/api/v1/schedules', session => $admin, body => { kind => 'fetch', cron => '0 * * * *' });
is $schedule->{status}, 201, 'what is fetched again and again' or diag $schedule->{body};
is $stack->cgi(POST => "/api/v1/schedules/$schedule->{json}{id}/run", session => $admin)->{status}, 202, 'is so over ssh, too';
work();
is $db->value(q{select state from muster.job where kind = 'fetch' order by id desc limit 1}), 'done', 'without anybody\'s agent' or diag $said;

# ---- who is not who it says ----

my $looked = sub { return scalar grep { $_ eq 'looked' } split /\n/, slurp("$dir/seen") };
is keep(private_key => $key, host_keys => slurp("$dir/other_host.pub"))->{status}, 201, 'a host with another key';
my $before = $looked->();
like fetch()->{error}, qr/localhost shows none of the host keys that are kept with its credential/, 'is nobody who is spoken to';
is $looked->(), $before, 'at all';
like $list->()->{error}, qr/shows none of the host keys/, 'as is said beside the key';
# What somebody's own configuration would allow counts for nothing.
mkdir "$dir/.ssh", 0700;
spew("$dir/.ssh/config", "Host *\n\tStrictHostKeyChecking no\n\tProxyCommand touch $dir/ran\n");
spew("$dir/.ssh/known_hosts", "[localhost]:$port $public");
like fetch()->{error}, qr/shows none of the host keys/, 'whatever the server\'s own account knows';
ok !-e "$dir/ran", 'or has set';
is keep(private_key => slurp("$dir/stranger"), host_keys => $public)->{status}, 201, 'a key that the host does not know';
rename "$dir/mine", "$dir/.ssh/id_ed25519";
like fetch()->{error}, qr/localhost does not take the key that is kept for it/, 'opens nothing, and no other is tried';
is $stack->cgi(DELETE => '/api/v1/credentials/' . $list->()->{id}, session => $admin)->{status}, 200, 'it is removed';
my $job = $db->value(q{select muster.job_add(r.organization_id, 'fetch', 'x', jsonb_build_object('operation', 'fetch', 'organization_id', r.organization_id,
	'organization', 'default', 'repo_id', r.id, 'mirror', true, 'private', true, 'url', $1::text), p_attempts_max => 1)
	from muster.repo r where r.name = 'far'}, $url);
work();
like $db->value('select error from muster.job where id = $1', $job), qr/localhost wants a key, and no credential is kept for it/,
	'a job from before shows no key of this server instead';

# ---- where the key is not ----

my %seen;
$seen{$_}++ for split /\n/, slurp("$dir/seen");
cmp_ok delete $seen{looked} // 0, '>', 0, 'the server saw ssh';
is_deeply [sort keys %seen], [], 'and the key in no command line and no environment, nor anybody\'s agent';
my $everything = join "\n", map { @$_ } map { $db->rows($_) } map { "select to_jsonb(t)::text from muster.$_ t" }
	qw(job job_attempt run run_log trail event outbox repo credential setting);
is index($everything, $needle), -1, 'it is nowhere in the database';
is index($said, $needle), -1, 'in no log';
my ($code, $found) = run_program(['grep', '-rlF', '-e', $needle, '-e', 'PRIVATE KEY', $state]);
is $found, '', 'and in no file of ours';

# ---- at the terminal ----

my %env = (env => { PGUSER => 'postgres', MUSTER_CONF => $stack->conf });
sub muster { return run_program([program('muster'), @_], %env) }
is +(muster('credential', 'add', 'git.example.org', '--ssh-key', "$dir/.ssh/id_ed25519", '--host-keys', "$dir/host.pub"))[0], 0, 'one is added';
is $db->value(q{select kind || ' ' || host || ' ' || username from muster.credential}), 'ssh-key git.example.org git', 'for ssh\'s own port';
is +(muster('credential', 'add', 'git.example.org', '--ssh-key', "$dir/locked", '--host-keys', "$dir/host.pub"))[0], 2, 'one with a passphrase is not';
is +(muster('credential', 'add', 'git.example.org', '--ssh-key', "$dir/large"))[0], 2, 'nor one without the host\'s';
like +(muster(qw(credential list)))[1], qr/\tgit\.example\.org\tgit\t.*\tssh-key$/m, 'and is listed';
is asked('short')->{manner}, undef, 'each for its host';
is +(muster(qw(credential remove git.example.org)))[0], 0, 'and removed';
done_testing;
