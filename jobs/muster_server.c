/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/muster_server.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/account.h"
#include "jobs/migrate.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/log.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help; /* NULL: not for people, and not listed */
};

/* clang-format off */
static const struct command commands[] = {
	{ "account", account_main, "add, list and change the accounts of people" },
	{ "conf", conf_main, "print the settings and where they come from" },
	{ "migrate", migrate_main, "bring the database to this version" },
	{ "organization", organization_main, "add and list organizations" },
	{ "project", project_main, "add and list the projects of an organization" },
};
/* clang-format on */

static const char *command_name = "muster";

static void print_usage(FILE *out)
{
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		if (commands[i].help != NULL)
			fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
}

int server_fail(const GError *error)
{
	fprintf(stderr, "muster %s: %s\n", command_name, error->message);
	return g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_INPUT) ? EXIT_USAGE : EXIT_OTHER;
}

int server_usage(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	fprintf(stderr, "muster %s: %s. See 'muster %s --help'.\n", command_name, text,
		command_name);
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
	g_autofree char *program = g_strdup_printf("muster %s", command_name);

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
	log_init(program, conf);
	return conf;
}

int main(int argc, char **argv)
{
	setlocale(LC_ALL, "");
	if (argc < 2 || !strcmp(argv[1], "--help")) {
		print_usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_USAGE : EXIT_FINE;
	}
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		if (!strcmp(argv[1], commands[i].name)) {
			command_name = commands[i].name;
			return commands[i].run(argc - 1, argv + 1);
		}
	fprintf(stderr, "muster: '%s' is not a command. See 'muster --help'.\n", argv[1]);
	return EXIT_USAGE;
}
