#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Which job is next, which has to wait and why, and what becomes of one that is asked for again, put
# off, held back, given up or taken up again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database;
my %organization = map { $_ => $db->value('select muster.organization_add($1)', $_) } qw(acme burrow cedar);
my $acme = $organization{acme};
my $jobs = $db->as('muster_jobs');

# %option: parameters of job_add() by name; of: whose it is.
sub add {
	my ($key, %option) = @_;
	my ($of, $kind) = (delete $option{of} // 'acme', delete $option{kind} // 'scan');
	my @names = sort keys %option;
	my $more = join '', map { ", p_$names[$_] => \$" . ($_ + 4) } 0 .. $#names;
	return $jobs->value("select muster.job_add(\$1, \$2, \$3$more)", $organization{$of}, $kind, $key, @option{@names});
}

# [id, lease, key] of each
sub claim {
	my ($limit, %option) = @_;
	return $jobs->rows('select id, lease_id, key from muster.job_claim($1, $2, $3, 30)', $option{host} // 'here',
		$option{kinds} // '{scan,fetch}', $limit);
}
sub keys_of { return join ' ', map { $_->[2] } @_ }
sub job { return $db->json('select to_jsonb(j) from muster.job j where id = $1', $_[0]) }
sub why { return $db->value('select muster.job_why($1)', $_[0]) }
sub complete { return $jobs->value('select muster.job_complete($1, $2)', $_[0][0], $_[0][1]) }
sub begin { $db->sql('delete from muster.job; delete from muster.job_pause'); return }
sub run_add {
	return $db->value(q{insert into muster.run (organization_id, project_id, kind)
		select organization_id, id, 'scan' from muster.project where organization_id = $1 returning id}, $acme);
}
sub run_status { return $db->value('select status from muster.run where id = $1', $_[0]) }

subtest 'whose turn it is' => sub {
	my $now = $db->value('select now()');
	add('old', run_at => $db->value(q{select $1::timestamptz - interval '25 minutes'}, $now));
	add('urgent', priority => 2, run_at => $now);
	add('more urgent', priority => 3, run_at => $now);
	is keys_of(claim(9)), 'more urgent old urgent', 'who has waited for long goes before what is urgent';
	begin();
	add("a$_") for 1 .. 4;
	add("b$_", of => 'burrow', priority => -10) for 1 .. 2;
	add('c1', of => 'cedar');
	is keys_of(claim(3)), 'a1 c1 b1', 'one of each organization';
	is keys_of(claim(2)), 'a2 b2', 'and another';
	add('c2', of => 'cedar');
	add('c3', of => 'cedar');
	is keys_of(claim(2)), 'c2 a3', 'who has less under way is first';
};

subtest 'the same work' => sub {
	begin();
	my $first = add('k', payload => '{"n": 1}');
	my ($claimed) = claim(1);
	is add('k'), $first, 'keep: it is what is under way';
	my $second = add('k', mode => 'replace', payload => '{"n": 2}');
	isnt $second, $first, 'replace: another follows what is under way';
	is add('k', mode => 'replace', payload => '{"n": 3}', priority => 1), $second, 'and is replaced while it waits';
	is job($second)->{payload}{n}, 3, 'by the newest';
	is keys_of(claim(5)), '', 'but not begun beside the other';
	like why($second), qr/Job $first does the same work/, 'which is said';
	is complete($claimed), 't', 'when that is done';
	is keys_of(claim(5)), 'k', 'its turn comes';

	begin();
	$first = add('t', mode => 'throttle', window_s => 60);
	complete(claim(1));
	is add('t', mode => 'throttle', window_s => 60), $first, 'throttle: not again so soon';
	$db->sql(q{update muster.job set created_at = created_at - interval '61 seconds'});
	isnt add('t', mode => 'throttle', window_s => 60), $first, 'but later';

	begin();
	$first = add('d', mode => 'debounce', window_s => 10, payload => '{"n": 1}');
	is keys_of(claim(5)), '', 'debounce: it waits whether more is coming';
	$db->sql(q{update muster.job set run_at = now() + interval '1 second', created_at = now() - interval '95 seconds'});
	is add('d', mode => 'debounce', window_s => 10, payload => '{"n": 2}'), $first, 'more makes it wait again';
	is job($first)->{payload}{n}, 2, 'for the newest';
	is $db->value('select extract(epoch from run_at - created_at)::integer from muster.job'), 100, 'but not for ever';
	is $jobs->error(q{select muster.job_add($1, 'scan', 'x', p_mode => $2)}, $acme, $_), 'MU400', "$_ alone is nothing"
		for qw(throttle debounce sometimes);
};

subtest 'a newer push' => sub {
	begin();
	my @runs = map { run_add() } 1 .. 4;
	my $first = add('push', mode => 'supersede', run => $runs[0]);
	my ($claimed) = claim(1);
	my $second = add('push', mode => 'supersede', run => $runs[1]);
	is job($first)->{state}, 'cancelled', 'ends what is under way';
	is run_status($runs[0]), 'cancelled', 'and its run';
	is complete($claimed), 'f', 'whose result comes too late';
	($claimed) = claim(1);
	is $claimed->[0], $second, 'and is done instead';
	my $third = add('push', mode => 'supersede', run => $runs[2]);
	is job($second)->{state}, 'running', 'that one is let to its end, so that one comes to it';
	is add('push', mode => 'supersede', run => $runs[3]), $third, 'meanwhile the newest waits';
	is run_status($runs[2]), 'cancelled', 'in place of the one before';
	is complete($claimed), 't', 'then it is done';
	($claimed) = claim(1);
	is $claimed->[0], $third, 'and the newest follows';
	my $last = add('push', mode => 'supersede');
	is job($third)->{state}, 'cancelled', 'which may be ended again';
	is keys_of(claim(5)), 'push', 'for the next';

	begin();
	$first = add('n', attempts_max => 2, limit_key => 'x', limit_running => 1);
	($claimed) = claim(1);
	$jobs->value('select muster.job_fail($1, $2, $3, true)', @$claimed[0, 1], 'no');
	is add('n', mode => 'replace', attempts_max => 3), $first, 'what takes the place of one that failed before';
	is_deeply [@{ job($first) }{qw(attempt attempts_max crashes error limit_key)}], [0, 3, 0, undef, undef], 'begins as new';
	is_deeply $db->json('select muster.job_attempts($1)', $first), [], 'with nothing behind it';

	begin();
	$first = add('f', mode => 'replace', attempts_max => 9);
	($claimed) = claim(1);
	add('f', mode => 'replace');
	is $jobs->value('select muster.job_fail($1, $2, $3, true)', @$claimed[0, 1], 'no'), 'cancelled',
		'what failed is not tried again where a newer one waits';
	is keys_of(claim(5)), 'f', 'which is done instead';
};

subtest 'waiting for others' => sub {
	begin();
	my $a = add('a');
	my $b = add('b');
	my $run = run_add();
	my $c = add('c', wait_for => "{$a,$b}", run => $run);
	my $d = add('d', wait_for => "{$c}");
	my @claimed = claim(9);
	is keys_of(@claimed), 'a b', 'those before it are begun alone';
	complete($claimed[0]);
	is keys_of(claim(9)), '', 'one of them is not enough';
	like why($c), qr/Waits for job $b/, 'it says which it waits for';
	is $jobs->value('select muster.job_fail($1, $2, $3, false)', @{ $claimed[1] }[0, 1], 'broken'), 'dead', 'when one is given up';
	is_deeply [map { job($_)->{state} } $c, $d], [('cancelled') x 2], 'so is what waits for it, and what waits for that';
	is run_status($run), 'failed', 'with its run';
	is $db->value('select error from muster.run where id = $1', $run), 'What it waited for failed: broken', 'which says why';
	is job(add('late', wait_for => "{$b}"))->{state}, 'cancelled', 'what would wait in vain is not begun to wait';
	is $db->value('select muster.job_retry($1)', $c), 'f', 'it is not taken up again to wait in vain';
	is $db->error('select muster.job_act($1, $2)', $c, 'retry'), 'MU409', 'nor at the terminal';
	is $db->value('select muster.job_redrive($1)', $acme), 4, 'what is given up is, with what was cancelled for it';
	is job($d)->{state}, 'queued', 'to the last';
	is keys_of(my ($again) = claim(9)), 'b', 'which waits';
	complete($again);
	is keys_of(claim(9)), 'c late', 'until that is done after all';
	complete($_) for $db->rows(q{select id, lease_id from muster.job where state = 'running'});
	complete($_) for claim(9);
	# Another one ends while this one is added.
	$a = add('slow');
	my ($slow) = claim(1);
	my ($one, $two) = map { $db->as('muster_jobs')->session } 1 .. 2;
	$one->ask('begin');
	$one->ask("select muster.job_fail($a, '$slow->[1]', 'broken', false)");
	$two->send("select muster.job_add('$acme', 'scan', 'behind', p_wait_for => '{$a}')");
	$one->ask('commit');
	$two->read;
	is $db->value(q{select state from muster.job where key = 'behind'}), 'cancelled', 'no moment is between the two';
	$a = add('e');
	add('f', wait_for => "{$a}");
	complete(claim(1));
	is keys_of(claim(9)), 'f', 'when it is done it is the turn of the next';
	complete($_) for claim(9);
	# One that only has to know that they ended.
	($a, $b) = (add('g'), add('h'));
	$run = run_add();
	my $any = add('any', wait_for => "{$a,$b}", wait_any => 1, run => $run);
	@claimed = claim(9);
	$jobs->value('select muster.job_fail($1, $2, $3, false)', @{ $claimed[0] }[0, 1], 'broken');
	is keys_of(claim(9)), '', 'what goes on in any case waits for all of them';
	complete($claimed[1]);
	is keys_of(claim(9)), 'any', 'and then goes on';
	like $db->value('select text from muster.run_log where run_id = $1', $run), qr/failed: broken\nIt goes on/, 'as its log says';
	is job(add('vain', wait_for => "{$a}", wait_any => 1))->{state}, 'queued', 'also when it comes too late to wait';
	is keys_of(my ($vain) = claim(9)), 'vain', 'and does not wait then';
	complete($vain);
	# It is cancelled, and then that which it waits for is given up.
	$b = add('i');
	$any = add('patient', wait_for => "{$b}", wait_any => 1);
	$db->value('select muster.job_cancel($1)', $any);
	my ($claimed) = claim(1);
	$jobs->value('select muster.job_fail($1, $2, $3, false)', @$claimed[0, 1], 'broken');
	is $db->value('select muster.job_retry($1)', $any), 't', 'taken up again';
	is keys_of(my ($patient) = claim(9)), 'patient', 'it does not wait for what is given up';
	complete($patient);
	# Behind one that is abandoned itself.
	$a = add('j');
	$b = add('k', wait_for => "{$a}");
	$any = add('last', wait_for => "{$b}", wait_any => 1);
	$db->value('select muster.job_cancel($1)', $a);
	is_deeply [map { job($_)->{state} } $b, $any], [qw(cancelled queued)], 'nor for what was abandoned';
	is keys_of(claim(9)), 'last', 'it goes on';
};

subtest 'what must not be what runs already' => sub {
	begin();
	my $first = add('a');
	is add('a', mode => 'follow'), $first, 'one that waits will do';
	my ($claimed) = claim(9);
	my $second = add('a', mode => 'follow');
	isnt $second, $first, 'one that runs is followed by another';
	is add('a', mode => 'follow'), $second, 'by one';
	is keys_of(claim(9)), '', 'when it is done';
	complete($claimed);
	is keys_of(claim(9)), 'a', 'and then it is';
};

subtest 'limits' => sub {
	begin();
	my @ids = map { add("r$_", limit_key => 'forge', limit_running => 2) } 1 .. 4;
	add('free');
	my @claimed = claim(9);
	is keys_of(@claimed), 'r1 r2 free', 'two of that key at once';
	like why($ids[2]), qr/At most 2 run at once for forge/, 'which is said';
	complete($claimed[0]);
	is keys_of(claim(9)), 'r3', 'one ends, one begins';
	begin();
	@ids = map { add("m$_", limit_key => 'api', limit_rate => 3) } 1 .. 5;
	complete($_) for claim(9);
	is keys_of(claim(9)), '', 'three of that key in a minute';
	like why($ids[3]), qr/At most 3 are begun in a minute for api/, 'which is said';
	$db->sql(q{update muster.job set started_at = started_at - interval '61 seconds' where state = 'done'});
	@claimed = claim(9);
	is keys_of(@claimed), 'm4 m5', 'the next minute';
	$jobs->value('select muster.job_snooze($1, $2, null)', @$_[0, 1]) for @claimed;
	is_deeply [map { job($_->[0])->{started_at} } @claimed], [undef, undef], 'what was claimed ahead and given back was not begun';
	add("m$_", limit_key => 'api', limit_rate => 3) for 6 .. 7;
	is keys_of(claim(9)), 'm4 m5 m6', 'and uses nothing of the minute up';
	begin();
	$jobs->sql(q{select muster.job_kind_set('[{"name": "fetch", "queue": "net", "concurrency": 1, "help": "x"},
		{"name": "scan", "queue": "work", "concurrency": null, "help": "y"}]')});
	@ids = map { add("f$_", kind => 'fetch') } 1 .. 2;
	is keys_of(claim(9)), 'f1', 'one of that kind';
	like why($ids[1]), qr/At most 1 of kind fetch/, 'which is said';
	$db->sql(q{update muster.organization set max_concurrent_runs = 1 where id = $1}, $acme);
	my $s = add('s');
	is keys_of(claim(9)), '', 'one of that organization';
	like why($s), qr/At most 1 of the organization/, 'which is said';
	$db->sql(q{update muster.organization set max_concurrent_runs = null});
	$db->sql('delete from muster.job_kind');
};

subtest 'who counts, counts alone' => sub {
	begin();
	add("p$_", limit_key => 'one', limit_running => 3) for 1 .. 200;
	my @sessions = map { $db->as('muster_jobs')->session } 1 .. 3;
	# Each takes what it gets and looks, before it gives it back, how many run.
	$_->ask('create temp table seen (n bigint)') for @sessions;
	$_->send(q{do $$ declare v record; begin for i in 1 .. 60 loop
		for v in select id, lease_id from muster.job_claim('here', '{scan}', 2, 30) loop
			insert into seen select (muster.job_status() ->> 'running')::bigint;
			perform muster.job_complete(v.id, v.lease_id); commit; end loop; commit;
		end loop; end $$}) for @sessions;
	$_->read for @sessions;
	my @seen = map { split /\0/, $_->ask('select n from seen') } @sessions;
	cmp_ok scalar @seen, '>', 20, 'work was done';
	is scalar(grep { $_ > 3 } @seen), 0, 'and never more at once than may be';
	# One that counts and does not end keeps nobody from what is not counted.
	add('p', limit_key => 'one', limit_running => 3);
	$sessions[0]->ask('begin');
	$sessions[0]->ask(q{select count(*) from muster.job_claim('here', '{scan}', 1, 30)});
	add('q', limit_key => 'one', limit_running => 3);
	add('free');
	is keys_of(claim(9)), 'free', 'a claim that hangs holds back what is counted alone';
	$sessions[0]->ask('rollback');
};

subtest 'held back' => sub {
	begin();
	$jobs->sql(q{select muster.job_kind_set('[{"name": "fetch", "queue": "net", "concurrency": null, "help": "x"}]')});
	my $f = add('f', kind => 'fetch');
	my $s = add('s');
	my $o = add('o', of => 'burrow');
	is $db->value('select muster.job_pause($1, p_reason => $2)', 'net', 'the forge is down'), 't', 'a queue is paused';
	is $db->value('select muster.job_pause($1)', 'net'), 'f', 'once';
	$db->sql('select muster.job_pause(p_organization => $1)', $organization{burrow});
	is keys_of(claim(9)), 's', 'what is not paused goes on';
	like why($f), qr/^Paused since .*: the forge is down$/, 'the other says why it does not';
	like why($o), qr/^Paused since/, 'and so does an organization';
	is $db->value('select muster.job_resume($1)', 'net'), 't', 'on again';
	is $db->value('select muster.job_resume($1)', 'net'), 'f', 'once';
	is keys_of(claim(9)), 'f', 'it is begun';
	$db->sql('select muster.job_pause()');
	add('x', run_at => $db->value(q{select now() - interval '1 hour'}));
	my $prune = add('daily', kind => 'prune');
	is keys_of(claim(9)), '', 'all can be paused';
	is $jobs->value('select muster.job_step()'), 'f', 'what the database does itself, too';
	is $db->json('select muster.health_get()')->{job_wait_s}, undef, 'and nobody is alarmed that nothing is done';
	$db->sql('select muster.job_resume()');
	is $jobs->value('select muster.job_step()'), 't', 'then it is done';
	is job($prune)->{state}, 'done', 'to its end';
	cmp_ok $db->json('select muster.health_get()')->{job_wait_s}, '>=', 3600, 'and what waited is told of';
	begin();
	$db->sql('delete from muster.job_kind');
};

subtest 'where another works' => sub {
	begin();
	my $busy = sub {
		my ($id, $mine) = @_;
		$db->sql('update muster.job set run_at = now() where id = $1', $id) if !$mine;
		($mine) = claim(1) if !$mine;
		return $jobs->value('select muster.job_busy($1, $2, $3)', @$mine[0, 1], 'another job works in it');
	};
	my $id = add('a', kind => 'fetch', attempts_max => 2);
	is $busy->($id), 'queued', 'it is put back' for 1 .. 3;
	is job($id)->{attempt}, 0, 'which is no attempt';
	like why($id), qr/^Not before .* Last time: another job works in it$/, 'but is said';
	$db->sql(q{update muster.job set busy_since = now() - interval '61 minutes'});
	is $busy->($id), 'queued', 'what has waited for an hour uses its attempts up';
	is job($id)->{attempt}, 1, 'one by one';
	is $busy->($id), 'dead', 'and is given up';
	is $jobs->value('select muster.job_busy($1, gen_random_uuid(), $2)', $id, 'late'), 'lost', 'by who has it';

	$id = add('b', kind => 'fetch');
	my $scan = add('s', wait_for => "{$id}", payload => qq({"fetch": $id}));
	my ($mine) = claim(1);
	my $newer = add('b', kind => 'fetch', mode => 'follow');
	isnt $newer, $id, 'another one follows';
	is $busy->($id, $mine), 'cancelled', 'which takes its place';
	is_deeply [@{ job($scan) }{qw(state wait_for)}, job($scan)->{payload}{fetch}], ['queued', [$newer], $newer], 'for who waits for it, too';
	begin();
};

subtest 'attempts' => sub {
	begin();
	my $run = run_add();
	my $id = add('a', attempts_max => 2, run => $run);
	my ($claimed) = claim(1);
	is $jobs->value('select muster.job_usage($1, $2, $3)', @$claimed[0, 1],
		'{"exit_status": 256, "cpu_ms": 1200, "rss_kib": 9000, "log": "one line\n"}'), 't', 'what it took is kept';
	$jobs->value('select muster.job_fail($1, $2, $3, true)', @$claimed[0, 1], 'no');
	like why($id), qr/^Not before .* Last time: no$/, 'it says when it is tried again, and what went wrong';
	$db->sql('update muster.job set run_at = now()');
	($claimed) = claim(1);
	is $jobs->value('select muster.job_snooze($1, $2, 60)', @$claimed[0, 1]), 't', 'one may put itself off';
	is $jobs->value('select muster.job_snooze($1, $2, 60)', @$claimed[0, 1]), 'f', 'while it is under way';
	is job($id)->{attempt}, 1, 'which is no attempt';
	$db->sql('update muster.job set run_at = now()');
	($claimed) = claim(1);
	$jobs->value('select muster.job_fail($1, $2, $3, true, true)', @$claimed[0, 1], 'killed');
	is job($id)->{state}, 'dead', 'given up';
	is_deeply [map { [@$_{qw(number outcome host error exit_status cpu_ms rss_kib log)}] }
		@{ $db->json('select muster.job_attempts($1)', $id) }],
		[[1, 'failed', 'here', 'no', 256, 1200, 9000, "one line\n"], [2, 'failed', 'here', 'killed', (undef) x 4]],
		'each is told';
	my $other = add('c');
	my ($failed) = claim(1);
	$jobs->value('select muster.job_fail($1, $2, $3, true)', @$failed[0, 1], 'no');
	$db->sql('select muster.job_cancel($1)', $other);
	is scalar @{ $db->json('select muster.job_attempts($1)', $other) }, 1, 'one that was not tried again was tried once';
	is $db->value('select muster.job_redrive(p_kind => $1)', 'fetch'), 0, 'no other kind is taken up again';
	is $db->value('select muster.job_redrive(p_kind => $1)', 'scan'), 1, 'what was given up is';
	is run_status($run), 'pending', 'with its run';
	($claimed) = claim(1);
	is $claimed->[0], $id, 'it is done as new';
	is complete($claimed), 't', 'and well';
	is_deeply [map { "$_->{number} $_->{outcome}" } @{ $db->json('select muster.job_attempts($1)', $id) }],
		['1 failed', '2 failed', '3 done'], 'with all that was before';
	is $db->value('select muster.job_retry($1)', $id), 'f', 'what is done is not done again';
	$id = add('b');
	$db->sql('select muster.job_cancel($1)', $id);
	$other = add('b');
	is $db->value('select muster.job_retry($1)', $id), 'f', 'nor what another does';
	$db->sql('select muster.job_cancel($1)', $other);
	is $db->value('select muster.job_retry($1)', $id), 't', 'what was cancelled may be';
};

subtest 'many at once' => sub {
	begin();
	$db->sql(q{insert into muster.job (organization_id, kind, key) select $1, 'scan', i::text from generate_series(1, 500) i}, $acme);
	my @claimed = claim(100);
	is scalar @claimed, 100, 'are claimed';
	my $said = '[' . join(',', map { qq({"id": $_->[0], "lease": "$_->[1]", "result": {"n": 1}, "usage": {"cpu_ms": 3}}) }
		@claimed[0 .. 98], [$claimed[99][0], $claimed[0][1]]) . ']';
	is scalar(() = $jobs->rows('select muster.job_complete_all($1)', $said)), 99, 'and completed, but for whom another has';
	is job($claimed[5][0])->{cpu_ms}, 3, 'with what they took';
	is job($claimed[99][0])->{state}, 'running', 'that one goes on';
};

subtest 'a row that somebody holds keeps nobody from the others' => sub {
	begin();
	my ($held, $free) = map { add("of a run $_", run => run_add()) } 1 .. 2;
	my $run_held = job($held)->{run_id};
	my $holder = $db->session;
	# Who waits for a lock is refused after a quarter of a second, and that is an error here.
	my $quick = sub { $db->value("set statement_timeout = '5s'; $_[0]") };
	$holder->ask("begin; select from muster.run where id = $run_held for update");
	is $quick->(q{select array_agg(id) from muster.job_claim('here', '{scan}', 2, 30)}), "{$free}",
		'the job whose run is held is left for later';
	is job($held)->{state}, 'queued', 'and not begun';
	is job($held)->{attempt}, 0, 'nor counted as tried';
	$holder->ask('rollback');
	$db->sql('update muster.job set run_at = now() where id = $1', $held);
	my @claimed = $jobs->rows(q{select id, lease_id from muster.job_claim('here', '{scan}', 2, 30)});
	is $claimed[0][0], $held, 'once it is free it is begun';
	my $lease = job($free)->{lease_id};
	$holder->ask("begin; select from muster.run where id = $run_held for update");
	my $said = qq([{"id": $held, "lease": "$claimed[0][1]"}, {"id": $free, "lease": "$lease"}]);
	is $quick->("select array_agg(x) from muster.job_complete_all('$said') x"), "{$free}", 'of two that are done the one is';
	is $jobs->error('select muster.job_complete($1, $2)', $held, $claimed[0][1]), '55P03', 'the other one is told apart from one that is lost';
	$db->sql(q{update muster.job set leased_until = now() - interval '1 second' where id = $1}, $held);
	is $quick->('select muster.job_release()'), 0, 'and not taken away, either';
	is job($held)->{state}, 'running', 'by anybody';
	$holder->ask('rollback');
	is $jobs->value('select muster.job_complete($1, $2)', $held, $claimed[0][1]), 't', 'it is done in the end';
	is $db->value('select status from muster.run where id = $1', $run_held), 'completed', 'and so is its run';
	begin();
	my $doomed = add('doomed', attempts_max => 1);
	my ($lost) = claim(1);
	my $waits = add('waits', wait_for => "{$doomed}");
	my $other = add('other');
	$db->sql(q{update muster.job set leased_until = now() - interval '1 second' where id = $1}, $doomed);
	$holder->ask("begin; select from muster.job where id = $waits for update");
	is $quick->(q{select array_agg(id) from muster.job_claim('here', '{scan}', 5, 30)}), "{$other}",
		'who holds what waits for a job that was lost keeps nobody from the others, either';
	$holder->ask('rollback');
	$db->value('select muster.job_release()');
	is_deeply [map { job($_)->{state} } $doomed, $waits], ['dead', 'cancelled'], 'once it is free both end';
};

# What a claim reads. The first one of a session plans, and for that looks at much that is not the queue's;
# so does one after autovacuum came by.
sub touched {
	my $session = $jobs->session;
	my @hits = map {
		$session->ask('begin');
		my ($hit) = $session->ask(q{explain (analyze, buffers, timing off)
			select from muster.job_claim('here', '{scan,fetch}', 4, 30)}) =~ /shared hit=(\d+)/;
		$session->ask('rollback');
		$hit
	} 1 .. 4;
	$session->close;
	return (sort { $a <=> $b } @hits)[0];
}

subtest 'what waits does not slow down what may go' => sub {
	begin();
	my $many = sub {
		my ($kind, $more) = @_;
		$jobs->sql(qq{select count(muster.job_add('$acme', '$kind', 'many$kind' || i || 'x'$more)) from generate_series(1, 2000) i});
	};
	add('first');
	my $without = touched();
	$many->('scan', q{ || 'later', p_run_at => now() + interval '1 hour'});
	$many->('scan', q{, p_host => 'there'});
	$many->('fetch', '');
	$db->sql(q{select muster.job_pause(p_kind => 'fetch', p_organization => $1)}, $acme);
	add('go');
	# Whether somebody has gathered statistics meanwhile or not.
	my $forget = q{delete from pg_statistic where starelid = 'muster.job'::regclass};
	for my $how ($forget, 'vacuum muster.job', 'analyze muster.job', $forget) {
		$db->sql($how);
		cmp_ok touched(), '<', $without + 100, 'a claim walks over nothing that is not due, is another host\'s or is held back';
	}
	is keys_of(claim(4)), 'first go', 'and finds what may go';
};

done_testing;
