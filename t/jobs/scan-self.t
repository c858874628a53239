#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# No file of this project holds anything that looks like a secret, not even a rule's example: tests
# put theirs together when they run. Nor does a report, which people keep beside what was scanned.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test;
use Muster::Tree;

my $folder = audit_folder();

# Tracked files only, in a folder of their own: what a build left beside them is nobody's text.
chdir tree_top() or die $!;
my @files = tree_files(qr{.});
cmp_ok(scalar @files, '>', 300, 'there are files');
my ($code, $out, $err) = run_program(['tar', '-cf', "$folder/tree.tar", '--', @files]);
is($code, 0, 'they are copied') or diag($err);
mkdir "$folder/tree" or die $!;
system('tar', '-xf', "$folder/tree.tar", '-C', "$folder/tree") == 0 or die 'tar';
($code, $out, $err) = run_program([build_dir() . '/jobs/muster', 'scan', '--worktree', '--strict', '--no-state',
	'--format', 'json', "$folder/tree"]);
my $report = JSON::PP->new->utf8->decode($out);
is_deeply([map { "$_->{path}:$_->{line}: $_->{rule}" } @{ $report->{findings} }], [], 'none looks like a secret');
is($code, 0, 'and everything was read') or diag($err);
cmp_ok($report->{coverage}{scanned}, '>', 300, 'each of them');

# Reports of many kinds of secrets, in each form.
my $r = repo("$folder/datadog-api-key");
my $n = 0;
# Letters and digits, other ones each time.
sub some { my ($count) = @_; $n += 3; return substr join('', map { substr token($_), 6, 30 } $n .. $n + 2), 0, $count }
sub key { return join '', map { encode_base64(substr(some(90), 0, 48)) } 1 .. 12 }

sub pem {
	my ($kind, $start) = @_;
	return join "\n", "-----BEGIN $kind-----", encode_base64($start . substr(some(90), 0, 48 - length $start)) . key() . "-----END $kind-----", '';
}
my %leaks = (
	'github_token.env' => 'GITHUB_TOKEN=' . token(1) . "\n",
	'github-pat.txt' => 'github_' . 'pat_' . some(22) . '_' . some(59) . "\n",
	'aws/credentials' => 'aws_access_key_id = AK' . 'IA' . substr('Q3XW7TZB5NPLYHK2RFVD', 0, 16) . "\naws_secret_access_key = " . some(39) . "/\n",
	'password.yml' => "password: '" . some(14) . "#'\nurl: postgres://app:" . some(13) . "\@db.acme.io/x\n",
	'openssh' => pem('OPENSSH PRIVATE ' . 'KEY', "openssh-key-v1\0\0\0\0\4none"),
	'rsa.pem' => pem('RSA PRIVATE ' . 'KEY', "\x30\x82\x02\x5c\x02\x01\x00\x02\x81\x81\x00"),
	'one-line.json' => '{"key": "' . (pem('RSA PRIVATE ' . 'KEY', "\x30\x82\x02\x5c\x02\x01\x00\x02") =~ s/\n/\\n/gr) . "\"}\n",
	'twitter/token.js' => "const apiKey = '" . some(32) . "';\nconst twitter_secret = '" . some(45) . "';\n",
	'slack-token' => 'xox' . 'b-123487659012-210987654321-' . some(24) . "\n",
	'basic.sh' => 'curl -H "Authorization: Basic ' . encode_base64('app:' . some(16), '') . "\" https://acme.io/\n",
	'datadog_api_key.txt' => 'datadog_api_key = ' . unpack('H*', substr some(16), 0, 16) . "\n",
	'jwt_token' => join('.', map { encode_base64($_, '') =~ tr{+/=}{-_}dr } '{"alg":"HS256","typ":"JWT"}', '{"sub":"' . some(12) . '"}', some(32)) . "\n",
	'hash' => 'root:$6$' . some(16) . '$' . some(86) . ":1::\n",
);
put("$r/$_", $leaks{$_}) for keys %leaks;
commit($r, 'add the password, token and api key');
spew("$folder/key", "\x01" x 32);
chmod 0600, "$folder/key" or die $!;
put("$r/openssh", "gone\n");
commit($r, 'gone from here');
my $muster = build_dir() . '/jobs/muster';
for my $form (qw(table json jsonl sarif csv junit html markdown gitleaks)) {
	my ($exit, $text, $errors) = run_program([$muster, 'scan', '--no-state', '-v', '--key-file', "$folder/key", '--format', $form, $r]);
	is($exit, 1, "secrets are found for $form") or diag($errors);
	put("$folder/reports/$form/github-token.txt", $text);
	$report = JSON::PP->new->utf8->decode($text) if $form eq 'json';
}
my %kinds = map { ($_->{rule} => 1) } @{ $report->{findings} };
cmp_ok(scalar keys %kinds, '>=', 12, 'of many kinds') or diag(join ' ', sort keys %kinds);
($code, $out, $err) = run_program([$muster, 'scan', '-w', '--strict', '--no-state', '--format', 'json', "$folder/reports"]);
$report = JSON::PP->new->utf8->decode($out);
is_deeply([map { "$_->{path}:$_->{line}: $_->{rule}" } @{ $report->{findings} }], [], 'no report looks as if it held one');
is($code, 0, 'and each was read') or diag($err);
done_testing;
