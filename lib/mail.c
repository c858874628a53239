/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/mail.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/file.h"

/* RFC 2047, section 2: an encoded word has at most 75 characters, 45 bytes of text as base64. */
#define WORD_BYTES 45
#define BOUNDARY "=_muster_part"

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

static void body_append(GString *letter, const char *type, const char *text)
{
	g_autofree char *body = g_base64_encode((const guchar *)text, strlen(text));

	g_string_append_printf(letter,
		"Content-Type: %s; charset=UTF-8\nContent-Transfer-Encoding: base64\n\n", type);
	for (gsize at = 0, len = strlen(body); at < len; at += 76)
		g_string_append_printf(letter, "%.76s\n", body + at);
}

static char *letter_make(const struct conf *conf, const struct mail *mail)
{
	GString *letter = g_string_new("To: ");
	const char *from = conf_get(conf, "server.mail_from");

	g_string_append_printf(letter, "%s\n", mail->to);
	if (*from != '\0')
		g_string_append_printf(letter, "From: %s\n", from);
	g_string_append(letter, "Subject: ");
	words_append(letter, mail->subject);
	g_string_append(letter, "\nMIME-Version: 1.0\nAuto-Submitted: auto-generated\n");
	if (mail->html == NULL) {
		body_append(letter, "text/plain", mail->text);
	} else {
		/* No part has a line like that: in base64 there is no '-'. */
		g_string_append(letter, "Content-Type: multipart/alternative; boundary=\"" BOUNDARY
					"\"\n\n--" BOUNDARY "\n");
		body_append(letter, "text/plain", mail->text);
		g_string_append(letter, "\n--" BOUNDARY "\n");
		body_append(letter, "text/html", mail->html);
		g_string_append(letter, "\n--" BOUNDARY "--\n");
	}
	return g_string_free(letter, FALSE);
}

/* A file that is read from its beginning: nobody waits for a program that does not read. */
static int letter_open(const char *letter)
{
	int fd = memfd_create("letter", MFD_CLOEXEC);

	if (fd >= 0 && file_write_all(fd, letter, strlen(letter)) && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static gboolean sendmail_start(
	const char *program, const char *to, const char *letter, pid_t *pid, GError **error)
{
	/* -i: a line with one dot is no end; --: an address is never an option. */
	const char *argv[] = {program, "-i", "--", to, NULL};
	const char *envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL};
	posix_spawn_file_actions_t actions;
	int fd = letter_open(letter);

	if (fd < 0)
		return refuse(error, MUSTER_ERROR_IO, g_strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int failure = posix_spawn(pid, program, &actions, NULL, (char **)argv, (char **)envp);
	posix_spawn_file_actions_destroy(&actions);
	close(fd);
	if (failure == 0)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT,
		"This server cannot send mail: %s is not there (%s). Install a mail "
		"program such as msmtp-mta, or name one in server.sendmail.",
		program, g_strerror(failure));
	return FALSE;
}

gboolean mail_start(const struct conf *conf, const struct mail *mail, pid_t *pid, GError **error)
{
	/* The database lets no address be more than one; this is what would go into a header. */
	if (strpbrk(mail->to, "\r\n,;<>\" ") != NULL || *mail->to == '-')
		return refuse(error, MUSTER_ERROR_INPUT, "this is not the address of one person");
	g_autofree char *letter = letter_make(conf, mail);
	return sendmail_start(conf_get(conf, "server.sendmail"), mail->to, letter, pid, error);
}

gboolean mail_check(int status, GError **error)
{
	return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
	       refuse(error, MUSTER_ERROR_REMOTE, "The mail program refused the letter.");
}

gboolean mail_send(const struct conf *conf, const struct mail *mail, GError **error)
{
	int status = -1;
	pid_t pid;

	if (!mail_start(conf, mail, &pid, error))
		return FALSE;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return mail_check(status, error);
}
