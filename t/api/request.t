#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What comes in: paths, queries, bodies, headers; good, bad and hostile.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Encode qw(encode);
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
$stack->account('ann@example.org', 'developer');
my $ann = $stack->session('ann@example.org');
$stack->root('/srv/git');
$stack->report([
	{ name => 'plain', status => 'clean', path => '/srv/git/plain' },
	{ name => 'with space', status => 'dirty', path => '/srv/git/with space' },
	{ name => 'deep/er', status => 'dirty', path => '/srv/git/deep/er' },
	{ name => 'größe-日本', status => 'clean', path => '/srv/git/größe-日本' },
	{ name => '100%25', status => 'clean', path => '/srv/git/100%25' },
	{ name => q{"quote'<b>}, status => 'extra', path => q{/srv/git/"quote'<b>} },
]);

sub get { return $stack->cgi(GET => $_[0], session => $ann, @_[1 .. $#_]) }
sub fields { return { map { $_->{field} => $_->{message} } @{ $_[0]{json}{errors} // [] } } }

subtest 'a repository is found by any name it may have' => sub {
	my %path = ('plain' => 'plain', 'with%20space' => 'with space', 'deep%2Fer' => 'deep/er',
		'deep%2fer' => 'deep/er', '100%2525' => '100%25',
		'gr%C3%B6%C3%9Fe-%E6%97%A5%E6%9C%AC' => 'größe-日本', '%22quote%27%3Cb%3E' => q{"quote'<b>});
	for my $path (sort keys %path) {
		my $answer = get("/api/v1/repos/$path");
		is $answer->{status}, 200, "$path is found";
		is $answer->{json}{name}, $path{$path}, 'and is the one meant';
	}
	is get('/api/v1/repos/' . encode('UTF-8', 'größe-日本'))->{status}, 200, 'raw UTF-8 is taken';
	my $id = get('/api/v1/repos/plain')->{json}{id};
	is get("/api/v1/repos/$id")->{json}{name}, 'plain', 'an id is taken';
	is get('/api/v1/repos/PLAIN')->{status}, 404, 'names are case-sensitive';
	is get('/api/v1/repos/deep/er')->{status}, 404, 'a slash separates';
};

subtest 'a path that is no path is refused' => sub {
	is get('/api/v1/repos/%')->{status}, 400, 'half an escape';
	is get('/api/v1/repos/%zz')->{status}, 400, 'no digits';
	is get('/api/v1/repos/a%00b')->{status}, 400, 'NUL';
	is get('/api/v1/repos/%ff%fe')->{status}, 400, 'no UTF-8';
	is get('/api/v1/repos/..%2f..%2fetc')->{status}, 404, 'dots in a name are a name';
	is get('/api/v1/repos/../auth/me')->{status}, 400, 'dot segments';
	is get('/api/v1/repos/%2e%2e/auth/me')->{status}, 400, 'hidden dot segments';
	is get('//api/v1/repos')->{status}, 404, 'empty segments';
	is get('/api/v1/repos/')->{status}, 200, 'one slash at the end is forgiven';
	is get('/api/v1/repos//')->{status}, 404, 'two are not';
	is get('/' . 'a' x 9000)->{status}, 400, 'too long';
	is get('/api/v1/repos/' . 'x' x 4097)->{status}, 400, 'a name longer than any';
	is get('/API/v1/repos')->{status}, 404, 'paths are case-sensitive';
	is get('/api/v1/nothing')->{status}, 404, 'no such path';
	is get('')->{status}, 400, 'no path at all';
	my $control = get('/api/v1/repos/a%0ab');
	is $control->{status}, 400, 'control characters';
	is_deeply [keys %{ fields($control) }], ['repo'], 'are the fault of the input';
};

subtest 'a method that is not offered is told the ones that are' => sub {
	my $answer = $stack->cgi(DELETE => '/api/v1/overview', session => $ann);
	is $answer->{status}, 405, 'refused';
	is $answer->{head}{allow}, 'GET, HEAD', 'with the list';
	is $stack->cgi(DELETE => '/api/v1/audits', session => $ann)->{head}{allow}, 'GET, HEAD, POST',
		'of all';
	is $stack->cgi(OPTIONS => '/api/v1/audits')->{status}, 204, 'OPTIONS asks for the list';
	is $stack->cgi('GET /' => '/healthz')->{status}, 400, 'what is no method is refused';
	my $head = $stack->cgi(HEAD => '/api/v1/overview', session => $ann);
	is $head->{status}, 200, 'HEAD is GET';
	is $head->{body}, '', 'without the body';
	ok $head->{head}{etag} && $head->{head}{'content-length'} > 10, 'with its headers';
};

subtest 'queries' => sub {
	is get('/api/v1/repos?q=with+space')->{json}{items}[0]{name}, 'with space', 'a plus is a space';
	is get('/api/v1/repos?q=gr%C3%B6')->{json}{items}[0]{name}, 'größe-日本', 'UTF-8';
	is scalar @{ get('/api/v1/repos?q=&status=&limit=')->{json}{items} }, 6, 'empty ones are left out';
	is scalar @{ get('/api/v1/repos?status=dirty,extra')->{json}{items} }, 3, 'several words';
	is get('/api/v1/repos?q=%25')->{json}{items}[0]{name}, '100%25', 'a wildcard is a letter';
	is get('/api/v1/repos?q=%zz')->{status}, 400, 'a broken escape';
	is get('/api/v1/repos?q=%00')->{status}, 400, 'NUL';
	is get('/api/v1/repos?q=%ff')->{status}, 400, 'no UTF-8';
	is get('/api/v1/repos?' . join('&', map { "a$_=1" } 1 .. 65))->{status}, 400, 'too many';
	is get('/api/v1/repos?&&limit=1&')->{status}, 200, 'empty parts are no parts';

	my $answer = get('/api/v1/repos?limit=0&sort=evil;drop&status=odd&foo=1&q=a&q=b');
	is $answer->{status}, 400, 'faults are refused';
	is $answer->{json}{title}, 'Bad Request', 'as a problem';
	my $fields = fields($answer);
	is_deeply [sort keys %$fields], [qw(foo limit q sort status)], 'all of them at once';
	is $fields->{limit}, 'must be from 1 to 200', 'a range';
	is $fields->{foo}, 'is not known here', 'an unknown one';
	is $fields->{q}, 'is given twice', 'a doubled one';
	for my $limit ('1e3', '+5', ' 5', '5 ', '0x5', '-1', '201', '99999999999999999999', '１') {
		my $text = encode('UTF-8', $limit);
		$text =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge;
		is get("/api/v1/repos?limit=$text")->{status}, 400, "limit $text is no limit";
	}
	is get('/api/v1/repos?cursor=rubbish')->{status}, 400, 'a cursor of nobody';
	is_deeply [keys %{ fields(get('/api/v1/repos?cursor=rubbish')) }], ['cursor'], 'is named';
	is get('/api/v1/events?event_types=nothing')->{status}, 400, 'a type that there is not';
	is get('/api/v1/events?event_types=session-change')->{status}, 400, 'a type that is for programs';
	is get('/api/v1/events?event_types=repo-status-change,audit-update')->{status}, 200, 'two types';
	is get('/api/v1/events?after=9223372036854775808')->{status}, 400, 'a number too large';
	is get('/api/v1/events?after=9223372036854775807')->{json}{reset}, JSON::PP::true,
		'a position ahead of the head is told to start again';
};

subtest 'bodies' => sub {
	my $post = sub {
		my ($body, %option) = @_;
		return $stack->cgi(POST => '/api/v1/audits', session => $ann, body => $body, %option);
	};
	is $post->('{}')->{status}, 202, 'an empty object';
	is $post->(undef)->{status}, 202, 'no body at all';
	is $post->('{"repo":"plain"}')->{status}, 202, 'an input';
	is $post->('{"repo":null}')->{status}, 202, 'null is not given';
	is $post->(encode('UTF-8', '{"repo":"größe-日本"}'))->{status}, 202, 'UTF-8';
	is $post->('{"repo":"nowhere"}')->{status}, 404, 'of nothing';
	for my $bad ('[]', '"x"', '1', '{', '{"repo":"a"', '{"repo":"a","repo":"b"}', '{"repo":"\u0000"}',
		"{\"repo\":\"\xff\"}", '{"repo":"\ud800"}', '{"repo":1}', '{"repo":["a"]}', '{"repo":""}',
		'{"other":1}', '{"repo":"a"} x', '{"a":' x 40 . '1' . '}' x 40, "\xef\xbb\xbf{}", 'NaN') {
		my $answer = $post->($bad);
		is $answer->{status}, 400, 'refused: ' . substr(encode('UTF-8', $bad), 0, 40);
		ok @{ $answer->{json}{errors} } > 0, 'and why';
	}
	is $post->('{}', env => { CONTENT_TYPE => 'text/plain' })->{status}, 400, 'a form of another site';
	is $post->('{}', env => { CONTENT_TYPE => undef })->{status}, 400, 'of no type';
	is $post->('{}', env => { CONTENT_TYPE => 'application/json; charset=utf-8' })->{status}, 202,
		'a type with its charset';
	is $post->('{}', env => { CONTENT_TYPE => 'application/jsonx' })->{status}, 400, 'almost the type';

	my $large = '{"repo":"' . 'x' x 40_000 . '"}';
	is $post->($large)->{status}, 413, 'larger than the route takes';
	is $post->('x', env => { CONTENT_LENGTH => 40_000_000 })->{status}, 413, 'by its length alone';
	is $post->($large, env => { CONTENT_LENGTH => undef, HTTP_TRANSFER_ENCODING => 'chunked' })
		->{status}, 413, 'without a length';
	is $post->('{}', env => { CONTENT_LENGTH => undef, HTTP_TRANSFER_ENCODING => 'chunked' })
		->{status}, 202, 'chunks are read to their end';
	my $short = $post->('{"repo":', env => { CONTENT_LENGTH => 20 });
	is $short->{status}, 400, 'truncated';
	like $short->{json}{detail}, qr/8 of 20 bytes/, 'and it says so';
	is $post->('{}', env => { CONTENT_LENGTH => $_ })->{status}, 400, "length '$_'"
		for '-1', '2x', '99999999999999999999999';
	is $post->('{}xxxx', env => { CONTENT_LENGTH => 2 })->{status}, 202,
		'what comes after the announced length is not ours';
	is $stack->cgi(GET => '/api/v1/overview', session => $ann, body => 'x')->{status}, 413,
		'a read takes no body';
};

subtest 'every answer carries its headers' => sub {
	for my $answer (get('/api/v1/overview'), get('/nothing'), get('/api/v1/repos?x=1'),
		$stack->cgi(GET => '/healthz')) {
		like $answer->{head}{'x-request-id'}, qr/^[0-9a-f-]{36}$/, "an id ($answer->{status})";
		is $answer->{head}{'x-content-type-options'}, 'nosniff', 'no sniffing';
		is $answer->{head}{'x-frame-options'}, 'DENY', 'no frames';
		like $answer->{head}{'content-security-policy'}, qr/default-src 'none'/, 'no active content';
		is $answer->{head}{'content-length'}, length $answer->{body}, 'its length';
		like $answer->{log}, qr/request=\Q$answer->{head}{'x-request-id'}\E .*status=$answer->{status}/,
			'and a line in the log';
	}
	unlike get('/api/v1/overview?q=secret')->{log}, qr/secret/, 'a query is not logged';
	like get('/api/v1/repos/' . "%1b%5b31m")->{log}, qr/path="?\/api\/v1\/repos\/%1b/,
		'a path is logged as it came';
	my $below = get('/audit/history/none.json');
	is $below->{status}, 404;
	is $below->{json}{error}, $below->{json}{detail}, 'below /audit there is the key "error" too';
};

subtest 'where the address begins' => sub {
	is $stack->cgi(GET => '', session => $ann, env => { REQUEST_URI => undef, SCRIPT_NAME => '/api',
		PATH_INFO => '/v1/repos' })->{status}, 200, 'a front without REQUEST_URI';
	is $stack->cgi(GET => '', session => $ann, env => { REQUEST_URI => undef,
		SCRIPT_NAME => '/cgi-bin/api.fcgi', PATH_INFO => '/api/v1/repos/with space' })->{status}, 200,
		'a script, with a decoded path';
	is $stack->cgi(GET => '/cgi-bin/api.fcgi/api/v1/repos', session => $ann,
		env => { SCRIPT_NAME => '/cgi-bin/api.fcgi' })->{status}, 200, 'a script in the address';
	is $stack->cgi(GET => 'http://muster.test/api/v1/repos', session => $ann)->{status}, 200,
		'a whole address';
	is $stack->cgi(GET => '/tools/api/v1/repos', session => $ann,
		env => { MUSTER_SERVER_PUBLIC_URL => 'http://muster.test/tools/' })->{status}, 200,
		'below a folder of the public address';
	is $stack->cgi(GET => '/toolsapi/v1/repos', session => $ann,
		env => { MUSTER_SERVER_PUBLIC_URL => 'http://muster.test/tools' })->{status}, 404,
		'and nowhere else';
};

subtest 'who asks' => sub {
	my $address = sub {
		my (%env) = @_;
		my ($seen) = $stack->cgi(GET => '/healthz', env => \%env)->{log} =~ /address=(\S+)/;
		return $seen;
	};
	my @proxy = (MUSTER_SERVER_TRUSTED_PROXIES => '10.0.0.0/8 ::1');
	is $address->(REMOTE_ADDR => '192.0.2.1'), '192.0.2.1', 'whom the front names';
	is $address->(REMOTE_ADDR => '192.0.2.1', HTTP_X_FORWARDED_FOR => '198.51.100.1'), '192.0.2.1',
		'nobody may name another';
	is $address->(@proxy, REMOTE_ADDR => '10.1.2.3', HTTP_X_FORWARDED_FOR => '198.51.100.1'),
		'198.51.100.1', 'but a proxy of ours';
	is $address->(@proxy, REMOTE_ADDR => '10.1.2.3',
		HTTP_X_FORWARDED_FOR => '1.1.1.1, 198.51.100.1, 10.9.9.9'), '198.51.100.1',
		'the last that is none of ours';
	is $address->(@proxy, REMOTE_ADDR => '10.1.2.3', HTTP_X_FORWARDED_FOR => '1.1.1.1, rubbish'),
		'10.1.2.3', 'rubbish is not believed';
	is $address->(@proxy, REMOTE_ADDR => '192.0.2.1', HTTP_X_FORWARDED_FOR => '198.51.100.1'),
		'192.0.2.1', 'a stranger is not';
};

done_testing;
