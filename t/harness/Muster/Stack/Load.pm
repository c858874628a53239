# SPDX-License-Identifier: MIT
package Muster::Stack::Load;

# Several clients that ask at once, each in a process of its own, and what they were answered.
#
#	my $load = Muster::Stack::Load->start($ann, clients => 4);		# GET, until it is stopped
#	is_deeply $load->stop, { 200 => … };
#	my $load = Muster::Stack::Load->start($ann, clients => 6, count => 150);	# so many each
#	is_deeply $load->wait, { 200 => 900 };
#
# Options: path; keep_alive => 0; step => sub { my ($client, $n) = @_; … return answers } instead of a GET of it.
# Answers are counted by name_of(): the status, and what is wrong with the answer beside it.

use strict;
use warnings;
use File::Temp ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep);

use Muster::Stack::Client;

sub name_of {
	my ($answer) = @_;
	my ($status, $head) = ($answer->{status}, $answer->{headers});
	my $name = $status;
	$name .= ' without Retry-After' if $status == 503 && !$head->{'retry-after'};
	$name .= ' without id' if $status != 599 && !$head->{'x-request-id'};
	$name .= ' with entrails'
		if $status >= 400 && $answer->{content} =~ /PGSQL|socket|FATAL|terminat/ && $status != 599;
	$name .= ' ' . substr $answer->{content}, 0, 100 if $status == 599;
	return $name;
}

# Another client who is the same person.
sub twin {
	my ($client, %option) = @_;
	my $twin = Muster::Stack::Client->new($client->{url}, %option);
	return bless { %$twin, cookies => { %{ $client->{cookies} } }, csrf => $client->csrf }, ref $client;
}

sub child {
	my ($self, $client, $who, %option) = @_;
	pipe my $from, my $to or die;
	my $parent = $$;
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		my $twin = twin($client, keep_alive => $option{keep_alive});
		my %seen;
		close $from;
		my $path = $option{path} // '/api/v1/repos?limit=5';
		my $step = $option{step} // sub { return $_[0]->get($path) };
		for (my $n = 0; defined $option{count} ? $n < $option{count} : -e $self->{flag}; $n++) {
			last if getppid() != $parent;
			my @names = map { name_of($_) } $step->($twin, $n, $who);
			$seen{$_}++ for @names;
			# Who is refused does not ask again at once.
			sleep 0.01 if grep { !/^20\d$/ } @names;
		}
		print $to JSON::PP->new->encode(\%seen);
		close $to;
		POSIX::_exit(0);
	}
	close $to;
	return { pid => $pid, from => $from };
}

sub start {
	my ($class, $client, %option) = @_;
	my (undef, $flag) = File::Temp::tempfile('load.XXXXXX', TMPDIR => 1);
	my $self = bless { flag => $flag }, $class;
	$self->{children} = [ map { $self->child($client, $_, %option) } 1 .. $option{clients} // 4 ];
	return $self;
}

# { name => how often } of all clients together, when each has done its count.
sub wait {
	my ($self) = @_;
	my %all;
	for my $child (@{ $self->{children} }) {
		my $seen = JSON::PP->new->decode(do { local $/; readline $child->{from} });
		$all{$_} += $seen->{$_} for keys %$seen;
		waitpid $child->{pid}, 0;
	}
	unlink $self->{flag};
	return \%all;
}

# The same, now.
sub stop {
	my ($self) = @_;
	unlink $self->{flag};
	return $self->wait;
}

1;
