#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What people ask to be done about repositories, done by a job to real ones: committed, thrown away,
# deleted and brought back; nothing of the repository is run meanwhile, nothing outside of it is
# touched, and what is not as it was seen is left alone.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Fcntl qw(:flock);
use File::Path qw(make_path remove_tree);
use JSON::PP ();
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my ($db, $dir) = ($stack->db, $stack->stand->dir);
my $src = "$dir/src";
my $state = $stack->stand->state_dir;
my %in;
for my $role (qw(developer team_lead org_admin)) {
	$stack->account("$role\@example.org", $role);
	$in{$role} = $stack->session("$role\@example.org");
}
my %git = (env => { HOME => $dir, GIT_CONFIG_NOSYSTEM => 1, GIT_AUTHOR_NAME => 'A', GIT_AUTHOR_EMAIL => 'a@example.org',
	GIT_COMMITTER_NAME => 'A', GIT_COMMITTER_EMAIL => 'a@example.org' });

sub git {
	my ($repo, @argv) = @_;
	my ($code, $out, $err) = run_program(['git', '-C', "$src/$repo", @argv], %git);
	die "git $repo @argv: $err" if $code != 0;
	chomp $out;
	return $out;
}
sub repo_make {
	my ($name) = @_;
	make_path("$src/$name");
	git($name, 'init', '-q', '-b', 'main');
	spew("$src/$name/file", "one\n");
	spew("$src/$name/gone", "two\n");
	spew("$src/$name/.gitignore", "*.o\n");
	spew("$src/$name/tool", "#!/bin/true\n");
	chmod 0755, "$src/$name/tool";
	symlink 'file', "$src/$name/link";
	git($name, 'add', '.');
	git($name, 'commit', '-qm', 'Begin');
	return;
}
sub dirty { # as many kinds of change as there are
	my ($name) = @_;
	spew("$src/$name/file", "changed\n");
	unlink "$src/$name/gone";
	make_path("$src/$name/new/folder");
	spew("$src/$name/new/folder/x", "new\n");
	spew("$src/$name/staged", "staged\n");
	unlink "$src/$name/link";
	spew("$src/$name/tool", "changed\n");
	spew("$src/$name/link", "no link\n");
	git($name, 'add', 'staged');
	spew("$src/$name/kept.o", "ignored\n");
	return;
}
my $said = '';
sub work {
	my ($code, $out, $err) = run_program([program('muster-server'), 'run', '--once', '--conf', $stack->conf],
		env => { HOME => $dir });
	return $said = $err;
}
sub look {
	$db->sql('select muster.root_queue(t) from muster.root t where t.watched');
	return work();
}
sub ask {
	my ($what, $body, $who) = @_;
	my $answer = $stack->cgi(POST => "/audit/$what", session => $in{ $who // 'team_lead' }, body => JSON::PP->new->utf8->encode($body));
	is $answer->{status}, 202, "$what is taken" or diag $answer->{body};
	return $answer->{json}{run_id};
}
sub run_of { return $db->json(q{select to_jsonb(r) from muster.run r where id = $1}, $_[0]) }
sub done_well { # by a run, at once
	my ($run) = @_;
	work();
	my $row = run_of($run);
	return is($row->{status}, 'completed', "the run is done: " . ($row->{message} // '')) || diag $row->{error}, $said;
}
sub refused {
	my ($run, $why, $name) = @_;
	work();
	my $row = run_of($run);
	is $row->{status}, 'failed', "$name is refused" or diag $said;
	return like $row->{error}, $why, 'with the reason';
}
sub status_of { return $db->value(q{select status from muster.repo where name = $1 and removed_at is null}, $_[0]) }

repo_make($_) for qw(commit discard lost many);
$stack->root($src);
dirty($_) for qw(commit discard);
look();
is status_of('commit'), 'dirty', 'a repository has changes';

subtest 'all changes are committed' => sub {
	my $run = ask(commit => { repo => 'commit', message => "Tidy up\n\nAs it was asked." }, 'developer');
	done_well($run);
	is git('commit', 'status', '--porcelain'), '', 'git finds nothing more';
	is git('commit', 'log', '-1', '--format=%an|%ae|%s|%b|'), 'developer|developer@example.org|Tidy up|As it was asked.' . "\n|",
		'by who asked, with what was said';
	is git('commit', 'ls-tree', '-r', '--name-only', 'HEAD'), join("\n", qw(.gitignore file link new/folder/x staged tool)),
		'with what was added, without what was deleted or is ignored';
	is git('commit', 'rev-list', '--count', 'HEAD'), 2, 'as one commit';
	git('commit', 'fsck', '--strict');
	is_deeply [glob("$src/commit/.git/index.*")], [], 'no lock is left';
	like git('commit', 'reflog', '-1'), qr/commit: Tidy up/, 'the reflog tells of it';
	is status_of('commit'), 'clean', 'and the page shows it at once';
	like run_of($run)->{message}, qr/^Committed [0-9a-f]{12}\.$/, 'the run says which it is';
	is $db->value('select text from muster.run_log where run_id = $1', $run), run_of($run)->{message} . "\n", 'and so does its log';
	is $db->value(q{select data->>'operation' from muster.trail where action = 'remediation.done'}), 'commit', 'it is in the trail';
	is $db->value(q{select data->>'message' from muster.event where type = 'status_change'
		and data->>'run_id' = $1 order by id desc limit 1}, $run), run_of($run)->{message}, 'and in the event';
	is $db->value(q{select count(*) from muster.run where request ? 'author'}), 0, 'nobody\'s address is in the run';
};

subtest 'all changes are thrown away' => sub {
	mkdir "$src/discard/inner";
	run_program(['git', 'init', '-q', "$src/discard/inner"], %git);
	spew("$src/discard/inner/own", "own\n");
	look();
	my $run = ask(discard => { repo => 'discard' });
	done_well($run);
	is slurp("$src/discard/file"), "one\n", 'a file is as it was';
	is slurp("$src/discard/gone"), "two\n", 'one that was deleted is back';
	is readlink "$src/discard/link", 'file', 'and so is a link';
	is sprintf('%o', (stat "$src/discard/tool")[2] & 07777), '755', 'with its mode';
	ok !-e "$src/discard/new", 'what was new has gone, its folder too';
	ok !-e "$src/discard/staged", 'staged or not';
	ok -e "$src/discard/kept.o", 'what is ignored stays';
	ok -e "$src/discard/inner/own", 'and so does a repository inside';
	is git('discard', 'status', '--porcelain'), '?? inner/', 'git says so too';
	remove_tree("$src/discard/inner");
	look();
	is status_of('discard'), 'clean', 'it is clean';
};

subtest 'what nobody saw is not thrown away' => sub {
	spew("$src/discard/file", "seen\n");
	look();
	spew("$src/discard/later", "not seen\n");
	refused(ask(discard => { repo => 'discard' }), qr/the audit saw 0 untracked, now there is 1/, 'one that changed since');
	is slurp("$src/discard/later"), "not seen\n", 'it is there';
	is slurp("$src/discard/file"), "seen\n", 'all of it';
	# As many as were seen, and yet others.
	make_path("$src/discard/folder/below");
	spew("$src/discard/folder/below/seen", "seen\n");
	look();
	for my $change (['another in a folder that was seen', sub { spew("$src/discard/folder/below/other", "not seen\n") }],
		['more in a file that was seen', sub { spew("$src/discard/file", "more\n") }],
		['more in one that git does not know', sub { spew("$src/discard/later", "other seen\n") }],
		['another of the same length and time', sub {
			my @times = (stat "$src/discard/later")[8, 9];
			spew("$src/discard/later", "OTHER SEEN\n");
			utime @times, "$src/discard/later";
		}],
		['one in the place of another', sub { rename "$src/discard/later", "$src/discard/latest" }],
		['other bytes that are staged', sub {
			spew("$src/discard/gone", "staged\n");
			git('discard', 'add', 'gone');
			spew("$src/discard/gone", "two\n");
		}, sub {
			spew("$src/discard/gone", "more\n");
			git('discard', 'add', 'gone');
			spew("$src/discard/gone", "two\n");
		}]) {
		my ($what, @change) = @$change;
		my $last = pop @change;
		if (@change) {
			$change[0]->();
			look();
		}
		$last->();
		refused(ask(discard => { repo => 'discard' }), qr/what is changed is not what the audit saw: audit it again/, $what);
		look();
	}
	is slurp("$src/discard/$_->[0]"), "$_->[1]\n", "$_->[0] is there" for ['file', 'more'], ['latest', 'OTHER SEEN'],
		['folder/below/other', 'not seen'];
	git('discard', 'reset', '-q');
	unlink "$src/discard/latest";
	remove_tree("$src/discard/folder");
	spew("$src/discard/later", "not seen\n");
	spew("$src/discard/file", "seen\n");
	look();
	$db->sql(q{update muster.repo set report = report - 'changes_digest' where name = 'discard'});
	refused(ask(discard => { repo => 'discard' }), qr/the audit does not say what it saw/, 'what no audit told');
	is $db->value(q{select attempts_max from muster.job where kind = 'remediate' order by id desc limit 1}), 3, 'it could be tried again';
	is $db->value(q{select attempt from muster.job where kind = 'remediate' order by id desc limit 1}), 1, 'but was not: this would not help';
	look();
	git('discard', 'add', '.');
	git('discard', 'commit', '-qm', 'By hand');
	spew("$src/discard/file", "more\n");
	refused(ask(commit => { repo => 'discard' }), qr/its last commit is another than the audit saw/, 'a commit on another');
	is git('discard', 'rev-list', '--count', 'HEAD'), 2, 'nothing is committed';
};

subtest 'another git at work is respected' => sub {
	look();
	spew("$src/discard/.git/index.lock", '');
	my $run = ask(commit => { repo => 'discard' });
	work();
	like $db->value('select error from muster.job where run_id = $1', $run), qr/another git is at work/, 'it is waited for';
	is $db->value('select state from muster.job where run_id = $1', $run), 'queued', 'and tried again';
	spew("$src/discard/.git/index.lock", "muster\n");
	$db->sql('update muster.job set run_at = now() where run_id = $1', $run);
	done_well($run);
	ok !-e "$src/discard/.git/index.lock", 'a lock that a killed job of ours left is taken away';
	spew("$src/discard/file", "again\n");
	look();
	open my $folder, '<', "$src/discard" or die;
	flock $folder, LOCK_EX or die;
	$run = ask(discard => { repo => 'discard' });
	work();
	like $db->value('select error from muster.job where run_id = $1', $run), qr/another job works in it/, 'nor do two jobs work in one';
	close $folder;
	$db->sql('update muster.job set run_at = now() where run_id = $1', $run);
	done_well($run);
};

subtest 'a remote is mended' => sub {
	git('many', 'remote', 'add', 'origin', 'https://forge.example/ours/old.git');
	look();
	is status_of('many'), 'mismatched', 'one that is wrong';
	my $set = sub { $db->sql(q{update muster.repo set report = report || jsonb_build_object('expected_url', $1::text) where name = 'many'}, $_[0]) };
	$set->('https://forge.example/ours/many.git');
	done_well(ask('fix-remote' => { repo => 'many' }, 'developer'));
	is git('many', 'remote', 'get-url', 'origin'), 'https://forge.example/ours/many.git', 'is what was expected';
	is status_of('many'), 'clean', 'which the page shows';
	$db->sql(q{update muster.repo set status = 'mismatched' where name = 'many'});
	for my $bad ("ext::sh -c 'touch $dir/ran'", '--upload-pack=x', 'file:///etc', 'http://forge.example/x.git') {
		$set->($bad);
		is $stack->cgi(POST => '/audit/fix-remote', session => $in{team_lead}, body => { repo => 'many' })->{status}, 409,
			"$bad is nobody's remote";
	}
};

subtest 'deleted and brought back' => sub {
	my $id = $db->value(q{select id from muster.repo where name = 'lost'});
	my $before = git('lost', 'rev-parse', 'HEAD');
	dirty('lost');
	my $look = $stack->cgi(DELETE => '/api/v1/repos/lost', session => $in{org_admin})->{json};
	my $run = $stack->cgi(DELETE => "/api/v1/repos/lost?confirm=$look->{confirm}", session => $in{org_admin})->{json}{run_id};
	done_well($run);
	ok !-e "$src/lost", 'it has gone from where it was';
	my ($tree) = glob "$state/trash/*/$run/tree";
	is slurp("$tree/new/folder/x"), "new\n", 'and lies in the trash';
	is status_of('lost'), undef, 'the page shows it no more';
	my $back = $stack->cgi(POST => "/api/v1/repos/$id/restore", session => $in{org_admin})->{json};
	is $back->{status}, 'queued', 'it can be undone';
	done_well($back->{run_id});
	is git('lost', 'rev-parse', 'HEAD'), $before, 'it is back';
	is slurp("$src/lost/new/folder/x"), "new\n", 'with all its changes';
	ok !-e "$state/trash/$run", 'and no longer in the trash';
	is status_of('lost'), 'dirty', 'the page shows it again';
	is $db->value(q{select id from muster.repo where name = 'lost' and removed_at is null}), $id, 'as the one that it was';
	my $muster = sub { return run_program([program('muster'), 'repo', 'restore', @_, '--conf', $stack->conf]) };
	like +($muster->('lost'))[2], qr/There is nothing to undo/, 'once';
	like +($muster->('never'))[2], qr/There is no repository never/, 'what never was is not brought back';
	$look = $stack->cgi(DELETE => '/api/v1/repos/lost', session => $in{org_admin})->{json};
	done_well($stack->cgi(DELETE => "/api/v1/repos/lost?confirm=$look->{confirm}", session => $in{org_admin})->{json}{run_id});
	my ($code, $out, $err) = $muster->('lost');
	is $code, 0, 'at a terminal it is asked for as well' or diag $err;
	my ($again) = $out =~ /^lost: run (\d+) brings it back$/ or diag $out;
	done_well($again);
	is slurp("$src/lost/new/folder/x"), "new\n", 'and is back';
};

subtest 'what should not be there is deleted' => sub {
	repo_make($_) for qw(odd1 odd2 odd3 fix1 fix2);
	git($_, 'remote', 'add', 'origin', 'https://forge.example/ours/old.git') for qw(fix1 fix2);
	look();
	# Which these are a list of the forge says, that the runner has not.
	$db->sql(q{update muster.repo set status = 'extra' where name like 'odd_'});
	my $run = ask(delete => { repo => 'odd1', confirm => 'odd1' });
	done_well($run);
	ok !-e "$src/odd1", 'it has gone';
	my ($tree) = glob "$state/trash/*/$run/tree";
	is slurp("$tree/file"), "one\n", 'to the trash';
	is status_of('odd1'), undef, 'and the page shows it no more';
	ok -e "$src/odd2/file", 'nothing else has';
	$db->sql(q{update muster.repo set status = 'extra' where name like 'odd_'});
	my @done = map { @{ $stack->cgi(POST => '/audit/batch', session => $in{team_lead}, body => $_)->{json}{results} } }
		{ operation => 'delete', repos => ['odd2', 'odd3'] };
	$db->sql(q{update muster.repo set report = report || jsonb_build_object('expected_url', 'https://forge.example/ours/' || name || '.git'),
		status = 'mismatched' where name like 'fix_'});
	push @done, @{ $stack->cgi(POST => '/audit/batch', session => $in{team_lead},
		body => { operation => 'fix-remote', repos => ['fix1', 'fix2'] })->{json}{results} };
	work();
	is_deeply [map { run_of($_->{run_id})->{status} } @done], [('completed') x 4], 'several at once are done, too' or diag $said;
	is_deeply [grep { -e "$src/$_" } qw(odd2 odd3 fix1 fix2)], [qw(fix1 fix2)], 'each as it was asked';
	is git($_, 'remote', 'get-url', 'origin'), "https://forge.example/ours/$_.git", "$_ has its own address" for qw(fix1 fix2);
};

subtest 'from another file system' => sub {
	my $far = -d '/dev/shm' && -w _ ? "/dev/shm/mt.$$" : undef;
	plan skip_all => 'there is no second file system' if !$far || (stat '/dev/shm')[0] == (stat $state)[0];
	make_path($far);
	run_program(['cp', '-a', "$src/lost", "$far/far"]);
	symlink '/etc/passwd', "$far/far/away";
	chmod 0755, "$far/far/file";
	chown 4711, 4712, "$far/far/file" if $> == 0;
	utime 1000000000, 1000000001, "$far/far/file", "$far/far/new";
	my $root = $db->json(q{select muster.root_add('default', 'localhost', $1, 'far')}, $far);
	look();
	my $id = $db->value(q{select id from muster.repo where name = 'far'});
	my $sums = sub { return (run_program(['sh', '-c', 'cd "$1" && find . -printf "%p %y %m %U %G %l\n" | sort; find . ! -type l -printf "%p %T@\n" | sort; find . -type f -exec cksum {} + | sort -k3', '-', $_[0]]))[1] };
	my $before = $sums->("$far/far");
	my $delete = sub {
		my $look = $stack->cgi(DELETE => '/api/v1/repos/far', session => $in{org_admin})->{json};
		return $stack->cgi(DELETE => "/api/v1/repos/far?confirm=$look->{confirm}", session => $in{org_admin})->{json}{run_id};
	};
	my $run = $delete->();
	done_well($run);
	is_deeply [grep { !/\.\.?$/ } glob "$far/* $far/.*"], [], 'nothing is left where it was';
	my ($tree) = glob "$state/trash/*/$run/tree";
	is $sums->($tree), $before, 'it was copied as it is';
	done_well($stack->cgi(POST => "/api/v1/repos/$id/restore", session => $in{org_admin})->{json}{run_id});
	is $sums->("$far/far"), $before, 'and back';
	# As a deletion is that was killed in the middle of its copy, and never done again.
	my $killed = $delete->();
	done_well($killed);
	my ($half) = glob "$state/trash/*/$killed";
	run_program(['cp', '-a', "$half/tree", "$far/.far.muster-$killed"]);
	remove_tree("$half/tree");
	make_path("$half/.tree.muster-$killed.part/new");
	my $again = $stack->cgi(POST => "/api/v1/repos/$id/restore", session => $in{org_admin})->{json}{run_id};
	done_well($again);
	is $sums->("$far/far"), $before, 'what was put aside is brought back';
	is_deeply [grep { !/\.\.?$/ } glob "$far/.*"], [], 'under its own name';
	# In the middle of removing what had been copied; and of a copy back.
	$killed = $delete->();
	done_well($killed);
	make_path("$far/.far.muster-$killed/new", "$far/.far.muster-$killed.part/half");
	done_well($stack->cgi(POST => "/api/v1/repos/$id/restore", session => $in{org_admin})->{json}{run_id});
	is $sums->("$far/far"), $before, 'what was copied is brought back';
	is_deeply [grep { !/\.\.?$/ } glob "$far/.*"], [], 'and halves go';
	require POSIX;
	POSIX::mkfifo("$far/far/pipe", 0600);
	refused($delete->(), qr/pipe is neither file nor folder/, 'what cannot be copied whole');
	ok -e "$far/far/file", 'and stays where it is';
	is_deeply [grep { !/\.\.?$/ } glob "$far/.*"], [], 'under its own name';
	remove_tree($far);
	$db->sql('update muster.root set watched = false where id = $1', $root->{id});
};

subtest 'the trash is emptied when its time is over' => sub {
	my $id = $db->value(q{select id from muster.repo where name = 'lost'});
	my @trash = glob "$state/trash/*";
	my %at = (1000 => time - 31 * 86400, 1001 => time - 29 * 86400);
	for my $run (sort keys %at) {
		make_path("$trash[0]/$run/tree");
		spew("$trash[0]/$run/note.json", qq({"path":"/srv/x","at":$at{$run}}));
	}
	$db->sql(q{select muster.prune_step(j) from muster.job j where id = (select muster.job_add(
		(select id from muster.organization), 'prune', 'test'))});
	work();
	ok !-e "$trash[0]/1000", 'what was deleted long ago';
	ok -e "$trash[0]/1001", 'and nothing else';
	# One that is just brought back; and what a job that was killed left.
	my $empty = sub {
		$db->sql(q{select muster.job_add((select id from muster.organization), 'remediate', 'trash:x', jsonb_build_object(
			'operation', 'empty', 'organization_id', (select id from muster.organization), 'before', $1::bigint))}, time);
		return work();
	};
	make_path("$trash[0]/1000.gone/tree");
	open my $busy, '<', "$trash[0]/1001" or die;
	flock $busy, LOCK_EX or die;
	$empty->();
	ok -e "$trash[0]/1001/tree", 'what another job works in stays';
	ok !-e "$trash[0]/1000.gone", 'what was half gone goes';
	close $busy;
	$empty->();
	is_deeply [glob "$trash[0]/1001*"], [], 'and it, when nobody does';
	my $look = $stack->cgi(DELETE => '/api/v1/repos/lost', session => $in{org_admin})->{json};
	my $deleted = $stack->cgi(DELETE => "/api/v1/repos/lost?confirm=$look->{confirm}", session => $in{org_admin})->{json}{run_id};
	done_well($deleted);
	open $busy, '<', "$trash[0]/$deleted" or die;
	flock $busy, LOCK_EX or die;
	my $back = $stack->cgi(POST => "/api/v1/repos/$id/restore", session => $in{org_admin})->{json}{run_id};
	work();
	like $db->value('select error from muster.job where run_id = $1', $back), qr/another job works in it/, 'nor is brought back what is just emptied';
	ok -e "$trash[0]/$deleted/tree", 'it is there';
	close $busy;
	$db->sql('update muster.job set run_at = now() where run_id = $1', $back);
	done_well($back);
	ok -e "$src/lost/file", 'and back, when it was not';
};

# ---- hostile ones ----

subtest 'nothing of the repository is run' => sub {
	repo_make('evil');
	my $trap = spew("$dir/trap", "#!/bin/sh\necho \"\$0 \$*\" >>'$dir/ran'\ncat\n");
	chmod 0755, $trap;
	for my $hook (qw(pre-commit post-commit prepare-commit-msg commit-msg post-checkout post-index-change reference-transaction)) {
		make_path("$src/evil/.git/hooks");
		run_program(['cp', $trap, "$src/evil/.git/hooks/$hook"]);
	}
	git('evil', 'config', $_->[0], $_->[1]) for ['core.fsmonitor', $trap], ['commit.gpgSign', 'true'], ['gpg.program', $trap],
		['core.editor', $trap], ['diff.external', $trap], ['core.pager', $trap], ['core.hooksPath', "$src/evil/.git/hooks"],
		['user.signingKey', 'x'], ['core.sshCommand', $trap], ['credential.helper', $trap], ['core.askPass', $trap];
	spew("$src/evil/file", "x\n");
	unlink "$dir/ran";
	look();
	done_well(ask(commit => { repo => 'evil' }));
	spew("$src/evil/file", "y\n");
	look();
	done_well(ask(discard => { repo => 'evil' }));
	ok !-e "$dir/ran", 'no hook, no monitor, no signer, no editor' or diag slurp("$dir/ran");
	is git('evil', '-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null', 'status', '--porcelain'), '', 'and it was done';
	unlink "$dir/ran";
	git('evil', 'config', 'filter.bad.clean', $trap);
	git('evil', 'config', 'filter.bad.smudge', $trap);
	spew("$src/evil/.gitattributes", "*.dat filter=bad\nwide working-tree-encoding=UTF-16\n");
	spew("$src/evil/a.dat", "z\n");
	look();
	refused(ask(commit => { repo => 'evil' }), qr/a\.dat goes through a filter/, 'what a filter would have made another');
	unlink "$src/evil/a.dat";
	spew("$src/evil/wide", "z\n");
	look();
	refused(ask(commit => { repo => 'evil' }), qr/wide goes through another encoding/, 'or an encoding');
	ok !-e "$dir/ran", 'which is not run';
};

subtest 'nothing outside is touched' => sub {
	repo_make($_) for qw(link1 link2 link3);
	make_path("$dir/outside");
	spew("$dir/outside/keep", "kept\n");
	# A folder that became a link to another, between the audit and the job.
	dirty($_) for qw(link1 link2 link3);
	look();
	rename "$src/link1", "$dir/outside/link1";
	symlink "$dir/outside/link1", "$src/link1";
	refused(ask(discard => { repo => 'link1' }), qr/a link or a file is in the way/, 'a link in place of the folder');
	ok -e "$dir/outside/link1/new/folder/x", 'and what it leads to is as it was';
	rename "$src/link2/.git", "$dir/outside/git2";
	symlink "$dir/outside/git2", "$src/link2/.git";
	refused(ask(commit => { repo => 'link2' }), qr/elsewhere|no git repository|cannot|not a/i, 'a git folder elsewhere');
	rename "$src/link3/.git/config", "$dir/outside/config";
	symlink "$dir/outside/config", "$src/link3/.git/config";
	my $config = slurp("$dir/outside/config");
	refused(ask(commit => { repo => 'link3' }), qr/./, 'a link in place of its configuration');
	is slurp("$dir/outside/config"), $config, 'that is not written to';
	for my $path ("$dir/outside", "$src/../outside", $src, "$src/", "$src/x/../../outside", $state) {
		my $job = $db->value(q{select muster.job_add((select id from muster.organization), 'remediate', 'x', jsonb_build_object(
			'operation', 'delete', 'organization_id', (select id from muster.organization), 'run_id', 4711,
			'root_path', $1::text, 'path', $2::text), p_attempts_max => 1)}, $src, $path);
		work();
		like $db->value('select error from muster.job where id = $1', $job),
			qr/does not lie below the watched folder|is the watched folder itself/, "$path is not deleted";
	}
	is slurp("$dir/outside/keep"), "kept\n", 'so that it is there';
	# One that other repositories lie in.
	repo_make('outer');
	repo_make('outer/inner');
	look();
	my $look = $stack->cgi(DELETE => '/api/v1/repos/outer', session => $in{org_admin});
	$look = $stack->cgi(DELETE => "/api/v1/repos/outer?confirm=$look->{json}{confirm}", session => $in{org_admin});
	is $look->{status}, 409, 'nor what others lie in';
	like $look->{body}, qr/lie other repositories: /, 'which is said';
};

subtest 'what is half done is left alone' => sub {
	repo_make($_) for qw(merging bare0 detached sparse tree);
	spew("$src/merging/.git/MERGE_HEAD", git('merging', 'rev-parse', 'HEAD') . "\n");
	git('detached', 'checkout', '-q', '--detach');
	git('sparse', 'sparse-checkout', 'set', 'nothing');
	git('tree', 'worktree', 'add', '-q', "$src/linked");
	spew("$src/$_/file", "more\n") for qw(merging detached sparse linked);
	look();
	my %why = (merging => qr/a merge is going on/, detached => qr/on no branch/, sparse => qr/a part of its files/);
	for my $name (sort keys %why) {
		$db->sql(q{update muster.repo set status = 'dirty' where name = $1}, $name);
		refused(ask(commit => { repo => $name }), $why{$name}, $name);
	}
};

subtest 'an audit and who writes in a repository wait for each other' => sub {
	repo_make('slow');
	open my $folder, '<', "$src/slow" or die;
	flock $folder, LOCK_EX or die;
	look();
	like $said, qr{level=\w+ .*src/slow: another job works in it; what is told of it may be half done}, 'but not for ever';
	is status_of('slow'), 'clean', 'then it looks nevertheless';
	close $folder;
	look();
	unlike $said, qr/half done/, 'later it says nothing';
};

done_testing;
