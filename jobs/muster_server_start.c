/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/muster_server.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/error.h"
#include "lib/exit.h"
#include "lib/log.h"

int server_fail(const GError *error)
{
	fprintf(stderr, "%s: %s\n", g_get_prgname(), error->message);
	return g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_INPUT) ? EXIT_USAGE : EXIT_OTHER;
}

int server_usage(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	fprintf(stderr, "%s: %s. See '%s --help'.\n", g_get_prgname(), text, g_get_prgname());
	return EXIT_USAGE;
}

struct conf *server_start(
	const char *usage, const GOptionEntry *entries, int *argc, char ***argv, int *exit_code)
{
	g_autofree char *file = NULL;
	const GOptionEntry common[] = {{"conf", 0, 0, G_OPTION_ARG_FILENAME, &file,
					       "read this configuration file alone", "FILE"},
		{NULL}};
	g_autoptr(GError) error = NULL;
	const char *rest = strchr(usage, ' ');
	g_autoptr(GOptionContext) context = g_option_context_new(rest != NULL ? rest + 1 : NULL);
	g_autofree char *program = g_strdup_printf("muster %s", (*argv)[0]);

	g_set_prgname(program);
	if (entries != NULL)
		g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_add_main_entries(context, common, NULL);
	if (!g_option_context_parse(context, argc, argv, &error)) {
		*exit_code = server_usage("%s", error->message);
		return NULL;
	}
	struct conf *conf = conf_load(file, &error);
	if (conf == NULL) {
		*exit_code = server_fail(error);
		return NULL;
	}
	log_init(g_strdelimit(program, " ", '-'), conf);
	return conf;
}
