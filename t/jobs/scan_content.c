/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/scan/content.h"
#include "jobs/scan/content_place.h"
#include "jobs/scan/content_text.h"
#include "t/jobs/scan_content_double.h"
#include "t/unit/check.h"

/*
 * What is inherited over deltas is what reading every byte finds. Objects are made by random edits
 * of earlier ones, from words that are halves of secrets, so that seams make and break them; each
 * is scanned twice, by inheritance and in full, and candidates and hits must be equal.
 */
static const char *const words[] = {
	"KEY-",
	"KEY-ab12",
	"KEY-abcd12",
	"ab12",
	"cd34ef",
	"K",
	"EY-",
	"z9",
	"_",
	"A",
	"BEGIN",
	"END",
	"BEG",
	"IN",
	"EN",
	"D",
	"pw=",
	"pw",
	"=",
	"q7",
	"ctx",
	"ct",
	"x",
	"allow",
	"all",
	"ow",
	"test",
	"te",
	"st",
	"\n",
	"\n",
	"\n",
	" ",
	" ",
	".",
	"-",
	"534543",
	"53454361",
	"5345",
	"4361",
	"435345",
	"0a",
	"f",
	"12",
	"W",
	"WH",
	"EL",
	"L",
	"................................",
	"abcdef0123456789abcdef0123456789abcdef01",
};

struct object {
	GByteArray *bytes;
	GArray *pieces; /* NULL: stored whole */
	guint base;
	gpointer state;
};

struct forest {
	GRand *rand;
	GPtrArray *objects;
	guint unusual; /* one in so many objects changes its class; 0 none */
};

static void object_free(gpointer data)
{
	struct object *object = data;
	g_byte_array_unref(object->bytes);
	if (object->pieces != NULL)
		g_array_unref(object->pieces);
	g_free(object);
}

static guint below(struct forest *forest, guint n)
{
	return n == 0 ? 0 : (guint)g_rand_int_range(forest->rand, 0, (gint)n);
}

static void words_append(struct forest *forest, GByteArray *bytes, guint n)
{
	for (guint i = 0; i < n; i++) {
		const char *word = words[below(forest, G_N_ELEMENTS(words))];
		g_byte_array_append(bytes, (const guint8 *)word, (guint)strlen(word));
	}
}

/* As the depot gives them: none empty, neighbours that are one made one. */
static void piece_add(struct object *object, guint32 from, guint32 len, const guint8 *bytes)
{
	if (len == 0)
		return;
	struct depot_piece piece = {object->bytes->len, from, len};
	struct depot_piece *last = NULL;
	if (object->pieces->len > 0)
		last = &g_array_index(object->pieces, struct depot_piece, object->pieces->len - 1);
	g_byte_array_append(object->bytes, bytes, len);
	if (last != NULL && (from == DEPOT_INSERT ? last->from == DEPOT_INSERT
						  : last->from != DEPOT_INSERT &&
							    last->from + last->len == from))
		last->len += len;
	else
		g_array_append_val(object->pieces, piece);
}

static void insert_add(struct forest *forest, struct object *object, guint n)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	words_append(forest, bytes, n);
	piece_add(object, DEPOT_INSERT, bytes->len, bytes->data);
}

static void copy_add(struct object *object, const struct object *base, guint from, guint to)
{
	to = MIN(to, base->bytes->len);
	if (from < to)
		piece_add(object, from, to - from, base->bytes->data + from);
}

/* Through the base with some edits: what a version of a file is. */
static void edit_lightly(struct forest *forest, struct object *object, const struct object *base)
{
	guint edits = 1 + below(forest, 4), at = 0;
	for (guint i = 0; i < edits; i++) {
		guint next = at + below(forest, base->bytes->len - at + 1);
		copy_add(object, base, at, next);
		at = next;
		guint kind = below(forest, 8);
		if (kind < 4)
			insert_add(forest, object, 1 + below(forest, 2));
		guint gone = 1 + below(forest, 12);
		if (kind >= 2 && kind < 6)
			at = MIN(at + gone, base->bytes->len);
		if (kind == 6) /* the same bytes, but said to be new */
			piece_add(object, DEPOT_INSERT, MIN(3, base->bytes->len - at),
				base->bytes->data + at);
		if (kind == 7) { /* a part from elsewhere */
			guint from = below(forest, base->bytes->len + 1);
			copy_add(object, base, from, from + below(forest, 80));
		}
	}
	if (below(forest, 6) > 0)
		copy_add(object, base, at, base->bytes->len);
}

/* Copies and inserts in any order. */
static void edit_wildly(struct forest *forest, struct object *object, const struct object *base)
{
	guint n = below(forest, 8);
	for (guint i = 0; i < n; i++) {
		guint from = below(forest, base->bytes->len + 1);
		if (below(forest, 4) == 0)
			insert_add(forest, object, 1 + below(forest, 3));
		else
			copy_add(object, base, from, from + below(forest, 150));
	}
}

static GByteArray *as_utf16(const GByteArray *bytes, gboolean is_big, gboolean has_mark)
{
	GByteArray *wide = g_byte_array_new();
	guint8 mark[2] = {is_big ? 0xfe : 0xff, is_big ? 0xff : 0xfe};
	if (has_mark)
		g_byte_array_append(wide, mark, 2);
	for (guint i = 0; i < bytes->len; i++) {
		guint8 unit[2] = {is_big ? 0 : bytes->data[i], is_big ? bytes->data[i] : 0};
		g_byte_array_append(wide, unit, 2);
	}
	return wide;
}

/* Another class for what comes, by a few bytes or by all. */
static void class_change(struct forest *forest, struct object *object, const struct object *base)
{
	switch (below(forest, 4)) {
	case 0:
		piece_add(object, DEPOT_INSERT, 1, (const guint8 *)"");
		copy_add(object, base, 0, base->bytes->len);
		return;
	case 1:
		copy_add(object, base,
			memchr(base->bytes->data, 0, MIN(base->bytes->len, 1)) ? 1 : 0,
			base->bytes->len);
		return;
	case 2: {
		g_autoptr(GByteArray) wide =
			as_utf16(base->bytes, below(forest, 2) == 0, below(forest, 2) == 0);
		if (wide->len < 20000)
			piece_add(object, DEPOT_INSERT, wide->len, wide->data);
		return;
	}
	default: /* over the cap, or below it again */
		for (guint i = 0; i < 3; i++)
			copy_add(object, base, 0, base->bytes->len);
		return;
	}
}

static struct object *object_add(struct forest *forest)
{
	struct object *object = g_new0(struct object, 1);
	object->bytes = g_byte_array_sized_new(256);
	guint n = forest->objects->len;
	g_ptr_array_add(forest->objects, object);
	if (n == 0 || below(forest, 20) == 0) {
		words_append(forest, object->bytes, below(forest, 60));
		return object;
	}
	/* Chains and bushes. */
	object->base = below(forest, 3) == 0 ? below(forest, n) : n - 1;
	const struct object *base = forest->objects->pdata[object->base];
	object->pieces = g_array_new(FALSE, FALSE, sizeof(struct depot_piece));
	if (forest->unusual > 0 && below(forest, forest->unusual) == 0)
		class_change(forest, object, base);
	else if (base->bytes->len > 6000)
		copy_add(object, base, below(forest, 6000), 600);
	else if (below(forest, 3) > 0)
		edit_lightly(forest, object, base);
	else
		edit_wildly(forest, object, base);
	return object;
}

static struct depot_object object_view(const struct forest *forest, guint number)
{
	const struct object *object = forest->objects->pdata[number];
	struct depot_object view = {
		.number = number,
		.type = DEPOT_BLOB,
		.data = object->bytes->data != NULL ? object->bytes->data : (const guint8 *)"",
		.len = object->bytes->len,
		.base_number = DEPOT_NONE,
	};
	if (object->pieces != NULL) {
		const struct object *base = forest->objects->pdata[object->base];
		view.pieces = (const struct depot_piece *)(gpointer)object->pieces->data;
		view.n_pieces = object->pieces->len;
		view.base_number = object->base;
		view.base_len = base->bytes->len;
		view.base_state = base->state;
	}
	return view;
}

static char *object_describe(const struct forest *forest, guint number)
{
	const struct object *object = forest->objects->pdata[number];
	GString *text = g_string_new(NULL);
	if (object->pieces != NULL) {
		const struct object *base = forest->objects->pdata[object->base];
		g_autofree char *bytes =
			g_strndup((const char *)base->bytes->data, base->bytes->len);
		g_autofree char *old = g_strescape(bytes, NULL);
		g_string_append_printf(
			text, "base %u (%u): %s\n", object->base, base->bytes->len, old);
		for (guint i = 0; i < object->pieces->len; i++) {
			const struct depot_piece *p =
				&g_array_index(object->pieces, struct depot_piece, i);
			g_string_append_printf(
				text, "[%u,%u) from %d\n", p->at, p->at + p->len, (int)p->from);
		}
	}
	g_autofree char *bytes = g_strndup((const char *)object->bytes->data, object->bytes->len);
	g_autofree char *now = g_strescape(bytes, NULL);
	g_string_append_printf(text, "object %u (%u): %s", number, object->bytes->len, now);
	return g_string_free(text, FALSE);
}

static char *candidates_format(gconstpointer state)
{
	guint n = 0;
	const struct candidate *list = content_state_candidates(state, &n);
	GString *text = g_string_new(NULL);
	for (guint i = 0; i < n; i++)
		g_string_append_printf(text, "%u:%u v%u f%u [%u,%u) %u\n", list[i].at, list[i].rule,
			list[i].verdict, list[i].flags, list[i].from, list[i].to,
			list[i].verdict == CANDIDATE_ACCEPTED ? list[i].secret_at : 0);
	return g_string_free(text, FALSE);
}

static char *hits_format(const GArray *hits, guint first)
{
	GString *text = g_string_new(NULL);
	for (guint i = first; i < hits->len; i++) {
		const struct hit *hit = &g_array_index(hits, struct hit, i);
		g_string_append_printf(text, "%u: %u+%u rule %u secret %u flags %u %u:%u-%u:%u\n",
			hit->blob, hit->at, hit->len, hit->rule, hit->secret, hit->flags, hit->line,
			hit->column, hit->end_line, hit->end_column);
	}
	return g_string_free(text, FALSE);
}

struct sums {
	guint64 hits, inherited, whole_sieved, sieved;
};

/* TRUE when both ways say the same of the object. */
static gboolean object_compare(
	struct forest *forest, guint number, struct content *by_delta, struct content *in_full)
{
	struct object *object = forest->objects->pdata[number];
	struct depot_object view = object_view(forest, number);
	guint hits = by_delta->hits->len, full_hits = in_full->hits->len;
	object->state = content_visit(by_delta, &view);
	gpointer full = content_visit(in_full, &view);
	g_autofree char *found = hits_format(by_delta->hits, hits);
	g_autofree char *expected = hits_format(in_full->hits, full_hits);
	g_autofree char *candidates = candidates_format(object->state);
	g_autofree char *full_candidates = candidates_format(full);
	guint n;
	gboolean is_kept = content_state_candidates(object->state, &n) != NULL;
	content_forget(in_full->shared, full);
	if (strcmp(found, expected) == 0 && (!is_kept || strcmp(candidates, full_candidates) == 0))
		return TRUE;
	g_autofree char *text = object_describe(forest, number);
	g_test_message("%s\nfound:\n%s%sexpected:\n%s%s", text, found, candidates, expected,
		full_candidates);
	return FALSE;
}

static struct sums forest_compare(guint32 seed, guint n, guint unusual, gint64 states_max)
{
	struct content_shared shared = {
		.blob_max_bytes = 3000, .hits_max = G_MAXUINT32, .states_max = states_max};
	struct content_shared shared_full = shared;
	shared_full.is_whole = TRUE;
	shared_full.states_max = G_MAXINT64;
	struct content *by_delta = content_new(&shared, NULL);
	struct content *in_full = content_new(&shared_full, NULL);
	struct forest forest = {
		.rand = g_rand_new_with_seed(seed),
		.objects = g_ptr_array_new_with_free_func(object_free),
		.unusual = unusual,
	};
	for (guint i = 0; i < n; i++) {
		object_add(&forest);
		if (!object_compare(&forest, i, by_delta, in_full)) {
			g_test_message("seed %u", seed);
			g_test_fail();
			break;
		}
	}
	g_assert_cmpuint(by_delta->coverage.scanned, ==, in_full->coverage.scanned);
	g_assert_cmpuint(by_delta->coverage.bytes, ==, in_full->coverage.bytes);
	g_assert_cmpuint(by_delta->coverage.gaps[SCAN_GAP_BINARY], ==,
		in_full->coverage.gaps[SCAN_GAP_BINARY]);
	struct sums sums = {.hits = in_full->hits->len,
		.whole_sieved = in_full->coverage.sieved,
		.sieved = by_delta->coverage.sieved};
	for (guint i = 0; i < forest.objects->len; i++) {
		struct object *object = forest.objects->pdata[i];
		content_forget(&shared, object->state);
	}
	g_assert_cmpint(shared.states_bytes, ==, 0);
	g_assert_cmpint(shared_full.states_bytes, ==, 0);
	g_ptr_array_unref(forest.objects);
	g_rand_free(forest.rand);
	content_free(by_delta);
	content_free(in_full);
	return sums;
}

static guint rounds(guint few)
{
	return g_strcmp0(g_getenv("MUSTER_TEST_ALL"), "yes") == 0 ? 40 * few : few;
}

static void test_edits(void)
{
	struct sums all = {0};
	for (guint i = 0; i < rounds(800) && !g_test_failed(); i++) {
		struct sums sums = forest_compare(g_test_rand_int(), 200, 0, G_MAXINT64);
		all.hits += sums.hits;
		all.sieved += sums.sieved;
		all.whole_sieved += sums.whole_sieved;
	}
	g_test_message("%" G_GUINT64_FORMAT " hits, %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
		       " bytes sieved",
		all.hits, all.sieved, all.whole_sieved);
	g_assert_cmpuint(all.hits, >, 50000);
	g_assert_cmpuint(all.sieved * 5, <, all.whole_sieved * 4);
}

static void test_classes(void)
{
	for (guint i = 0; i < rounds(400) && !g_test_failed(); i++)
		forest_compare(g_test_rand_int(), 150, 5, G_MAXINT64);
}

static void test_budget(void)
{
	for (guint i = 0; i < rounds(200) && !g_test_failed(); i++)
		forest_compare(g_test_rand_int(), 150, 20, 3000);
}

/* One blob by itself; the hits' text. */
static char *scan_one(
	const void *bytes, gsize len, gboolean is_binary, struct scan_coverage *coverage)
{
	struct content_shared shared = {.blob_max_bytes = 64 << 20,
		.hits_max = G_MAXUINT32,
		.states_max = G_MAXINT64,
		.is_binary = is_binary};
	struct content *content = content_new(&shared, NULL);
	content_bytes(content, 7, bytes, len);
	char *text = hits_format(content->hits, 0);
	if (coverage != NULL)
		*coverage = content->coverage;
	content_free(content);
	return text;
}

static void test_places(void)
{
	g_autofree char *first = scan_one("KEY-ab12", 8, FALSE, NULL);
	g_assert_true(g_str_has_prefix(first, "7: 0+8 rule 0 "));
	g_assert_true(g_str_has_suffix(first, " flags 0 1:1-1:8\n"));
	const char text[] = "one\n\n two KEY-ab12\nBEGIN\nx\nyEND\n KEY-cd34 allow";
	g_autofree char *found = scan_one(text, sizeof(text) - 1, FALSE, NULL);
	g_auto(GStrv) lines = g_strsplit(found, "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, 4);
	g_assert_true(g_str_has_suffix(lines[0], " flags 0 3:6-3:13"));
	g_assert_true(g_str_has_suffix(lines[1], " flags 0 4:6-6:1"));
	g_assert_true(g_str_has_suffix(lines[2], " flags 1 7:2-7:9"));

	g_autoptr(GByteArray) bytes = g_byte_array_new();
	for (guint i = 0; i < 20000; i++) {
		gsize expected = 0;
		for (guint k = 0; i % 500 == 0 && k < bytes->len; k++)
			expected += bytes->data[k] == '\n';
		if (i % 500 == 0)
			g_assert_cmpuint(
				content_count_lines(bytes->data, bytes->len), ==, expected);
		guint8 c = i % 3 == 0 || i > 10000 ? '\n' : 'x';
		g_byte_array_append(bytes, &c, 1);
	}
}

static void test_utf16(void)
{
	const char text[] = "\xc3\xa9\xf0\x9f\x98\x80 one\nKEY-ab12 \xe2\x82\xac\n";
	for (guint kind = 0; kind < 3; kind++) {
		g_autoptr(GError) error = NULL;
		gsize len = 0;
		g_autofree char *wide = g_convert(
			text, -1, kind == 0 ? "UTF-16BE" : "UTF-16LE", "UTF-8", NULL, &len, &error);
		g_assert_no_error(error);
		g_autoptr(GByteArray) bytes = g_byte_array_new();
		if (kind < 2)
			g_byte_array_append(
				bytes, (const guint8 *)(kind == 0 ? "\xfe\xff" : "\xff\xfe"), 2);
		g_byte_array_append(bytes, (const guint8 *)wide, (guint)len);
		struct scan_coverage coverage;
		g_autofree char *found = scan_one(bytes->data, bytes->len, FALSE, &coverage);
		guint at = (kind < 2 ? 2 : 0) + 2 * (1 + 2 + 5);
		g_autofree char *prefix = g_strdup_printf("7: %u+16 rule 0 ", at);
		g_assert_true(g_str_has_prefix(found, prefix));
		g_assert_true(g_str_has_suffix(found, " flags 4 2:1-2:8\n"));
		g_assert_cmpuint(coverage.scanned, ==, 1);
		g_assert_cmpuint(coverage.bytes, ==, bytes->len);
	}
}

/* Long enough for several marks, with characters of every width and halves of pairs. */
static void test_utf16_back(void)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	g_autoptr(GRand) rand = g_rand_new_with_seed(g_test_rand_int());
	const guint16 units[] = {'a', 'b', 0xe9, 0x20ac, 0xd83d, 0xde00, 0xfeff};
	for (guint i = 0; i < 9001; i++) {
		guint16 unit = units[g_rand_int_range(rand, 0, G_N_ELEMENTS(units))];
		guint8 both[2] = {unit & 0xff, unit >> 8};
		g_byte_array_append(bytes, both, i == 9000 ? 1 : 2);
	}
	struct content_text *text = content_text_new();
	g_assert_true(content_text_convert(text, bytes->data, bytes->len, CONTENT_UTF16_LE));
	g_assert_true(g_utf8_validate((const char *)text->data, (gssize)text->len, NULL));
	g_assert_cmpuint(content_text_source(text, text->len), ==, bytes->len);
	gsize last = text->source_at;
	for (gsize i = 0; i < text->len; i++) {
		gsize at = content_text_source(text, i);
		gboolean is_start = (text->data[i] & 0xc0) != 0x80;
		g_assert_true(i == 0 ? at == last : is_start ? at > last : at == last);
		last = at;
	}
	content_text_free(text);
}

static void test_binary(void)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	const char token[] = " KEY-ab12 ";
	g_byte_array_append(bytes, (const guint8 *)token, sizeof(token) - 1);
	g_byte_array_set_size(bytes, 10000);
	memset(bytes->data + sizeof(token) - 1, '.', bytes->len - sizeof(token) + 1);
	struct scan_coverage coverage;
	for (guint at = 8190; at < 8194; at++) {
		guint8 old = bytes->data[at];
		bytes->data[at] = 0;
		g_autofree char *found = scan_one(bytes->data, bytes->len, FALSE, &coverage);
		g_autofree char *forced = scan_one(bytes->data, bytes->len, TRUE, NULL);
		bytes->data[at] = old;
		g_assert_cmpint(*found != '\0', ==, at >= CONTENT_CLASS_BYTES);
		g_assert_cmpuint(coverage.gaps[SCAN_GAP_BINARY], ==, at < CONTENT_CLASS_BYTES);
		g_assert_cmpuint(coverage.scanned, ==, at >= CONTENT_CLASS_BYTES);
		g_assert_cmpuint(coverage.eligible, ==, 1);
		g_assert_true(*forced != '\0');
	}
	static const char *const odd[] = {"\xff\xfe\0\0A\0\0\0", "\0\0\xfe\xff\0\0\0A",
		"\1\0\2\0\3\0\4\0\5\0\6\0", "A\0B\0\0\0C\0\0D\0E", "\0"};
	static const gsize odd_len[] = {8, 8, 12, 11, 1};
	for (guint i = 0; i < G_N_ELEMENTS(odd); i++)
		g_assert_cmpint(
			content_class_find((const guint8 *)odd[i], odd_len[i]), ==, CONTENT_BINARY);
	g_assert_cmpint(content_class_find((const guint8 *)"", 0), ==, CONTENT_TEXT);
}

/* Blobs that go through the sieve in parts, with a secret over each seam of them. */
static void test_parts(void)
{
	gsize len = (gsize)5 << 20;
	g_autofree guint8 *bytes = g_malloc(len);
	memset(bytes, ',', len);
	guint n = 0;
	for (gsize at = 1 << 20; at < len; at += 1 << 20)
		for (gint k = -12; k <= 4; k += 8, n++)
			memcpy(bytes + at + k * 3, "KEY-ab12", 8);
	for (gsize at = 1 << 20; at < len; at += 1 << 20, n++)
		memcpy(bytes + at - 150 + 3, "0053454361534543", 16);
	memcpy(bytes + (1 << 20) - 8, "0053454361534543", 16); /* touched by two parts */
	g_autofree char *found = scan_one(bytes, len, FALSE, NULL);
	g_auto(GStrv) lines = g_strsplit(found, "\n", -1);
	guint tokens = 0, runs = 0;
	for (guint i = 0; lines[i] != NULL; i++) {
		tokens += strstr(lines[i], " rule 0 ") != NULL;
		runs += strstr(lines[i], " rule 3 ") != NULL;
	}
	g_assert_cmpuint(tokens, ==, 12 - 1);
	g_assert_cmpuint(runs, ==, 5);
}

/* More candidates than are kept for children: those are read in full and lose nothing. */
static void test_many(void)
{
	struct content_shared shared = {
		.blob_max_bytes = 64 << 20, .hits_max = G_MAXUINT32, .states_max = G_MAXINT64};
	struct content *content = content_new(&shared, NULL);
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; i < 2 * CONTENT_KEEP_MAX; i++)
		g_string_append(text, "pw=\n");
	g_string_append(text, "KEY-ab12\n");
	struct depot_object object = {
		.number = 1, .data = (const guint8 *)text->str, .len = (guint32)text->len};
	gpointer state = content_visit(content, &object);
	guint n;
	g_assert_null(content_state_candidates(state, &n));
	g_assert_cmpuint(content->hits->len, ==, 1);
	struct depot_piece piece = {0, 0, object.len};
	struct depot_object child = object;
	child.pieces = &piece;
	child.n_pieces = 1;
	child.base_len = object.len;
	child.base_state = state;
	gpointer child_state = content_visit(content, &child);
	g_assert_cmpuint(content->hits->len, ==, 2);
	g_assert_cmpuint(content->coverage.sieved, ==, 2 * object.len);
	content_forget(&shared, child_state);
	content_forget(&shared, state);

	/* A small base copied so often that carrying it over would cost more than reading. */
	g_autoptr(GString) small = g_string_new("pw=pw=pw=pw=pw=\nKEY-ab12\n");
	guint copies = 60000;
	g_autoptr(GString) large = g_string_new(NULL);
	g_autofree struct depot_piece *pieces = g_new(struct depot_piece, copies);
	for (guint i = 0; i < copies; i++) {
		pieces[i] = (struct depot_piece){(guint32)large->len, 0, (guint32)small->len};
		g_string_append(large, small->str);
	}
	object.data = (const guint8 *)small->str;
	object.len = (guint32)small->len;
	state = content_visit(content, &object);
	guint before = content->hits->len;
	child.data = (const guint8 *)large->str;
	child.len = (guint32)large->len;
	child.pieces = pieces;
	child.n_pieces = copies;
	child.base_len = object.len;
	child.base_state = state;
	content_forget(&shared, content_visit(content, &child));
	g_assert_cmpuint(content->hits->len - before, ==, copies);
	content_forget(&shared, state);
	content_free(content);
}

static void test_limits(void)
{
	struct content_shared shared = {.blob_max_bytes = 8, .hits_max = 1, .states_max = 0};
	struct content *content = content_new(&shared, NULL);
	content_bytes(content, 0, (const guint8 *)"KEY-ab12 ", 9);
	g_assert_cmpuint(content->coverage.gaps[SCAN_GAP_TOO_BIG], ==, 1);
	content_bytes(content, 1, (const guint8 *)"KEY-ab12", 8);
	content_bytes(content, 2, (const guint8 *)"KEY-cd12", 8);
	content_bytes(content, 3, (const guint8 *)"", 0);
	g_assert_cmpuint(content->hits->len, ==, 1);
	g_assert_cmpuint(content->coverage.hits_dropped, ==, 1);
	g_assert_cmpuint(content->coverage.eligible, ==, 4);
	g_assert_cmpuint(content->coverage.scanned, ==, 3);
	g_assert_true(scan_coverage_is_partly(&content->coverage));
	content_free(content);
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/content/random edits are found as in a full scan", test_edits);
	g_test_add_func("/content/classes may change from base to child", test_classes);
	g_test_add_func("/content/what is not kept is read in full", test_budget);
	g_test_add_func("/content/a hit has lines and columns", test_places);
	g_test_add_func(
		"/content/UTF-16 is read in both orders, with and without its mark", test_utf16);
	g_test_add_func("/content/places in UTF-8 lead back to UTF-16", test_utf16_back);
	g_test_add_func("/content/a NUL in the first 8 KiB is binary", test_binary);
	g_test_add_func("/content/large blobs are read in parts without a seam", test_parts);
	g_test_add_func("/content/very many candidates are not carried", test_many);
	g_test_add_func("/content/caps are kept and counted", test_limits);
	return check_run();
}
