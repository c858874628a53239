/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/job_kinds.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/git/change.h"
#include "jobs/place.h"
#include "jobs/repo_clone.h"
#include "jobs/trash.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/quote.h"

/*
 * Job kind remediate. Payload, as remediation_queue() makes it: {"operation", "organization_id":
 * uuid, "run_id", "root_path", "path": absolute and quoted, …}. What is cloned is cloned by kind
 * clone, which alone may run programs and connect: here nothing can.
 *
 *	commit		message, author {name, email}, seen {head}
 *	discard		seen {head, staged, unstaged, untracked, digest}
 *	fix_remote	url
 *	delete		the folder goes to the trash under run_id
 *	restore		what delete_run_id deleted comes back
 *	empty		no path; what was deleted before "before", in seconds, goes for good
 *
 * What was done is told in the log; the result is {"message": what came of it}.
 */
#define LOCK_WAIT_MS 10000

struct operation {
	const char *name;
	gboolean in_trash; /* reaches the trash, and what the folder lies in */
	gboolean (*run)(json_object *params, const char *path, struct place *place, GPtrArray *log,
		GError **error);
};

static gint64 number_get(json_object *params, const char *name, gint64 otherwise)
{
	json_object *number = json_get(params, name, json_type_int, NULL);
	return number != NULL ? json_object_get_int64(number) : otherwise;
}

/* A number as the name of a folder; NULL when it is none. */
static char *run_get(json_object *params, const char *name, GError **error)
{
	gint64 run = number_get(params, name, 0);

	if (run > 0)
		return g_strdup_printf("%" G_GINT64_FORMAT, run);
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "the job does not say %s", name);
	return NULL;
}

static struct change_seen seen_get(json_object *params)
{
	json_object *seen = json_get(params, "seen", json_type_object, NULL);

	return (struct change_seen){
		.head = seen != NULL ? json_get_text(seen, "head", NULL) : NULL,
		.staged = seen != NULL ? number_get(seen, "staged", -1) : -1,
		.unstaged = seen != NULL ? number_get(seen, "unstaged", -1) : -1,
		.untracked = seen != NULL ? number_get(seen, "untracked", -1) : -1,
		.digest = seen != NULL ? json_get_text(seen, "digest", NULL) : NULL,
	};
}

static gboolean commit_run(
	json_object *params, const char *path, struct place *place, GPtrArray *log, GError **error)
{
	json_object *who = json_get(params, "author", json_type_object, error);
	const char *message = who != NULL ? json_get_text(params, "message", error) : NULL;
	struct change_seen seen = seen_get(params);

	if (message == NULL)
		return FALSE;
	struct change_author author = {
		.name = json_get_text(who, "name", error),
		.email = json_get_text(who, "email", NULL),
	};
	return author.name != NULL && author.email != NULL &&
	       change_commit(path, &seen, &author, message, log, error);
}

static gboolean discard_run(
	json_object *params, const char *path, struct place *place, GPtrArray *log, GError **error)
{
	struct change_seen seen = seen_get(params);
	return change_discard(path, &seen, log, error);
}

static gboolean fix_remote_run(
	json_object *params, const char *path, struct place *place, GPtrArray *log, GError **error)
{
	const char *url = json_get_text(params, "url", error);

	if (url == NULL || !repo_url_check(url, error))
		return FALSE;
	if (g_str_has_prefix(url, "file:")) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"a remote is an https or ssh address");
		return FALSE;
	}
	return change_set_origin(path, url, log, error);
}

/* Whether the trash itself, and with it all that we keep, lies inside. */
static gboolean holds_trash(const char *path, const char *trash)
{
	gsize len = strlen(path);
	return !strncmp(trash, path, len) && (trash[len] == '/' || trash[len] == '\0');
}

static gboolean delete_run(
	json_object *params, const char *path, struct place *place, GPtrArray *log, GError **error)
{
	g_autofree char *trash = quote_parse(json_get_text(params, "trash", NULL));
	g_autofree char *run = run_get(params, "run_id", error);

	if (run == NULL)
		return FALSE;
	if (holds_trash(path, trash)) {
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "Muster's own files lie in it");
		return FALSE;
	}
	if (!trash_put(trash, run, place, path, error))
		return FALSE;
	g_autofree char *folder = g_build_filename(trash, run, "tree", NULL);
	g_autofree char *shown = quote_format(folder);
	g_ptr_array_add(log, g_strdup_printf("Lies in the trash: %s.", shown));
	return TRUE;
}

static gboolean restore_run(
	json_object *params, const char *path, struct place *place, GPtrArray *log, GError **error)
{
	g_autofree char *trash = quote_parse(json_get_text(params, "trash", NULL));
	g_autofree char *run = run_get(params, "delete_run_id", error);

	if (run == NULL)
		return FALSE;
	if (place->fd >= 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"something else lies there by now");
		return FALSE;
	}
	if (!trash_take(trash, run, place, error))
		return FALSE;
	g_autofree char *shown = quote_format(path);
	g_ptr_array_add(log, g_strdup_printf("Is back in %s.", shown));
	return TRUE;
}

static void empty_run(json_object *params, GPtrArray *log)
{
	g_autofree char *trash = quote_parse(json_get_text(params, "trash", NULL));
	guint count = trash_prune(trash, number_get(params, "before", 0));

	g_ptr_array_add(log, g_strdup_printf("%u deleted folder%s gone for good.", count,
				     count == 1 ? " is" : "s are"));
}

/* clang-format off */
static const struct operation operations[] = {
	{ .name = "commit", .run = commit_run },
	{ .name = "delete", .in_trash = TRUE, .run = delete_run },
	{ .name = "discard", .run = discard_run },
	{ .name = "empty", .in_trash = TRUE },
	{ .name = "fix_remote", .run = fix_remote_run },
	{ .name = "restore", .in_trash = TRUE, .run = restore_run },
};
/* clang-format on */

static const struct operation *operation_get(json_object *params, GError **error)
{
	const char *name = json_get_text(params, "operation", error);

	for (gsize i = 0; name != NULL && i < G_N_ELEMENTS(operations); i++)
		if (!strcmp(name, operations[i].name))
			return &operations[i];
	if (name != NULL)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "there is no such operation");
	return NULL;
}

gboolean job_remediate_prepare(const struct conf *conf, json_object *payload, GError **error)
{
	const struct operation *operation = operation_get(payload, error);
	const char *organization =
		operation != NULL ? json_get_text(payload, "organization_id", error) : NULL;

	if (organization == NULL)
		return FALSE;
	if (!g_uuid_string_is_valid(organization)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "this names no organization");
		return FALSE;
	}
	if (!operation->in_trash)
		return TRUE;
	g_autofree char *trash =
		g_build_filename(conf_get(conf, "paths.state"), "trash", organization, NULL);
	if (!file_make_folder(trash, error))
		return FALSE;
	g_autofree char *quoted = quote_format(trash);
	json_object_object_add(payload, "trash", json_object_new_string(quoted));
	return TRUE;
}

/* *path is freed by the caller. */
static gboolean place_get(json_object *params, struct place *place, char **path, GError **error)
{
	const char *root_quoted = json_get_text(params, "root_path", error);
	const char *quoted = root_quoted != NULL ? json_get_text(params, "path", error) : NULL;

	*path = NULL;
	if (quoted == NULL)
		return FALSE;
	g_autofree char *root = quote_parse(root_quoted);
	*path = quote_parse(quoted);
	return place_open(place, root, *path, error);
}

/*
 * The very folders that were found, whatever their names mean a moment later: so the descriptors
 * stay open as long as this process lives. What cannot be found is refused when it is run.
 */
void job_remediate_confine(json_object *params, struct sandbox *sandbox)
{
	const struct operation *operation = operation_get(params, NULL);
	const char *trash_quoted = json_get_text(params, "trash", NULL);
	g_autofree char *trash = trash_quoted != NULL ? quote_parse(trash_quoted) : NULL;
	struct place place = {.fd = -1, .parent_fd = -1};
	g_autofree char *path = NULL;

	sandbox_add_tree(sandbox, trash);
	if (operation == NULL || operation->run == NULL || !place_get(params, &place, &path, NULL))
		return;
	int fd = operation->in_trash ? place.parent_fd : place.fd;
	g_autofree char *folder = g_strdup_printf("/proc/self/fd/%d", fd);
	if (fd >= 0)
		sandbox_add_tree(sandbox, folder);
	if (operation->in_trash)
		sandbox_allow_owners(sandbox);
	else
		job_git_config_allow(sandbox);
	g_free(place.name);
}

static void log_tell(struct job_child *child, const GPtrArray *log)
{
	for (guint i = 0; i < log->len; i++)
		job_child_log(child, log->pdata[i]);
}

/* The last sentence says what came of it. */
static char *result_format(const GPtrArray *log)
{
	g_autoptr(json_object) result = json_object_new_object();

	if (log->len > 0)
		json_object_object_add(
			result, "message", json_object_new_string(log->pdata[log->len - 1]));
	return g_strdup(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN));
}

/* What is written there may be read by whom the folder may be read by. */
static void mask_set(const struct place *place)
{
	struct stat st;

	if (fstat(place->fd >= 0 ? place->fd : place->parent_fd, &st) == 0)
		umask(~st.st_mode & 077);
}

char *job_remediate_run(struct job_child *child, json_object *params, GError **error)
{
	const struct operation *operation = operation_get(params, error);
	g_autoptr(GPtrArray) log = g_ptr_array_new_with_free_func(g_free);
	g_auto(place) place = {0};
	g_autofree char *path = NULL;

	if (operation == NULL)
		return NULL;
	job_child_progress(child, 0, operation->name);
	if (operation->run == NULL) {
		empty_run(params, log);
		log_tell(child, log);
		return result_format(log);
	}
	if (!place_get(params, &place, &path, error))
		return NULL;
	if (operation->in_trash && place.name == NULL) {
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "it is the watched folder itself");
		return NULL;
	}
	mask_set(&place);
	int lock = place.fd >= 0 ? place_lock(path, TRUE, LOCK_WAIT_MS, error) : -1;
	gboolean ok =
		(lock >= 0 || place.fd < 0) && operation->run(params, path, &place, log, error);
	if (lock >= 0)
		close(lock);
	log_tell(child, log);
	return ok ? result_format(log) : NULL;
}

/* The lease is asked for first and in the same statement: CASE evaluates in order. */
gboolean job_remediate_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error)
{
	gsize len;
	const char *text = g_bytes_get_data(result, &len);

	record->sql = "select case when muster.job_usage($1::bigint, $2::uuid, $3::jsonb)"
		      " then muster.remediation_done($1::bigint, $2::uuid, $4::jsonb)"
		      " else false end";
	record->params[record->n_params++] = g_strndup(text, len);
	return TRUE;
}
