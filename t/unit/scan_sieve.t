#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/scan_sieve', '--tap') or die "t/unit/scan_sieve is not built: $!";
