#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Keys of ssh, with an sshd of root's: contrib/test runs the others as somebody whom no sshd lets in.
use strict;
use warnings;
use FindBin;
use Test::More;

plan skip_all => 'only root may' if $> != 0;
exec $^X, "$FindBin::Bin/../jobs/ssh.t" or die "exec: $!\n";
