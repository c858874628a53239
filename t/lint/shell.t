#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Tree;

plan skip_all => 'shellcheck is not here' unless qx(shellcheck --version 2>/dev/null);
chdir tree_top() or die $!;
my @scripts = tree_scripts(qr/\bsh\b/);
cmp_ok(scalar @scripts, '>', 0, 'there are shell scripts');
is(scalar qx(shellcheck -e SC2317 @scripts 2>&1), '', 'shellcheck finds nothing');
none([grep { tree_read($_) =~ /^#!.*bash/ } @scripts], 'scripts are for any POSIX shell');
none([grep { tree_read($_) !~ /^set -[a-z]*e/m && tree_read($_) !~ /\bexec\b/ } @scripts], 'a script stops at an error');
done_testing;
