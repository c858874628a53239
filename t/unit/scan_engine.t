#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/scan_engine', '--tap') or die "t/unit/scan_engine is not built: $!";
