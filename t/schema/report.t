#!/usr/bin/perl
# Reports of repositories in every state are valid by schema/report-1.json, and it is strict enough
# to notice when they are not.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Audit;
use Muster::Test qw(src_dir spew);

plan skip_all => 'python3-jsonschema is not here' if system('python3 -c "import jsonschema" 2>/dev/null');

my $check = <<'END';
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
cls = jsonschema.validators.validator_for(schema)
cls.check_schema(schema)
bad = list(cls(schema).iter_errors(json.load(open(sys.argv[2]))))
for e in bad[:5]:
    print("/".join(map(str, e.path)), e.message[:300])
sys.exit(1 if bad else 0)
END

my $dir = audit_folder();
my $file = "$dir/../report.json";

sub is_valid {
	my ($text) = @_;
	utf8::encode($text) if utf8::is_utf8($text);
	spew($file, $text);
	open my $out, '-|', 'python3', '-c', $check, src_dir() . '/schema/report-1.json', $file or die $!;
	local $/;
	my $said = <$out> // '';
	close $out;
	diag($said) if $? && $_[1];
	return $? == 0;
}

ok(is_valid(audit_run('--format', 'json', $dir), 1), 'a report of an empty folder is valid');

repo("$dir/clean", remote => 'https://github.com/me/clean.git');
repo("$dir/dirty", remote => 'https://github.com/me/dirty');
put("$dir/dirty/new", "x\n");
put("$dir/dirty/.env", "A=b\n");
put("$dir/dirty/large", 'x' x 11_000_000);
git("$dir/dirty", qw(add .env large));
git("$dir/dirty", qw(commit -q -m large));
git("$dir/dirty", qw(tag v1));
git("$dir/dirty", qw(stash -u));
put("$dir/dirty/new", "x\n");
repo("$dir/wrong", remote => 'git@github.com:me/right.git');
repo("$dir/old \xff\n", date => 1_000_000_000);
git($dir, qw(init -q empty));
git($dir, qw(init -q --bare bare.git));
git($dir, qw(init -q --object-format=sha256 sha256));
git($dir, qw(init -q broken));
put("$dir/broken/.git/HEAD", "nonsense\n");
mkdir "$dir/plain" or die $!;
repo("$dir/main");
git("$dir/main", 'worktree', 'add', '-q', "$dir/main-two", '-b', 'two');
git("$dir/main", 'worktree', 'add', '-q', "$dir/main-three", '-b', 'three');
system 'rm', '-rf', "$dir/main-three";
git("$dir/main", qw(-c protocol.file.allow=always submodule -q add), "$dir/clean", 'sub');
git("$dir/main", qw(commit -q -m sub));
put("$dir/main/sub/README.md", "changed\n");
git("$dir/clean", qw(checkout -q --detach));
git($dir, 'clone', '-q', '--depth', '1', "file://$dir/dirty", 'shallow');

my $text = audit_run('--format', 'json', $dir);
ok(is_valid($text, 1), 'a report of repositories in every state is valid');
ok(is_valid(audit_run('--format', 'json', '--checks', 'status', $dir), 1), 'so is one without history');
ok(is_valid(audit_run('--format', 'json', '--checks', 'setup', $dir), 1), 'and one of a few checks');

put("$dir/../list", "clean https://github.com/me/clean\nabsent https://github.com/me/absent\nplain\n");
$text = audit_run('--format', 'json', '--remote-list', "$dir/../list", $dir);
ok(is_valid($text, 1), 'and one with a list of what should exist');
my $report = JSON::PP->new->utf8->decode($text);
is_deeply([sort map { $_->{status} } @{ $report->{repos} }],
	[qw(clean error error extra extra extra extra extra extra extra missing missing)], 'the states are all there');

for my $break (
	['a counter that is null', sub { $_[0]{summary}{dirty} = undef }],
	['a status that is none', sub { $_[0]{repos}[0]{status} = 'fine' }],
	['a score above 100', sub { $_[0]{repos}[3]{healthScore} = 101 }],
	['a time that is local', sub { $_[0]{timestamp} = '2026-01-01T00:00:00+01:00' }],
	['a member that nobody knows', sub { $_[0]{repos}[0]{surprise} = 1 }],
	['no id', sub { delete $_[0]{repos}[0]{id} }],
) {
	my $copy = JSON::PP->new->utf8->decode($text);
	$break->[1]->($copy);
	ok(!is_valid(JSON::PP->new->canonical->encode($copy)), "$break->[0] is not valid");
}

# Keys of the older generation come first and in their order.
my %first = (
	missing => [qw(name status clone_url dashboard_link mitigation)],
	extra => [qw(name status local_path remote_url dashboard_link mitigation)],
	dirty => [qw(name status local_path clone_url dashboard_link mitigation)],
	mismatched => [qw(name status local_path remote_url expected_url dashboard_link mitigation)],
	clean => [qw(name status local_path clone_url file_status dashboard_link)],
);
my $plain = audit_run('--format', 'json', $dir) . $text;
for my $status (sort keys %first) {
	my ($row) = $plain =~ /^ {4}\{\n((?: {6}.*\n)*? {6}"status": "\Q$status\E",\n(?: {6}.*\n)*)/m;
	my @keys = $row =~ /^ {6}"(\w+)":/mg;
	is_deeply([@keys[0 .. $#{ $first{$status} }]], $first{$status}, "a row that is $status begins as it always did");
}
my @top = $text =~ /^ {2}"(\w+)":/mg;
is_deeply([@top[0 .. 6]], [qw(timestamp health_status local_git_root github_user summary repos mitigation_actions)],
	'so does the report');
done_testing;
