/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jobs/muster_server.h"
#include "jobs/output/cell.h"
#include "jobs/output/terminal.h"
#include "lib/exit.h"
#include "lib/json.h"
#include "lib/quote.h"

static const struct {
	const char *name, *colour, *mark, *mark_ascii;
} looks[] = {
	[DOCTOR_UNSET] = {"unset", NULL, "", ""},
	[DOCTOR_FINE] = {"fine", "32", "✓", "-"},
	[DOCTOR_WARNING] = {"warning", "33", "▲", "*"},
	[DOCTOR_PROBLEM] = {"problem", "31;1", "✗", "x"},
	[DOCTOR_UNKNOWN] = {"unknown", "36", "?", "?"},
};

static void said_free(gpointer data)
{
	struct doctor_said *said = data;

	g_free(said->text);
	g_free(said->mend);
	g_free(said);
}

void doctor_say(
	struct doctor *doctor, enum doctor_state state, const char *mend, const char *format, ...)
{
	struct doctor_said *said = g_new0(struct doctor_said, 1);
	va_list args;

	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	said->check = doctor->check;
	said->state = state;
	/* Paths, and what the server says, come from elsewhere. */
	said->text = quote_show(g_strchomp(text));
	said->mend = mend != NULL ? quote_show(mend) : NULL;
	g_ptr_array_add(doctor->said, said);
}

static void checks_run(struct doctor *doctor, const struct doctor_check *checks, gsize n)
{
	for (gsize i = 0; i < n; i++) {
		doctor->check = checks[i].id;
		checks[i].run(doctor);
	}
}

static guint count(const struct doctor *doctor, enum doctor_state state)
{
	guint n = 0;

	for (guint i = 0; i < doctor->said->len; i++)
		n += ((struct doctor_said *)doctor->said->pdata[i])->state == state;
	return n;
}

static void json_print(const struct doctor *doctor)
{
	g_autoptr(json_object) out = json_object_new_object();
	json_object *list = json_object_new_array();
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");

	for (guint i = 0; i < doctor->said->len; i++) {
		const struct doctor_said *said = doctor->said->pdata[i];
		json_object *one = json_object_new_object();
		json_object_object_add(one, "check", json_object_new_string(said->check));
		json_object_object_add(
			one, "state", json_object_new_string(looks[said->state].name));
		json_object_object_add(one, "text", json_object_new_string(said->text));
		json_object_object_add(one, "mend",
			said->mend != NULL ? json_object_new_string(said->mend) : NULL);
		json_object_array_add(list, one);
	}
	json_object_object_add(out, "version", json_object_new_string(PACKAGE_VERSION));
	json_object_object_add(
		out, "host", json_object_new_string(conf_get(doctor->conf, "server.host")));
	json_object_object_add(out, "checked_at", json_object_new_string(time));
	json_object_object_add(
		out, "problems", json_object_new_int((int)count(doctor, DOCTOR_PROBLEM)));
	json_object_object_add(
		out, "warnings", json_object_new_int((int)count(doctor, DOCTOR_WARNING)));
	json_object_object_add(
		out, "unknown", json_object_new_int((int)count(doctor, DOCTOR_UNKNOWN)));
	json_object_object_add(out, "checks", list);
	puts(json_object_to_json_string_ext(
		out, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void text_print(const struct doctor *doctor)
{
	struct output_style style;
	g_autoptr(GString) out = g_string_new(NULL);

	terminal_style_init(&style, STDOUT_FILENO);
	for (guint i = 0; i < doctor->said->len; i++) {
		const struct doctor_said *said = doctor->said->pdata[i];
		const char *colour = looks[said->state].colour;
		cell_colour_on(out, &style, colour);
		g_string_append_printf(out, "%s %-7s",
			style.is_utf8 ? looks[said->state].mark : looks[said->state].mark_ascii,
			looks[said->state].name);
		cell_colour_off(out, &style, colour);
		g_string_append_printf(out, "  %-14s  %s\n", said->check, said->text);
		if (said->mend != NULL)
			g_string_append_printf(
				out, "%27s%s %s\n", "", style.is_utf8 ? "→" : "->", said->mend);
	}
	guint problems = count(doctor, DOCTOR_PROBLEM), warnings = count(doctor, DOCTOR_WARNING),
	      unknown = count(doctor, DOCTOR_UNKNOWN);
	g_string_append_printf(out, "\n%u problem%s, %u warning%s, %u unknown\n", problems,
		problems == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s", unknown);
	fputs(out->str, stdout);
}

int doctor_main(int argc, char **argv)
{
	g_autofree char *format = NULL;
	const GOptionEntry entries[] = {{"format", 0, 0, G_OPTION_ARG_STRING, &format,
						"text (the default) or json", "FORMAT"},
		{NULL}};
	int exit_code;
	g_autoptr(conf) conf = server_start("doctor", entries, &argc, &argv, &exit_code);

	if (conf == NULL)
		return exit_code;
	if (argc > 1)
		return server_usage("'%s' is one word too many", argv[1]);
	if (format != NULL && strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
		return server_usage("--format takes text or json");
	g_autoptr(GPtrArray) said = g_ptr_array_new_with_free_func(said_free);
	struct doctor doctor = {.conf = conf, .said = said};
	checks_run(&doctor, doctor_host_checks, doctor_host_checks_len);
	checks_run(&doctor, doctor_database_checks, doctor_database_checks_len);
	checks_run(&doctor, doctor_service_checks, doctor_service_checks_len);
	db_free(doctor.db);
	if (!g_strcmp0(format, "json"))
		json_print(&doctor);
	else
		text_print(&doctor);
	return count(&doctor, DOCTOR_UNKNOWN) > 0   ? EXIT_PARTLY
	       : count(&doctor, DOCTOR_PROBLEM) > 0 ? EXIT_ATTENTION
						    : EXIT_FINE;
}
