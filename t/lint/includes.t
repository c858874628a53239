#!/usr/bin/perl
# Includes only point down, and each foreign library is met in one folder.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Tree;

# From a folder's files to those of which folders (itself is always allowed).
my %edge = (
	'lib' => [],
	'cgi' => ['lib'],
	'pusher' => ['lib'],
	'jobs' => ['lib', 'jobs/git', 'jobs/audit', 'jobs/scan', 'jobs/output'],
	'jobs/git' => ['lib'],
	'jobs/audit' => ['lib', 'jobs/git'],
	'jobs/scan' => ['lib'],
	'jobs/output' => ['lib', 'jobs/audit', 'jobs/scan'],
	't/unit' => ['lib', 'jobs/git', 'jobs/audit', 'jobs/scan', 'jobs/output', 'cgi', 'pusher', 'jobs', 't'],
	't/fuzz' => ['lib', 'jobs', 'jobs/git', 'jobs/audit', 'jobs/scan', 'cgi', 'pusher', 't'],
	't/bench' => ['lib', 'jobs/scan', 't'],
	't/jobs' => ['lib', 'jobs', 'jobs/git', 'jobs/audit', 'jobs/scan', 't'],
	't/harness' => ['lib', 'jobs/scan'],
);

# A foreign header and the one folder in which it may be included.
my %foreign = (
	'libpq-fe.h' => 'lib', 'json.h' => 'lib', 'sodium.h' => 'lib', 'curl/curl.h' => 'lib',
	(map { ("openssl/$_.h" => 'lib') } qw(bn core_names ecdsa err evp param_build)),
	'git2.h' => 'jobs/git', 'seccomp.h' => 'jobs', 'zlib.h' => 'jobs/git',
	'hs/hs.h' => 'jobs/scan', 'hs.h' => 'jobs/scan', 'pcre2.h' => 'jobs/scan', 'libdeflate.h' => 'jobs/scan',
	'archive.h' => 'jobs', 'archive_entry.h' => 'jobs',
	'qrencode.h' => 'cgi',
	'fcgiapp.h' => 'cgi', 'fcgi_stdio.h' => 'cgi',
	'libwebsockets.h' => 'pusher', 'ev.h' => 'pusher',
);

my @files = tree_files(qr{^(?:lib|jobs|cgi|pusher|t)/.*\.[ch]$});
my %exists = map { $_ => 1 } @files;
my (@missing, @edges, @strangers, @first, @second);

for my $path (@files) {
	my ($folder) = $path =~ m{^(.*)/};
	my @includes = tree_read($path) =~ /^[ \t]*#[ \t]*include[ \t]+([<"][^>"\n]+[>"])/mg;
	my $own = $path =~ s/\.c$/.h/r;
	if ($path =~ /\.c$/) {
		push @first, $path if !@includes || $includes[0] ne '"config.h"';
		push @second, $path if $exists{$own} && ($includes[1] // '') ne qq("$own");
	}
	for my $include (@includes) {
		my ($kind, $name) = $include =~ /^(.)(.*).$/;
		if ($kind eq '"') {
			next if $name eq 'config.h' && $path =~ /\.c$/;
			push @missing, "$path: $name" unless $exists{$name};
			my ($to) = $name =~ m{^(.*)/};
			push @edges, "$path: $name"
				if defined $to && $to ne $folder && !grep { $to eq $_ || ($_ eq 't' && $to =~ m{^t/}) } @{ $edge{$folder} // [] };
		} elsif (my $home = $foreign{$name}) {
			push @strangers, "$path: <$name> belongs to $home" unless $folder eq $home || $folder eq 't/bench';
		} elsif ($name =~ m{^(?:git2|json-c|sodium|curl|libwebsockets)/}) {
			push @strangers, "$path: <$name>: include the library's own main header";
		}
	}
}
none(\@first, 'config.h comes first in every C file');
none(\@second, 'a file includes its own header second');
none(\@missing, 'quoted includes are paths from the top of the tree');
none(\@edges, 'includes only point down');
none(\@strangers, 'each foreign library is included in one folder only');
done_testing;
