/* SPDX-License-Identifier: MIT */
#ifndef T_JOBS_RUNNER_ESCAPE_H
#define T_JOBS_RUNNER_ESCAPE_H

#include "jobs/job_kinds.h"

/* Kinds of job that want more than they may have for t/jobs/escape.t. */

/* {"file", "elsewhere", "other"}: tries what a job must not, and says how it went. */
char *escape_reach_run(struct job_child *child, json_object *params, GError **error);

/* Frames, as fast as they can be read. */
char *escape_flood_run(struct job_child *child, json_object *params, GError **error);

/* {"file", "elsewhere", "settings"}: which files and which families of sockets it gets, as above. */
char *escape_connect_run(struct job_child *child, json_object *params, GError **error);

/* {"leave": whether each leaves the group}: processes that make processes; 2 000 at the most. */
char *escape_bomb_run(struct job_child *child, json_object *params, GError **error);

/* As many threads as it gets, 2 000 at the most. */
char *escape_threads_run(struct job_child *child, json_object *params, GError **error);

/* Memory that is written to, until there is none or it is 1 GiB; then it waits. */
char *escape_memory_run(struct job_child *child, json_object *params, GError **error);

/* One GLib allocation of more than there may be. */
char *escape_allocate_run(struct job_child *child, json_object *params, GError **error);

/* Three processes of 100 MiB each. */
char *escape_share_run(struct job_child *child, json_object *params, GError **error);

/* {"file", "bytes", "files"}: so many files of so many bytes beside file; then it waits. */
char *escape_disk_run(struct job_child *child, json_object *params, GError **error);

#endif
