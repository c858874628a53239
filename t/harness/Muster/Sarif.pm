# SPDX-License-Identifier: MIT
package Muster::Sarif;
#
# What is wrong with a log in SARIF, by the text of the standard: OASIS, Static Analysis Results
# Interchange Format (SARIF) Version 2.1.0, section 3. Of it the objects that our programs write; a
# member that is not of its object, or an object that is not here, is a fault as well.
#
#	is_deeply [sarif_faults($json)], [], 'it is SARIF';
#
use strict;
use warnings;
use Exporter qw(import);
use JSON::PP ();

our @EXPORT = qw(sarif_faults);

my $LEVEL = 'one of none note warning error';

# Object => [members that have to be there, member => type]. A type: a word of %is, 'one of …',
# '[type]' for a list, '{type}' for an object with any names, or the name of an object.
my %object = (
	log => [[qw(version runs)], '$schema' => 'uri', version => 'one of 2.1.0', runs => '[run]', properties => 'bag'],
	run => [['tool'], tool => 'tool', invocations => '[invocation]', versionControlProvenance => '[versionControl]',
		originalUriBaseIds => '{artifactLocation}', artifacts => '[artifact]', results => '[result]',
		automationDetails => 'automation', columnKind => 'one of utf16CodeUnits unicodeCodePoints',
		defaultEncoding => 'text', language => 'text', baselineGuid => 'guid', redactionTokens => '[text]', properties => 'bag'],
	tool => [['driver'], driver => 'component', extensions => '[component]', properties => 'bag'],
	component => [['name'], guid => 'guid', name => 'text', organization => 'text', fullName => 'text', version => 'text',
		semanticVersion => 'semantic', informationUri => 'absolute', downloadUri => 'absolute', shortDescription => 'words',
		fullDescription => 'words', rules => '[rule]', notifications => '[rule]', properties => 'bag'],
	rule => [['id'], id => 'text', guid => 'guid', name => 'text', shortDescription => 'words', fullDescription => 'words',
		defaultConfiguration => 'configuration', helpUri => 'absolute', help => 'words', messageStrings => '{words}',
		deprecatedIds => '[text]', properties => 'bag'],
	words => [['text'], text => 'text', markdown => 'text', properties => 'bag'],
	configuration => [[], enabled => 'boolean', level => $LEVEL, rank => 'rank', properties => 'bag'],
	invocation => [['executionSuccessful'], executionSuccessful => 'boolean', commandLine => 'text', arguments => '[text]',
		startTimeUtc => 'time', endTimeUtc => 'time', exitCode => 'integer', exitCodeDescription => 'text',
		toolExecutionNotifications => '[notification]', toolConfigurationNotifications => '[notification]',
		workingDirectory => 'artifactLocation', machine => 'text', properties => 'bag'],
	notification => [['message'], message => 'message', level => $LEVEL, locations => '[location]', timeUtc => 'time',
		descriptor => 'reference', associatedRule => 'reference', properties => 'bag'],
	reference => [[], id => 'text', index => 'index', guid => 'guid', properties => 'bag'],
	versionControl => [['repositoryUri'], repositoryUri => 'absolute', revisionId => 'text', branch => 'text',
		revisionTag => 'text', asOfTimeUtc => 'time', mappedTo => 'artifactLocation', properties => 'bag'],
	automation => [[], id => 'text', guid => 'guid', description => 'message', correlationGuid => 'guid', properties => 'bag'],
	artifact => [[], location => 'artifactLocation', length => 'size', roles => '[text]', mimeType => 'text',
		hashes => '{text}', properties => 'bag'],
	result => [['message'], ruleId => 'text', ruleIndex => 'index', rule => 'reference',
		kind => 'one of notApplicable pass fail review open informational', level => $LEVEL, message => 'message',
		locations => '[location]', relatedLocations => '[location]', guid => 'guid', correlationGuid => 'guid',
		occurrenceCount => 'positive', partialFingerprints => '{text}', fingerprints => '{text}',
		suppressions => '[suppression]', baselineState => 'one of new unchanged updated absent', rank => 'rank',
		hostedViewerUri => 'absolute', workItemUris => '[absolute]', provenance => 'provenance', properties => 'bag'],
	provenance => [[], firstDetectionTimeUtc => 'time', lastDetectionTimeUtc => 'time', firstDetectionRunGuid => 'guid',
		lastDetectionRunGuid => 'guid', invocationIndex => 'index', properties => 'bag'],
	message => [[], text => 'text', markdown => 'text', id => 'text', arguments => '[text]', properties => 'bag'],
	location => [[], id => 'index', physicalLocation => 'physical', logicalLocations => '[logical]', message => 'message',
		properties => 'bag'],
	logical => [[], name => 'text', fullyQualifiedName => 'text', kind => 'text', index => 'index', properties => 'bag'],
	physical => [['artifactLocation'], artifactLocation => 'artifactLocation', region => 'region', contextRegion => 'region',
		properties => 'bag'],
	artifactLocation => [[], uri => 'uri', uriBaseId => 'text', index => 'index', description => 'message', properties => 'bag'],
	region => [[], (map { $_ => 'positive' } qw(startLine startColumn endLine endColumn)), charOffset => 'index',
		charLength => 'size', byteOffset => 'index', byteLength => 'size', snippet => 'content', message => 'message',
		properties => 'bag'],
	content => [[], text => 'text', binary => 'text', rendered => 'words', properties => 'bag'],
	suppression => [['kind'], kind => 'one of inSource external', status => 'one of accepted underReview rejected',
		guid => 'guid', location => 'location', justification => 'text', properties => 'bag'],
);

# JSON's own types: what a number and a text is to Perl, one can see when it is written again.
my $json = JSON::PP->new->allow_nonref->canonical;
sub is_text { return !ref $_[0] && defined $_[0] && $json->encode($_[0]) =~ /^"/ }
sub is_number { return !ref $_[0] && defined $_[0] && $json->encode($_[0]) =~ /^-?[0-9]/ }
sub is_integer { return is_number($_[0]) && $_[0] =~ /^-?[0-9]+\z/ }

my $URI = qr/(?:[A-Za-z0-9._~:\/?#\[\]\@!\$&'()*+,;=-]|%[0-9A-Fa-f]{2})*/;
my %is = (
	text => sub { is_text($_[0]) },
	boolean => sub { JSON::PP::is_bool($_[0]) },
	integer => sub { is_integer($_[0]) },
	positive => sub { is_integer($_[0]) && $_[0] >= 1 },
	size => sub { is_integer($_[0]) && $_[0] >= 0 },
	index => sub { is_integer($_[0]) && $_[0] >= -1 },
	rank => sub { is_number($_[0]) && $_[0] >= -1 && $_[0] <= 100 },
	uri => sub { is_text($_[0]) && $_[0] =~ /^$URI\z/ },
	absolute => sub { is_text($_[0]) && $_[0] =~ /^[A-Za-z][A-Za-z0-9+.-]*:$URI\z/ },
	guid => sub { is_text($_[0]) && $_[0] =~ /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\z/ },
	time => sub { is_text($_[0]) && $_[0] =~ /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z\z/ },
	semantic => sub { is_text($_[0]) && $_[0] =~ /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?\z/ },
	# 3.8: any members, and tags are a list of texts without repetition
	bag => sub {
		my %seen;
		return ref $_[0] eq 'HASH' && (!exists $_[0]{tags}
			|| (ref $_[0]{tags} eq 'ARRAY' && !grep { !is_text($_) || $seen{$_}++ } @{ $_[0]{tags} }));
	},
);

sub look {
	my ($faults, $at, $type, $value) = @_;
	if ($type =~ /^\[(.*)\]$/) {
		my $one = $1;
		return push @$faults, "$at: is no list" if ref $value ne 'ARRAY';
		look($faults, "$at\[$_]", $one, $value->[$_]) for 0 .. $#$value;
	} elsif ($type =~ /^\{(.*)\}$/) {
		my $one = $1;
		return push @$faults, "$at: is no object" if ref $value ne 'HASH';
		look($faults, "$at.$_", $one, $value->{$_}) for sort keys %$value;
	} elsif ($type =~ /^one of (.*)$/) {
		push @$faults, "$at: is not $type" if !is_text($value) || !grep { $_ eq $value } split / /, $1;
	} elsif (my $check = $is{$type}) {
		push @$faults, "$at: is no $type: " . $json->encode($value) if !$check->($value);
	} else {
		return push @$faults, "$at: is no object" if ref $value ne 'HASH';
		my ($needed, %member) = @{ $object{$type} };
		push @$faults, map { "$at.$_: is missing" } grep { !exists $value->{$_} } @$needed;
		for my $name (sort keys %$value) {
			if (!$member{$name}) {
				push @$faults, "$at.$name: is not of $type";
			} else {
				look($faults, "$at.$name", $member{$name}, $value->{$name});
			}
		}
	}
	return;
}

# What goes over several members.
sub sense {
	my ($faults, $at, $run) = @_;
	my $rules = $run->{tool}{driver}{rules} // [];
	my %id;
	push @$faults, map { "$at: rule $_->{id} is there twice" } grep { $id{ $_->{id} }++ } @$rules;
	my $bases = $run->{originalUriBaseIds} // {};
	my $i = 0;
	for my $result (@{ $run->{results} // [] }) {
		my $here = "$at.results[" . $i++ . ']';
		# 3.27.5 to 3.27.7
		my $rule = ($result->{ruleIndex} // -1) >= 0 ? $rules->[$result->{ruleIndex}] : undef;
		push @$faults, "$here: ruleIndex names no rule" if ($result->{ruleIndex} // -1) >= 0 && !$rule;
		push @$faults, "$here: ruleIndex is another rule's" if $rule && defined $result->{ruleId} && $rule->{id} ne $result->{ruleId};
		# 3.27.10
		push @$faults, "$here: has a level and did not fail"
			if ($result->{kind} // 'fail') ne 'fail' && ($result->{level} // 'none') ne 'none';
		# 3.11.7
		push @$faults, "$here: its message says nothing" if !defined $result->{message}{text} && !defined $result->{message}{id};
		# 3.27.23: all of them or none have suppressions
		push @$faults, "$here: has no suppressions, as others have"
			if !$result->{suppressions} && grep { $_->{suppressions} } @{ $run->{results} };
		for my $place (map { $_->{physicalLocation} // () } @{ $result->{locations} // [] }) {
			my $file = $place->{artifactLocation} // {};
			# 3.4.4: what has a base is relative to it
			push @$faults, "$here: an address with a base is no relative one"
				if defined $file->{uriBaseId} && ($file->{uri} // '') =~ m{^(?:[A-Za-z][A-Za-z0-9+.-]*:|/)};
			my $region = $place->{region} or next;
			# 3.30.6, 3.30.7
			push @$faults, "$here: a region ends before it begins"
				if defined $region->{endLine} && $region->{endLine} < ($region->{startLine} // 0);
			push @$faults, "$here: a column without a line" if defined $region->{startColumn} && !defined $region->{startLine};
		}
	}
	# 3.14.14: a base is a folder, so that it ends in a slash
	push @$faults, map { "$at: base $_ is no folder" }
		grep { defined $bases->{$_}{uri} && $bases->{$_}{uri} !~ m{/\z} } sort keys %$bases;
	return;
}

sub sarif_faults {
	my ($text) = @_;
	my $log = JSON::PP->new->utf8->decode($text);
	my @faults;
	look(\@faults, 'log', 'log', $log);
	return @faults if @faults;
	sense(\@faults, "log.runs[$_]", $log->{runs}[$_]) for 0 .. $#{ $log->{runs} };
	return @faults;
}

1;
