#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/audit_run', '--tap') or die "t/unit/audit_run is not built: $!";
