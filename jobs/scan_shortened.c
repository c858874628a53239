/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_shortened.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/exit.h"

static gint is_shortened;
static gsize page_bytes;

static void on_bus_error(int number, siginfo_t *info, void *context)
{
	static const char text[] = "\nmuster scan: a file cannot be read any more\n";
	void *page = (void *)((guintptr)info->si_addr & ~(guintptr)(page_bytes - 1));
	void *zeros = MAP_FAILED;

	if (info->si_code == BUS_ADRERR)
		zeros = mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			-1, 0);
	if (zeros == page) {
		g_atomic_int_set(&is_shortened, 1);
		return;
	}
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_OTHER);
	_exit(EXIT_PARTLY);
}

void scan_shortened_watch(void)
{
	struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

	page_bytes = (gsize)sysconf(_SC_PAGESIZE);
	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

gboolean scan_shortened_was_met(void)
{
	return g_atomic_int_get(&is_shortened) != 0;
}
