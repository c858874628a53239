# SPDX-License-Identifier: MIT
package Muster::Test::Seed;

# Something to look at: an organisation with a person of each role, signed in, a watched root and
# its first report.
#
#	use Muster::Test::Seed;
#	my $acme = seed($db, 'acme');
#	$acme->{id}; $acme->{slug}; $acme->{root};		# ids and slugs
#	my $who = $acme->{people}{viewer};			# id email sid token csrf refresh (hex)
#	$db->json(enter($who, 'viewer') . 'select muster.overview_get()');
#	report([{ name => 'a', status => 'dirty' }], timestamp => '2026-01-02T03:04:05Z');  # JSON text
#	ingest($db, $acme, report(…));				# what report_ingest() answers
#
# token is what the cookie holds; the password of everybody is "correct horse battery", and only a
# program of ours could check it: password_hash is null unless seed(…, hash => $argon2id) is given.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use JSON::PP ();
use POSIX qw(strftime);

our @EXPORT = qw(seed report report_data ingest enter);

my $json = JSON::PP->new->utf8->canonical;
my $clock = 1767225600; # 2026-01-01T00:00:00Z; each report is a second younger
my @roles = qw(viewer developer team_lead org_admin platform_admin);

# A repository as muster audit reports it, the parts that the database looks at.
sub repo {
	my ($given) = @_;
	my $status = $given->{status} // 'clean';
	my $dirty = $status eq 'dirty';
	return { status => $status, path => "/srv/$given->{name}", branch => 'main',
		remote => "https://example.org/me/$given->{name}.git", lastCommit => '2025-12-31T23:00:00Z',
		lastCommitSha => 'a' x 40, lastCommitSubject => 'Begin', lastCommitAgeDays => 1,
		uncommittedChanges => $dirty ? JSON::PP::true : JSON::PP::false, missingFiles => [],
		isStale => JSON::PP::false, ahead => 0, behind => 0, healthScore => $dirty ? 80 : 100,
		counts => { staged => 0, unstaged => $dirty ? 1 : 0, untracked => 0, stashes => 0 },
		checks => [{ id => 'status', severity => 'low', status => $dirty ? 'warn' : 'pass',
			message => 'the working tree' }],
		%$given };
}

sub report_data {
	my ($repos, %top) = @_;
	my @repos = map { repo($_) } @$repos;
	my %count = map { my $s = $_; $s => scalar grep { $_->{status} eq $s } @repos }
		qw(missing extra dirty mismatched clean not_git error);
	my $errors = delete $count{error};
	return { timestamp => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $clock++), schema_version => 1,
		health_status => $count{missing} || $errors ? 'red' : $count{dirty} ? 'yellow' : 'green',
		local_git_root => '/srv', github_user => '', generator => 'test', duration_ms => 12,
		summary => { %count, total => scalar @repos, stale => 0, missing_files => 0,
			errors => $errors, unknown => [qw(missing extra)] },
		repos => \@repos, mitigation_actions => {}, %top };
}

sub report { return $json->encode(report_data(@_)) }

sub ingest {
	my ($db, $organization, $text, %option) = @_;
	return $db->json('select muster.report_ingest($1, $2, $3, $4)',
		ref $organization ? $organization->{slug} : $organization, $option{host} // 'here',
		$option{root} // 'default', $text);
}

# The first statement of a request, as SQL text; options: organization, csrf (hex).
sub enter {
	my ($who, $role, %option) = @_;
	my $csrf = defined $option{csrf} ? "'\\x$option{csrf}'" : 'null';
	my $organization = defined $option{organization} ? "'$option{organization}'" : 'null';
	return "begin; select muster.enter('session', '\\x" . sha256_hex($who->{token})
		. "', $organization, '$role', $csrf) \\g /dev/null\n";
}

sub seed {
	my ($db, $slug, %option) = @_;
	my %it = (slug => $slug);
	$it{id} = $db->value('select muster.organization_add($1)', $slug);
	for my $role (@roles) {
		my %who = (email => "$role\@$slug.example", role => $role, token => "$slug-$role-token",
			csrf => substr(sha256_hex("$slug-$role-csrf"), 0, 32), refresh => "$slug-$role-refresh");
		$who{id} = $db->value('select muster.account_add($1, $2, $3, $4, $5)', $who{email},
			"The $role", $option{hash}, $slug, $role);
		my $session = $db->json('select muster.session_add($1, $2, $3, $4, $5)', $who{id},
			'\x' . sha256_hex($who{token}), "\\x$who{csrf}", '\x' . sha256_hex($who{refresh}), $slug);
		$who{sid} = $session->{sid};
		$it{people}{$role} = \%who;
	}
	my $root = $db->json('select muster.root_add($1, $2, $3)', $slug, 'here', "/srv/$slug");
	$it{root} = $root->{id};
	# Its first audit would be in everybody's queue.
	$db->sql('delete from muster.job where key = $1', "root:$root->{id}");
	ingest($db, \%it, report($option{repos} // [{ name => "$slug-one" },
		{ name => "$slug-two", status => 'dirty' }, { name => "$slug-three", status => 'missing' }]));
	return \%it;
}

1;
