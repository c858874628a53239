/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/doctor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "jobs/run_slot.h"
#include "lib/error.h"
#include "lib/http.h"

/* What runs: our programs, by their sockets and locks, and the web server, by asking it. */

static void socket_check(
	struct doctor *doctor, const char *name, const char *what, const char *mend)
{
	g_autofree char *path = conf_get_run_path(doctor->conf, name);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		doctor_say(doctor, DOCTOR_FINE, NULL, "%s listens on %s", what, path);
	else if (errno == EACCES)
		doctor_say(doctor, DOCTOR_UNKNOWN, "run this as root or as the service's user",
			"%s may not be opened from here", path);
	else
		doctor_say(doctor, DOCTOR_PROBLEM, mend, "%s does not run: %s: %s", what, path,
			g_strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void api_check(struct doctor *doctor)
{
	socket_check(doctor, "api.sock", "api.fcgi", "systemctl start muster-api");
}

static void pusher_check(struct doctor *doctor)
{
	if (!conf_get_bool(doctor->conf, "pusher.live"))
		doctor_say(doctor, DOCTOR_FINE, NULL, "live connections are switched off");
	else
		socket_check(
			doctor, "pusher.sock", "muster-pusher", "systemctl start muster-pusher");
}

static void runner_check(struct doctor *doctor)
{
	const char *mend =
		"systemctl start muster-runner, or a line for cron: * * * * * muster run";
	g_autoptr(GError) error = NULL;
	gboolean is_claimed = FALSE;

	if (slot_is_claimed(doctor->conf, &is_claimed, &error))
		doctor_say(doctor, is_claimed ? DOCTOR_FINE : DOCTOR_PROBLEM,
			is_claimed ? NULL : mend,
			is_claimed ? "a runner takes this host's jobs"
				   : "no runner runs on this host");
	else if (g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_MISSING))
		doctor_say(doctor, DOCTOR_PROBLEM, mend, "%s", error->message);
	else
		doctor_say(doctor, DOCTOR_UNKNOWN, NULL, "%s", error->message);
}

struct asked {
	struct http_client *client;
	const char *base;
};

/* FALSE: no answer, and it is said. */
static gboolean ask(struct doctor *doctor, const struct asked *asked, const char *path,
	const char *const *headers, struct http_response *response)
{
	g_autofree char *url = g_strconcat(asked->base, path, NULL);
	g_autoptr(GError) error = NULL;

	if (http_get(asked->client, url, headers, response, &error))
		return TRUE;
	doctor_say(doctor, DOCTOR_PROBLEM,
		"start the web server; see contrib/ for its configuration", "%s: %s", url,
		error->message);
	return FALSE;
}

/* 502 and 503 are the web server's own: nobody took the request over. */
static const char *closed_mend(long status, const char *otherwise)
{
	return status == 502 || status == 503
		       ? "start the program, and let the web server's user open its socket: "
			 "usermod -aG muster www-data"
		       : otherwise;
}

static gboolean health_ask(struct doctor *doctor, const struct asked *asked)
{
	g_auto(http_response) response = {0};

	if (!ask(doctor, asked, "/healthz", NULL, &response))
		return FALSE;
	gboolean is_ours =
		response.body != NULL && strstr(response.body->str, "\"status\"") != NULL;
	if (response.status == 200 && is_ours) {
		doctor_say(doctor, DOCTOR_FINE, NULL, "%s answers", asked->base);
		return TRUE;
	}
	if (response.status == 503 && is_ours)
		doctor_say(doctor, DOCTOR_PROBLEM, "see the log of api.fcgi",
			"api.fcgi answers, and says that it cannot work");
	else
		doctor_say(doctor, DOCTOR_PROBLEM,
			closed_mend(response.status,
				"lead /healthz, /api and /docs to api.fcgi, as contrib/ does"),
			"%s/healthz answers with status %ld", asked->base, response.status);
	return FALSE;
}

static void page_ask(struct doctor *doctor, const struct asked *asked)
{
	static const char *const headers[] = {"Accept: text/html", NULL};
	g_auto(http_response) response = {0};

	if (!ask(doctor, asked, "/", headers, &response))
		return;
	if (response.status != 200)
		doctor_say(doctor, DOCTOR_PROBLEM, "let the web server's root be htdocs of [paths]",
			"the page answers with status %ld", response.status);
	else if (http_response_header(&response, "content-security-policy") == NULL)
		doctor_say(doctor, DOCTOR_PROBLEM, "take the headers over from contrib/",
			"the page comes without Content-Security-Policy");
	else
		doctor_say(doctor, DOCTOR_FINE, NULL, "the page comes with its headers");
}

/* Apache passes no Authorization to CGI by itself: then no token would ever be seen. */
static void authorization_ask(struct doctor *doctor, const struct asked *asked)
{
	static const char *const headers[] = {"Authorization: Bearer nobody", NULL};
	g_auto(http_response) response = {0};

	if (!ask(doctor, asked, "/api/v1/repos", headers, &response))
		return;
	if (response.status == 401 && strstr(response.body->str, "token is not valid") != NULL)
		doctor_say(doctor, DOCTOR_FINE, NULL, "tokens reach api.fcgi");
	else
		doctor_say(doctor, DOCTOR_PROBLEM,
			"CGIPassAuth On (Apache); fastcgi_pass_header Authorization (nginx)",
			"the header Authorization does not reach api.fcgi (status %ld)",
			response.status);
}

/* Who is nobody gets 401 from the pusher; without the header Upgrade it would be 426. */
static void websocket_ask(struct doctor *doctor, const struct asked *asked)
{
	static const char *const headers[] = {"Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: bXVzdGVyLWRvY3Rvci0xNg==", NULL};
	g_auto(http_response) response = {0};

	if (!conf_get_bool(doctor->conf, "pusher.live") ||
		!ask(doctor, asked, "/ws", headers, &response))
		return;
	if (response.status == 401 || response.status == 403)
		doctor_say(doctor, DOCTOR_FINE, NULL, "WebSockets reach muster-pusher");
	else
		doctor_say(doctor, DOCTOR_PROBLEM,
			response.status == 426
				? "pass Upgrade and Connection on, as contrib/ does"
				: closed_mend(response.status,
					  "lead /ws to pusher.sock, as contrib/ does"),
			"WebSockets do not reach muster-pusher (status %ld)", response.status);
}

static void web_check(struct doctor *doctor)
{
	const char *given = conf_get(doctor->conf, "server.public_url");
	g_autofree char *base = g_strdup(given);
	g_autoptr(http_client) client = http_client_new(TRUE);
	const struct asked asked = {.client = client, .base = base};

	while (g_str_has_suffix(base, "/"))
		base[strlen(base) - 1] = '\0';
	if (*base == '\0') {
		doctor_say(doctor, DOCTOR_WARNING, "set public_url in [server]",
			"nobody says what address people type: the web server was not looked at");
		return;
	}
	if (g_str_has_prefix(base, "http://") &&
		!g_regex_match_simple("^http://(localhost|127\\.|\\[::1\\])", base, 0, 0))
		doctor_say(doctor, DOCTOR_WARNING,
			"get a certificate, and set public_url to https://...",
			"people sign in over http: everybody on the way can read along");
	if (!health_ask(doctor, &asked))
		return;
	page_ask(doctor, &asked);
	authorization_ask(doctor, &asked);
	websocket_ask(doctor, &asked);
}

/* clang-format off */
const struct doctor_check doctor_service_checks[] = {
	{ "api", api_check },
	{ "pusher", pusher_check },
	{ "runner", runner_check },
	{ "web", web_check },
};
/* clang-format on */
const gsize doctor_service_checks_len = G_N_ELEMENTS(doctor_service_checks);
