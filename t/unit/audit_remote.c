/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/remote.h"

#include <string.h>

#include "lib/error.h"
#include "t/unit/check.h"

static void test_key(void)
{
	/* clang-format off */
	static const struct { const char *url, *key, *name; } cases[] = {
		{ "https://github.com/Me/Thing.git", "github.com/me/thing", "Thing" },
		{ "git@github.com:me/thing.git", "github.com/me/thing", "thing" },
		{ "github.com:me/thing", "github.com/me/thing", "thing" },
		{ "ssh://git@github.com:22/me/thing.git/", "github.com/me/thing", "thing" },
		{ "https://token@github.com/me/thing/", "github.com/me/thing", "thing" },
		{ "https://a:" "b@c@github.com/me/thing", "github.com/me/thing", "thing" },
		{ "git://example.org/~me/a.b.git", "example.org/~me/a.b", "a.b" },
		{ "https://[2001:db8::1]:8443/x", "[2001:db8::1]/x", "x" },
		{ "/srv/git/Thing.git", "/srv/git/Thing", "Thing" },
		{ "../Thing", "/../Thing", "Thing" },
		{ "file:///srv/git/thing.git", "/srv/git/thing", "thing" },
		{ "https://github.com", "", "" },
		{ "https://github.com/", "", "" },
		{ "", "", "" },
		{ ".git", "", "" },
		{ "host:", "", "" },
		{ "a:b@c/d", "a/b@c/d", "d" },
		{ "me@a:b@c:d/e", "a/b@c:d/e", "e" },
	};
	/* clang-format on */
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *key = remote_url_key(cases[i].url);
		g_autofree char *name = remote_url_name(cases[i].url);
		g_assert_cmpstr(key, ==, cases[i].key);
		g_assert_cmpstr(name, ==, cases[i].name);
	}
}

static void test_strip(void)
{
	static const char *const cases[][2] = {
		{"https://user:word@example.org/a", "https://example.org/a"},
		{"https://word@example.org/a", "https://example.org/a"},
		{"ssh://git:word@example.org/a", "ssh://git@example.org/a"},
		{"ssh://git@example.org/a", "ssh://git@example.org/a"},
		{"git@example.org:a", "git@example.org:a"},
		{"https://example.org/a@b", "https://example.org/a@b"},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *stripped = remote_url_strip(cases[i][0]);
		g_assert_cmpstr(stripped, ==, cases[i][1]);
	}
}

static struct audit_remote *parse(const char *text, GError **error)
{
	g_autoptr(audit_remote) remote = audit_remote_new();

	return audit_remote_parse(remote, text, strlen(text), "list", error)
		       ? g_steal_pointer(&remote)
		       : NULL;
}

static void test_forms(void)
{
	static const char *const forms[] = {
		"# what should exist\n\n thing https://example.org/me/thing.git \r\n"
		"https://example.org/me/other\nalone",
		"\xef\xbb\xbfthing\thttps://example.org/me/thing\nother https://example.org/me/other\nalone\n",
		"[\"https://example.org/me/thing.git\", {\"name\": \"other\", \"url\": "
		"\"https://example.org/me/other\"}, {\"name\": \"alone\"}]",
		" {\"owner\": \"me\", \"repos\": [{\"clone_url\": \"https://x:y@example.org/me/thing\"}, "
		"{\"name\": \"other\", \"ssh_url\": \"git@example.org:me/other\"}, \"alone\"]}",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(audit_remote) remote = parse(forms[i], &error);
		g_assert_no_error(error);
		g_assert_cmpuint(audit_remote_count(remote), ==, 3);
		g_assert_cmpstr(audit_remote_get(remote, 0)->name, ==, "thing");
		g_assert_cmpstr(audit_remote_get(remote, 0)->key, ==, "example.org/me/thing");
		g_assert_cmpstr(
			audit_remote_find_name(remote, "other")->key, ==, "example.org/me/other");
		g_assert_cmpstr(audit_remote_find_name(remote, "alone")->url, ==, "");
		g_assert_cmpstr(audit_remote_owner(remote), ==, i == 3 ? "me" : "");
		g_assert_null(strstr(audit_remote_get(remote, 0)->url, "y@"));
	}
}

static void test_refused(void)
{
	static const char *const texts[] = {
		"fine https://example.org/fine\nthree words here\n",
		"fine https://example.org/fine\n.. https://example.org/x\n",
		"fine https://example.org/fine\na/b https://example.org/x\n",
		"fine https://example.org/fine\nname\xff https://example.org/x\n",
	};
	GError *error = NULL;

	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_assert_null(parse(texts[i], &error));
		check_refused(error, MUSTER_ERROR_INPUT, "list:2: ");
	}
	g_assert_null(parse("[1]", &error));
	check_refused(error, MUSTER_ERROR_INPUT, "row 1");
	g_assert_null(parse("{\"repos\": 1}", &error));
	check_refused(error, MUSTER_ERROR_INPUT, "list");
	g_assert_null(parse("[", &error));
	check_refused(error, MUSTER_ERROR_INPUT, "list");
}

static void test_same_name(void)
{
	g_autoptr(audit_remote) remote = parse(
		"https://example.org/a/x\nhttps://example.org/b/x\nhttps://example.org/a/x.git\n",
		NULL);

	g_assert_cmpuint(audit_remote_count(remote), ==, 2);
	g_assert_cmpstr(audit_remote_get(remote, 1)->name, ==, "example.org/b/x");
	g_assert_nonnull(audit_remote_find_key(remote, "example.org/b/x"));
}

static void test_filter(void)
{
	g_autoptr(audit_remote) remote = parse("[{\"name\": \"a\", \"archived\": true}, "
					       "{\"name\": \"f\", \"fork\": true}, \"x\"]",
		NULL);

	audit_remote_filter(remote, TRUE, TRUE);
	g_assert_cmpuint(audit_remote_count(remote), ==, 3);
	audit_remote_filter(remote, FALSE, TRUE);
	g_assert_null(audit_remote_find_name(remote, "a"));
	g_assert_nonnull(audit_remote_find_name(remote, "f"));
	audit_remote_filter(remote, FALSE, FALSE);
	g_assert_cmpuint(audit_remote_count(remote), ==, 1);
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/remote/addresses of one repository have one key", test_key);
	g_test_add_func("/remote/passwords are taken out of addresses", test_strip);
	g_test_add_func("/remote/a list may be lines or JSON", test_forms);
	g_test_add_func("/remote/a bad row is refused with its place", test_refused);
	g_test_add_func("/remote/two of one name are told apart by their address", test_same_name);
	g_test_add_func("/remote/archived ones and forks go away by choice", test_filter);
	return check_run();
}
