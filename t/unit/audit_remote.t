#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/audit_remote', '--tap') or die "t/unit/audit_remote is not built: $!";
