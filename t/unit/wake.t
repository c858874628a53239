#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/wake', '--tap') or die "t/unit/secret is not built: $!";
