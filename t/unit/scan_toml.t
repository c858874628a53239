#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/scan_toml', '--tap') or die "t/unit/scan_toml is not built: $!";
