#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What lies in the state folder and nobody has any more goes; what somebody has, is new, or is locked stays, and
# what may be dear is told.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Cwd qw(realpath);
use Fcntl qw(:flock);
use File::Path qw(make_path);
use JSON::PP ();
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my ($db, $dir, $state) = ($stack->db, $stack->stand->dir, $stack->stand->state_dir);
my %env = (PGUSER => 'postgres', MUSTER_CONF => $stack->conf, HOME => $dir);
sub muster { return run_program([program('muster'), @_], env => \%env) }
my $said = '';
sub work { return $said = (muster('run', '--once'))[2] }

$db->sql(q{insert into muster.setting (key, value) values ('scan.first', '"no"')});
make_path("$dir/src/a");
run_program(['git', 'init', '-q', "$dir/src/a"], env => { HOME => $dir });
muster('repo', 'add', "$dir/src");
work();
my ($repo) = map { $_->[0] } $db->rows('select id from muster.repo');
ok $repo, 'a repository is known';
my $organization = $db->value('select id from muster.organization');

# ---- a folder that is watched no more ----

my ($code, $out) = muster('repo', 'remove', "$dir/src");
like $out, qr/no longer watching/, 'a folder is given up';
ok !-e "$state/reports/default/default", 'its reports go with it';
work();
is $db->value('select count(*) from muster.root'), 0, 'so that it does not come back by them';
muster('repo', 'add', "$dir/src");
work();

# ---- what nobody has ----

my @gone = map { "0000000$_-0000-4000-8000-000000000000" } 1 .. 9;
sub old { # a folder with something in it, as it was two days ago
	my ($path) = @_;
	make_path("$state/$path/inner");
	spew("$state/$path/inner/file", "x\n");
	symlink "$dir/src", "$state/$path/link";
	utime time - 172800, time - 172800, "$state/$path" or die;
	return;
}
$db->sql(q{select muster.organization_add('former')});
$db->sql(q{update muster.organization set slug = 'now' where slug = 'former'});
$db->sql(q{select muster.organization_add('gone')});
$db->sql(q{delete from muster.organization where slug = 'gone'});
old("scan/$_") for $repo, @gone[0 .. 2];
old("mirrors/$organization/$_") for $repo, $gone[3];
old("trash/$_") for $organization, $gone[4];
old("reports/$_") for 'default/default', 'default/other', 'former/x', 'gone/x', 'gone/y', 'never/x';
old("clones/$_") for 'default/work', 'gone/work';
old('scan/no-id');
utime undef, undef, "$state/scan/$gone[1]";
open my $held, '<', "$state/scan/$gone[2]" or die;
flock $held, LOCK_EX or die;
sub there { return join ' ', sort map { s/^\Q$state\E\///r } grep { -d } map { glob "$state/$_" } 'scan/*', 'mirrors/*/*', 'trash/*', 'reports/*/*', 'clones/*/*' }
my $all = there();

my ($it) = map { /^(\S+)\tdefault\treconcile\t/ } split /\n/, (muster('schedule', 'list'))[1];
ok $it, 'it is looked at by a schedule that came with the first folder';
is +(muster('schedule', 'run', $it))[0], 0, 'or when somebody asks';
work();
my %job = map { $_->[0] => JSON::PP->new->decode($_->[1]) } $db->rows(q{select payload ->> 'operation', coalesce(result, '{}') from muster.job
	where kind = 'reconcile'});
is_deeply $job{look}{leftover}, { scan => 2, mirrors => 1, reports => 2 }, 'what nobody has is counted'
	or diag $said;
is_deeply $job{look}{kept}, { clones => ['default/work'], reports => ['default/other'], trash => [$gone[4]] },
	'what may be dear is told';
is_deeply $job{remove}, { removed => { scan => 1, mirrors => 1, reports => 2 }, left => 1 }, 'then it is removed';
my %stays = map { $_ => 1 } split / /, $all;
delete @stays{"scan/$gone[0]", "mirrors/$organization/$gone[3]", 'reports/gone/x', 'reports/gone/y'};
is there(), join(' ', sort keys %stays), 'all else stays, also what is new and what is locked';
ok !-e "$state/reports/gone", 'with the folder that it lay in';
ok -d "$dir/src/a/.git", 'and what a link leads to is not touched';
is_deeply $db->json(q{select data -> 'removed' from muster.trail where action = 'reconcile.remove'}),
	{ scan => 1, mirrors => 1, reports => 2 }, 'the trail tells how much went';
like $said, qr/scan: 1 that nobody has any more is gone/, 'and the runner says it';

# ---- what a job may not say ----

for my $bad ('../scan', '..', "$gone[0]/..", $repo . '/inner', '/etc') {
	my $id = $db->value(q{select muster.job_add($1, 'reconcile', 'bad', jsonb_build_object('operation', 'remove', 'places',
		jsonb_build_object('scan', jsonb_build_array($2::text), 'trash', jsonb_build_array($1::text), 'clones',
		jsonb_build_array('default/work'))), p_attempts_max => 1)}, $organization, $bad);
	work();
	is_deeply $db->json('select result from muster.job where id = $1', $id), { removed => {}, left => 1 }, "$bad is nothing to remove";
}
is there(), join(' ', sort keys %stays), 'nothing went';
like +(muster('schedule', 'add', 'reconcile', '@daily', '--repo', 'a'))[2], qr/is of the whole organization/, 'it is of all that there is';
close $held;

# ---- other hosts ----

$db->sql(q{insert into muster.mirror (repo_id, organization_id, host, fetched_at) values ($1, $2, 'other', now())}, $repo, $organization);
$db->sql(q{insert into muster.worker (id, host, pid, version, state, slots) values (gen_random_uuid(), 'other', 1, 'x', 'claiming', 1)});
$db->sql(q{select muster.root_add('default', 'pushed', '/srv/pushed', null, 'default', false)});
$db->sql(q{delete from muster.job where kind = 'reconcile'});
$db->sql(q{insert into muster.job (organization_id, kind, key, host, created_at)
	values ($1, 'reconcile', 'look:away', 'away', now() - interval '2 days')}, $organization);
muster('schedule', 'run', $it);
work();
is_deeply [$db->rows(q{select host, state from muster.job where kind = 'reconcile' and key like 'look:%' and host not in ('other', 'away') order by 1})],
	[['localhost', 'done']], 'it is looked at where a runner is';
is_deeply [$db->rows(q{select host, state from muster.job where kind = 'reconcile' and host in ('other', 'away') order by 1})],
	[['away', 'cancelled'], ['other', 'queued']], 'and not waited for where none is';
ok !-e "$state/mirrors/$organization/$repo", 'a mirror that lies elsewhere by now is gone';
$db->sql(q{delete from muster.worker where host = 'other'});

# ---- another name for it all ----

rename $state, "$dir/real" or die;
symlink 'real', $state or die;
$db->sql(q{select muster.root_add('default', (select host from muster.root limit 1), $1, 'clones')}, realpath("$dir/real") . '/clones/default');
$db->sql(q{delete from muster.job where kind = 'reconcile'});
muster('schedule', 'run', $it);
work();
is_deeply $db->json(q{select result -> 'kept' -> 'clones' from muster.job where kind = 'reconcile' and payload ->> 'operation' = 'look'}), undef,
	'what a watched folder holds is known below a link, too' or diag $said;

done_testing;
