#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/scan_filter', '--tap') or die "t/unit/scan_filter is not built: $!";
