#!/usr/bin/perl
# Severities: lowered, not hidden, in tests and examples, and for what everybody tries.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Audit;
use Muster::Scan;

my $dir = audit_folder();
my $r = repo("$dir/thing");

# A password of 14 letters and digits, made here.
sub password { return 'q' . substr(token(700 + $_[0]), 8, 12) . '7' }

sub url { return sprintf "url: %s://app:%s\@%s/shop\n", 'postgres', @_ }

my %files = (
	'live.yml' => url(password(1), 'db.acme.io'),
	'local.yml' => url(password(2), 'localhost:5432'),
	'loop.yml' => url(password(3), '127.0.0.1'),
	'doc.yml' => url(password(4), 'db.example.com'),
	'default.yml' => url('postgres', 'db.acme.io'),
	'both.yml' => url(password(5), 'localhost') . url(password(5), 'db.acme.io'),
	'tests/a.yml' => url(password(6), 'db.acme.io'),
	'src/dockerTest/a.yml' => url(password(7), 'db.acme.io'),
	'latest/a.yml' => url(password(8), 'db.acme.io'),
	'.github/workflows/BuildTest.yml' => url(password(9), 'db.acme.io'),
	'deploy/demo/prod.env' => 'TOKEN=' . token(1) . "\n",
	'docs/sample.yml' => 'token: ' . token(2) . "\n",
	'tests/token.txt' => token(3) . "\n",
	'tests/unproven.txt' => (token(4) =~ s/(.{5})\z/scalar reverse $1/er) . "\n",
);
put("$r/$_", $files{$_}) for keys %files;
commit($r, 'all');
my %found = map { ($_->{path} => $_) } @{ scan_json('--enable-rule', 'postgres-url,github', $r)->{findings} };

sub counts {
	my ($path, $severity, $why, $name) = @_;
	my $f = $found{$path} or return fail("$name: found");
	is_deeply([$f->{severity}, $f->{lowered_for}], [$severity, $why], $name);
}

counts('live.yml', 'high', undef, 'the password of a server counts');
counts('local.yml', 'low', 'default', 'one for the local host counts less');
counts('loop.yml', 'low', 'default', 'by its number, too');
counts('doc.yml', 'low', 'default', 'and one for a host that only exists in examples');
counts('default.yml', 'low', 'default', 'a password that everybody tries counts less');
counts('both.yml', 'high', undef, 'one that is for a server as well does not');
counts('tests/a.yml', 'low', 'test', 'a folder of tests');
counts('src/dockerTest/a.yml', 'low', 'test', 'one whose last word says so');
counts('latest/a.yml', 'high', undef, 'not one that ends in the same letters');
counts('.github/workflows/BuildTest.yml', 'high', undef, 'what builds is no test, whatever its name');
counts('deploy/demo/prod.env', 'critical', undef, 'a token that its checksum proves counts in a demonstration');
counts('docs/sample.yml', 'critical', undef, 'in a sample');
counts('tests/token.txt', 'critical', undef, 'and in a test');
counts('tests/unproven.txt', 'low', undef, 'one whose checksum is wrong is low anywhere');
like(scan_run('-v', '--no-color', '--enable-rule', 'postgres-url', $r), qr/lowered: it is a default, or for a local host/, 'and it is said why');

done_testing();
