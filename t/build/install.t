#!/usr/bin/perl
# What `make install DESTDIR=` puts down is whole: it runs from there, against an empty database.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Find ();
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $to = $stand->dir . '/root';
my ($code, $out, $err) = run_program(['make', '-s', '-C', build_dir(), 'install', "DESTDIR=$to"]);
is($code, 0, 'make install succeeds') or diag("$out$err");

my %have;
File::Find::find({ no_chdir => 1, wanted => sub { $have{substr($_, length $to)} = 1 if -f } }, $to);
my ($prefix) = map { m{^(.*)/bin/muster$} } keys %have;
ok(defined $prefix, 'muster is in bin') or BAIL_OUT('nothing was installed');
for my $path (qw(libexec/muster/muster-server libexec/muster/muster-unpack libexec/muster/api.fcgi sbin/muster-pusher share/muster/htdocs/index.html
	share/muster/sql/setup.sql share/man/man1/muster.1 share/man/man5/muster.conf.5 share/man/man8/muster-pusher.8
	share/doc/muster/LICENSE share/muster/lighttpd/muster.conf)) {
	ok($have{"$prefix/$path"}, "$path is installed");
}
my @foreign = grep { !m{^\Q$prefix\E/(?:bin/muster|sbin/muster-pusher|libexec/muster/|share/(?:muster|doc/muster|man/man[1-8]/(?:muster|api\.fcgi))|lib/systemd/)} } sort keys %have;
is("@foreign", '', 'nothing else is touched');

my @units = grep { m{/systemd/} } sort keys %have;
is(scalar @units, 3, 'there are units for systemd');
for my $unit (@units, "$prefix/share/muster/cron/muster") {
	my @run = slurp("$to$unit") =~ m{^(?:ExecStart=|\* \* \* \* \* muster )(\S+)}mg;
	is_deeply([map { $have{$_} ? 'there' : "$_ is missing" } @run], ['there'], "what $unit starts is installed");
}
SKIP: {
	skip 'systemd-analyze is not here', 1 unless qx(systemd-analyze --version 2>/dev/null);
	my ($code, $out, $err) = run_program(['systemd-analyze', '--man=no', 'verify', map { "$to$_" } @units]);
	# Here the programs lie elsewhere, and the units of this machine are not our matter.
	is(join('', grep { /muster/ && !/is not executable/ } map { "$_\n" } split /\n/, "$out$err"), '', 'systemd finds no mistake in them');
}

my $home = "$to$prefix";
my $db = $stand->database(empty => 1);
my $conf = $stand->conf($db, 'paths.sql' => "$home/share/muster/sql", 'paths.htdocs' => "$home/share/muster/htdocs");
my %env = (PGUSER => 'postgres', MUSTER_CONF => $conf, PATH => '/usr/bin:/bin');
($code, $out) = run_program(["$home/bin/muster", '--version'], env => \%env);
like($out, qr/^muster \d+\.\d+\.\d+$/, 'muster says its version');
# The second half lies in libexec, beside where the first was put.
($code, $out, $err) = run_program(["$home/bin/muster", 'migrate'], env => \%env);
is($code, 0, 'muster finds its second half and migrates an empty database') or diag($err);
my @installed = glob "$home/share/muster/sql/migration/*.sql";
is($db->value('select count(*) from muster.migration'), scalar @installed, 'by the installed files');

system('git', 'init', '-q', $stand->dir . '/src/one');
($code, $out, $err) = run_program(["$home/bin/muster", 'audit', '--format', 'json', $stand->dir . '/src'],
	env => { HOME => $stand->dir, MUSTER_CONF => '/dev/null' });
like($out, qr/"name":\s*"one"/, 'and audits a folder without any of that') or diag($err);

($code, $out, $err) = run_program(['make', '-s', '-C', build_dir(), 'uninstall', "DESTDIR=$to"]);
is($code, 0, 'make uninstall succeeds');
my @left;
File::Find::find({ no_chdir => 1, wanted => sub { push @left, $_ if -f } }, $to);
is("@left", '', 'and leaves no file');
done_testing;
