#!/usr/bin/perl
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/unit/repo_clone', '--tap') or die "t/unit/repo_clone is not built: $!";
