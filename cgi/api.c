/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/api.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cgi/issuer.h"
#include "cgi/meter.h"
#include "cgi/openapi.h"
#include "cgi/plain.h"
#include "cgi/rate.h"
#include "cgi/route.h"
#include "cgi/serve.h"
#include "lib/exit.h"
#include "lib/log.h"

static void api_free(struct api *api)
{
	if (api == NULL)
		return;
	db_free(api->db);
	secret_key_free(api->key);
	g_clear_pointer(&api->issuers, g_ptr_array_unref);
	conf_free(api->conf);
	g_free(api);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(api, api_free)

static struct api *api_load(void *data, GError **error)
{
	g_autoptr(api) api = g_new0(struct api, 1);
	const char *file = data;

	api->listen_fd = -1;
	api->conf = conf_load(file, error);
	if (api->conf == NULL)
		return NULL;
	log_init("api.fcgi", api->conf);
	api->key = secret_key_load(conf_get(api->conf, "secret.key_file"), FALSE, error);
	if (api->key == NULL)
		return NULL;
	api->issuers = issuer_load(api->conf, error);
	if (api->issuers == NULL)
		return NULL;
	/* Says now, not to the first request, when no database is configured at all. */
	g_autoptr(db) probe = db_open(api->conf, "muster_api", error);
	return probe != NULL ? g_steal_pointer(&api) : NULL;
}

/* The web server shows what a CGI program says, so it says nothing but this. */
static int plain_run(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(api) api = api_load(NULL, &error);

	if (api != NULL)
		api->db = db_open(api->conf, "muster_api", &error);
	if (api != NULL)
		api->rates = rate_table_open(api->conf, NULL);
	if (api != NULL)
		api->meter = meter_open(api->conf, NULL);
	if (api == NULL || api->db == NULL) {
		log_failure(LOG_LEVEL_ERROR, "cannot answer", error);
		printf("Status: 500 Internal Server Error\r\nContent-Type: "
		       "application/problem+json\r\n\r\n"
		       "{\"type\":\"about:blank\",\"title\":\"Internal Server "
		       "Error\",\"status\":500}");
		return EXIT_OTHER;
	}
	plain_serve(api);
	return EXIT_FINE;
}

int main(int argc, char **argv)
{
	g_autofree char *file = NULL;
	gboolean is_openapi = FALSE, is_routes = FALSE, is_version = FALSE;
	const GOptionEntry entries[] = {
		{"conf", 0, 0, G_OPTION_ARG_FILENAME, &file, "Read FILE alone", "FILE"},
		{"openapi", 0, 0, G_OPTION_ARG_NONE, &is_openapi,
			"Print the OpenAPI document of the routes", NULL},
		{"routes", 0, 0, G_OPTION_ARG_NONE, &is_routes, "Print the table of routes", NULL},
		{"version", 0, 0, G_OPTION_ARG_NONE, &is_version, "Print the version", NULL},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};

	log_init("api.fcgi", NULL);
	route_check_table();
	/*
	 * Not FCGX_IsCGI(): that calls everything CGI whose standard input is no socket, a daemon's
	 * /dev/null among them. Arguments are not looked at in CGI: RFC 3875, 4.4, lets the front
	 * put the query's words there.
	 */
	if (getenv("GATEWAY_INTERFACE") != NULL && !serve_is_listening(STDIN_FILENO))
		return plain_run();

	g_autoptr(GError) error = NULL;
	g_autoptr(GOptionContext) context =
		g_option_context_new("- answer the web server over FastCGI or CGI");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
		fprintf(stderr, "api.fcgi: %s\n",
			error != NULL ? error->message : "too many arguments");
		return EXIT_USAGE;
	}
	if (is_version) {
		printf("api.fcgi " PACKAGE_VERSION "\n");
		return EXIT_FINE;
	}
	if (is_routes) {
		route_print(stdout);
		return EXIT_FINE;
	}
	if (is_openapi) {
		g_autoptr(json_object) document = openapi_document();
		puts(json_object_to_json_string_ext(
			document, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
					  JSON_C_TO_STRING_NOSLASHESCAPE));
		return EXIT_FINE;
	}
	return serve_run(api_load, api_free, file);
}
