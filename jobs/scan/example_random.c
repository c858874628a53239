/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/example_random.h"

#include <string.h>

#include "jobs/scan/entropy.h"
#include "jobs/scan/filter.h"

#define DRAWS 16
/* Shorter runs cannot have every kind of character, nor look like a placeholder. */
#define ROOM 12

void example_random_init(struct example_random *random, guint32 seed, const char *template)
{
	/* FNV-1a, 64 bits. */
	guint64 hash = G_GUINT64_CONSTANT(0xcbf29ce484222325) ^ seed;

	for (; *template; template ++)
		hash = (hash ^ (guchar) * template) * G_GUINT64_CONSTANT(0x100000001b3);
	random->state = hash;
}

/* splitmix64, by Sebastiano Vigna: any state will do. */
static guint64 next(struct example_random *random)
{
	guint64 z = random->state += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
	return z ^ z >> 31;
}

guint example_random_below(struct example_random *random, guint below)
{
	return (guint)((next(random) >> 32) * below >> 32);
}

static guint kinds(const char *text)
{
	guint found = 0;

	for (; *text; text++)
		found |= g_ascii_islower(*text)   ? 1
			 : g_ascii_isupper(*text) ? 2
			 : g_ascii_isdigit(*text) ? 4
						  : 0;
	return found;
}

char *example_random_run(struct example_random *random, const char *characters, guint count)
{
	guint n = (guint)strlen(characters), want = count >= ROOM ? kinds(characters) : 0;
	g_autofree char *best = NULL;
	double most = -1;

	for (guint draw = 0; draw < DRAWS; draw++) {
		g_autofree char *run = g_malloc(count + 1);
		for (guint i = 0; i < count; i++)
			run[i] = characters[example_random_below(random, n)];
		run[count] = '\0';
		double bits = entropy_bits((const guint8 *)run, count);
		if (count >= ROOM && ((kinds(run) & want) != want ||
					     filter_is_placeholder((const guint8 *)run, count)))
			bits = 0;
		if (bits > most) {
			most = bits;
			g_free(best);
			best = g_steal_pointer(&run);
		}
	}
	return g_steal_pointer(&best);
}
