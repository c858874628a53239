#!/usr/bin/perl
use strict;
use warnings;
use Test::More;

my $muster = ($ENV{MUSTER_BUILDDIR} // '.') . '/jobs/muster';
like(qx($muster version), qr/^muster \d+\.\d+\.\d+$/, 'muster says its version');
system("$muster no-such-command 2>/dev/null");
is($? >> 8, 2, 'an unknown command is a usage error');
done_testing;
