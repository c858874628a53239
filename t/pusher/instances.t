#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Several hosts: each has its own pusher, all read the same log.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Live;

my $live = Muster::Test::Live->new(Muster::Test->new);

# Other folders, the same database and key; one hears by notification, one only looks.
my @others;
for my $bus (qw(notify poll)) {
	my $stand = Muster::Test->new;
	open my $out, '>', $stand->state_dir . '/key' or die "key: $!\n";
	print $out 'k' x 32;
	close $out;
	chmod 0600, $stand->state_dir . '/key';
	my $other = bless { %$live, stand => $stand, conf_keys => { 'event.bus' => $bus } }, ref $live;
	push @others, $other->start;
}
my @ws = map { $_->ws('/ws?last_event_id=' . $live->head) } $live, @others;

# The first pusher alone gets the wake-up.
$live->event('repo-status-change', { n => $_ }) for 1 .. 20;
for my $k (0 .. $#ws) {
	my @n = map { $ws[$k]->next(type => 'repo-status-change')->{data}{n} } 1 .. 20;
	is_deeply \@n, [1 .. 20], 'clients of ' . ('the first', 'a second', 'a polling')[$k]
		. ' instance get every event, in order';
}
$live->report('default', { one => 'clean' });
is $_->next(type => 'audit-update')->{type}, 'audit-update', 'a report of one host reaches them too'
	for @ws;

# A client goes from one to another with its cursor.
my $last = $live->head;
$live->stop;
$others[0]->event('repo-status-change', { n => 21 });
my $moved = $others[1]->ws("/ws?last_event_id=$last");
is $moved->next(type => 'repo-status-change')->{data}{n}, 21, 'a cursor holds at every instance';

$live->{db}->sql('delete from muster.session where id = $1', $live->{default}{sid});
is_deeply [map { ($_->closed)[0] } @ws[1, 2], $moved], [(4401) x 3],
	'a session that ends is closed everywhere';

$_->stop for @others;
done_testing;
