/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/run.h"

#include <string.h>

#include "lib/error.h"
#include "lib/log.h"

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)

struct runs {
	struct hub *hub;
	struct lane *lane;
	GHashTable *questions; /* by key; those under way */
};

struct run_question {
	struct runs *runs;
	char *key, *organization;
	gint64 run, after; /* after < 0: how it stands */
	GPtrArray *clients;
	gboolean is_waiting; /* until it is asked again */
};

static void send_question(struct run_question *question);

static void question_free(struct run_question *question)
{
	for (guint i = 0; i < question->clients->len; i++)
		((struct client *)question->clients->pdata[i])->question = NULL;
	g_ptr_array_free(question->clients, TRUE);
	g_free(question->organization);
	g_free(question->key);
	g_free(question);
}

void run_forget(struct client *client)
{
	if (client->question != NULL)
		g_ptr_array_remove_fast(client->question->clients, client);
	client->question = NULL;
}

static void status_give(struct client *client, const struct db_result *result)
{
	const char *json = db_result_rows(result) > 0 ? db_result_get(result, 0, 1) : NULL;

	if (json != NULL) {
		client->log_until = db_result_get_int(result, 0, 2);
		client->is_waiting = client->log_at < client->log_until;
	}
	client->dialect->run_status(
		client, json != NULL ? db_result_get_int(result, 0, 0) : -1, json);
}

static void log_give(struct client *client, const struct db_result *result)
{
	guint rows = db_result_rows(result);

	for (guint i = 0; i < rows; i++) {
		client_answer(client, db_result_get(result, i, 1));
		client->log_at = db_result_get_int(result, i, 0);
	}
	/* What retention has taken away meanwhile does not come any more. */
	if (rows == 0)
		client->log_at = MAX(client->log_at, client->log_until);
	client->is_waiting = client->log_at < client->log_until;
	client_drain(client);
}

static void answer_done(gpointer data, const struct db_result *result, const GError *error)
{
	struct run_question *question = data;

	/* The connection was lost, or the database cannot just now: at once it could not either. */
	if (question->clients->len > 0 && error != NULL &&
		g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY)) {
		question->is_waiting = TRUE;
		return;
	}
	if (error != NULL)
		log_failure(LOG_LEVEL_ERROR, "a run cannot be read", error);
	g_hash_table_remove(question->runs->questions, question->key);
	for (struct client *client; question->clients->len > 0;) {
		client = g_ptr_array_steal_index(question->clients, question->clients->len - 1);
		client->question = NULL;
		if (client->is_ended)
			continue;
		if (error != NULL)
			client_end(client, CLIENT_CLOSE_AGAIN, "the run cannot be read");
		else if (question->after < 0)
			status_give(client, result);
		else
			log_give(client, result);
	}
	question_free(question);
}

static void send_question(struct run_question *question)
{
	g_auto(GStrv) params = g_new0(char *, 4);

	params[0] = g_strdup(question->organization);
	params[1] = g_strdup_printf("%" G_GINT64_FORMAT, question->run);
	if (question->after < 0) {
		lane_send(question->runs->lane,
			"select * from muster.push_run($1::uuid, $2::bigint)",
			g_steal_pointer(&params), answer_done, question);
		return;
	}
	params[2] = g_strdup_printf("%" G_GINT64_FORMAT, question->after);
	lane_send(question->runs->lane,
		"select * from muster.push_run_log($1::uuid, $2::bigint, $3::bigint, " STRING(
			RUN_LOG_ROWS) ")",
		g_steal_pointer(&params), answer_done, question);
}

static void ask(struct runs *runs, struct client *client, gint64 after)
{
	if (client->question != NULL)
		return;
	g_autofree char *key = g_strdup_printf("%s/%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT,
		client->audience->organization, client->run, after);
	struct run_question *question = g_hash_table_lookup(runs->questions, key);
	gboolean is_new = question == NULL;
	if (is_new) {
		question = g_new0(struct run_question, 1);
		question->runs = runs;
		question->organization = g_strdup(client->audience->organization);
		question->run = client->run;
		question->after = after;
		question->clients = g_ptr_array_new();
		question->key = g_steal_pointer(&key);
		g_hash_table_insert(runs->questions, question->key, question);
	}
	g_ptr_array_add(question->clients, client);
	client->question = question;
	if (is_new)
		send_question(question);
}

void run_ask_status(struct runs *runs, struct client *client)
{
	ask(runs, client, -1);
}

void run_ask_log(struct runs *runs, struct client *client)
{
	ask(runs, client, client->log_at);
}

void runs_run(struct runs *runs)
{
	g_autoptr(GPtrArray) waiting = g_ptr_array_new();
	GHashTableIter iter;
	gpointer data;

	if (!lane_is_up(runs->lane))
		return;
	g_hash_table_iter_init(&iter, runs->questions);
	while (g_hash_table_iter_next(&iter, NULL, &data))
		if (((struct run_question *)data)->is_waiting)
			g_ptr_array_add(waiting, data);
	for (guint i = 0; i < waiting->len; i++) {
		struct run_question *question = waiting->pdata[i];
		question->is_waiting = FALSE;
		if (question->clients->len > 0) {
			send_question(question);
			continue;
		}
		g_hash_table_remove(runs->questions, question->key);
		question_free(question);
	}
}

struct runs *runs_new(struct hub *hub, struct lane *lane)
{
	struct runs *runs = g_new0(struct runs, 1);

	runs->hub = hub;
	runs->lane = lane;
	runs->questions = g_hash_table_new(g_str_hash, g_str_equal);
	return runs;
}

void runs_free(struct runs *runs)
{
	GHashTableIter iter;
	gpointer question;

	if (runs == NULL)
		return;
	g_hash_table_iter_init(&iter, runs->questions);
	while (g_hash_table_iter_next(&iter, NULL, &question))
		question_free(question);
	g_hash_table_destroy(runs->questions);
	g_free(runs);
}
