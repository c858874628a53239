#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Temp qw(tempdir);
use Test::More;
use Muster::Tree;

plan skip_all => 'cppcheck is not here' unless qx(cppcheck --version 2>/dev/null);
chdir tree_top() or die $!;
my @files = tree_files(qr{^(?:lib|jobs|cgi|pusher)/.*\.c$});
my $folder = tempdir(CLEANUP => 1);
my $build = $ENV{MUSTER_BUILDDIR} // '.';
# Branches inside GLib's macros are GLib's; what only other systems define is not ours.
my $said = qx(cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --library=gtk --library=posix -D_GNU_SOURCE -I. -I'$build' --max-configs=1 --suppress=missingInclude --suppress=unknownMacro --suppress=missingReturn --suppress=readdirCalled --suppress=varFuncNullUB --suppress=invalidFunctionArg --template='{file}:{line}: {id}: {message}' @files 2>&1);
is($said, '', 'cppcheck finds nothing');
done_testing;
