/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/sieve_shape.h"

#include <string.h>

/* Widths beyond are "many": a sieve that wide is refused anyway. */
#define MANY 100000
#define DEPTH_MAX 50

/* What the matches of a part of a pattern have in common, for one kind of characters. */
struct kind {
	gboolean is_all;     /* of nothing else */
	guint head, tail;    /* in a row at their start and end, at least */
	guint run;           /* in a row anywhere, at least */
	guint before, after; /* bytes beside that run, at most */
};

struct part {
	guint min, max; /* width */
	struct kind kinds[CHAR_RUN_KINDS];
};

struct reader {
	const char *p;
	guint depth;
	gboolean is_lost; /* something it does not know */
};

static guint add(guint a, guint b)
{
	return MIN(a + b, MANY);
}

static const struct part empty = {.kinds = {{.is_all = TRUE}, {.is_all = TRUE}, {.is_all = TRUE}}};

static struct part join(const struct part *a, const struct part *b)
{
	struct part sum = {.min = add(a->min, b->min), .max = add(a->max, b->max)};

	for (guint i = 0; i < CHAR_RUN_KINDS; i++) {
		const struct kind *x = &a->kinds[i], *y = &b->kinds[i];
		struct kind *z = &sum.kinds[i];
		guint across = add(x->tail, y->head);
		z->is_all = x->is_all && y->is_all;
		z->head = x->is_all ? add(a->min, y->head) : x->head;
		z->tail = y->is_all ? add(b->min, x->tail) : y->tail;
		if (across >= x->run && across >= y->run) {
			z->run = across;
			z->before = x->is_all ? 0 : a->max;
			z->after = y->is_all ? 0 : b->max;
		} else if (x->run >= y->run) {
			z->run = x->run;
			z->before = x->before;
			z->after = add(x->after, b->max);
		} else {
			z->run = y->run;
			z->before = add(y->before, a->max);
			z->after = y->after;
		}
	}
	return sum;
}

static struct part either(const struct part *a, const struct part *b)
{
	struct part sum = {.min = MIN(a->min, b->min), .max = MAX(a->max, b->max)};

	for (guint i = 0; i < CHAR_RUN_KINDS; i++) {
		const struct kind *x = &a->kinds[i], *y = &b->kinds[i];
		sum.kinds[i] = (struct kind){x->is_all && y->is_all, MIN(x->head, y->head),
			MIN(x->tail, y->tail), MIN(x->run, y->run), MAX(x->before, y->before),
			MAX(x->after, y->after)};
	}
	return sum;
}

static struct part repeat(const struct part *one, guint least, guint most)
{
	struct part sum = {.min = (guint)MIN((guint64)one->min * least, MANY),
		.max = (guint)MIN((guint64)one->max * most, MANY)};

	for (guint i = 0; i < CHAR_RUN_KINDS; i++) {
		struct kind *z = &sum.kinds[i];
		*z = one->kinds[i];
		if (z->is_all) {
			z->head = z->tail = z->run = sum.min;
			z->before = z->after = 0;
		} else if (least == 0) {
			*z = (struct kind){0};
		} else {
			guint others = (guint)MIN((guint64)one->max * (most - 1), MANY);
			z->before = add(z->before, others);
			z->after = add(z->after, others);
		}
	}
	return sum;
}

static struct part one_of(const guint8 set[256])
{
	struct part part = {.min = 1, .max = 1};

	for (guint i = 0; i < CHAR_RUN_KINDS; i++) {
		gboolean is_all = TRUE;
		for (guint c = 0; c < 256; c++)
			is_all = is_all && (!set[c] || char_run_has(i, (guint8)c));
		part.kinds[i] = (struct kind){is_all, is_all, is_all, is_all, !is_all, 0};
	}
	return part;
}

static void set_range(guint8 set[256], guint from, guint to)
{
	for (guint c = from; c <= to && c < 256; c++)
		set[c] = 1;
}

/*
 * An escape: its characters into set. Returns the character it stands for, -1 for several, -2 for
 * a place between characters.
 */
static int read_escape(struct reader *reader, guint8 set[256])
{
	guint8 some[256] = {0};
	char c = *reader->p;
	int one = -1;

	if (c == '\0') {
		reader->is_lost = TRUE;
		return -1;
	}
	reader->p++;
	switch (g_ascii_tolower(c)) {
	case 'd':
		set_range(some, '0', '9');
		break;
	case 'w':
		set_range(some, '0', '9');
		set_range(some, 'A', 'Z');
		set_range(some, 'a', 'z');
		some['_'] = 1;
		break;
	case 's':
		set_range(some, '\t', '\r');
		some[' '] = 1;
		break;
	case 'h':
		some['\t'] = some[' '] = some[0xa0] = 1;
		break;
	case 'b':
		return -2;
	case 'n':
	case 'r':
	case 't':
	case 'f':
		one = c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : '\f';
		break;
	case 'x':
		if (g_ascii_isxdigit(reader->p[0]) && g_ascii_isxdigit(reader->p[1])) {
			one = g_ascii_xdigit_value(reader->p[0]) << 4 |
			      g_ascii_xdigit_value(reader->p[1]);
			reader->p += 2;
			break;
		}
		reader->is_lost = TRUE;
		break;
	default:
		if (g_ascii_isalnum(c))
			reader->is_lost = TRUE;
		one = (guint8)c;
	}
	if (one < 0 && g_ascii_isupper(c))
		for (guint i = 0; i < 256; i++)
			some[i] = !some[i];
	else if (g_ascii_isupper(c))
		reader->is_lost = TRUE;
	if (one >= 0)
		some[one] = 1;
	for (guint i = 0; i < 256; i++)
		set[i] |= some[i];
	return one;
}

static struct part read_class(struct reader *reader)
{
	guint8 set[256] = {0};
	gboolean is_not = *reader->p == '^', is_first = TRUE;

	reader->p += is_not;
	for (; *reader->p != '\0' && (is_first || *reader->p != ']'); is_first = FALSE) {
		int low = (guint8)*reader->p;
		if (low == '[' && (reader->p[1] == ':' || reader->p[1] == '.'))
			reader->is_lost = TRUE;
		reader->p++;
		if (low == '\\')
			low = read_escape(reader, set);
		if (low < 0)
			continue;
		set[low] = 1;
		if (reader->p[0] != '-' || reader->p[1] == ']' || reader->p[1] == '\0')
			continue;
		int high = (guint8)reader->p[1];
		reader->p += 2;
		if (high == '\\')
			high = read_escape(reader, set);
		if (high < low)
			reader->is_lost = TRUE;
		else
			set_range(set, (guint)low, (guint)high);
	}
	if (*reader->p == ']')
		reader->p++;
	else
		reader->is_lost = TRUE;
	for (guint c = 0; is_not && c < 256; c++)
		set[c] = !set[c];
	return one_of(set);
}

static struct part read_either(struct reader *reader);

static struct part read_group(struct reader *reader)
{
	struct part part = empty;

	if (*reader->p == '?') {
		/* (?: and (?i: and (?i) change no kind; anything else is not for sieves. */
		gsize n = strspn(++reader->p, "imsx-");
		if (memchr(reader->p, 'x', n) != NULL)
			reader->is_lost = TRUE;
		reader->p += n;
		if (*reader->p == ')') {
			reader->p++;
			return part;
		}
		if (*reader->p != ':') {
			reader->is_lost = TRUE;
			return part;
		}
		reader->p++;
	}
	if (++reader->depth > DEPTH_MAX)
		reader->is_lost = TRUE;
	else
		part = read_either(reader);
	reader->depth--;
	if (*reader->p == ')')
		reader->p++;
	else
		reader->is_lost = TRUE;
	return part;
}

static struct part read_one(struct reader *reader)
{
	guint8 set[256] = {0};
	guint8 c = (guint8)*reader->p++;

	if (c == '(')
		return read_group(reader);
	if (c == '[')
		return read_class(reader);
	if (c == '^' || c == '$')
		return empty;
	if (c == '\\') {
		if (read_escape(reader, set) == -2)
			return empty;
	} else if (c == '.') {
		memset(set, 1, sizeof(set));
	} else {
		set[c] = 1;
	}
	return one_of(set);
}

static struct part read_repeat(struct reader *reader, const struct part *one)
{
	guint64 least = 1, most = 1;
	char *end = NULL;

	switch (*reader->p) {
	case '?':
		least = 0;
		break;
	case '*':
		least = 0;
		most = MANY;
		break;
	case '+':
		most = MANY;
		break;
	case '{':
		if (!g_ascii_isdigit(reader->p[1]))
			return *one;
		least = most = g_ascii_strtoull(reader->p + 1, &end, 10);
		if (*end == ',')
			most = end[1] == '}' ? MANY : g_ascii_strtoull(end + 1, &end, 10);
		end = strchr(end, '}');
		if (end == NULL || least > most) {
			reader->is_lost = TRUE;
			return *one;
		}
		reader->p = end;
		break;
	default:
		return *one;
	}
	reader->p++;
	if (*reader->p == '?' || *reader->p == '+')
		reader->p++;
	return repeat(one, (guint)MIN(least, MANY), (guint)MIN(most, MANY));
}

static struct part read_either(struct reader *reader)
{
	struct part all = empty, branch = empty;
	gboolean is_first = TRUE;

	for (;;) {
		if (*reader->p == '|' || *reader->p == ')' || *reader->p == '\0' ||
			reader->is_lost) {
			all = is_first ? branch : either(&all, &branch);
			is_first = FALSE;
			branch = empty;
			if (*reader->p != '|' || reader->is_lost)
				return all;
			reader->p++;
			continue;
		}
		struct part one = read_one(reader);
		one = read_repeat(reader, &one);
		branch = join(&branch, &one);
	}
}

gboolean sieve_shape_read(const char *pattern, struct sieve_shape *shape)
{
	struct reader reader = {pattern, 0, FALSE};
	struct part part = read_either(&reader);

	if (reader.is_lost || *reader.p != '\0')
		return FALSE;
	for (guint i = 0; i < CHAR_RUN_KINDS; i++) {
		const struct kind *kind = &part.kinds[i];
		if (kind->run >= char_run_least(i)) {
			*shape = (struct sieve_shape){i, kind->run, kind->before, kind->after};
			return TRUE;
		}
	}
	return FALSE;
}
