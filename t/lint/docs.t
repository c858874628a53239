#!/usr/bin/perl
# What the texts name exists: files, functions of ours, settings, commands and their options.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Tree;

my $build = $ENV{MUSTER_BUILDDIR} // '.';
my %file = map { $_ => 1 } tree_files();
my %folder;
for my $path (keys %file) {
	$folder{$path} = 1 while $path =~ s{/[^/]*\z}{};
}
my @texts = grep { $file{$_} } qw(README.md HACKING.md SECURITY.md NEWS.md);
is(scalar @texts, 4, 'the four texts are there');
my %setting = map { $_ => 1 } tree_read('lib/conf_keys.c') =~ /^\t\{ "([a-z_.]+)"/mg;
my $c = join '', map { tree_read($_) } tree_files(qr{^(?:lib|jobs|cgi|pusher)/.*\.h$});
my $sql = join '', map { tree_read($_) } tree_files(qr{^sql/.*\.sql$});
my $js = join '', map { tree_read($_) } tree_files(qr{^htdocs/.*\.js$});
my (@paths, @functions, @settings, @options);
my %help;
my $commands = join '|', grep { $_ ne 'version' } qx($build/jobs/muster --help) =~ /^  ([a-z]+) +\S/mg;

for my $text (@texts) {
	my $body = tree_read($text);
	for my $name ($body =~ m{(?<![\w/.~-])((?:jobs|lib|cgi|pusher|sql|htdocs|t|contrib|schema)/[\w./-]*[\w/])(?![\w<*])}g) {
		(my $plain = $name) =~ s{/\z}{};
		push @paths, "$text: $name" unless $file{$plain} || $folder{$plain} || $name =~ /_\z|NNNN/;
	}
	push @paths, "$text: $_" for grep { !m{^https?:} && !$file{$_} } $body =~ /\]\(([^)#]+)\)/g;
	for my $name ($body =~ /`([a-z_]+)\(\)`/g) {
		push @functions, "$text: $name()" unless $c =~ /\b$name\(/ || $sql =~ /function muster\.$name\(/ || $js =~ /function $name\(/;
	}
	for my $name ($body =~ /`((?:audit|event|job|database|server|paths|pusher|api|log)\.(?!fcgi)[a-z_]+)(?: = \w+)?`/g) {
		push @settings, "$text: $name" unless $setting{$name};
	}
	# muster COMMAND … --option, in code.
	for my $line ($body =~ /`([^`\n]*\bmuster [^`]*)`/g, $body =~ /^\t+(.*\bmuster .*)$/mg) {
		my ($command, $rest) = $line =~ /\bmuster ($commands)\b(.*)/s or next;
		my $server = $command =~ /^(?:audit|diff|rules|scan)$/ ? 'muster' : 'muster-server';
		my $said = $help{$command} //= qx($build/jobs/$server $command --help 2>&1);
		push @options, "$text: muster $command" if $said !~ /usage/i;
		push @options, "$text: muster $command $_" for grep { $said !~ /\Q$_\E\b/ } $rest =~ /(--[a-z][a-z-]+)/g;
	}
}
none(\@paths, 'files and folders that are named exist');
none(\@functions, 'functions that are named exist');
none(\@settings, 'settings that are named exist');
cmp_ok(scalar keys %help, '>', 4, 'commands are found in the texts');
none(\@options, 'commands take the options that the texts give them');

my ($usage) = tree_read('README.md') =~ /(contrib\/quickstart)/;
ok(-x tree_top() . "/$usage", 'the command that the texts begin with can be started');
my $quickstart = tree_read('contrib/quickstart');
none([grep { index($quickstart, $_) < 0 } qw(--port --state --user --detach --status --stop --no-install)], 'it has its options');
done_testing;
