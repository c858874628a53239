#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/scan_finding', '--tap') or die "t/unit/scan_finding is not built: $!";
