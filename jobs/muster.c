/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "lib/exit.h"

/*
 * The program a person runs. Its own commands are in the table below; any other name is a command
 * of the second half, muster-server, which is found beside this program or in libexec and takes
 * this process over, so that a start of ours never pays for libraries it does not use.
 */

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
	{ "version", run_version, "print the version" },
};
/* clang-format on */

/*
 * Executes muster-server with argv as it is; returns only when that cannot be. The one beside this
 * program comes first, so that a build tree uses its own.
 */
static int server_run(char **argv)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *folder = self != NULL ? g_path_get_dirname(self) : NULL;

	if (folder != NULL) {
		g_autofree char *beside = g_build_filename(folder, "muster-server", NULL);
		execv(beside, argv);
	}
	execv(PKGLIBEXECDIR "/muster-server", argv);
	fprintf(stderr, "muster: %s/muster-server cannot be run: %s\n", PKGLIBEXECDIR,
		g_strerror(errno));
	return EXIT_OTHER;
}

static void print_usage(FILE *out)
{
	fputs("usage: muster COMMAND [ARGUMENT ...]\n\n", out);
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	const char *name = argv[1];
	if (!strcmp(name, "--version"))
		name = "version";
	if (!strcmp(name, "--help") || !strcmp(name, "help")) {
		/* The rest of the list is the other program's. */
		print_usage(stdout);
		fflush(stdout);
		argv[1] = (char *)"--help";
		return server_run(argv);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	return server_run(argv);
}
