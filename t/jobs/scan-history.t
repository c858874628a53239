#!/usr/bin/perl
# Who introduced a secret, held beside git: histories made by chance (merges that bring it from both
# sides or make it up, octopuses, criss-cross, reverts, renames, many roots), refs of every kind that
# come, move and go, and an oracle that looks at every path of every commit.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Audit;
use Muster::Test qw(build_dir spew);

my $dir = audit_folder();
my $seed = $ENV{MUSTER_TEST_SEED} // 20261121;
my $rounds = $ENV{MUSTER_TEST_ROUNDS} // ($ENV{MUSTER_TEST_ALL} ? 40 : 6);
my $dump = build_dir() . '/t/jobs/scan-history-dump';
my $nobody = '0' x 40;
my @word = map { "TOKEN-$_" } qw(a1 b2 c3 d4);
my @path = ('a.env', 'b.env', 'src/a.env', 'src/b.env', 'src/deep/er/a.env', 'src/deep/er/c d.env', 'lib/a.env', "t/\xe9.env");

# --- histories -----------------------------------------------------------------------------------

# A file's content: filler that makes deltas, and the secrets it holds.
sub content {
	my (@secrets) = @_;
	my $version = int rand 3;
	return join '', (map { "line $_ of version $version\n" } 1 .. 20), map { "key = $_\n" } @secrets;
}

# Commits number $from .. $to, each with any earlier ones as parents and any tree.
sub stream {
	my ($made, $from, $to, $has_clock) = @_;
	my $out = '';
	for my $n ($from .. $to) {
		my @parents;
		if ($n > 1 && rand() > 0.04) {
			my $many = rand() < 0.65 ? 1 : rand() < 0.8 ? 2 : 3 + int rand 3;
			my %parent;
			$parent{ $n - 1 - int(rand() < 0.7 ? rand(3) : rand($n - 1)) } = 1 for 1 .. $many;
			@parents = grep { $_ > 0 } sort { $a <=> $b } keys %parent;
			@parents = reverse @parents if rand() < 0.5;
		}
		# Each path as one of the parents has it; then some edits.
		my %tree;
		for my $path (@path) {
			my $parent = $parents[rand @parents] // next;
			$tree{$path} = $made->{$parent}{$path} if defined $made->{$parent}{$path};
		}
		for (1 .. int rand 3) {
			my ($path, $other) = ($path[rand @path], $path[rand @path]);
			my $how = rand;
			if ($how < 0.25) { delete $tree{$path} }
			elsif ($how < 0.4) { $tree{$other} = delete $tree{$path} if defined $tree{$path} }
			elsif ($how < 0.5) { $tree{$other} = $tree{$path} if defined $tree{$path} }
			elsif ($how < 0.75) { $tree{$path} = content() }
			else { $tree{$path} = content(map { $word[rand @word] } 0 .. rand 2) }
		}
		$made->{$n} = \%tree;
		my $time = 1_700_000_000 + ($has_clock ? $n : int(rand() < 0.8 ? $n / 2 : rand 60)) * 100;
		$out .= "commit refs/made/$n\nmark :$n\nauthor A\xc3\xbc$n <a$n\@example.com> @{[$time - 50]} +0130\n"
			. "committer C <c\@example.com> $time -0800\ndata 2\nm\n";
		my $verb = 'from';
		for (@parents) {
			$out .= "$verb refs/made/$_\n";
			$verb = 'merge';
		}
		$out .= "deleteall\n";
		$out .= sprintf "M 100644 inline %s\ndata %d\n%s\n", quoted($_), length $tree{$_}, $tree{$_} for sort keys %tree;
		$out .= "\n";
	}
	return $out;
}

sub quoted {
	my ($path) = @_;
	$path =~ s/([^ -~])/sprintf '\\%03o', ord $1/ge;
	return qq("$path");
}

# --- the oracle ----------------------------------------------------------------------------------

my %blob_words;
sub words {
	my ($git, $blob) = @_;
	return $blob_words{$blob} //= do {
		my $text = qx(git -C '$git' cat-file blob $blob);
		my %seen = map { $_ => 1 } $text =~ /(TOKEN-[a-z0-9_]+)/g;
		\%seen;
	};
}

my %tree_words;
sub tree_of {
	my ($git, $oid) = @_;
	return $tree_words{$oid} //= do {
		my %held;
		for (split /\0/, qx(git -C '$git' ls-tree -r -z $oid)) {
			my ($blob, $path) = /^\d+ blob ([0-9a-f]{40})\t(.*)$/s or next;
			$held{"$path\t$_"} = $blob for keys %{ words($git, $blob) };
		}
		\%held;
	};
}

# What the program should print for these tips: by "path\tsecret" the other fields.
sub oracle {
	my ($git, $tips) = @_;
	my (%commit, %want, @order);
	my (%reach, @trees);
	for my $tip (@$tips) {
		my $type = qx(git -C '$git' cat-file -t '$tip->{oid}^{}' 2>/dev/null);
		chomp $type;
		my $peeled = qx(git -C '$git' rev-parse '$tip->{oid}^{}');
		chomp $peeled;
		$tip->{type} = $type;
		$tip->{peeled} = $peeled;
	}
	for my $tip (grep { $_->{type} eq 'commit' } @$tips) {
		my @lines = qx(git -C '$git' log --no-walk=unsorted --format=%H $tip->{peeled});
		for (qx(git -C '$git' rev-list --parents $tip->{peeled})) {
			chomp;
			my ($oid, @parents) = split / /;
			$reach{ $tip->{name} }{$oid} = 1;
			$commit{$oid} = { parents => \@parents };
		}
	}
	return {} unless @$tips;
	if (%commit) {
		spew("$dir/list", join '', map { "$_\n" } keys %commit);
		for (qx(git -C '$git' log --stdin --no-walk=unsorted --encoding=UTF-8 --format='%H%x09%ct%x09%an%x09%ae%x09%at%x09%ad' --date=format:%z <'$dir/list')) {
			chomp;
			my ($oid, $date, @author) = split /\t/;
			@{ $commit{$oid} }{qw(date author)} = ($date, \@author);
		}
	}
	my $older = sub { $commit{ $_[0] }{date} <=> $commit{ $_[1] }{date} || $_[0] cmp $_[1] };
	my ($head) = grep { $_->{is_head} } @$tips;
	for my $oid (keys %commit) {
		my $own = tree_of($git, $oid);
		my @theirs = map { tree_of($git, $_) } @{ $commit{$oid}{parents} };
		for my $key (keys %$own) {
			my $w = $want{$key} //= {};
			$w->{blobs}{ $own->{$key} } = 1;
			$w->{last} = $oid if !$w->{last} || $older->($oid, $w->{last}) > 0;
			$w->{holders}{$oid} = 1;
			next if grep { exists $_->{$key} } @theirs;
			$w->{first} = $oid if !$w->{first} || $older->($oid, $w->{first}) < 0;
		}
		for my $key (map { keys %$_ } @theirs) {
			next if exists $own->{$key};
			my $w = $want{$key} //= {};
			$w->{removed} = $oid if !$w->{removed} || $older->($oid, $w->{removed}) > 0;
		}
	}
	for my $tip (@$tips) {
		if ($tip->{type} eq 'tree') {
			my $own = tree_of($git, $tip->{peeled});
			for my $key (keys %$own) {
				$want{$key}{blobs}{ $own->{$key} } = 1;
				$want{$key}{direct}{ $tip->{name} } = 1;
				$want{$key}{first_blob} //= $own->{$key};
			}
		} elsif ($tip->{type} eq 'blob') {
			for my $word (keys %{ words($git, $tip->{peeled}) }) {
				my $w = $want{"-\t$word"} //= {};
				$w->{blobs}{ $tip->{peeled} } = 1;
				$w->{direct}{ $tip->{name} } = 1;
				$w->{first_blob} //= $tip->{peeled};
			}
		}
	}
	my %line;
	for my $key (keys %want) {
		my $w = $want{$key};
		my @refs = grep {
			my $tip = $_;
			$w->{direct}{ $tip->{name} } || grep { $w->{holders}{$_} } keys %{ $reach{ $tip->{name} } // {} }
		} @$tips;
		my $in_head = $head && $head->{type} eq 'commit' ? tree_of($git, $head->{peeled})->{$key} : undef;
		my @shown = map { $_->{name} } @refs;
		splice @shown, 20;
		my $author = $w->{first} ? $commit{ $w->{first} }{author} : undef;
		my $minutes = $author && $author->[3] =~ /^([+-])(\d\d)(\d\d)$/ ? ($1 eq '-' ? -1 : 1) * ($2 * 60 + $3) : 0;
		$line{$key} = join "\t", (defined $in_head ? 1 : 0) + ($w->{first} ? 0 : 4), $w->{first} // '-', $w->{last} // '-',
			$w->{removed} // '-', $w->{first} ? tree_of($git, $w->{first})->{$key} : $w->{first_blob},
			$w->{last} ? tree_of($git, $w->{last})->{$key} : '-', $in_head // '-', scalar(@refs), join(',', @shown),
			join(',', sort keys %{ $w->{blobs} }), $author ? (@$author[0 .. 2], $minutes) : ();
	}
	return \%line;
}

# --- the program ---------------------------------------------------------------------------------

sub run {
	my ($git, $state, $tips, @more) = @_;
	my $input = join '', map { "$_\n" } 'rule TOKEN-', (map { "tip $_->{oid} @{[$_->{is_head} ? 'h' : '-']} $_->{name}" } @$tips), @more;
	spew("$dir/input", $input);
	my $out = qx('$dump' '$git/objects' '$state' <'$dir/input');
	is($?, 0, 'the program ends well') or return {};
	my %said = (problem => [], note => [], unsaved => []);
	for (split /\n/, $out) {
		my ($kind, @f) = split /\t/, $_, -1;
		if ($kind eq 'sighting' || $kind eq 'removed') {
			$f[11] = join ',', sort split /,/, $f[11];
			$said{$kind}{"$f[0]\t$f[1]"} = join "\t", @f[2 .. $#f];
		} elsif ($kind eq 'full' || $kind eq 'new' || $kind eq 'current') {
			$said{mode} = $kind;
			@said{qw(commits new_commits wanted)} = @f;
		} else {
			push @{ $said{$kind} }, join ' ', @f;
		}
	}
	$said{$_} //= {} for qw(sighting removed);
	return \%said;
}

# Tips at one moment: branches on some commits, and what else refs can lead to.
sub tips_make {
	my ($git, $n, $before) = @_;
	my %tip = map { $_->{name} => $_->{oid} } @$before;
	my $oid = sub { my $o = qx(git -C '$git' rev-parse '$_[0]'); chomp $o; $o };
	for my $name (keys %tip) {
		my $how = rand;
		if ($how < 0.1) { delete $tip{$name} }
		elsif ($how < 0.4 && $name =~ /heads|stash/) { $tip{$name} = $oid->('refs/made/' . (1 + int rand $n)) }
	}
	$tip{'refs/heads/main'} = $oid->("refs/made/$n") if rand() < 0.8;
	$tip{"refs/heads/b$_"} = $oid->('refs/made/' . (1 + int rand $n)) for map { int rand 30 } 0 .. rand 4;
	$tip{'refs/stash'} = $oid->('refs/made/' . (1 + int rand $n)) if rand() < 0.3;
	$tip{'HEAD'} = $oid->('refs/made/' . (1 + int rand $n)) if rand() < 0.2;
	if (rand() < 0.5) {
		my $what = ('', '^{tree}', ':a.env')[rand 3];
		my $of = 'refs/made/' . (1 + int rand $n) . $what;
		my $target = qx(git -C '$git' rev-parse --verify -q '$of');
		chomp $target;
		if ($target) {
			my $name = 't' . int rand 1000;
			git($git, qw(tag -f -a -m tag), $name, $target) if rand() < 0.7;
			$tip{"refs/tags/$name"} = rand() < 0.7 && !system("git -C '$git' rev-parse -q --verify refs/tags/$name >/dev/null 2>&1")
				? $oid->("refs/tags/$name") : $target;
		}
	}
	my @tips = map { { name => $_, oid => $tip{$_} } } sort keys %tip;
	my @heads = grep { $_->{name} =~ /^HEAD$|heads/ } @tips;
	my ($detached) = grep { $_->{name} eq 'HEAD' } @tips;
	if ($detached) { $detached->{is_head} = 1 }
	elsif (@heads && rand() < 0.9) { $heads[rand @heads]{is_head} = 1 }
	return \@tips;
}

sub agrees {
	my ($said, $want, $name) = @_;
	my @wrong;
	for my $key (sort keys %{ { %{ $said->{sighting} }, %$want } }) {
		my ($got, $exp) = ($said->{sighting}{$key} // 'nothing', $want->{$key} // 'nothing');
		push @wrong, "$key\n  got  $got\n  want $exp" if $got ne $exp;
	}
	is(scalar(@wrong), 0, $name) or diag(join "\n", @wrong[0 .. ($#wrong < 3 ? $#wrong : 3)]);
	return !@wrong;
}

my %how;
for my $round (1 .. $rounds) {
	srand $seed + $round;
	my $git = "$dir/made$round";
	git($dir, qw(init -q --bare), $git);
	my ($made, $at, $tips, $before) = ({}, 0, [], {});
	my $state = "$dir/state$round";
	for my $step (1 .. 5) {
		my $to = $at + 1 + int rand 25;
		spew("$dir/stream", stream($made, $at + 1, $to));
		system("git -C '$git' -c fastimport.unpackLimit=@{[rand() < 0.5 ? 1 : 1000]} fast-import --quiet --force <'$dir/stream'") == 0 or BAIL_OUT('fast-import');
		$at = $to;
		git($git, qw(repack -q -a -d -f), '--depth=' . int rand 20) if rand() < 0.4;
		$tips = tips_make($git, $at, $tips);
		my $want = oracle($git, $tips);
		my $whole = run($git, '-', $tips);
		agrees($whole, $want, "round $round, step $step: without a state, as git has it")
			or diag("MUSTER_TEST_SEED=$seed, kept in $git");
		is_deeply($whole->{problem}, [], 'nothing is unreadable');
		my $kept = run($git, $state, $tips);
		$how{ $kept->{mode} }++;
		agrees($kept, $want, "round $round, step $step: with the state of the last scan, too")
			or diag("$kept->{mode}, kept in $git");
		my @gone = sort grep { !exists $want->{$_} } keys %$before;
		is_deeply([sort keys %{ $kept->{removed} }], \@gone, 'what no ref leads to any more is told')
			if $step > 1;
		is_deeply([@{ $kept->{note} }, @{ $kept->{unsaved} }], [], 'the state is used and kept');
		my $again = run($git, $state, $tips);
		is($again->{mode}, 'current', 'nothing moved: nothing is read');
		agrees($again, $want, 'and the answer is the same');
		is_deeply($again->{removed}, {}, 'what was removed is told once');
		$before = $want;
	}
}
cmp_ok($how{new} // 0, '>', $rounds, 'most scans after the first read only what is new');

# ---- ranges ----

# What the commits of B that are not A's brought: "first" of each path and secret.
sub brought {
	my ($git, $to, @without) = @_;
	my (%first, %date, %parents);
	for (split /\n/, git($git, qw(rev-list --timestamp --parents), $to, '--not', @without)) {
		my ($date, $oid, @parents) = split / /;
		($date{$oid}, $parents{$oid}) = ($date, \@parents);
	}
	for my $oid (keys %date) {
		my $own = tree_of($git, $oid);
		my @theirs = map { tree_of($git, $_) } @{ $parents{$oid} };
		for my $key (keys %$own) {
			next if grep { exists $_->{$key} } @theirs;
			my $before = $first{$key};
			$first{$key} = $oid if !$before || ($date{$oid} <=> $date{$before} || $oid cmp $before) < 0;
		}
	}
	return \%first;
}

my $n_walked = 0;
for my $round (1 .. $rounds) {
	srand $seed + 1000 + $round;
	my $git = "$dir/range$round";
	my $has_clock = $round % 2;
	git($dir, qw(init -q --bare), $git);
	my $n = 20 + int rand 60;
	spew("$dir/stream", stream({}, 1, $n, $has_clock));
	system("git -C '$git' fast-import --quiet --force <'$dir/stream'") == 0 or BAIL_OUT('fast-import');
	for my $pair (1 .. 5) {
		my @oids = map { git($git, 'rev-parse', 'refs/made/' . (1 + int rand $n)) } 0 .. 1 + int rand 3;
		my $to = shift @oids;
		my $want = brought($git, $to, @oids);
		my $said = run($git, '-', [{ name => 'refs/heads/x', oid => $to, is_head => 1 }], map { "without $_" } @oids);
		my %got = map { my @f = split /\t/, $said->{sighting}{$_}; $f[1] eq '-' ? () : ($_ => $f[1]) } keys %{ $said->{sighting} };
		if (%$want) {
			my $walked = run($git, '-', [{ name => 'refs/heads/x', oid => $to, is_head => 1 }], 'singly 1', map { "without $_" } @oids);
			$n_walked += $walked->{mode} eq 'full';
			my %also = map { my @f = split /\t/, $walked->{sighting}{$_}; $f[1] eq '-' ? () : ($_ => $f[1]) } keys %{ $walked->{sighting} };
			is_deeply(\%also, $want, "range $round.$pair: the same when everything is walked");
		}
		if ($has_clock) {
			is_deeply(\%got, $want, "range $round.$pair: what its commits brought, and no other");
		} else {
			is_deeply([grep { !$got{$_} } sort keys %$want], [], "range $round.$pair: with clocks that lie nothing is missed");
		}
	}
}
cmp_ok($n_walked, '>', 0, 'some ranges are too long to be read commit by commit');
done_testing;
