/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/error.h"
#include "t/unit/check.h"

static gboolean is_private(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return http_address_is_private((const struct sockaddr *)&v4);
	g_assert_cmpint(inet_pton(AF_INET6, text, &v6.sin6_addr), ==, 1);
	return http_address_is_private((const struct sockaddr *)&v6);
}

static void test_private(void)
{
	static const char *const addresses[] = {"0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1",
		"127.255.255.255", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1",
		"192.0.2.1", "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.9",
		"224.0.0.1", "255.255.255.255", "::", "::1", "::ffff:10.0.0.1", "::7f00:1",
		"64:ff9b::127.0.0.1", "2002:7f00:1::", "2002:c0a8:1::1", "fc00::1", "fd12::1",
		"fe80::1", "ff02::1", "2001:db8::1", "2001::1", "100::1"};

	for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++)
		if (!is_private(addresses[i]))
			g_test_fail_printf("%s is private", addresses[i]);
}

static void test_public(void)
{
	static const char *const addresses[] = {"1.1.1.1", "9.255.255.255", "11.0.0.0",
		"100.63.0.1", "100.128.0.1", "128.0.0.1", "140.82.121.4", "172.15.0.1",
		"172.32.0.1", "192.167.1.1", "198.20.0.1", "223.255.255.255", "2606:4700::1111",
		"2a01:4f8::1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1",
		"2001:4860::8888"};

	for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++)
		if (is_private(addresses[i]))
			g_test_fail_printf("%s is public", addresses[i]);
}

static void test_link(void)
{
	static const struct {
		const char *link, *next;
	} cases[] = {
		{"<https://a/b?page=2>; rel=\"next\", <https://a/b?page=9>; rel=\"last\"",
			"https://a/b?page=2"},
		{"<https://a/1>; rel=\"prev\", <https://a/3>; rel=\"next\"", "https://a/3"},
		{"</relative>;rel=next", "/relative"},
		{"<https://a/1>; rel=\"first next\"", "https://a/1"},
		{"<https://a/1>; rel=\"nextish\"", NULL},
		{"<https://a/1>; title=\"rel=next\"; rel=\"last\"", NULL},
		{"<https://a/1; rel=\"next\"", NULL},
		{"", NULL},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *next = http_link_next(cases[i].link);
		g_assert_cmpstr(next, ==, cases[i].next);
	}
	g_assert_null(http_link_next(NULL));
}

static void test_origin(void)
{
	static const struct {
		const char *url, *origin;
	} cases[] = {
		{"https://API.Example.org/x?y", "https://api.example.org:443"},
		{"http://example.org:8080", "http://example.org:8080"},
		{"https://user:word@example.org/", "https://example.org:443"},
		{"https://[2001:db8::1]/", "https://[2001:db8::1]:443"},
		{"ftp://example.org/", NULL},
		{"file:///etc/passwd", NULL},
		{"example.org", NULL},
		{"", NULL},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *origin = http_origin(cases[i].url);
		g_assert_cmpstr(origin, ==, cases[i].origin);
	}
}

static void test_refused(void)
{
	static const char *const urls[] = {"https://127.0.0.1:1/", "https://localhost:1/",
		"https://[::1]:1/", "https://169.254.169.254/latest/meta-data/"};
	g_autoptr(http_client) client = http_client_new(FALSE);

	for (gsize i = 0; i < G_N_ELEMENTS(urls); i++) {
		g_auto(http_response) response = {0};
		g_autoptr(GError) error = NULL;
		g_assert_false(http_get(client, urls[i], NULL, &response, &error));
		g_assert_error(error, MUSTER_ERROR, MUSTER_ERROR_DENIED);
	}
}

static void test_plain(void)
{
	g_autoptr(http_client) client = http_client_new(FALSE);
	g_auto(http_response) response = {0};
	g_autoptr(GError) error = NULL;

	g_assert_false(http_get(client, "http://example.invalid/", NULL, &response, &error));
	g_assert_error(error, MUSTER_ERROR, MUSTER_ERROR_REMOTE);
	g_clear_error(&error);
	g_assert_false(http_get(client, "file:///etc/passwd", NULL, &response, &error));
	g_assert_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT);
}

int main(int argc, char **argv)
{
	static const char *const proxies[] = {
		"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};

	for (gsize i = 0; i < G_N_ELEMENTS(proxies); i++)
		g_unsetenv(proxies[i]);
	check_init(&argc, &argv);
	g_test_add_func("/http/private and special addresses are told", test_private);
	g_test_add_func("/http/public addresses are told", test_public);
	g_test_add_func("/http/the next page is read from a Link header", test_link);
	g_test_add_func("/http/an origin is scheme, host and port", test_origin);
	g_test_add_func("/http/a private address is refused before anything is sent", test_refused);
	g_test_add_func("/http/only https is spoken unless the person said otherwise", test_plain);
	return check_run();
}
