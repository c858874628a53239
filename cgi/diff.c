/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgi/call.h"
#include "cgi/child.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/log.h"
#include "lib/quote.h"

/*
 * The diff of a repository's working tree. This process never opens a repository, which may be
 * hostile: the program muster does (cgi/child.h). Where the repository lies comes
 * from the database under the rights of whoever asks, and must be below the folder that is watched
 * there even after symbolic links, for anybody who may write a report could name any path. The
 * program fences itself into that folder, for a repository could name any path too.
 */
#define TIME_LIMIT_S 15

static const struct json_limits output_limits = {CHILD_OUTPUT_MAX_BYTES, 32, 100000};

static gboolean refuse(GError **error, enum muster_error code, const char *message)
{
	g_set_error_literal(error, MUSTER_ERROR, code, message);
	return FALSE;
}

/* quoted: a path as reports write it. The real path, or NULL with a sentence for a person. */
static char *path_resolve(const char *quoted, GError **error)
{
	g_autofree char *path = quote_parse(quoted);
	char *real = realpath(path, NULL);

	if (real == NULL && errno == EACCES)
		refuse(error, MUSTER_ERROR_CONFLICT,
			"The service's user may not read this repository's folder, so it has no "
			"diff here: let that user read it, or run Muster as its owner.");
	else if (real == NULL)
		refuse(error, MUSTER_ERROR_CONFLICT,
			"The repository's folder is not there any more.");
	return real;
}

static gboolean path_is_below(const char *path, const char *folder)
{
	gsize len = strlen(folder);

	while (len > 0 && folder[len - 1] == '/')
		len--;
	return !strncmp(path, folder, len) && (path[len] == '/' || path[len] == '\0');
}

/* Where the repository lies, real and confined, below *top; both freed by the caller. */
static char *place_find(struct route_call *call, char **name, char **top, GError **error)
{
	const char *params[] = {route_value(call, "repo")};
	g_autoptr(db_result) place = NULL;

	if (!call_run(call,
		    "select name, path, root_path, host from muster.repo_place(p_repo => $1)", 1,
		    params, &place, error))
		return NULL;
	if (db_result_rows(place) == 0) {
		refuse(error, MUSTER_ERROR_MISSING, "There is no such repository.");
		return NULL;
	}
	if (db_result_get(place, 0, 1) == NULL || db_result_get(place, 0, 2) == NULL) {
		refuse(error, MUSTER_ERROR_CONFLICT, "This repository has no folder on this host.");
		return NULL;
	}
	if (strcmp(db_result_get(place, 0, 3), conf_get(call->api->conf, "server.host"))) {
		refuse(error, MUSTER_ERROR_CONFLICT, "This repository lies on another host.");
		return NULL;
	}
	g_autofree char *path = path_resolve(db_result_get(place, 0, 1), error);
	g_autofree char *root =
		path != NULL ? path_resolve(db_result_get(place, 0, 2), error) : NULL;
	if (root == NULL)
		return NULL;
	if (!path_is_below(path, root)) {
		refuse(error, MUSTER_ERROR_CONFLICT,
			"The repository's folder lies outside of the folder that is watched.");
		return NULL;
	}
	if (access(path, R_OK | X_OK) < 0) {
		refuse(error, MUSTER_ERROR_CONFLICT,
			"The service's user may not read this repository's folder, so it has no "
			"diff here: let that user read it, or run Muster as its owner.");
		return NULL;
	}
	*name = g_strdup(db_result_get(place, 0, 0));
	*top = g_steal_pointer(&root);
	return g_steal_pointer(&path);
}

/* The program's answer, with the name that the person asked by. */
static gboolean diff_answer(
	struct route_call *call, const struct child *child, const char *name, GError **error)
{
	g_autoptr(GError) failure = NULL;
	g_autoptr(json_object) diff = NULL;
	int code = child->code;

	if (code == EXIT_FINE || code == EXIT_ATTENTION || code == EXIT_PARTLY)
		diff = json_parse((const char *)child->output->data, child->output->len,
			&output_limits, &failure);
	if (diff == NULL || !json_object_is_type(diff, json_type_object)) {
		g_autofree char *said = child_complaint(child);
		g_autofree char *code_text = g_strdup_printf("%d", code);
		log_warning("muster diff failed", "repo", name, "exit", code_text, "said", said,
			"error", failure != NULL ? failure->message : NULL, NULL);
		return refuse(error, MUSTER_ERROR_CONFLICT,
			"The repository cannot be read, so it has no diff.");
	}
	json_object_object_add(diff, "repo", json_object_new_string(name));
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup(json_object_to_json_string_ext(
			diff, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)));
	return TRUE;
}

gboolean diff_get(struct route_call *call, GError **error)
{
	g_autofree char *name = NULL, *root = NULL;
	g_autofree char *path = place_find(call, &name, &root, error);
	const char *argv[] = {conf_get(call->api->conf, "paths.muster"), "diff", "--format", "json",
		"--within", root, "--", path, NULL};
	const char *environment[] = {"GIT_CONFIG_NOSYSTEM=1", NULL};
	g_auto(child) child = {.argv = argv,
		.environment = environment,
		.time_limit_s = TIME_LIMIT_S,
		.slow = "The diff takes too long to make.",
		.large = "The diff is too long to show."};

	return path != NULL && child_run(&child, error) && diff_answer(call, &child, name, error);
}
