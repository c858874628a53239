#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The audit trail only grows.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $stand = Muster::Test->new;

for my $single (0, 1) {
	my $mode = $single ? 'with one role' : 'as the owner';
	my $db = $stand->database(single => $single);
	seed($db, 'acme');
	my $count = $db->value('select count(*) from muster.trail');
	cmp_ok $count, '>', 5, "what was done is on the trail $mode";
	is $db->error(q{update muster.trail set action = 'nothing'}), 'MU403', "it refuses UPDATE $mode";
	is $db->error(q{delete from muster.trail}), 'MU403', "it refuses DELETE $mode";
	is $db->error(q{delete from muster.trail where false}), 'MU403',
		"it refuses a DELETE of nothing $mode";
	is $db->error(q{truncate muster.trail}), 'MU403', "it refuses TRUNCATE $mode";
	is $db->error(q{truncate muster.organization cascade}), '',
		"an organization that goes $mode";
	is $db->value('select count(*) from muster.trail'), $count, "does not take its trail with it $mode";
}

my $db = $stand->database;
seed($db, 'acme');
for my $role (qw(muster_api muster_hook muster_jobs muster_push)) {
	for my $sql ('update muster.trail set subject = null', 'delete from muster.trail',
		'truncate muster.trail', q{insert into muster.trail (action) values ('look')}) {
		is $db->as($role)->error($sql), '42501', "$role has no grant for: $sql";
	}
}
done_testing;
