#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/mapped', '--tap') or die "t/unit/mapped is not built: $!";
