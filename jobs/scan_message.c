/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_message.h"

#include <string.h>

#include "jobs/scan/finding_id.h"
#include "jobs/scan_reread.h"
#include "lib/hash.h"

#define MESSAGE_BYTES_MAX (1024 * 1024)
#define MASK "********"
/* Secrets are looked up by their first bytes; the few that are shorter are looked for. */
#define HEAD_BYTES 4

/* Bytes of a message that are masked. */
struct span {
	gsize from, to;
};

struct scan_messages {
	struct scan_job *job;
	struct depot *depot;
	struct depot_reader *reader;
	struct secret_table *secrets;
	struct scan *scan; /* finds secrets in messages */
	GHashTable *texts; /* hex of a commit -> char * */
	GHashTable *heads; /* first bytes -> GArray of numbers of secrets */
	GArray *shorts;    /* guint32: numbers of those that are shorter */
	GArray *spans;     /* struct span, of the message at hand */
	gboolean is_mute;  /* a secret is not known: no message can be shown */
};

static guint32 head_of(const guint8 *bytes)
{
	guint32 head;

	memcpy(&head, bytes, HEAD_BYTES);
	return head;
}

/* How secrets are found in any text. */
static void secrets_index(struct scan_messages *messages)
{
	guint32 count = secret_table_count(messages->secrets);

	for (guint32 number = 1; number <= count; number++) {
		gsize len = 0;
		const guint8 *bytes = secret_table_get(messages->secrets, number, NULL, &len);
		if (len < HEAD_BYTES) {
			g_array_append_val(messages->shorts, number);
			continue;
		}
		gpointer key = GUINT_TO_POINTER(head_of(bytes));
		GArray *list = g_hash_table_lookup(messages->heads, key);
		if (list == NULL) {
			list = g_array_new(FALSE, FALSE, sizeof(guint32));
			g_hash_table_insert(messages->heads, key, list);
		}
		g_array_append_val(list, number);
	}
}

static void secrets_want(
	GHashTable *wanted, const struct state *state, const struct sighting *sightings, gsize n)
{
	for (gsize i = 0; i < n; i++)
		/* Not of a file that a rule knows by its path: there is nothing to mask. */
		if (memcmp(state_secret(state, sightings[i].secret)->digest, finding_file_digest,
			    sizeof(finding_file_digest)) != 0)
			g_hash_table_insert(wanted, GUINT_TO_POINTER(sightings[i].secret), NULL);
}

static gboolean secrets_read(struct scan_messages *messages, struct state *state, GError **error)
{
	g_autoptr(GHashTable) wanted = g_hash_table_new(NULL, NULL);
	gsize n = 0, n_removed = 0, n_missing = 0;
	const struct sighting *sightings = state_sightings(state, &n);
	const struct sighting *removed = state_removed(state, &n_removed);

	secrets_want(wanted, state, sightings, n);
	secrets_want(wanted, state, removed, n_removed);
	if (!scan_reread(messages->job, state, messages->depot, messages->secrets, wanted,
		    &n_missing, error))
		return FALSE;
	messages->is_mute = n_missing > 0;
	if (!messages->is_mute)
		secrets_index(messages);
	return TRUE;
}

static void numbers_free(gpointer data)
{
	g_array_unref(data);
}

struct scan_messages *scan_messages_new(
	struct scan_job *job, struct state *state, struct depot *depot, GError **error)
{
	g_autoptr(ScanMessages) messages = g_new0(struct scan_messages, 1);

	messages->job = job;
	messages->depot = depot;
	messages->reader = depot_reader_new(depot);
	messages->secrets = secret_table_new();
	messages->texts = g_hash_table_new_full(hash_text, g_str_equal, g_free, g_free);
	messages->heads = g_hash_table_new_full(NULL, NULL, NULL, numbers_free);
	messages->shorts = g_array_new(FALSE, FALSE, sizeof(guint32));
	messages->spans = g_array_new(FALSE, FALSE, sizeof(struct span));
	if (job->flags->mask.is_shown)
		return g_steal_pointer(&messages);
	messages->scan = scan_job_scan(job, NULL, messages->secrets, SCAN_JOB_PLAIN, error);
	if (messages->scan == NULL || !secrets_read(messages, state, error))
		return NULL;
	return g_steal_pointer(&messages);
}

void scan_messages_free(struct scan_messages *messages)
{
	if (messages == NULL)
		return;
	scan_free(messages->scan);
	depot_reader_free(messages->reader);
	g_hash_table_unref(messages->texts);
	g_hash_table_unref(messages->heads);
	g_array_unref(messages->shorts);
	g_array_unref(messages->spans);
	secret_table_free(messages->secrets);
	g_free(messages);
}

static void span_add(struct scan_messages *messages, gsize from, gsize len)
{
	struct span span = {from, from + len};

	g_array_append_val(messages->spans, span);
}

static gint span_compare(gconstpointer a, gconstpointer b)
{
	const struct span *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* What rules find. */
static void hits_add(struct scan_messages *messages, const char *text, gsize len)
{
	guint number = g_hash_table_size(messages->texts);
	gsize n = 0;

	scan_bytes(messages->scan, number, text, len);
	const struct hit *hits = scan_hits(messages->scan, &n);
	/* Sorted by number, and this is the highest. */
	for (; n > 0 && hits[n - 1].blob == number; n--)
		span_add(messages, hits[n - 1].at, hits[n - 1].len);
}

/* What is a secret anywhere. */
static void secrets_add(struct scan_messages *messages, const char *text, gsize len)
{
	for (guint i = 0; i < messages->shorts->len; i++) {
		gsize size = 0;
		const guint8 *bytes = secret_table_get(messages->secrets,
			g_array_index(messages->shorts, guint32, i), NULL, &size);
		for (const char *at = text;
			(at = memmem(at, len - (gsize)(at - text), bytes, size)) != NULL; at++)
			span_add(messages, (gsize)(at - text), size);
	}
	for (gsize at = 0; at + HEAD_BYTES <= len; at++) {
		const GArray *list = g_hash_table_lookup(
			messages->heads, GUINT_TO_POINTER(head_of((const guint8 *)text + at)));
		for (guint i = 0; list != NULL && i < list->len; i++) {
			gsize size = 0;
			const guint8 *bytes = secret_table_get(
				messages->secrets, g_array_index(list, guint32, i), NULL, &size);
			if (size <= len - at && memcmp(text + at, bytes, size) == 0)
				span_add(messages, at, size);
		}
	}
}

static char *text_mask(struct scan_messages *messages, const char *text)
{
	gsize len = strlen(text), from = 0;

	if (messages->job->flags->mask.is_shown)
		return g_strdup(text);
	if (messages->is_mute)
		return g_strdup("");
	g_array_set_size(messages->spans, 0);
	hits_add(messages, text, len);
	secrets_add(messages, text, len);
	g_array_sort(messages->spans, span_compare);
	GString *out = g_string_new(NULL);
	for (guint i = 0; i < messages->spans->len; i++) {
		const struct span *span = &g_array_index(messages->spans, struct span, i);
		gsize to = MIN(span->to, len);
		/* They may overlap: what is masked grows. */
		if (span->from >= from && span->from < len) {
			g_string_append_len(out, text + from, (gssize)(span->from - from));
			g_string_append(out, MASK);
		}
		from = MAX(from, to);
	}
	g_string_append(out, text + from);
	return g_string_free(out, FALSE);
}

const char *scan_messages_get(struct scan_messages *messages, const struct oid *commit)
{
	const guint8 *bytes = NULL;
	gsize len = 0;
	guint32 number;
	char hex[OID_HEX + 1];

	oid_format(commit, hex);
	char *known = g_hash_table_lookup(messages->texts, hex);
	if (known != NULL)
		return known;
	if (depot_find(messages->depot, commit, &number) &&
		depot_read(messages->reader, number, MESSAGE_BYTES_MAX, NULL, &bytes, &len, NULL)) {
		const char *body = g_strstr_len((const char *)bytes, (gssize)len, "\n\n");
		gsize at = body != NULL ? (gsize)(body - (const char *)bytes) + 2 : len;
		g_autofree char *text = g_strndup((const char *)bytes + at, len - at);
		g_strchomp(text);
		known = text_mask(messages, text);
	} else {
		known = g_strdup("");
	}
	g_hash_table_insert(messages->texts, g_strdup(hex), known);
	return known;
}
