#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# When a cron expression comes, beside a walk over every minute with the C library's clocks.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use POSIX ();
use Test::More;
use Muster::Test;

my $db = Muster::Test->new->database;

sub next_of {
	my ($cron, $zone, $after) = @_;
	return $db->value('select muster.iso(muster.cron_next($1, $2, $3))', $cron, $zone, $after);
}
sub fields {
	my ($cron) = @_;
	return join ' ', map { s/[{}]//gr } @{ ($db->rows('select minutes, hours, days, months, weekdays
		from muster.cron_parse($1)', $cron))[0] };
}

# ---- what is written ----

my $every = join ',', 0 .. 59;
is fields('5 4 3 2 1'), '5 4 3 2 1', 'five numbers are themselves';
is fields('*/20 0-6/3,22 1,15-17 jan,JUN-aug fri-sun'), '0,20,40 0,3,6,22 1,15,16,17 1,6,7,8 0,5,6',
	'lists, ranges, steps and names';
is fields("\t*  1\t* * 7 "), "$every 1 " . join(',', 1 .. 31) . ' ' . join(',', 1 .. 12) . ' 0',
	'spaces and tabs part them, and 7 is Sunday';
is fields('* * * * *') =~ s/.* //r, '0,1,2,3,4,5,6', 'every day of the week is seven days';
is fields('0 0 * * */2') =~ s/.* //r, '0,2,4,6', 'and every other day of it begins on Sunday';
is fields("0 0 * * $_->[0]") =~ s/.* //r, $_->[1], "$_->[0] of a week" for ['sun-sun', '0'], ['sat-sun', '0,6'], ['sun-mon', '0,1'];
is fields($_->[0]), fields($_->[1]), "$_->[0] is $_->[1]"
	for ['@hourly', '0 * * * *'], ['@daily', '0 0 * * *'], ['@midnight', '0 0 * * *'], ['@weekly', '0 0 * * 0'],
		['@monthly', '0 0 1 * *'], ['@yearly', '0 0 1 1 *'], [' @Annually', '0 0 1 1 *'];
for my $wrong ('', '* * * *', '* * * * * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * 32 * *', '* * * 0 *',
	'* * * 13 *', '* * * * 8', '-1 * * * *', '1- * * * *', '5-3 * * * *', '*/0 * * * *', '*/60 * * * *', '5/10 * * * *',
	'1,,2 * * * *', ',1 * * * *', '1, * * * *', 'jan * * * *', '* * * foo *', '* * * * monday', '* * ? * *', '* * L * *',
	'* * * * 1#2', '@reboot', '@every 5m', '1.5 * * * *', '* * * * *; x', '99999999999 * * * *', "1\n * * * *",
	"\x{663} * * * *", '**  * * * *', '*-5 * * * *', '1-2-3 * * * *', '1-5/2/2 * * * *', 'sat-tue * * * *') {
	like +($db->try('select muster.cron_parse($1)', $wrong))[1], qr/MU400/, "refused: '" . ($wrong =~ s/\n/\\n/r) . "'" =~ s/[^ -~]/?/gr;
}
is +($db->try(q{select muster.timezone_check($1)}, $_))[1], '', "$_ is a time zone"
	for 'UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5';
like +($db->try(q{select muster.timezone_check($1)}, $_))[1], qr/MU400/, "'$_' is none"
	for '', 'CET', 'EST5EDT', 'Europe/Nowhere', '+02:00', 'AAA3BBB,1,2', 'Europe/Berlin2', 'Mars/Olympus1', 'Europe/Berlin-1', 'local', '../etc/passwd', "UTC'";

# ---- days ----

is next_of('0 0 29 2 *', 'UTC', '2096-03-01'), '2104-02-29T00:00:00.000Z', 'a leap day may be eight years off';
is next_of('0 0 30 2 *', 'UTC', '2026-01-01'), undef, 'the 30th of February never comes';
is next_of('0 0 31 4,6 *', 'UTC', '2026-01-01'), undef, 'nor the 31st of short months';
is next_of('0 12 13 * 5', 'UTC', '2026-02-13T12:00Z'), '2026-02-20T12:00:00.000Z', 'a date or a day of the week: either';
is next_of('0 12 */12 * 5', 'UTC', '2026-02-13T12:00Z'), '2026-03-13T12:00:00.000Z', 'both, where one has a star';
is next_of('59 23 31 12 *', 'UTC', '2026-12-31T23:59:00Z'), '2027-12-31T23:59:00.000Z', 'later is not the same minute';
is next_of('59 23 31 12 *', 'UTC', '2026-12-31T23:58:59.999Z'), '2026-12-31T23:59:00.000Z', 'and a moment before is before';

# ---- clocks ----

sub walk { # the times after $from and until $until, by looking at each minute
	my ($cron, $zone, $from, $until) = @_;
	my ($minutes, $hours, $days, $months, $weekdays) = map { my %set = map { $_ => 1 } split /,/; \%set }
		split / /, fields($cron);
	my $is_either = (join ' ', (split ' ', $cron)[2, 4]) !~ /[*]/;
	my $is_hourly = keys %$hours == 24;
	local $ENV{TZ} = $zone;
	POSIX::tzset();
	my $fits = sub { # the minutes since 1970 of a clock that shows local time
		my (undef, $minute, $hour, $day, $month, undef, $weekday) = gmtime($_[0] * 60);
		return $minutes->{$minute} && $hours->{$hour} && $months->{ $month + 1 }
			&& ($is_either ? $days->{$day} || $weekdays->{$weekday} : $days->{$day} && $weekdays->{$weekday});
	};
	my $clock = sub { my @t = localtime $_[0]; return POSIX::floor(timegm_of(@t) / 60) };
	my (@times, $highest);
	for (my $time = 60 * int($from / 60) - 172800; $time <= $until; $time += 60) {
		my $shows = $clock->($time);
		my $does = $fits->($shows);
		if (!$is_hourly && defined $highest) {
			$does = 0 if $shows <= $highest; # it was that time already
			for my $skipped ($highest + 1 .. $shows - 1) {
				$does = 1 if $fits->($skipped);
			}
		}
		$highest = $shows if !defined $highest || $shows > $highest;
		push @times, $time if $does && $time > $from;
	}
	return @times;
}
sub timegm_of {
	my (undef, $minute, $hour, $day, $month, $year) = @_;
	return days_of($year + 1900, $month + 1, $day) * 86400 + $hour * 3600 + $minute * 60;
}
sub days_of { # since 1970, by the civil calendar
	my ($year, $month, $day) = @_;
	$year-- if $month <= 2;
	my $era = POSIX::floor($year / 400);
	my $of_era = $year - $era * 400;
	my $of_year = int((153 * ($month + ($month > 2 ? -3 : 9)) + 2) / 5) + $day - 1;
	return $era * 146097 + $of_era * 365 + int($of_era / 4) - int($of_era / 100) + $of_year - 719468;
}
sub found { # the same, asked one after the other
	my ($cron, $zone, $from, $until) = @_;
	return map { $_->[0] } $db->rows(q{
		with recursive t as (
			select muster.cron_next($1, $2, to_timestamp($3)) as t
			union all
			select muster.cron_next($1, $2, t.t) from t where t.t < to_timestamp($4))
		select extract(epoch from t)::bigint from t where t <= to_timestamp($4) order by 1}, $cron, $zone, $from, $until);
}

# Each with a moment at which clocks there are touched: an hour, half of one, over midnight, a whole day.
my @clocks = (['Europe/Berlin', '2026-03-29'], ['Europe/Berlin', '2026-10-25'], ['America/New_York', '2026-03-08'],
	['America/New_York', '2026-11-01'], ['Australia/Lord_Howe', '2026-04-05'], ['Australia/Lord_Howe', '2026-10-04'],
	['America/St_Johns', '2009-03-08'], ['America/St_Johns', '2009-11-01'], ['America/Sao_Paulo', '2017-10-15'],
	['America/Sao_Paulo', '2018-02-18'], ['Pacific/Apia', '2011-12-30'], ['Asia/Beirut', '2026-03-29'],
	['Africa/Casablanca', '2026-02-15'], ['Asia/Kathmandu', '2026-06-01']);
my @crons = ('30 2 * * *', '*/15 2 * * *', '0 * * * *', '*/30 * * * *', '7,59 */2 * * *', '15 1-3 * * sun', '0 0 * * *',
	'1 0 * * *', '30 23 * * *', '0 12 30 * *', '45 1,2,3 * * 0', '59 23 29 * fri');
for my $clock (@clocks) {
	my ($zone, $day) = @$clock;
	my $at = days_of(split /-/, $day) * 86400;
	my @wrong;
	for my $cron (@crons) {
		my @expected = walk($cron, $zone, $at - 2 * 86400, $at + 3 * 86400);
		my @found = found($cron, $zone, $at - 2 * 86400, $at + 3 * 86400);
		push @wrong, $cron if "@expected" ne "@found";
	}
	ok !@wrong, "clocks of $zone around $day" or diag join "\n", @wrong;
}
is next_of('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z'), '2026-03-29T01:00:00.000Z',
	'what does not exist is the moment after the gap';
is next_of('30 2 * * *', 'Europe/Berlin', '2026-03-29T01:00Z'), '2026-03-30T00:30:00.000Z', 'once';
is next_of('30 2 * * *', 'Europe/Berlin', '2026-10-25T00:00Z'), '2026-10-25T00:30:00.000Z', 'what exists twice is the first';
is next_of('30 2 * * *', 'Europe/Berlin', '2026-10-25T00:30Z'), '2026-10-26T01:30:00.000Z', 'and once';

# ---- any ----

my $seed = $ENV{MUSTER_TEST_SEED} // time;
srand $seed;
note "MUSTER_TEST_SEED=$seed";
sub any { return $_[rand @_] }
sub field {
	my ($low, $high, $stars) = @_;
	return '*' if rand() < $stars;
	return join ',', map {
		my ($one, $two) = sort { $a <=> $b } map { $low + int rand($high - $low + 1) } 1, 2;
		any($one, $one, "$one-$two", "$one-$two/" . (1 + int rand 5), '*/' . (1 + int rand $high));
	} 1 .. 1 + int rand 2;
}
my @wrong;
for (1 .. 60) {
	my $cron = join ' ', field(0, 59, 0), field(0, 23, 0.3), field(1, 31, 0.7), field(1, 12, 0.9), field(0, 7, 0.7);
	my ($zone, $day) = @{ any(@clocks) };
	my $at = days_of(split /-/, $day) * 86400 + int rand 172800;
	my @expected = walk($cron, $zone, $at - 86400, $at + 86400);
	my @found = found($cron, $zone, $at - 86400, $at + 86400);
	push @wrong, "$cron $zone $at" if "@expected" ne "@found";
}
ok !@wrong, 'any expression comes when a walk over the minutes says' or diag join "\n", @wrong;

done_testing;
