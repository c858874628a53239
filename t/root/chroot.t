#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The two commands of the README on a machine that has nothing: a bare Debian 12, made with
# debootstrap, into which a clean clone of this checkout is put.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test::Namespace;

plan skip_all => 'takes minutes: contrib/test --all runs it' unless $ENV{MUSTER_TEST_ALL};
plan skip_all => 'needs root' if $>;
my ($debootstrap) = grep { -x } map { "$_/debootstrap" } split(/:/, $ENV{PATH}), "/usr/sbin";
plan skip_all => 'needs debootstrap' unless $debootstrap;
# What is mounted below is seen by nobody else, and gone with the test however it ends: whoever
# removes its folder does not remove this machine's devices.
namespace_enter('mount');

# The archive this machine's own packages come from.
my ($archive) = map { m{^(?:URIs:\s*|deb\s+(?:\[[^]]*\]\s+)?)(https?://\S+)} && $1 !~ /security/ ? $1 : () }
	map { slurp($_) =~ /^(.*)$/mg } grep { -r } glob('/etc/apt/sources.list.d/*.sources'), '/etc/apt/sources.list';
plan skip_all => 'no Debian archive is configured on this machine' unless $archive;

my $keep = $ENV{MUSTER_CHROOT_BASE};    # a folder to keep the bare system in between runs
my $work = tempdir('muster-chroot.XXXXXX', TMPDIR => 1);
my $root = "$work/root";
my @mounted;

sub slurp { open my $fh, '<', $_[0] or return ''; local $/; return scalar <$fh> // '' }

sub unmount { system 'umount', '-l', $_ for reverse splice @mounted }

END {
	my $code = $?;
	unmount();
	# Never through a mount that stayed.
	system 'rm', '-rf', '--one-file-system', $work if $work && slurp('/proc/mounts') !~ m{ \Q$root\E/};
	$? = $code;
}

sub bare_system {
	my ($to) = @_;
	system("$debootstrap --variant=minbase --include=ca-certificates,git,procps bookworm $to $archive >$work/debootstrap.log 2>&1") == 0
		or do { diag(substr slurp("$work/debootstrap.log"), -2000); return 0 };
	# The way to the archive: sources, keys, proxies and certificates of this machine.
	for my $path (glob('/etc/apt/sources.list.d/*'), '/etc/apt/sources.list', glob('/etc/apt/apt.conf.d/99*'),
		glob('/etc/apt/trusted.gpg.d/*'), glob('/usr/share/keyrings/*'), '/etc/resolv.conf', '/etc/hosts',
		'/etc/ssl/certs/ca-certificates.crt', glob('/usr/local/share/ca-certificates/*'))
	{
		next unless -f $path;
		make_path($to . dirname($path));
		copy($path, $to . $path);
	}
	return 1;
}

if ($keep && -e "$keep/.complete") {
	system('cp', '-a', "$keep/.", $root) == 0 or die 'cp';
} else {
	ok(bare_system($root), 'a bare Debian 12 is made') or do { done_testing; exit };
	if ($keep) {
		make_path($keep);
		system 'cp', '-a', "$root/.", $keep;
		open my $fh, '>', "$keep/.complete";
	}
}
for (['/proc', 'proc'], ['/dev', 'dev']) {
	system('mount', '--bind', $_->[0], "$root/$_->[1]") == 0 or BAIL_OUT("cannot mount $_->[0]");
	push @mounted, "$root/$_->[1]";
}
system('mount', '-t', 'tmpfs', 'tmpfs', "$root/dev/shm") == 0 and push @mounted, "$root/dev/shm";

my $source = $ENV{MUSTER_SRCDIR};
make_path("$root/root/src");
system("cp -a '$source/.' '$root/root/src/muster'") == 0 or die 'cp';

sub inside {
	my ($command) = @_;
	my @proxy = map { "$_=$ENV{$_}" } grep { /^(?:https?|no)_proxy$/i } keys %ENV;
	open my $pipe, '-|', 'env', '-i', 'HOME=/root', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8',
		'TERM=dumb', @proxy, 'chroot', $root, 'sh', '-c', "cd /root/src/muster && {\n$command\n} 2>&1"
		or die "chroot: $!";
	local $/;
	my $output = <$pipe>;
	close $pipe;
	return ($? >> 8, $output // '');
}

my ($code, $output) = inside(<<'END');
chown -R root:root . && rm -rf .git && git init -q && git add -A && git -c user.name=a -c user.email=a@example.org commit -qm all
END
is($code, 0, 'the checkout is one of git') or diag $output;

($code, $output) = inside(<<'END');
cd .. && mkdir ../repositories && for name in one two; do
	git init -q ../repositories/$name && cd ../repositories/$name &&
	git -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m start && cd - >/dev/null
done && echo x >../repositories/two/untracked
END
is($code, 0, 'two repositories are made') or diag $output;

($code, $output) = inside('contrib/quickstart --detach --port 0 /root/repositories');
is($code, 0, 'quickstart installs, builds and starts everything') or diag $output;
my ($address) = $output =~ m{(http://127\.0\.0\.1:\d+)/};
my ($password) = $output =~ /Password\s+(\S+)/;
ok($address && $password, 'it prints the address and the password once') or diag $output;

SKIP: {
	skip 'quickstart did not start', 6 unless $address && $password;
	($code, $output) = inside('contrib/quickstart --status');
	is($code, 0, 'status says that it runs') or diag $output;
	unlike($output, qr/not running/, 'and that every part of it does');

	require HTTP::Tiny;
	my $http = HTTP::Tiny->new(timeout => 10);
	my $answer = $http->post("$address/api/v1/auth/login",
		{headers => {'Content-Type' => 'application/json'}, content => qq({"email":"admin\@localhost","password":"$password"})});
	is($answer->{status}, 200, 'the administrator signs in with the password printed') or diag $answer->{content};
	my ($token) = $answer->{content} =~ /"access_token"\s*:\s*"([^"]+)"/;
	$answer = $http->get("$address/api/v1/repos", {headers => {Authorization => "Bearer $token"}});
	like($answer->{content}, qr/"name"\s*:\s*"two"/, 'and sees the repositories') or diag $answer->{content};

	my ($again, $text) = inside('contrib/quickstart --detach --port 0 /root/repositories');
	isnt($again, 0, 'a second one on the same state says that it runs already');
	($code, $output) = inside('contrib/quickstart --stop');
	is($code, 0, 'stop ends it') or diag $output;
}

($code, $output) = inside('contrib/test t/unit t/jobs/audit.t');
is($code, 0, 'contrib/test installs what it needs and passes') or diag substr $output, -3000;

done_testing;
