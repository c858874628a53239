#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Report folders: what lies there last arrives, whatever happens on the way.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use File::Path qw(make_path remove_tree);
use Time::HiRes qw(time sleep);
use Muster::Test;
use Muster::Test::Live;

my $stand = Muster::Test->new;
my $live = Muster::Test::Live->new($stand);
my $db = $live->db;
my $reports = $stand->state_dir . '/reports';
my $status = sub {
	my ($name) = @_;
	return $db->value('select status from muster.repo where name = $1 and removed_at is null', $name) // '';
};
my %still = map { ("still-$_" => 'clean') } 1 .. 10;

# A report rewritten every 40 ms: chokidar loses half of them, the last included.
{
	$live->report('default', { %still, busy => 'clean' });
	wait_for { $status->('busy') eq 'clean' } 'the first report is in';
	my $ws = $live->ws('/ws?last_event_id=' . $live->head);
	my @want;
	for my $i (1 .. 60) {
		my $at = time;
		push @want, $i % 2 ? 'dirty' : 'mismatched';
		$live->report('default', { %still, busy => $want[-1] });
		my $left = 0.04 - (time - $at);
		sleep $left if $left > 0;
	}
	$live->report('default', { %still, busy => 'error' });
	my $last = '';
	my $count = 0;
	while ($last ne 'error') {
		my $message = $ws->next(type => 'repo-status-change');
		is $message->{data}{previous_status}, $last, 'each change starts where the last one ended'
			if $last && $message->{data}{previous_status} ne $last;
		$last = $message->{data}{repo}{status};
		$count++;
	}
	is $last, 'error', 'the last of 61 reports arrives';
	cmp_ok $count, '>=', 30, "and most of those between ($count)";
	$ws->close;
}

# Folders that come later, one in the other, and files that are not for us.
{
	$live->report('later', { %still, later => 'dirty' });
	wait_for { $status->('later') eq 'dirty' } 'a report in a new folder';
	pass 'a folder that appears is watched';
	remove_tree("$reports/default/later");
	$live->report('later', { %still, later => 'clean' });
	wait_for { $status->('later') eq 'clean' } 'a report in a folder that came back';
	pass 'a folder that disappears and comes back is watched again';
	remove_tree("$reports/default");
	$live->report('later', { %still, later => 'mismatched' });
	wait_for { $status->('later') eq 'mismatched' } 'the whole tree came back';
	pass 'so is the folder above it';
	rename "$reports/default/later", "$reports/default/renamed" or die $!;
	wait_for { $db->value(q{select count(*) from muster.root where slug = 'renamed'}) } 'the new name is known';
	$live->report('renamed', { %still, renamed => 'dirty' });
	wait_for { $status->('renamed') eq 'dirty' } 'a report under the new name';
	pass 'a folder that was renamed is still watched';
	remove_tree($reports);
	wait_for { -d $reports } 'the top folder is made again';
	$live->report('later', { %still, later => 'error' });
	wait_for { $status->('later') eq 'error' } 'and watched';
	pass 'so is the top';

	make_path("$reports/Not A Slug/x", "$reports/default/.hidden");
	spew("$_/GitRepoReport.json", $live->report_text({ secret => 'clean' }))
		for "$reports/Not A Slug/x", "$reports/default/.hidden";
	spew("$reports/default/later/.GitRepoReport.json.x.tmp", $live->report_text({ secret => 'clean' }));
	symlink $stand->state_dir . '/elsewhere', "$reports/default/link";
	make_path($stand->state_dir . '/elsewhere');
	spew($stand->state_dir . '/elsewhere/GitRepoReport.json', $live->report_text({ secret => 'clean' }));
	make_path("$reports/nobody/default");
	spew("$reports/nobody/default/GitRepoReport.json", $live->report_text({ secret => 'clean' }));
	wait_for { $live->{pusher}->output =~ /no such organization/ } 'an unknown organization is said';
	is $status->('secret'), '', 'names that are none of ours, temporary files and links are not read';

	# The folder keeps the name that an organisation had.
	my $said = sub { scalar(() = $live->{pusher}->output =~ /no such organization/g) };
	$db->sql(q{select muster.organization_add('early')});
	$db->sql(q{select muster.organization_edit('early', null, 'late', null, null, null)});
	my $before = $said->();
	make_path("$reports/early/default");
	spew("$reports/early/default/GitRepoReport.json", $live->report_text({ secret => 'clean' }));
	wait_for { $said->() > $before } 'a name that was given up is said';
	is $db->error(q{select muster.organization_add('early')}), 'MU409', 'no other organization can have it';
	is $status->('secret'), '', 'so what lies below it is shown to nobody';
}

# Garbage.
for my $case (['no JSON', 'garbage'], ['half a report', substr($live->report_text({ a => 'clean' }), 0, 80)],
	['a NUL', "{\"a\":\"\0\"}"], ['bytes that are no UTF-8', "{\"a\":\"\xff\"}"], ['nothing', ''],
	['another document', '[1,2,3]'], ['deep nesting', '[' x 100000]) {
	my ($what, $bytes) = @$case;
	my $before = () = $live->{pusher}->output =~ /a report was refused/g;
	$live->report_write('later', $bytes);
	wait_for { (() = $live->{pusher}->output =~ /a report was refused/g) > $before } "$what is refused";
	pass "$what is refused, and said once";
}
$live->report('later', { %still, later => 'clean' });
wait_for { $status->('later') eq 'clean' } 'the next report';
pass 'the next report is taken as if nothing had been';
make_path("$reports/default/folder/GitRepoReport.json");
$live->report('empty', { %still, beside => 'dirty' });
wait_for { $status->('beside') eq 'dirty' } 'the report beside it';
pass 'a folder of that name does no harm';

# The kernel drops notices: the queue overflows while the daemon is stopped.
SKIP: {
	my $most = slurp('/proc/sys/fs/inotify/max_queued_events');
	skip 'the queue is too long for this test', 1 if $most > 200000;
	my $folder = "$reports/default/later";
	kill STOP => $live->{pusher}->pid;
	# Two names in turn: the same notice twice in a row would be folded into one.
	my $made = 0;
	while ($made < $most + 1000) {
		for my $name ('a', 'b') {
			open my $out, '>', "$folder/$name" or die;
			close $out;
			$made++;
		}
	}
	$live->report('later', { %still, later => 'dirty' });
	$live->report('unseen', { %still, unseen => 'dirty' });
	kill CONT => $live->{pusher}->pid;
	wait_for { $status->('later') eq 'dirty' && $status->('unseen') eq 'dirty' } 'reports after an overflow';
	like $live->{pusher}->output, qr/notices of report folders were lost/, 'an overflow is noticed';
	pass 'and every folder is looked at again';
}

# What came while nobody watched.
{
	$live->stop;
	$live->report('later', { %still, later => 'mismatched' });
	$live->start;
	wait_for { $status->('later') eq 'mismatched' } 'a report from before the start';
	pass 'a report that came before the start is taken';
}
done_testing;
