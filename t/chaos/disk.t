#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The disk of a host's state is full in the middle of the work: a small file system of its own.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Chaos;
use Muster::Test::Namespace;

BEGIN { namespace_enter('mount') }

my $stand = Muster::Test->new;
my $chaos = Muster::Test::Chaos->new($stand);
my $db = $chaos->db;
$chaos->conf('small');
my $disk = $stand->dir . '/small/state';
system('mount', '-t', 'tmpfs', '-o', 'size=256k,mode=755', 'muster-test', $disk) == 0 or plan skip_all => 'nothing can be mounted here';

sub fill {
	open my $file, '>>', "$disk/fill" or die;
	1 while syswrite $file, 'x' x 4096;
	return;
}

my $runner;
for my $round (1 .. (chaos_is_long() ? 5 : 2)) {
	$runner->stop if $runner;
	$runner = $chaos->runner("runner-$round", host => 'small');
	wait_for { -S $stand->dir . '/small/run/runner.sock' } 'the runner claims';
	fill();
	$chaos->load(good => 60);
	wait_for {
		fill();    # again and again: what ends leaves a page for what comes next
		$runner->output =~ /no job can be begun/;
	} 'the disk to be missed';
	ok $runner->is_running, 'the runner outlives its disk';
	is $db->value(q{select count(*) from muster.job where state = 'dead'}), 0, 'no job pays for it';
	unlink "$disk/fill";
	$chaos->settled("disk full, round $round");
	is $db->value(q{select max(attempt) from muster.job}), 1, 'what could not be begun was no attempt';

	$chaos->load(good => 60);
	$chaos->wait_left(45);
	fill();
	$chaos->settled("disk full in the middle, round $round");
	is $db->value(q{select max(attempt) from muster.job}), 1, 'and one that works needs no more of it';
	unlink "$disk/fill";
}

# Another host has room.
fill();
$chaos->load(good => 40);
my $other = $chaos->runner('second', host => 'large');
$chaos->settled('another host');
unlink "$disk/fill";

$chaos->finish;
system('umount', '-l', $disk);
done_testing;
