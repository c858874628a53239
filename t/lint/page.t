#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What the page's files must not hold: markup from text, inline code or style, other origins.
use strict;
use warnings;
use File::Find;
use Test::More;

my $top = $ENV{MUSTER_SRCDIR} || '.';
my %text;
find({ no_chdir => 1, wanted => sub {
	return unless -f && /\.(?:js|css|html|svg)\z/;
	open my $file, '<:encoding(UTF-8)', $_ or die "$_: $!";
	local $/;
	(my $name = $_) =~ s{^\Q$top\E/}{};
	$text{$name} = <$file>;
} }, "$top/htdocs");

my @code = sort grep { /\.js\z/ } keys %text;
my @style = sort grep { /\.css\z/ } keys %text;
my $html = $text{'htdocs/index.html'};

# The lines of a file that match, outside of comments.
sub found
{
	my ($name, $pattern) = @_;
	(my $plain = $text{$name}) =~ s{/\*.*?\*/}{ my $c = $&; $c =~ tr/\n//cd; $c }gse;
	my @lines = split /\n/, $plain;
	return map { "$name:" . ($_ + 1) } grep { $lines[$_] =~ $pattern } 0 .. $#lines;
}

sub none
{
	my ($what, $pattern, @names) = @_;
	my @hits = map { found($_, $pattern) } @names;
	ok(!@hits, $what) or diag(join "\n", @hits);
}

cmp_ok(scalar @code, '>', 20, 'the page is there');
none('no module makes markup from text',
	qr/\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTMLUnsafe|srcdoc)\b/, @code);
none('no module makes code from text', qr/\beval\s*\(|new\s+Function\b|set(?:Timeout|Interval)\s*\(\s*["'`]/, @code);
none('no module sets a style attribute', qr/setAttribute\(\s*["']style|\bcssText\b|\bstyle:\s/, @code);
none('no module keeps anything of a session in storage',
	qr/(?:local|session)Storage\.setItem(?!\(`muster\.\$\{name\}`, value\))|document\.cookie/, @code);
none('no module trusts a Trusted Types policy of its own', qr/trustedTypes/, @code);
none('nothing is fetched from elsewhere', qr{["'`(](?:https?:)?//(?!page"|www\.w3\.org/2000/svg")[a-z]}, @code, @style);
none('no style is imported, and none outshouts another but for reduced motion',
	qr/\@import|^(?!\t\t(?:animation|transition|scroll-behavior):).*!important/, @style);

unlike($html, qr/<script(?![^>]*\bsrc=)/i, 'the document has no inline script');
unlike($html, qr/<style\b|\sstyle\s*=|\son[a-z]+\s*=/i, 'the document has no inline style and no handler');
like($html, qr/require-trusted-types-for 'script'; trusted-types 'none'/, 'the document demands Trusted Types');
like($html, qr/default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'/, 'the document allows its own origin only');

my @long = grep { my $lines = () = $text{$_} =~ /\n/g; $lines > 800 } keys %text;
is_deeply(\@long, [], 'no file of the page is longer than 800 lines');
my @bare = grep { !/\.svg\z/ && $text{$_} !~ /SPDX-License-Identifier: MIT/ } sort keys %text;
is_deeply(\@bare, [], 'every file names its licence');

open my $list, '<', "$top/htdocs/local.mk" or die "htdocs/local.mk: $!";
my $made = do { local $/; <$list> };
my @left = grep { $made !~ /(?<!\S)\Q$_\E(?!\S)/ } sort keys %text;
is_deeply(\@left, [], 'every file is installed');

# What the first view fetches: the document's own links and what those modules import, followed.
my (%first, @next);
push @next, map { "htdocs$_" } $html =~ /(?:src|href)="(\/(?:js|css|favicon)[^"]*)"/g;
push @next, 'htdocs/js/views/overview.js', 'htdocs/index.html';
while (defined(my $name = shift @next)) {
	next if $first{$name}++;
	(my $folder = $name) =~ s{/[^/]*\z}{};
	for my $import ($text{$name} =~ /^import[^;]*?from "([^"]+)";/msg) {
		my $path = "$folder/$import";
		$path =~ s{/\./}{/}g;
		1 while $path =~ s{[^/]+/\.\./}{};
		push @next, $path;
	}
}
my @modules = sort grep { m{^htdocs/js/} && $_ !~ m{/(?:main|theme)\.js\z} } keys %first;
my @told = sort map { "htdocs$_" } $html =~ /rel="modulepreload" href="([^"]+)"/g;
is_deeply(\@told, \@modules, 'the document names every module of the first view, so that none waits for another');
my $bytes = 0;
$bytes += length($text{$_} // '') for keys %first;
cmp_ok($bytes, '<', 150_000, "the first view is under 150 KB before compression ($bytes bytes)");
done_testing();
