/* SPDX-License-Identifier: MIT */
/*
 * One large tree on several threads: a worker that comes to a folder gives it away while another
 * worker has nothing to do. A folder travels as an open descriptor, its path and its range of the
 * index; the ignore files above it are read again by whoever takes it, so nothing is shared.
 */
#include "config.h"
#include "jobs/git/status_run.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Smaller folders are done sooner than given away. */
#define OFFER_ENTRIES_MIN 128

struct task {
	int fd;
	bool is_files_only; /* a slice of one folder's files: its folders are somebody else's */
	char *path;
	gsize low;
	gsize high;
	unsigned depth;
};

struct status_queue {
	GMutex lock;
	GCond changed;
	GQueue tasks;
	unsigned active; /* workers that walk */
	gint idle;       /* workers that wait; read without the lock as a hint */
};

/* Keeps a copy of the path, and takes the descriptor. */
static void task_push(struct status_queue *q, const struct task *from)
{
	struct task *task = g_memdup2(from, sizeof(*from));

	task->path = g_strdup(from->path);
	g_queue_push_tail(&q->tasks, task);
}

static bool offer(struct status_worker *w, const struct task *task)
{
	struct status_queue *q = w->run->queue;

	if (q == NULL || task->high - task->low < OFFER_ENTRIES_MIN ||
		g_atomic_int_get(&q->idle) == 0)
		return false;
	g_mutex_lock(&q->lock);
	bool is_taken = g_queue_get_length(&q->tasks) < (guint)q->idle;
	if (is_taken) {
		task_push(q, task);
		g_cond_signal(&q->changed);
	}
	g_mutex_unlock(&q->lock);
	return is_taken;
}

bool status_queue_offer(struct status_worker *w, int fd, gsize low, gsize high, unsigned depth)
{
	const struct task task = {
		.fd = fd, .path = w->path->str, .low = low, .high = high, .depth = depth};

	return offer(w, &task);
}

bool status_queue_offer_files(struct status_worker *w, int fd, gsize low, gsize high)
{
	struct task task = {.is_files_only = true, .path = w->path->str, .low = low, .high = high};

	if (w->run->queue == NULL || g_atomic_int_get(&w->run->queue->idle) == 0)
		return false;
	task.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (task.fd < 0)
		return false;
	bool is_taken = offer(w, &task);
	if (!is_taken)
		close(task.fd);
	return is_taken;
}

/* The folders from the top down to the task's, none of them looked at yet. */
static void task_walk(struct status_worker *w, struct task *task)
{
	gsize count = 1, i = 1;

	for (const char *at = task->path; (at = strchr(at, '/')) != NULL; at++)
		count++;
	g_autofree struct status_folder *chain = g_new0(struct status_folder, count);
	for (const char *at = task->path; (at = strchr(at, '/')) != NULL; at++, i++) {
		chain[i].parent = &chain[i - 1];
		chain[i].path_len = (gsize)(at + 1 - task->path);
	}
	g_string_assign(w->path, task->path);
	if (task->is_files_only)
		status_walk_files(w, &chain[count - 1], task->fd, task->low, task->high);
	else
		status_walk(w, &chain[count - 1], task->fd, task->low, task->high, task->depth);
	for (i = 0; i < count; i++)
		status_folder_clear(&chain[i]);
	g_free(task->path);
	g_free(task);
}

static gpointer worker_run(gpointer data)
{
	struct status_worker *w = data;
	struct status_queue *q = w->run->queue;

	g_mutex_lock(&q->lock);
	for (;;) {
		struct task *task = g_queue_pop_head(&q->tasks);
		if (task != NULL) {
			q->active++;
			g_mutex_unlock(&q->lock);
			task_walk(w, task);
			g_mutex_lock(&q->lock);
			q->active--;
			continue;
		}
		if (q->active == 0)
			break;
		g_atomic_int_inc(&q->idle);
		g_cond_wait(&q->changed, &q->lock);
		g_atomic_int_add(&q->idle, -1);
	}
	g_cond_broadcast(&q->changed);
	g_mutex_unlock(&q->lock);
	return NULL;
}

void status_queue_run(struct status_worker **workers, unsigned count)
{
	struct status_run *run = workers[0]->run;
	struct status_queue q = {.tasks = G_QUEUE_INIT};
	g_autofree GThread **threads = g_new0(GThread *, count);

	g_mutex_init(&q.lock);
	g_cond_init(&q.changed);
	run->queue = &q;
	const struct task all = {
		.fd = openat(run->r->worktree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.path = (char *)"",
		.high = run->ix->count,
	};
	task_push(&q, &all);
	for (unsigned i = 1; i < count; i++)
		threads[i] = g_thread_try_new("status", worker_run, workers[i], NULL);
	worker_run(workers[0]);
	for (unsigned i = 1; i < count; i++)
		if (threads[i] != NULL)
			g_thread_join(threads[i]);
	run->queue = NULL;
	g_cond_clear(&q.changed);
	g_mutex_clear(&q.lock);
}
