/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "lib/error.h"
#include "lib/log.h"
#include "lib/mail.h"

/*
 * Letters that wait in the database, one after the other. The mail program queues what it takes,
 * so that each is its own for milliseconds; and who hangs is ended.
 */
#define LOOK_US (15 * (gint64)G_USEC_PER_SEC)
#define WAIT_US (60 * (gint64)G_USEC_PER_SEC)
#define POLL_MS 20

static gboolean woken(gpointer data)
{
	struct runner *runner = data;

	runner->letter.source = 0;
	runner_wake(runner);
	return G_SOURCE_REMOVE;
}

static void letter_end(struct runner *runner, const GError *failure)
{
	struct runner_letter *letter = &runner->letter;
	g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, letter->id);

	if (failure != NULL)
		log_failure(LOG_LEVEL_WARNING, "a letter was not sent", failure);
	else
		log_info("letter sent", "letter", text, NULL);
	/* Nobody told: it is sent once more in five minutes. */
	queue_letter_done(
		runner->queue, letter->id, failure != NULL ? failure->message : NULL, NULL);
	letter->pid = 0;
	runner->letter_at_us = 0;
}

static void letter_begin(struct runner *runner, gint64 now)
{
	struct runner_letter *letter = &runner->letter;
	g_autoptr(db_result) result = NULL;
	g_autoptr(GError) error = NULL;

	runner->letter_at_us = now + LOOK_US;
	runner->has_letters = FALSE;
	if (!queue_letter_take(runner->queue, &letter->id, &result, NULL) || result == NULL)
		return;
	runner->has_letters = TRUE;
	const struct mail mail = {.to = db_result_get(result, 0, 1),
		.subject = db_result_get(result, 0, 2),
		.text = db_result_get(result, 0, 3),
		.html = db_result_get(result, 0, 4)};
	letter->until_us = now + WAIT_US;
	if (!mail_start(runner->conf, &mail, &letter->pid, &error))
		letter_end(runner, error);
}

void run_letter(struct runner *runner, gint64 now)
{
	struct runner_letter *letter = &runner->letter;
	g_autoptr(GError) error = NULL;
	int status;

	if (letter->pid == 0 && runner->state == RUNNER_CLAIMING && now >= runner->letter_at_us)
		letter_begin(runner, now);
	if (letter->pid == 0)
		return;
	if (now >= letter->until_us)
		kill(letter->pid, SIGKILL);
	pid_t ended = waitpid(letter->pid, &status, WNOHANG);
	if (ended == letter->pid) {
		mail_check(status, &error);
		letter_end(runner, error);
	}
	if (letter->source == 0 && (letter->pid != 0 || runner->has_letters))
		letter->source = g_timeout_add(POLL_MS, woken, runner);
}
