#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/scan_seen', '--tap') or die "t/unit/scan_seen is not built: $!";
