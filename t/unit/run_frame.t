#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/run_frame', '--tap') or die "t/unit/run_frame is not built: $!";
