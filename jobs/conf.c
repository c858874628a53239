/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/muster_server.h"

#include <stdio.h>
#include <string.h>

#include "lib/exit.h"

/*
 * `muster conf`: what the programs read, and where each value came from. --sample prints
 * contrib/muster.conf from the table and --manual the list in muster.conf(5), so that neither can
 * say anything else than the table.
 */

#define COMMENT_COLUMNS 78

/* A connection string may hold a password, and what is listed gets pasted into bug reports. */
static char *value_mask(const char *value)
{
	g_autoptr(GRegex) word = g_regex_new(
		"(password\\s*=\\s*)('(?:[^'\\\\]|\\\\.)*'|[^\\s&]+)", G_REGEX_CASELESS, 0, NULL);
	g_autoptr(GRegex) uri = g_regex_new("(://[^:/@]*:)[^@]*@", 0, 0, NULL);
	g_autofree char *half = g_regex_replace(word, value, -1, 0, "\\1***", 0, NULL);
	return g_regex_replace(uri, half, -1, 0, "\\1***@", 0, NULL);
}

static void value_print(const struct conf *conf, const char *name, gboolean is_listed)
{
	if (!is_listed) {
		puts(conf_get(conf, name));
		return;
	}
	g_autofree char *value = value_mask(conf_get(conf, name));
	printf("%-24s %s  (%s)\n", name, *value != '\0' ? value : "-", conf_get_source(conf, name));
}

/* Words of help as comment lines. */
static void comment_print(const char *help)
{
	g_auto(GStrv) words = g_strsplit(help, " ", -1);
	gsize column = (gsize)printf("#");

	for (guint i = 0; words[i] != NULL; i++) {
		if (column + 1 + strlen(words[i]) > COMMENT_COLUMNS)
			column = (gsize)printf("\n#") - 1;
		column += (gsize)printf(" %s", words[i]);
	}
	putchar('\n');
}

static void range_print(const struct conf_key *key, const char *before)
{
	if (key->type == CONF_TYPE_INT)
		printf("%sFrom %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ".\n", before, key->min,
			key->max);
	if (key->type == CONF_TYPE_WORD) {
		g_auto(GStrv) words = g_strsplit(key->words, "|", -1);
		g_autofree char *list = g_strjoinv(", ", words);
		printf("%sOne of %s.\n", before, list);
	}
}

/* The list of settings of muster.conf(5), as mdoc. */
static void manual_print(void)
{
	g_autofree char *group = g_strdup("");

	for (gsize i = 0; i < conf_keys_len; i++) {
		const struct conf_key *key = &conf_keys[i];
		const char *dot = strchr(key->name, '.');
		g_autofree char *own = g_strndup(key->name, (gsize)(dot - key->name));
		g_auto(GStrv) sentences = g_strsplit(key->help, ". ", -1);
		g_autofree char *help = g_strjoinv(".\n", sentences);
		g_auto(GStrv) marks = g_strsplit(help, "\\", -1);
		g_autofree char *text = g_strjoinv("\\e", marks);
		if (strcmp(own, group) != 0)
			printf("%s.Ss %s\n.Bl -tag -width Ds\n", i > 0 ? ".El\n" : "", own);
		g_free(group);
		group = g_steal_pointer(&own);
		printf(".It Cm %s", dot + 1);
		if (*key->value != '\0')
			printf(" No = Li %s", key->value);
		printf("\n%s\n", text);
		range_print(key, "");
	}
	puts(".El");
}

static void sample_print(void)
{
	g_autofree char *group = g_strdup("");

	puts("# Muster's settings, each with its default; see muster.conf(5). Copy what you change "
	     "to\n"
	     "# /etc/muster/muster.conf, or to ~/.config/muster/muster.conf for yourself alone.");
	for (gsize i = 0; i < conf_keys_len; i++) {
		const struct conf_key *key = &conf_keys[i];
		const char *dot = strchr(key->name, '.');
		g_autofree char *own = g_strndup(key->name, (gsize)(dot - key->name));
		if (strcmp(own, group) != 0)
			printf("\n[%s]\n", own);
		else
			putchar('\n');
		g_free(group);
		group = g_steal_pointer(&own);
		comment_print(key->help);
		range_print(key, "# ");
		printf("#%s =%s%s\n", dot + 1, *key->value != '\0' ? " " : "", key->value);
	}
}

int conf_main(int argc, char **argv)
{
	gboolean sample = FALSE, manual = FALSE;
	int exit_code;
	/* clang-format off */
	const GOptionEntry entries[] = {
		{ "sample", 0, 0, G_OPTION_ARG_NONE, &sample, "print a sample file with every setting", NULL },
		{ "manual", 0, 0, G_OPTION_ARG_NONE, &manual, "print them as muster.conf(5) lists them", NULL },
		{ NULL },
	};
	/* clang-format on */
	g_autoptr(conf) conf =
		server_start("conf [GROUP.KEY ...]", entries, &argc, &argv, &exit_code);

	if (conf == NULL)
		return exit_code;
	if (sample || manual) {
		if (argc > 1 || (sample && manual))
			return server_usage("--sample and --manual stand alone");
		sample ? sample_print() : manual_print();
		return EXIT_FINE;
	}
	for (int a = 1; a < argc; a++) {
		gboolean is_known = FALSE;
		for (gsize i = 0; i < conf_keys_len && !is_known; i++)
			is_known = !strcmp(conf_keys[i].name, argv[a]);
		if (!is_known)
			return server_usage("no setting is named '%s'", argv[a]);
		value_print(conf, argv[a], FALSE);
	}
	for (gsize i = 0; argc == 1 && i < conf_keys_len; i++)
		value_print(conf, conf_keys[i].name, TRUE);
	return EXIT_FINE;
}
