#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The API keeps to its document. Every operation of the OpenAPI document is asked, with inputs made
# from their schemas: at their bounds, missing, unknown, of another type, too long, in other scripts.
# No answer is a 5xx, none is outside of the document, and what is refused changes nothing. A new
# route is tested by being there; a new {name} in a path needs a value below.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Encode qw(encode);
use JSON::PP ();
use Test::More;
use Muster::Test;
use Muster::Stack;

plan skip_all => 'python3-jsonschema is not here' if system('python3 -c "import jsonschema" 2>/dev/null');

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my ($code, $text) = run_program([program('api.fcgi'), '--openapi']);
is $code, 0, 'the document is printed';
my $document = $json->decode($text);

my $stack = Muster::Stack->new(pusher => 0, conf => { 'api.rate_limit' => 'false', 'log.level' => 'warning' });
$stack->account('ann@example.org', 'platform_admin');
$stack->account('vic@example.org', 'viewer');
my $root = $stack->stand->dir . '/src';
mkdir $root;
$stack->root($root);
$stack->report([map { { name => $_, status => 'clean', path => "$root/$_" } } qw(a größe)],
	timestamp => '2026-03-01T10:00:00.000Z');

my $finding = $stack->scanned('a', [{ fingerprint => 'f1', rule => 'a-rule', title => 'A title', severity => 'high',
	path => 'a/größe', line => 3, places => [map { { blob => 'b', line => $_ } } 1 .. 3] }]);
sub ann { return q{(select id from muster.account where email = 'ann@example.org')} }
sub default { return q{(select id from muster.organization where slug = 'default')} }

# What a {name} of a path stands for: something that is there.
my %place = (
	repo => sub { 'a' },
	audit => sub { $stack->db->value('select max(id) from muster.audit') },
	file => sub { '2026-03-01T10:00:00.000Z.json' },
	token => sub { $stack->db->value(q{insert into muster.token (organization_id, account_id, name, hint,
		token_hash, scopes) select o.id, a.id, 'x', 'mst_x', sha256(gen_random_uuid()::text::bytea), '{read}'
		from muster.organization o, muster.account a where o.slug = 'default'
		and a.email = 'ann@example.org' returning id}) },
	organization => sub { $stack->db->value(q{insert into muster.organization (slug, name, owner_id)
		select 'o' || left(gen_random_uuid()::text, 8), 'O', } . ann() . ' returning slug') },
	project => sub { $stack->db->value('insert into muster.project (organization_id, slug, name) values ('
		. default() . q{, 'p' || left(gen_random_uuid()::text, 8), 'P') returning slug}) },
	account => sub { $stack->db->value(q{select id from muster.account where email = 'vic@example.org'}) },
	run => sub { $stack->db->value(q{insert into muster.run (organization_id, project_id, kind)
		select organization_id, id, 'audit' from muster.project where organization_id = }
		. default() . q{ limit 1 returning id}) },
	job => sub { $stack->db->value(q{insert into muster.job (organization_id, kind, key) values (} . default()
		. q{, 'audit', gen_random_uuid()) returning id}) },
	pull_request => sub { $stack->db->value(q{insert into muster.run (organization_id, project_id, kind, pull_request)
		select organization_id, id, 'scan', 7 from muster.project where organization_id = }
		. default() . q{ limit 1 returning pull_request}) },
	deployment => sub { $stack->db->value(q{insert into muster.deployment (organization_id, project_id, environment,
		version) select organization_id, id, 'staging', '1' from muster.project
		where organization_id = } . default() . q{ limit 1 returning id}) },
	session => sub { $stack->session('ann@example.org')->{sid} },
	invitation => sub { $stack->db->value('insert into muster.invitation (organization_id, email, role, token_hash,
		expires_at) values (' . default() . q{, gen_random_uuid() || '@example.org', 'viewer',
		sha256(gen_random_uuid()::text::bytea), now() + interval '1 day') returning id}) },
	issuer => sub { 'none' },
	identity => sub { $stack->db->value('insert into muster.identity (account_id, issuer, subject)
		select id, $$https://x.example$$, gen_random_uuid()::text from muster.account
		where email = $$ann@example.org$$ returning id') },
	key => sub { 'retention.event_days' },
	finding => sub { $stack->db->value(q{select max(id) from muster.finding}) },
	comment => sub { $stack->db->value('insert into muster.comment (organization_id, project_id, finding_id,
		account_id, text) select r.organization_id, r.project_id, f.id, ' . ann() . q{, 'x' from muster.finding f
		join muster.repo r on r.id = f.repo_id order by f.id desc limit 1 returning id}) },
	rule => sub { $stack->db->value(q{select id from muster.rule where key = 'a-rule'}) },
	waiver => sub { $stack->db->value('insert into muster.waiver (organization_id, rule, reason) values ('
		. default() . q{, 'none', 'x') returning id}) },
	credential => sub { $stack->db->value(q{insert into muster.credential (id, organization_id, host, username, sealed)
		values (gen_random_uuid(), } . default() . q{, left(gen_random_uuid()::text, 8) || '.example', 'git', 'x') returning id}) },
	schedule => sub { $stack->db->value('insert into muster.schedule (organization_id, kind, cron, jitter_s, backfill_s,
		next_at) values (' . default() . q{, 'audit', '@daily', 0, 60, now() + interval '1 day') returning id}) },
	summary => sub { $stack->db->value('insert into muster.summary (organization_id, day, data) values (' . default()
		. q{, current_date, '{"name": "x", "health_status": "green", "summary": {"total": 1, "missing": 0, "extra": 0,
		"dirty": 0, "mismatched": 0, "clean": 1}, "findings": null, "repositories": []}') returning id}) },
	search => sub { $stack->db->value('insert into muster.saved_search (organization_id, account_id, name, subject,
		query) values (' . default() . ', ' . ann() . q{, gen_random_uuid(), 'repos', '{}') returning id}) },
);

my (@asked, @outside);
my $client = $stack->client;

# A thing that is there: another one for each removal.
my %there;
sub place {
	my ($name, $is_removed) = @_;
	my $make = $place{$name} // die "no value for {$name}\n";
	return $make->() if $is_removed;
	return $there{$name} //= $make->();
}

# One request. Signing out ends a session of its own.
my $signed_in = $stack->session('ann@example.org');
sub ask {
	my ($operation, $path, %given) = @_;
	my $session = $path =~ /logout/ ? $stack->session('ann@example.org') : $signed_in;
	my $query = join '&', map { $_ . '=' . percent($given{query}{$_}) } sort keys %{ $given{query} // {} };
	my $uri = $path =~ s/\{(\w+)\}/percent($given{path}{$1} \/\/ place($1, $operation->{method} eq 'DELETE'))/ger;
	my $method = $operation->{method};
	my $answer = $client->request($method, $uri . ($query ne '' ? "?$query" : ''), {
		headers => { Cookie => "muster_session=$session->{token}", 'X-CSRF-Token' => $session->{csrf},
			defined $given{body} ? ('Content-Type' => $given{type} // 'application/json') : (),
			%{ $given{header} // {} } },
		defined $given{body} ? (content => $given{body}) : () });
	# What the web server refuses by itself has no id of ours, and is not in our document.
	return $answer if !$answer->{headers}{'x-request-id'};
	push @asked, { what => "$method $path: $given{what}", pointer => pointer($method, $path),
		status => "$answer->{status}", type => $answer->{headers}{'content-type'},
		text => $answer->{content}, schema => $operation->{responses}{ $answer->{status} } };
	push @outside, "$method $path: $given{what}: $answer->{status}"
		if !$operation->{responses}{ $answer->{status} };
	return $answer;
}

sub percent { return encode('UTF-8', $_[0]) =~ s/([^A-Za-z0-9._-])/sprintf '%%%02X', ord $1/ger }
sub pointer { return [paths => $_[1] => lc $_[0]] }

# Values that the schema allows, and values that it does not.
sub good {
	my ($schema) = @_;
	my $type = ref $schema->{type} ? $schema->{type}[0] : $schema->{type} // '';
	return @{ $schema->{enum} } if $schema->{enum};
	return ("6ba7b810-9dad-11d1-80b4-00c04fd430c8") if ($schema->{format} // '') eq 'uuid';
	return ('2026-01-31T12:00:00Z', '2026-01-31T12:00:00.5+02:00') if ($schema->{format} // '') eq 'date-time';
	return ($1) if ($schema->{pattern} // '') =~ /^\^\(([^|)]+)/;
	if ($type eq 'integer') {
		return map { $_ + 0 } $schema->{minimum} // 0, $schema->{maximum} // 9007199254740991;
	}
	if ($type eq 'string') {
		my ($min, $max) = ($schema->{minLength} // 0, $schema->{maxLength} // 50);
		return map { $_ x ($min || 1) } ('x', 'ß日', "'", '%', '\\') if $max < 2 * ($min || 1);
		return ('x' x ($min || 1), 'y' x ($max > 5000 ? 5000 : $max), map { substr $_ x $max, 0, $max > 40 ? 40 : $max }
			'ß日本', q{'";--}, '%s%n', '../', '${x}', '<b>', "\x{1F600}");
	}
	return (JSON::PP::true, JSON::PP::false) if $type eq 'boolean';
	return map { [($_) x ($schema->{minItems} || 1)] } good($schema->{items}) if $type eq 'array';
	return ({ name => 'a', value => 1 }, { name => 'b.c', value => 0.5, unit => 'ms' }) if $type eq 'object';
	return (1, 'x');
}

sub bad {
	my ($schema, $is_text) = @_;
	my $type = ref $schema->{type} ? $schema->{type}[0] : $schema->{type} // '';
	my @bad;
	push @bad, 'no-such-word', 'a,,b' if $schema->{enum} || $schema->{pattern};
	push @bad, 'x', "6ba7b810" if ($schema->{format} // '') eq 'uuid';
	push @bad, 'yesterday', '2026-02-31T00:00:00Z' if ($schema->{format} // '') eq 'date-time';
	push @bad, "a\x01b", "a\x{85}b" if $type eq 'string';
	push @bad, 'z' x ($schema->{maxLength} + 1) if $type eq 'string' && ($schema->{maxLength} // 1e9) < 5000;
	if ($type eq 'integer') {
		push @bad, $schema->{minimum} - 1 if defined $schema->{minimum};
		push @bad, 'many', '1e3', '0x10';
		push @bad, $schema->{maximum} + 1 if ($schema->{maximum} // 1e18) < 1e15;
	}
	return @bad if $is_text;
	push @bad, { a => 1 } if $type ne 'object' && $type ne '';
	push @bad, [1] if $type ne 'array' && $type ne '';
	push @bad, 5 if $type eq 'string';
	push @bad, 'true' if $type eq 'boolean';
	push @bad, [map { 1 } 0 .. $schema->{maxItems}] if $type eq 'array' && ($schema->{maxItems} // 1e9) < 2000;
	return @bad;
}

# All rows that a refused request must leave alone.
sub state {
	my $counts = $stack->db->value(q{select string_agg(format('%s=%s', relname, (xpath('/row/c/text()',
		query_to_xml(format('select count(*) as c from muster.%I', relname), false, true, '')))[1]), ' '
		order by relname) from pg_class where relnamespace = 'muster'::regnamespace and relkind in ('r', 'p')
		and not relispartition and relname not in ('session', 'refresh', 'outbox', 'event', 'login_limit',
		'token', 'comment', 'waiver', 'saved_search', 'schedule', 'credential', 'organization', 'project',
		'invitation', 'identity', 'account', 'membership', 'password_reset', 'run',
		'deployment',
		'trail', 'migration')});
	return "$counts trail=" . $stack->db->value(q{select count(*) from muster.trail where action not like 'session.%'});
}

my @operations;
for my $path (sort keys %{ $document->{paths} }) {
	for my $method (sort keys %{ $document->{paths}{$path} }) {
		my $operation = $document->{paths}{$path}{$method};
		push @operations, { %$operation, path => $path, method => uc $method };
	}
}
cmp_ok scalar @operations, '>=', 20, 'there are operations';

for my $operation (@operations) {
	my $path = $operation->{path};
	my @parameters = grep { $_->{name} } @{ $operation->{parameters} // [] };
	my %in;
	push @{ $in{ $_->{in} } }, $_ for @parameters;
	my $body = ($operation->{requestBody}{content}{'application/json'} // {})->{schema};
	my %needed = map { $_ => (good($body->{properties}{$_}))[0] } @{ ($body // {})->{required} // [] };
	my @body = $body ? (body => $json->encode(\%needed)) : ();
	my $done = ask($operation, $path, what => 'as it is meant', @body);
	cmp_ok $done->{status}, '<', 500, "$operation->{method} $path is answered";

	# Each input at its bounds; whether the thing exists is another matter.
	for my $parameter (@{ $in{query} // [] }) {
		ask($operation, $path, what => "$parameter->{name}=" . substr($_, 0, 30), @body,
			query => { $parameter->{name} => $_ }) for good($parameter->{schema});
	}
	for my $name (sort keys %{ ($body // {})->{properties} // {} }) {
		ask($operation, $path, what => "$name: " . substr($json->encode($_), 0, 30),
			body => $json->encode({ %needed, $name => $_ })) for good($body->{properties}{$name});
	}
	for my $parameter (@{ $in{path} // [] }) {
		ask($operation, $path, what => "$parameter->{name} " . substr($_, 0, 30), @body,
			path => { $parameter->{name} => $_ }) for grep { !m{^\.\./} } good($parameter->{schema});
	}

	# And beyond them.
	my $before = state();
	my @wrong;
	my $refused = sub {
		my ($what, @given) = @_;
		my $answer = ask($operation, $path, what => $what, @given);
		push @wrong, "$what: $answer->{status}" if $answer->{status} < 400 || $answer->{status} >= 500;
	};
	$refused->('an unknown parameter', @body, query => { unknown_parameter => 1 });
	for my $parameter (@{ $in{query} // [] }) {
		$refused->("$parameter->{name}=" . substr($_, 0, 30), @body, query => { $parameter->{name} => $_ })
			for bad($parameter->{schema}, 1);
	}
	for my $parameter (@{ $in{path} // [] }) {
		$refused->("$parameter->{name} " . substr($_, 0, 30), @body, path => { $parameter->{name} => $_ })
			for bad($parameter->{schema}, 1);
	}
	if ($body) {
		$refused->('no object', body => '[]');
		$refused->('half of it', body => '{"a":');
		$refused->('twice the same', body => '{"a":1,"a":2}');
		$refused->('NUL', body => '{"a":"\\u0000"}');
		$refused->('no UTF-8', body => "{\"a\":\"\xff\"}");
		$refused->('deep', body => ('{"a":' x 40) . '1' . ('}' x 40));
		$refused->('huge', body => '{"a":"' . ('x' x 1_100_000) . '"}');
		$refused->('a form', body => 'a=b', type => 'application/x-www-form-urlencoded');
		$refused->('an unknown member', body => $json->encode({ %needed, unknown_member => 1 }));
		for my $name (sort keys %needed) {
			my %rest = %needed;
			delete $rest{$name};
			$refused->("without $name", body => $json->encode(\%rest));
			$refused->("$name: null", body => $json->encode({ %needed, $name => undef }))
				if $body->{properties}{$name}{type};
		}
		for my $name (sort keys %{ $body->{properties} }) {
			$refused->("$name: " . substr($json->encode($_), 0, 30),
				body => $json->encode({ %needed, $name => $_ })) for bad($body->{properties}{$name});
		}
	}
	is_deeply \@wrong, [], "$operation->{method} $path refuses what its schema does not allow";
	is state(), $before, 'and has changed nothing then' if $operation->{method} ne 'GET';
}

is_deeply \@outside, [], 'no answer has a status that the document does not list';
is scalar(grep { $_->{status} >= 500 } @asked), 0, 'no answer is a 5xx'
	or diag join "\n", map { "$_->{what}: $_->{status} $_->{text}" } grep { $_->{status} >= 500 } @asked;

# The bodies, by a JSON Schema validator of another maker.
my $check = <<'END';
import json, sys, jsonschema
document = json.load(open(sys.argv[1]))
made, bad = {}, 0
def resolve(thing):
    while "$ref" in thing:
        at = document
        for part in thing["$ref"][2:].split("/"):
            at = at[part]
        thing = at
    return thing
for line in open(sys.argv[2]):
    one = json.loads(line)
    answer = resolve(one["schema"])
    content = answer.get("content")
    kind = (one["type"] or "").split(";")[0]
    if not content:
        faults = ["a body of " + kind] if one["text"] else []
    elif kind not in content:
        faults = ["is " + kind]
    elif "json" not in kind:
        faults = []
    else:
        key = json.dumps([one["pointer"], one["status"]])
        if key not in made:
            schema = dict(content[kind]["schema"], components=document["components"])
            made[key] = jsonschema.Draft202012Validator(schema,
                format_checker=jsonschema.FormatChecker())
        faults = ["/".join(map(str, e.path)) + ": " + e.message[:200]
            for e in made[key].iter_errors(json.loads(one["text"]))]
    for fault in faults[:2]:
        print(one["what"], one["status"], fault)
        bad += 1
sys.exit(1 if bad else 0)
END
my $dir = $stack->stand->dir;
spew("$dir/document.json", $text);
spew("$dir/asked", join '', map { $json->encode({ %$_, text => Encode::decode('UTF-8', $_->{text}) }) . "\n" }
	grep { $_->{schema} } @asked);
my ($bad, $said) = run_program(['python3', '-W', 'ignore', '-c', $check, "$dir/document.json", "$dir/asked"]);
is $bad, 0, scalar(@asked) . ' answers are what the document says' or diag substr $said, 0, 3000;
is $stack->client->get('/healthz')->{status}, 200, 'and the server is well';
done_testing;
