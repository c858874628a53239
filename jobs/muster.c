/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/muster.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "jobs/program.h"
#include "lib/exit.h"

/*
 * The program a person runs. Its own commands are in the table below; any other name is a command
 * of the second half, muster-server, which is found beside this program or in libexec and takes
 * this process over, so that a start of ours never pays for libraries it does not use.
 */

#define SERVER "muster-server"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

static int run_version(int argc, char **argv)
{
	printf("muster %s\n", PACKAGE_VERSION);
	return EXIT_FINE;
}

/* clang-format off */
static const struct command commands[] = {
	{ "audit", audit_main, "look at every repository below some folders and report" },
	{ "diff", diff_main, "show what changed in a repository's working tree" },
	{ "rules", rules_main, "list, show and check what a scan looks for" },
	{ "scan", scan_main, "look for leaked credentials in history or files" },
	{ "version", run_version, "print the version" },
};
/* clang-format on */

static void print_usage(FILE *out)
{
	fputs("usage: muster COMMAND [ARGUMENT ...]\n\n"
	      "Which of your repositories need attention?\n\n"
	      "These need no database and no configuration:\n",
		out);
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		fprintf(out, "  %-13s %s\n", commands[i].name, commands[i].help);
	fputs("\n'muster COMMAND --help' says more about one.\n", out);
	fflush(out);
}

/* The commands of the other half, as it lists them itself. */
static void print_server_usage(void)
{
	const char *argv[] = {SERVER, "--help", NULL};
	g_autoptr(GString) text = g_string_new(NULL);
	int code;

	if (program_run(SERVER, argv, 65536, text, &code, NULL) && code == EXIT_FINE &&
		text->len > 0)
		printf("\nThese belong to the server:\n%s", text->str);
}

/* Becomes the second half; returns only when that cannot be. */
static int run_server(char **argv)
{
	g_autofree char *path = program_find(SERVER, NULL);

	if (path != NULL) {
		argv[0] = (char *)SERVER;
		execv(path, argv);
		fprintf(stderr, "muster: %s: %s\n", path, g_strerror(errno));
		return EXIT_OTHER;
	}
	fprintf(stderr, "muster: '%s' is not a command. See 'muster --help'.\n", argv[1]);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	setlocale(LC_ALL, "");
	if (argc < 2) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	const char *name = argv[1];
	if (!strcmp(name, "--version"))
		name = "version";
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		print_usage(stdout);
		print_server_usage();
		return EXIT_FINE;
	}
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	if (*name == '-') {
		fprintf(stderr, "muster: unknown option '%s'. See 'muster --help'.\n", name);
		return EXIT_USAGE;
	}
	return run_server(argv);
}
