#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/scan_example', '--tap') or die "t/unit/scan_example is not built: $!";
