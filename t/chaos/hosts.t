#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Two hosts, each a network of its own, with one PostgreSQL: they share the work; one is cut off.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use List::Util qw(min);
use Test::More;
use Muster::Test;
use Muster::Test::Chaos;
use Muster::Test::Namespace;

BEGIN { namespace_enter('net') }

my $is_long = chaos_is_long();
my $stand = Muster::Test->new(settings => " -c listen_addresses='*'");
my $cluster = $stand->cluster;
open my $hba, '>>', "$cluster->{data}/pg_hba.conf" or die;
print $hba "host all all 10.99.0.0/16 trust\n";
close $hba;
$cluster->restart;

my $chaos = Muster::Test::Chaos->new($stand);
my $db = $chaos->db;
my %host = map { $_ => Muster::Test::Namespace->host($_, { one => 1, two => 2 }->{$_}) } 'one', 'two';
my %runner = map {
	$_ => $chaos->runner($_, host => $_, wrap => [$host{$_}->enter],
		conf => { 'database.url' => 'host=' . $host{$_}->here . " dbname=$db->{name} sslmode=disable" })
} sort keys %host;

# ---- together ----

my $known = sub { $db->value('select count(distinct leased_by) from muster.job where leased_by is not null') };
wait_for { $db->value(q{select count(*) from muster.worker where state = 'claiming'}) == 2 } 'both claim';
$chaos->load(good => 150);
$chaos->settled('two hosts');
is $known->(), 2, 'both took part';
is_deeply [$db->rows(q{select distinct host(client_addr) from pg_stat_activity where usename = 'muster_jobs' order by 1})],
	[['10.99.1.2'], ['10.99.2.2']], 'each over its own cable';

# ---- apart ----

# Long enough that the cable is pulled in the middle; taken by both.
$db->sql(q{select muster.job_add((select id from muster.organization), 'mark', 'long' || i, '{"ms": 8000}', p_attempts_max => 100)
	from generate_series(1, 8) i; select pg_notify('muster_wake', '')});
my @moved = wait_for {
	my @ids = map { $_->[0] } $db->rows(q{select id from muster.job where state = 'running' and leased_by = 'two'});
	@ids >= 2 ? \@ids : undef
} 'the other host to take some';
@moved = @{ $moved[0] };
$host{two}->unplug;
$chaos->load(good => 40);
if ($is_long) {
	wait_for { !$db->value(q{select count(*) from muster.job where state = 'running' and leased_by = 'two' and leased_until > now()}) }
		'the end of the leases', 40;
} else {
	# Its renewals do not come through any more, so what it has now it has for good.
	$db->sql(q{update muster.job set leased_until = now() where state = 'running' and leased_by = 'two'});
}
wait_for { $chaos->hurry; !$chaos->left } 'the work to be done by one', 60;
my $list = join ',', @moved;
is $db->value("select count(*) from muster.job where id in ($list) and state = 'done' and leased_by = 'one'"), scalar @moved,
	'the jobs of a host that is cut off move to the other';
is $db->value("select count(*) from muster.job_attempt where job_id in ($list) and outcome = 'lost' and host = 'two'"), scalar @moved,
	'which is known of each';
unlike $runner{two}->output, qr/refused/, 'the one that is cut off does not know';

# ---- together again ----

$host{two}->plug;
# What it had claimed ahead and not begun it gives back for nothing.
wait_for { (() = $runner{two}->output =~ /job=(?:@{[join '|', @moved]}) msg="refused/g) >= min(4, scalar @moved) } 'the late results', 60;
pass 'its late results are refused';
$chaos->load(good => 100);
$chaos->settled('cut off and back');
cmp_ok $db->value(q{select count(*) from muster.job where leased_by = 'two' and id > (select max(id) - 100 from muster.job)}), '>', 0,
	'it works again';
$chaos->finish;
done_testing;
