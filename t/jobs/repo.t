#!/usr/bin/perl
# SPDX-License-Identifier: MIT
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Path qw(make_path);
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $stand = Muster::Test->new;
my $db = $stand->database;
$db->sql(q{select muster.organization_add('default'), muster.organization_add('other')});
my $conf = $stand->conf($db, 'server.host' => 'here');
my $dir = $stand->dir;
$ENV{$_} = "$dir/gitconfig" for qw(GIT_CONFIG_GLOBAL);
$ENV{GIT_CONFIG_NOSYSTEM} = 1;

sub muster { return run_program([program('muster'), @_, '--conf', $conf]) }
sub git { my @argv = @_; system('git', @argv) == 0 or die "git @argv" }
sub roots {
	return { map { $_->[0] => $_->[1] }
		$db->rows(q{select slug, path from muster.root where watched order by slug}) };
}

make_path("$dir/src/one", "$dir/src/two", "$dir/Other Folder_ü");
my ($code, $out, $err) = muster('repo', 'add', "$dir/src");
is $code, 0, 'a folder is added' or diag $err;
is_deeply roots(), { default => "$dir/src" }, 'the first is the root "default"';
($code, $out) = muster('repo', 'add', "$dir/src/../src/");
is $code, 0, 'adding it again does no harm';
like $out, qr/watching already/, 'and says so';
($code, $out) = muster('repo', 'add', "$dir/Other Folder_ü");
is_deeply [sort keys %{ roots() }], ['default', 'other-folder'], 'another is named after its folder, in letters a path can have';
($code, $out) = muster('repo', 'add', "$dir/src/one");
is $code, 0, 'a folder below a watched one';
like $out, qr/watched already: it lies below 'default'/, 'is watched already';
is scalar keys %{ roots() }, 2, 'and adds nothing';
($code, $out, $err) = muster('repo', 'add', $dir);
is $code, 4, 'a folder around a watched one is refused';
like $err, qr/would be listed twice/, 'with the reason';
($code, $out, $err) = muster('repo', 'add', "$dir/nowhere");
is $code, 4, 'a folder that does not exist is an error';
like $err, qr{nowhere: No such file}, 'that names it';
($code, $out, $err) = muster('repo', 'add', "$dir/nowhere", "$dir/src");
is $code, 3, 'when some are added and some not the exit code says partly';
($code, $out, $err) = muster('repo', 'add', '--organization', 'nobody', "$dir/src");
like $err, qr/no such organization/, 'an unknown organization is an error';
($code) = muster('repo', 'add', '--name', 'Big Name', "$dir/src");
is $code, 2, 'a name that cannot be a folder is refused';

my $odd = "$dir/odd\xff\n";
make_path($odd);
($code, $out, $err) = muster('repo', 'add', '--organization', 'other', '--name', 'odd', $odd);
is $code, 0, 'a folder whose name is no UTF-8 is added' or diag $err;
is $db->value(q{select path from muster.root where slug = 'odd'}), "$dir/odd%FF%0A", 'in its quoted form';

($code, $out) = muster('repo', 'list');
is $code, 0, 'list prints';
like $out, qr{^default\there\tdefault\t0\tnever\t\Q$dir\E/src$}m, 'organization, host, root, repositories, last audit and path';
like $out, qr{^other\there\todd\t.*/odd%FF%0A$}m, 'of all organizations';

# ---- clones ----

git('init', '-q', '--bare', "$dir/origin.git");
git('clone', '-q', "$dir/origin.git", "$dir/work");
make_path("$dir/templates/hooks");
spew("$dir/hook", "#!/bin/sh\ntouch $dir/ran\n");
chmod 0755, "$dir/hook";
spew("$dir/gitconfig", "[init]\n\ttemplateDir = $dir/templates\n[core]\n\thooksPath = $dir/hooks\n[user]\n\tname = A\n\temail = a\@b\n[filter \"x\"]\n\tsmudge = touch $dir/ran\n");
make_path("$dir/hooks");
link "$dir/hook", "$dir/hooks/post-checkout";
spew("$dir/work/.gitattributes", "* filter=x\n");
spew("$dir/work/file", "text\n");
git('-C', "$dir/work", 'add', '.');
git('-C', "$dir/work", '-c', 'core.hooksPath=/dev/null', 'commit', '-qm', 'first');
git('-C', "$dir/work", 'push', '-q', 'origin', 'HEAD');
unlink "$dir/ran";

($code, $out, $err) = muster('repo', 'add', "file://$dir/origin.git");
is $code, 0, 'an address is cloned' or diag $err;
my $clones = $stand->state_dir . '/clones/default';
is slurp("$clones/origin/file"), "text\n", 'into the state folder';
ok !-e "$dir/ran", 'no hook, filter or template of the person\'s configuration was used';
is roots()->{clones}, $clones, 'the clones are a root';
($code, $out) = muster('repo', 'add', "file://$dir/origin.git");
is $code, 0, 'the same address again';
is_deeply [map { s{.*/}{}r } glob "$clones/*"], ['origin'], 'is not cloned again';
git('init', '-q', '--bare', "$dir/more/origin.git");
muster('repo', 'add', "file://$dir/more/origin.git");
is_deeply [map { s{.*/}{}r } glob "$clones/*"], ['origin', 'origin-2'], 'another of the same name gets a number';

for my $case (['http://example.org/a.git', qr/only https and ssh/],
	['git://example.org/a.git', qr/only https and ssh/],
	['ext::sh -c touch% x', qr/a space/],
	['ext::sh', qr/no address/],
	['https://user:secret@example.org/a.git', qr/password/],
	['ssh://-oProxyCommand=x/a', qr/names no host/],
	['me@-oProxyCommand=x:a', qr/does not begin/],
	['https:///a', qr/names no host/])
{
	($code, $out, $err) = muster('repo', 'add', $case->[0]);
	is $code, 2, "$case->[0] is refused";
	like $err, $case->[1], 'with the reason';
}
($code, $out, $err) = muster('repo', 'add', "file://$dir/nothing.git");
is $code, 4, 'an address with nothing behind it is an error';
like $err, qr/cannot be cloned: .*nothing\.git/, 'with git\'s own words';
is_deeply [grep { /part/ } glob "$clones/*"], [], 'and nothing half done stays';

($code, $out) = muster('repo', 'remove', "file://$dir/more/origin.git");
is $code, 0, 'a clone is removed by its address' or diag $out;
ok !-e "$clones/origin-2", 'from where it was';
is scalar(my @kept = glob $stand->state_dir . '/trash/origin-2-*'), 1, 'but kept aside';
($code, $out) = muster('repo', 'remove', "$dir/src");
is $code, 0, 'a folder is removed by its path';
($code, $out) = muster('repo', 'remove', 'other-folder');
is $code, 0, 'or by its name';
is_deeply [sort keys %{ roots() }], ['clones', 'odd'], 'and is watched no more';
($code, $out, $err) = muster('repo', 'remove', 'other-folder');
is $code, 4, 'what is not watched cannot be removed';

# What is there is looked at by asking for it.
$db->sql(q{select muster.root_add('default', 'here', $1), muster.job_kind_set('[{"name": "scan", "queue": "scan", "help": "x"}]')}, "$dir/src");
($code, $out, $err) = muster('repo', 'scan');
is $code, 4, 'where no audit has found anything nothing can be scanned';
like $err, qr/no repository on a host of ours/, 'as it says';
ingest($db, { slug => 'default', root => 'default' }, report([map { { name => $_ } } 'one', 'two']));
($code, $out, $err) = muster('repo', 'scan', 'one');
is $code, 0, 'a repository is scanned' or diag $err;
my $run = $db->value(q{select max(id) from muster.run where kind = 'scan'});
is $out, "one: run $run\n", 'by a run that is told';
($code, $out) = muster('repo', 'scan', 'one', 'nothing');
is $code, 3, 'of several it says when one is not there';
is $out, "one: run $run\n", 'and what waits is not asked for again';
($code, $out, $err) = muster('repo', 'scan');
is "$code $out", "0 2 repositories are scanned\n", 'or all of them' or diag $err;
is $db->value(q{select jobs from muster.schedule_tick()}), 1, 'that do not wait already';
($code, $out, $err) = muster('repo', 'audit', 'two');
is $code, 0, 'a repository is audited' or diag $err;
like $out, qr/\Atwo: run \d+\n\z/, 'by a run, too';
($code, $out) = muster('repo', 'audit');
like $out, qr/\Arun \d+, run \d+\n\z/, 'or everything is, each root by its run';
$db->sql(q{with p as (insert into muster.project (organization_id, slug, name)
	select id, 'tools', 'Tools' from muster.organization where slug = 'default' returning id)
	update muster.repo set project_id = (select id from p) where name = 'two'});
$db->sql('delete from muster.job');
($code, $out) = muster('repo', 'audit', '--project', 'tools');
like "$code $out", qr/\A0 run \d+\n\z/, 'what is in a project is audited';
is $db->value(q{select r.name from muster.job j join muster.repo r on r.id::text = j.payload ->> 'repo'}), 'two', 'and nothing else';
($code, $out) = muster('repo', 'scan', '--project', 'tools');
is "$code $out", "0 1 repositories are scanned\n", 'or scanned';
($code, $out, $err) = muster('repo', 'scan', '--project', 'nothing');
is $code, 4, 'if there is such a project' or diag $out;
($code) = muster('repo', 'scan', '--project', 'tools', 'one');
is $code, 2, 'a project or repositories, not both';
($code) = muster('repo', 'scan', '--organization', 'other', 'one');
is $code, 4, 'names mean what they mean in their organization';

done_testing;
