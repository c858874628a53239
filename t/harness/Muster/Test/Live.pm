# SPDX-License-Identifier: MIT
package Muster::Test::Live;

# A stand with a pusher in it: database, an organization with somebody signed in, the daemon.
#
#	my $live = Muster::Test::Live->new($stand, 'pusher.heartbeat_s' => 1);
#	my $ws = $live->ws('/ws');			# signed in as $live->{session}
#	$live->event('repo-status-change', { repo => {} });	# through outbox, as writers do
#	$live->report('default', $report);		# a report file, renamed into place
#	my $other = $live->organization('other');	# { id, token } of another organization
#
# start() and stop() the pusher as often as wanted; it is started by new().

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use File::Path qw(make_path);
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Socket qw(pack_sockaddr_un SOCK_DGRAM);
use Time::HiRes qw(time);

use Muster::Test;
use Muster::WebSocket;

my $json = JSON::PP->new->utf8->canonical;
my $clock = 0;

sub new {
	my ($class, $stand, %key) = @_;
	my $self = bless { stand => $stand, db => $stand->database, conf_keys => \%key }, $class;
	open my $out, '>', $stand->state_dir . '/key' or die "key: $!\n";
	print $out 'k' x 32;
	close $out;
	chmod 0600, $stand->state_dir . '/key';
	$self->{default} = $self->organization('default');
	$self->{session} = $self->{default}{token};
	$self->start unless delete $key{stopped};
	return $self;
}

sub db { return $_[0]{db} }

# A new organization with an account and a session.
sub organization {
	my ($self, $slug) = @_;
	my $db = $self->{db};
	$db->sql(q{select muster.organization_add($1, $1)}, $slug);
	my $id = $db->value('select id from muster.organization where slug = $1', $slug);
	my $account = $db->value(q{insert into muster.account (email) values ($1) returning id},
		"$slug\@muster.test");
	$db->sql(q{insert into muster.membership (organization_id, account_id, role)
		values ($1, $2, 'org_admin')}, $id, $account);
	my $one = { id => $id, slug => $slug, account => $account };
	@$one{qw(token sid)} = $self->session($one);
	return $one;
}

# A new session: its cookie's token and its id. Seconds until it ends: an hour.
sub session {
	my ($self, $one, $seconds, $token) = @_;
	$token //= sha256_hex(rand() . time . $$);
	my $sid = $self->{db}->value(q{insert into muster.session
		(organization_id, account_id, token_hash, csrf, expires_at)
		values ($1, $2, decode($3, 'hex'), decode($3, 'hex'), now() + make_interval(secs => $4::float))
		returning id}, $one->{id}, $one->{account}, sha256_hex($token), $seconds // 3600);
	$self->wake;
	return ($token, $sid);
}

sub start {
	my ($self) = @_;
	my $stand = $self->{stand};
	my $conf = $stand->conf($self->{db}, %{ $self->{conf_keys} });
	$self->{pusher} = $stand->start('pusher', [program('muster-pusher')],
		env => { MUSTER_CONF => $conf });
	wait_for { !$self->{pusher}->is_running
		|| eval { $self->http('/api/ws/status')->body_json->{status} eq 'healthy' } }
		'the pusher is healthy';
	die $self->{pusher}->output unless $self->{pusher}->is_running;
	return $self;
}

sub stop { my ($self) = @_; return $self->{pusher}->stop }

sub socket { return $_[0]{stand}->run_dir . '/pusher.sock' }
sub stream_socket { return $_[0]{stand}->run_dir . '/stream.sock' }

sub cookie { my ($self, $token) = @_; return 'muster_session=' . ($token // $self->{session}) }

sub http {
	my ($self, $target, %header) = @_;
	return Muster::WebSocket->get($self->socket, $target, %header);
}

sub ws {
	my ($self, $target, %header) = @_;
	return Muster::WebSocket->connect($self->socket, $target // '/ws', Cookie => $self->cookie,
		%header);
}

sub sse {
	my ($self, $target, %header) = @_;
	return Muster::WebSocket->get($self->stream_socket, $target // '/api/v1/sse/events',
		Cookie => $self->cookie, %header);
}

# The datagram that programs send after a commit.
sub wake {
	my ($self) = @_;
	my $path = $self->{stand}->run_dir . '/wake.sock';
	return unless -S $path;
	CORE::socket(my $socket, Socket::AF_UNIX(), SOCK_DGRAM, 0) or die "socket: $!\n";
	send $socket, '', 0, pack_sockaddr_un($path);
	return;
}

# Writes an event in its own transaction. Options: organization (id), project, channel, labels.
sub event {
	my ($self, $type, $data, %option) = @_;
	$self->{db}->sql(q{insert into muster.outbox
		(organization_id, project_id, channel, type, subject, data, labels)
		values ($1, $2, $3, $4, 'test', $5, $6)}, $option{organization} // $self->{default}{id},
		exists $option{project} ? $option{project} : 'default', $option{channel} // 'audit', $type,
		$json->encode($data // {}), $option{labels} // '{}');
	$self->wake;
	return $self;
}

sub events {
	my ($self, $type, $count) = @_;
	$self->{db}->sql(q{insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
		select $1, 'default', 'audit', $2, 'test', jsonb_build_object('n', n)
		  from generate_series(1, $3::int) n}, $self->{default}{id}, $type, $count);
	$self->wake;
	return $self;
}

sub head { return $_[0]{db}->value('select head from muster.event_bounds()') }

# A report with these repositories: { name => status, … }. Options: timestamp, and members to add.
sub report_text {
	my ($self, $repos, %more) = @_;
	my $ms = int(time * 1000);
	$clock = $ms > $clock ? $ms : $clock + 1;
	my $timestamp = POSIX::strftime('%Y-%m-%dT%H:%M:%S', gmtime($clock / 1000))
		. sprintf('.%03dZ', $clock % 1000);
	my @repos = map { { name => $_, status => $repos->{$_}, path => "/src/$_" } } sort keys %$repos;
	return $json->encode({ timestamp => $timestamp, health_status => 'green', duration_ms => 5,
		summary => { total => scalar @repos }, repos => \@repos, schema_version => 1, %more });
}

sub report {
	my ($self, $root, $repos, %more) = @_;
	return $self->report_write($root, $self->report_text($repos, %more));
}

sub report_write {
	my ($self, $root, $text) = @_;
	my $folder = $self->{stand}->state_dir . "/reports/default/$root";
	make_path($folder);
	return spew("$folder/GitRepoReport.json", $text);
}

# Processor time of the pusher so far, in clock ticks (100 a second).
sub ticks {
	my ($self) = @_;
	my $stat = slurp('/proc/' . $self->{pusher}->pid . '/stat');
	my @field = split ' ', $stat =~ s/\A.*\) //r;
	return $field[11] + $field[12];
}

sub descriptors {
	my ($self) = @_;
	my @all = glob '/proc/' . $self->{pusher}->pid . '/fd/*';
	return scalar @all;
}

sub rss_kib {
	my ($self) = @_;
	return slurp('/proc/' . $self->{pusher}->pid . '/status') =~ /VmRSS:\s+(\d+)/ ? $1 : die;
}

1;
