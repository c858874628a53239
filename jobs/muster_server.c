/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/muster_server.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "jobs/account.h"
#include "jobs/forge.h"
#include "jobs/migrate.h"
#include "jobs/run_helper.h"
#include "lib/exit.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help; /* NULL: not for people, and not listed */
};

/* clang-format off */
static const struct command commands[] = {
	{ "account", account_main, "add, list, change and remove the accounts of people" },
	{ "backup", backup_main, "write database, settings and key to one file" },
	{ "conf", conf_main, "print the settings and where they come from" },
	{ "credential", credential_main, "say what opens repositories on other hosts" },
	{ "demo", demo_main, "fill an empty database with something to look at" },
	{ "doctor", doctor_main, "say what is wrong here, and what mends it" },
	{ "forge", forge_main, "list the repositories that a forge has" },
	{ "job", job_main, "look at the queue, and hold it back" },
	{ "job-helper", helper_main, NULL },
	{ "key", key_main, "give the master key a successor" },
	{ "migrate", migrate_main, "bring the database to this version" },
	{ "organization", organization_main, "add, list, change and remove organizations" },
	{ "project", project_main, "add and list the projects of an organization" },
	{ "repo", repo_main, "say which folders are watched" },
	{ "restore", restore_main, "bring a backup into an empty database" },
	{ "run", run_main, "do the work that is due: what cron starts" },
	{ "schedule", schedule_main, "say what is done again and again, and when" },
	{ "token", token_main, "make, list and end API tokens" },
};
/* clang-format on */

static void print_usage(FILE *out)
{
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		if (commands[i].help != NULL)
			fprintf(out, "  %-13s %s\n", commands[i].name, commands[i].help);
}

int main(int argc, char **argv)
{
	setlocale(LC_ALL, "");
	if (argc < 2 || !strcmp(argv[1], "--help")) {
		print_usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_USAGE : EXIT_FINE;
	}
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "muster: '%s' is not a command. See 'muster --help'.\n", argv[1]);
	return EXIT_USAGE;
}
