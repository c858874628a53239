#!/usr/bin/perl
# SPDX-License-Identifier: MIT
use strict;
use warnings;
use Test::More;

my $muster = "$ENV{MUSTER_BUILDDIR}/jobs/muster";
delete @ENV{grep { /^MUSTER_(?!BUILDDIR|SRCDIR)/ } keys %ENV};
$ENV{MUSTER_CONF} = '/dev/null';

sub run {
	my @command = @_;
	open my $pipe, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command or die $!;
	my $text = do { local $/; <$pipe> };
	close $pipe;
	return ($? >> 8, $text);
}

my ($code, $text) = run($muster, 'nonsense');
is $code, 2, 'a word that is no command of either half is refused as usage';
like $text, qr/^muster: 'nonsense' is not a command/, 'and named';

($code, $text) = run($muster, '--help');
is $code, 0, 'help is no failure';
like $text, qr/^  version .*^  conf /ms, 'help lists the commands of both halves';

{
	local $ENV{MUSTER_AUDIT_STALE_DAYS} = 7;
	($code, $text) = run($muster, 'conf', 'audit.stale_days');
	is $text, "7\n", 'conf prints the value that holds';
	($code, $text) = run($muster, 'conf');
	like $text, qr/^audit\.stale_days +7  \(environment\)$/m, 'and the list says where it came from';
}

for my $url ('host=/x password=' . 'geheim dbname=m', 'postgresql://u:' . 'geheim@h/m') {
	local $ENV{MUSTER_DATABASE_URL} = $url;
	($code, $text) = run($muster, 'conf');
	unlike $text, qr/geheim/, 'the list of settings hides a password';
	like $text, qr/^database\.url .*\*\*\*/m, 'and shows that there is one';
}

($code, $text) = run($muster, 'conf', 'audit.nonsense');
is $code, 2, 'a setting that does not exist is refused';

{
	local $ENV{MUSTER_AUDIT_STALE_DAYS} = 'soon';
	($code, $text) = run($muster, 'conf');
	is $code, 2, 'a wrong setting stops every command as usage';
	like $text, qr/MUSTER_AUDIT_STALE_DAYS/, 'and is named';
}

done_testing;
