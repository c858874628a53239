#!/usr/bin/perl
# SPDX-License-Identifier: MIT
use strict;
use warnings;
exec(( $ENV{MUSTER_BUILDDIR} // '.' ) . '/t/jobs/scan_content', '--tap') or die "t/jobs/scan_content is not built: $!";
