/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/mail.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/file.h"

/* RFC 2047, section 2: an encoded word has at most 75 characters, 45 bytes of text as base64. */
#define WORD_BYTES 45

static gboolean refuse(GError **error, enum muster_error code, const char *text)
{
	g_set_error_literal(error, MUSTER_ERROR, code, text);
	return FALSE;
}

/* A header's value: as it is, or in encoded words that end between characters. */
static void words_append(GString *letter, const char *text)
{
	gboolean is_plain = strlen(text) <= 900;

	for (const char *at = text; *at != '\0'; at++)
		is_plain = is_plain && *at >= ' ' && *at < 0x7f;
	if (is_plain) {
		g_string_append(letter, text);
		return;
	}
	for (const char *at = text; *at != '\0';) {
		const char *end = at;
		while (*end != '\0' && g_utf8_next_char(end) - at <= WORD_BYTES)
			end = g_utf8_next_char(end);
		g_autofree char *word = g_base64_encode((const guchar *)at, (gsize)(end - at));
		g_string_append_printf(letter, "%s=?UTF-8?B?%s?=", at > text ? "\n " : "", word);
		at = end;
	}
}

static char *letter_make(
	const struct conf *conf, const char *to, const char *subject, const char *text)
{
	GString *letter = g_string_new("To: ");
	const char *from = conf_get(conf, "server.mail_from");
	g_autofree char *body = g_base64_encode((const guchar *)text, strlen(text));

	g_string_append_printf(letter, "%s\n", to);
	if (*from != '\0')
		g_string_append_printf(letter, "From: %s\n", from);
	g_string_append(letter, "Subject: ");
	words_append(letter, subject);
	g_string_append(letter, "\nMIME-Version: 1.0\n"
				"Content-Type: text/plain; charset=UTF-8\n"
				"Content-Transfer-Encoding: base64\n"
				"Auto-Submitted: auto-generated\n\n");
	for (gsize at = 0, len = strlen(body); at < len; at += 76)
		g_string_append_printf(letter, "%.76s\n", body + at);
	return g_string_free(letter, FALSE);
}

static gboolean sendmail_run(
	const char *program, const char *to, const char *letter, GError **error)
{
	/* -i: a line with one dot is no end; --: an address is never an option. */
	const char *argv[] = {program, "-i", "--", to, NULL};
	const char *envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL};
	posix_spawn_file_actions_t actions;
	int pipes[2], status = 0;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return refuse(error, MUSTER_ERROR_IO, g_strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[0], STDIN_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int failure = posix_spawn(&pid, program, &actions, NULL, (char **)argv, (char **)envp);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[0]);
	if (failure != 0) {
		close(pipes[1]);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT,
			"This server cannot send mail: %s is not there (%s). Install a mail "
			"program such as msmtp-mta, or name one in server.sendmail.",
			program, g_strerror(failure));
		return FALSE;
	}
	/* A letter fits into the pipe, and SIGPIPE is ignored. */
	gboolean is_written = file_write_all(pipes[1], letter, strlen(letter));
	close(pipes[1]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!is_written || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return refuse(error, MUSTER_ERROR_REMOTE, "The mail program refused the letter.");
	return TRUE;
}

gboolean mail_send(const struct conf *conf, const char *to, const char *subject, const char *text,
	GError **error)
{
	const char *program = conf_get(conf, "server.sendmail");
	g_autofree char *letter = letter_make(conf, to, subject, text);

	/* The database lets no address be more than one; this is what would go into a header. */
	if (strpbrk(to, "\r\n,;<>\" ") != NULL || *to == '-')
		return refuse(error, MUSTER_ERROR_INPUT, "this is not the address of one person");
	return sendmail_run(program, to, letter, error);
}
