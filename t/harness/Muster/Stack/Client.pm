# SPDX-License-Identifier: MIT
package Muster::Stack::Client;

# A browser as far as HTTP goes: keeps cookies, sends the CSRF token, decodes JSON. Not Chromium;
# that is t/dash.
#
#	my $c = $stack->client;			# nobody
#	$c->login('ann@example.org');		# dies when refused; returns itself
#	$c->get($path, Name => value …); $c->post($path, {…}, Name => value …)
#	$c->request(PUT => $path, { headers => {…}, content => '…' })	# as HTTP::Tiny's; with
#			raw => 1 a large answer is not decoded
#
# An answer is HTTP::Tiny's ({status, headers, content, …}) and json, the decoded content.

use strict;
use warnings;
use HTTP::Tiny ();
use JSON::PP ();

my $json = JSON::PP->new->utf8->canonical;

sub new {
	my ($class, $url, %option) = @_;
	return bless { url => $url, cookies => {}, csrf => undef,
		http => HTTP::Tiny->new(timeout => 30, keep_alive => $option{keep_alive} // 1,
			max_redirect => 0) }, $class;
}

sub csrf { return $_[0]{csrf} }
sub tokens { return $_[0]{tokens} }
sub cookie { return $_[0]{cookies}{ $_[1] // 'muster_session' } }

sub request {
	my ($self, $method, $path, $option) = @_;
	my %headers = %{ ($option // {})->{headers} // {} };
	my $cookie = join '; ', map { "$_=$self->{cookies}{$_}" } sort keys %{ $self->{cookies} };
	$headers{Cookie} //= $cookie if $cookie ne '';
	$headers{Accept} //= 'application/json';
	delete $headers{$_} for grep { !defined $headers{$_} } keys %headers;
	my $answer = $self->{http}->request($method, $self->{url} . $path,
		{ %{ $option // {} }, headers => \%headers });
	my $set = $answer->{headers}{'set-cookie'};
	for my $line (ref $set ? @$set : grep { defined } $set) {
		my ($name, $value) = $line =~ /^([^=]+)=([^;]*)/ or next;
		if ($value eq '' || $line =~ /Max-Age=0/i) { delete $self->{cookies}{$name} }
		else { $self->{cookies}{$name} = $value }
	}
	$answer->{json} = eval { $json->decode($answer->{content}) }
		if ($answer->{headers}{'content-type'} // '') =~ /json/ && !($option // {})->{raw};
	return $answer;
}

sub get {
	my ($self, $path, %headers) = @_;
	return $self->request(GET => $path, { headers => \%headers });
}

sub post {
	my ($self, $path, $body, %headers) = @_;
	$headers{'Content-Type'} //= 'application/json';
	$headers{'X-CSRF-Token'} //= $self->{csrf} if defined $self->{csrf};
	return $self->request(POST => $path,
		{ headers => \%headers, content => ref $body ? $json->encode($body) : $body // '' });
}

sub login {
	my ($self, $email, $password) = @_;
	my $answer = $self->post('/api/v1/auth/login',
		{ email => $email, password => $password // $Muster::Stack::PASSWORD });
	die "sign-in of $email: $answer->{status} $answer->{content}\n" if $answer->{status} != 200;
	$self->{tokens} = $answer->{json};
	$self->{csrf} = $answer->{json}{csrf_token};
	return $self;
}

1;
