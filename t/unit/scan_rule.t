#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/scan_rule', '--tap') or die "t/unit/scan_rule is not built: $!";
