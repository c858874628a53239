/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/packed_refs.h"
#include "jobs/git/readfile.h"

#include "lib/error.h"

#include <stdlib.h>
#include <string.h>

static int ref_compare(const void *a, const void *b)
{
	return strcmp(((const struct ref *)a)->name, ((const struct ref *)b)->name);
}

/* git sorts the file and says so in its header, which a foreign file need not mean. */
static void sort(struct packed_refs *p)
{
	gboolean is_sorted = TRUE;
	gsize kept = 0;

	for (gsize i = 1; i < p->count && is_sorted; i++)
		is_sorted = strcmp(p->list[i - 1].name, p->list[i].name) < 0;
	if (is_sorted)
		return;
	qsort(p->list, p->count, sizeof(*p->list), ref_compare);
	for (gsize i = 0; i < p->count; i++)
		if (kept == 0 || strcmp(p->list[kept - 1].name, p->list[i].name) != 0)
			p->list[kept++] = p->list[i];
	p->count = kept;
}

struct packed_refs *packed_refs_parse(char *data, gsize len, GError **error)
{
	g_autoptr(PackedRefs) p = g_new0(struct packed_refs, 1);
	gsize lines = 0;

	p->data = data;
	for (const char *at = data; (at = memchr(at, '\n', len - (gsize)(at - data))) != NULL; at++)
		lines++;
	if (lines > 2 * (gsize)REFS_MAX + 1) {
		g_set_error_literal(
			error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "packed-refs has too many refs");
		return NULL;
	}
	p->list = g_new(struct ref, lines + 1);

	struct oid oid;
	char *end = data + len;
	for (char *line = data; line < end;) {
		char *stop = memchr(line, '\n', (gsize)(end - line));
		if (stop == NULL)
			goto broken;
		*stop = '\0';
		if (line[0] == '^') {
			if (p->count == 0 || stop - line < 1 + OID_HEX ||
				!oid_parse(&oid, line + 1))
				goto broken;
			p->list[p->count - 1].peeled = oid;
			p->list[p->count - 1].has_peeled = true;
		} else if (line[0] != '#') {
			if (stop - line < OID_HEX + 2 || line[OID_HEX] != ' ' ||
				!oid_parse(&oid, line) ||
				memchr(line, '\0', (gsize)(stop - line)) != NULL)
				goto broken;
			p->list[p->count++] = (struct ref){.name = line + OID_HEX + 1, .oid = oid};
		}
		line = stop + 1;
	}
	sort(p);
	return g_steal_pointer(&p);

broken:
	g_set_error_literal(
		error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "packed-refs has a line that is no ref");
	return NULL;
}

struct packed_refs *packed_refs_load(int commondir_fd, GError **error)
{
	char *data = NULL;
	gsize len;

	switch (readfile_load(commondir_fd, "packed-refs", 0, PACKED_REFS_MAX_BYTES, &data, &len)) {
	case READFILE_OK:
		return packed_refs_parse(data, len, error);
	case READFILE_MISSING:
		return g_new0(struct packed_refs, 1);
	case READFILE_TOO_BIG:
		g_set_error_literal(
			error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "packed-refs is too big");
		return NULL;
	default:
		g_set_error_literal(
			error, MUSTER_ERROR, MUSTER_ERROR_IO, "packed-refs cannot be read");
		return NULL;
	}
}

void packed_refs_free(struct packed_refs *p)
{
	if (p == NULL)
		return;
	g_free(p->data);
	g_free(p->list);
	g_free(p);
}

gboolean packed_refs_find(const struct packed_refs *p, const char *name, struct oid *oid)
{
	const struct ref key = {.name = name};
	const struct ref *found =
		p->count > 0 ? bsearch(&key, p->list, p->count, sizeof(*p->list), ref_compare)
			     : NULL;

	if (found == NULL)
		return FALSE;
	*oid = found->oid;
	return TRUE;
}
