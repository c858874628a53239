/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/scan/rule_builtin.h"
#include "jobs/scan/rule_file.h"
#include "jobs/scan/rule_set.h"
#include "lib/error.h"
#include "lib/hash.h"

/*
 * Files to a set. Layers, weakest first: our families; then each file with what it extends below
 * it. A layer's rule replaces one of the same id, or, when it has neither regex nor path, or its
 * file extends the other one, is laid over it field by field.
 */
#define EXTEND_MAX 4
#define FILES_MAX 256

struct builder {
	struct rule_private *set;
	GArray *drafts;     /* struct rule_draft */
	GHashTable *by_id;  /* id to its number and one */
	GArray *allowlists; /* struct rule_allowlist, of all rules */
	GArray *problems;   /* struct rule_problem */
	guint n_files;
};

static void builder_init(struct builder *b)
{
	*b = (struct builder){.set = g_new0(struct rule_private, 1),
		.drafts = g_array_new(FALSE, FALSE, sizeof(struct rule_draft)),
		.by_id = g_hash_table_new(hash_text, g_str_equal),
		.allowlists = g_array_new(FALSE, FALSE, sizeof(struct rule_allowlist)),
		.problems = g_array_new(FALSE, FALSE, sizeof(struct rule_problem))};
	b->set->docs = g_ptr_array_new_with_free_func((GDestroyNotify)toml_free);
	b->set->dropped = g_hash_table_new(hash_text, g_str_equal);
	b->set->memory = toml_parse("", "", 0, NULL);
	g_ptr_array_add(b->set->docs, b->set->memory);
}

static void builder_clear(struct builder *b)
{
	if (b->set != NULL)
		rule_set_free(&b->set->set);
	g_array_unref(b->drafts);
	g_hash_table_unref(b->by_id);
	g_array_unref(b->allowlists);
	g_array_unref(b->problems);
}

static const char *keep(struct builder *b, const char *text)
{
	return toml_copy(b->set->memory, text, strlen(text));
}

/* a's entries, then b's. */
static const char *const *join(struct toml *doc, const char *const *a, const char *const *b)
{
	if (a == NULL || *a == NULL)
		return b;
	if (b == NULL || *b == NULL)
		return a;
	guint n = g_strv_length((char **)a), m = g_strv_length((char **)b);
	const char **both = toml_take(doc, (n + m + 1) * sizeof *both);
	memcpy(both, a, n * sizeof *both);
	memcpy(both + n, b, m * sizeof *both);
	return both;
}

#define LAY(field)                                                                                 \
	do {                                                                                       \
		if (over->rule.field)                                                              \
			under->rule.field = over->rule.field;                                      \
	} while (0)

static void add_allowlists(
	struct toml *doc, struct rule_draft *under, const struct rule_draft *over)
{
	for (guint i = 0; i < over->rule.n_allowlists; i++)
		rule_draft_add_allowlist(doc, under, &over->rule.allowlists[i]);
}

/* As in gitleaks: what is said wins; tags, keywords and allowlists are added. */
static void lay_over(struct toml *doc, struct rule_draft *under, const struct rule_draft *over)
{
	struct rule *rule = &under->rule;

	if (over->rule.regex != NULL) {
		/* Ours were made for the other pattern. */
		rule->sieve = rule->context = rule->examples = rule->negatives = NULL;
		rule->checksum = NULL;
		rule->before = rule->behind = 0;
	}
	LAY(description);
	LAY(severity);
	LAY(specificity);
	LAY(regex);
	LAY(secret_group);
	LAY(sieve);
	LAY(path);
	LAY(entropy);
	LAY(checksum);
	LAY(before);
	LAY(behind);
	LAY(context);
	LAY(within);
	LAY(examples);
	LAY(negatives);
	LAY(rotate);
	LAY(remedy);
	if (over->rule.n_required > 0) {
		rule->required = over->rule.required;
		rule->n_required = over->rule.n_required;
	}
	rule->tags = join(doc, rule->tags, over->rule.tags);
	rule->keywords = join(doc, rule->keywords, over->rule.keywords);
	add_allowlists(doc, under, over);
	rule->flags = (rule->flags & ~over->flags_given) | (over->rule.flags & over->flags_given);
	under->flags_given |= over->flags_given;
	rule->source = over->rule.source;
	rule->line = over->rule.line;
	rule->is_builtin = FALSE;
}
#undef LAY

gboolean rule_is_called(const struct rule *rule, const char *name)
{
	if (rule->id == NULL)
		return FALSE;
	return !strcmp(rule->id, name) ||
	       (rule->aliases != NULL && g_strv_contains(rule->aliases, name));
}

/* Whether the list has all that it is for other scanners: it may be several rules of theirs. */
static gboolean is_covered(const struct rule *rule, const char *const *list)
{
	if (rule->id == NULL || g_strv_contains(list, rule->id))
		return rule->id != NULL;
	if (rule->aliases == NULL || *rule->aliases == NULL)
		return FALSE;
	for (const char *const *at = rule->aliases; *at != NULL; at++)
		if (!g_strv_contains(list, *at))
			return FALSE;
	return TRUE;
}

/*
 * A foreign file speaks of rules by the names of its scanner: what it changes of one is changed in
 * each of ours that is called so. One that is more than that gets the allowlists alone. FALSE when
 * there is none.
 */
static gboolean lay_over_called(struct builder *b, const struct rule_draft *draft)
{
	const char *const names[] = {draft->rule.id, NULL};
	gboolean is_there = FALSE;

	for (guint i = 0; i < b->drafts->len; i++) {
		struct rule_draft *under = &g_array_index(b->drafts, struct rule_draft, i);
		if (!rule_is_called(&under->rule, draft->rule.id))
			continue;
		if (is_covered(&under->rule, names))
			lay_over(b->set->memory, under, draft);
		else
			add_allowlists(b->set->memory, under, draft);
		is_there = TRUE;
	}
	return is_there;
}

/* A rule that is taken out stays as a hole: id NULL. */
static void drop(struct builder *b, struct rule *rule)
{
	g_hash_table_remove(b->by_id, rule->id);
	rule->id = NULL;
}

/* Every rule that these names cover, but for draft `except` - 1. */
static void drop_covered(struct builder *b, const char *const *names, guint except)
{
	for (guint i = 0; i < b->drafts->len; i++) {
		struct rule *rule = &g_array_index(b->drafts, struct rule_draft, i).rule;
		if (i + 1 != except && is_covered(rule, names))
			drop(b, rule);
	}
}

static gboolean has_called(struct builder *b, const char *name)
{
	for (guint i = 0; i < b->drafts->len; i++)
		if (rule_is_called(&g_array_index(b->drafts, struct rule_draft, i).rule, name))
			return TRUE;
	return FALSE;
}

static gboolean add_draft(struct builder *b, struct rule_file *file, struct rule_draft *draft,
	gboolean is_over, GError **error)
{
	guint at = GPOINTER_TO_UINT(g_hash_table_lookup(b->by_id, draft->rule.id));
	gboolean is_whole = draft->rule.regex != NULL || draft->rule.path != NULL;
	gboolean is_foreign = file->is_foreign && (is_over || !is_whole);
	const char *const names[] = {draft->rule.id, NULL};

	if (is_foreign && draft->rule.regex == NULL && lay_over_called(b, draft))
		return TRUE;
	if (is_foreign && !is_whole) {
		rule_problem_add(file, RULE_PROBLEM_DROPPED, draft->rule.line, draft->rule.id,
			"it has neither regex nor path, and there is none to change");
		return TRUE;
	}
	if (is_foreign)
		drop_covered(b, names, at);
	if (at > 0) {
		struct rule_draft *old = &g_array_index(b->drafts, struct rule_draft, at - 1);
		if (old->rule.source == file->name && file->is_foreign) {
			rule_problem_add(file, RULE_PROBLEM_DROPPED, old->rule.line, old->rule.id,
				"line %u has another rule of this id, which stands instead",
				draft->rule.line);
			*old = *draft;
			return TRUE;
		}
		if (old->rule.source == file->name || (old->rule.is_builtin && file->is_builtin))
			return rule_file_fail(file, draft->rule.line, error,
				"rule '%s' is already in line %u of %s", draft->rule.id,
				old->rule.line, old->rule.source);
		if (is_over || !is_whole)
			lay_over(b->set->memory, old, draft);
		else
			*old = *draft;
		return TRUE;
	}
	if (!is_whole)
		return rule_file_fail(file, draft->rule.line, error,
			"rule '%s' has neither regex nor path, and there is none to change",
			draft->rule.id);
	if (b->drafts->len == RULE_MAX) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "%s:%u: more than %d rules",
			file->name, draft->rule.line, RULE_MAX);
		return FALSE;
	}
	g_array_append_val(b->drafts, *draft);
	g_hash_table_insert(b->by_id, (gpointer)draft->rule.id, GUINT_TO_POINTER(b->drafts->len));
	return TRUE;
}

/* Becomes the owner of the document. */
static gboolean take(struct builder *b, struct rule_file *file, struct toml *doc, GError **error)
{
	file->problems = b->problems;
	file->doc = doc;
	g_ptr_array_add(b->set->docs, doc);
	return rule_file_read(file, error);
}

static gboolean parse(
	struct builder *b, struct rule_file *file, const char *text, gsize len, GError **error)
{
	struct toml *doc = toml_parse(file->name, text, len, error);

	return doc != NULL && take(b, file, doc, error);
}

static void check_targets(
	struct builder *b, struct rule_file *file, const struct rule_allowlist *list)
{
	for (const char *const *id = list->rules; *id != NULL; id++)
		if (!has_called(b, *id))
			rule_problem_add(file, RULE_PROBLEM_UNKNOWN, list->line, NULL,
				"targetRules: there is no rule '%s'", *id);
}

/* Everything that a file says, over what is there. */
static gboolean add_file(
	struct builder *b, struct rule_file *file, gboolean is_over, GError **error)
{
	for (guint i = 0; file->disabled[i] != NULL; i++)
		if (!has_called(b, file->disabled[i]))
			rule_problem_add(file, RULE_PROBLEM_UNKNOWN, file->extend_line, NULL,
				"disabledRules: there is no rule '%s'", file->disabled[i]);
	drop_covered(b, file->disabled, 0);
	for (guint i = 0; i < file->n; i++)
		if (!add_draft(b, file, &file->drafts[i], is_over, error))
			return FALSE;
	for (guint i = 0; i < file->n_allowlists; i++)
		check_targets(b, file, &file->allowlists[i]);
	if (file->n_allowlists > 0)
		g_array_append_vals(b->allowlists, file->allowlists, file->n_allowlists);
	return TRUE;
}

/* Our own files, which are read in two threads: half a megabyte at the start of each scan. */
struct builtin {
	char *name;
	const char *text;
	gsize len;
	struct toml *doc;
	GError *error;
};

struct builtins {
	GArray *files; /* struct builtin */
	guint next;    /* atomic */
};

static void builtin_clear(gpointer data)
{
	struct builtin *file = data;

	g_free(file->name);
	toml_free(file->doc);
	g_clear_error(&file->error);
}

static void builtins_list(GArray *files)
{
	gsize len;
	const char *at = rule_builtin(&len), *end = at + len;

	while (at < end) {
		/* "#@ name\n", the file, and the next such line. */
		const char *line = memchr(at, '\n', (gsize)(end - at));
		if (line == NULL || !g_str_has_prefix(at, "#@ "))
			break;
		const char *next = memmem(line, (gsize)(end - line), "\n#@ ", 4);
		next = next ? next + 1 : end;
		struct builtin file = {.name = g_strndup(at + 3, (gsize)(line - at - 3)),
			.text = line + 1,
			.len = (gsize)(next - line - 1)};
		g_array_append_val(files, file);
		at = next;
	}
}

static gpointer builtins_parse(gpointer data)
{
	struct builtins *all = data;
	guint i;

	while ((i = __atomic_fetch_add(&all->next, 1, __ATOMIC_RELAXED)) < all->files->len) {
		struct builtin *file = &g_array_index(all->files, struct builtin, i);
		file->doc = toml_parse(file->name, file->text, file->len, &file->error);
	}
	return NULL;
}

static gboolean add_builtin(struct builder *b, GError **error)
{
	g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(struct builtin));
	struct builtins all = {.files = files};

	g_array_set_clear_func(files, builtin_clear);
	builtins_list(files);
	GThread *other = g_thread_try_new("rules", builtins_parse, &all, NULL);
	builtins_parse(&all);
	if (other != NULL)
		g_thread_join(other);
	for (guint i = 0; i < files->len; i++) {
		struct builtin *read = &g_array_index(files, struct builtin, i);
		struct rule_file file = {.name = keep(b, read->name), .is_builtin = TRUE};
		if (read->doc == NULL) {
			g_propagate_error(error, g_steal_pointer(&read->error));
			return FALSE;
		}
		if (!take(b, &file, g_steal_pointer(&read->doc), error) ||
			!add_file(b, &file, FALSE, error))
			return FALSE;
	}
	return TRUE;
}

/* At most RULE_FILE_MAX bytes of a plain file. */
static char *load(const char *path, gsize *len, GError **error)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) != 0) {
		int code = errno;
		if (fd >= 0)
			close(fd);
		g_set_error(error, MUSTER_ERROR,
			code == ENOENT ? MUSTER_ERROR_MISSING : MUSTER_ERROR_IO, "rule file %s: %s",
			path, g_strerror(code));
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > RULE_FILE_MAX) {
		close(fd);
		if (S_ISREG(st.st_mode))
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
				"rule file %s: larger than %d MiB", path, RULE_FILE_MAX >> 20);
		else
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
				"rule file %s: is no plain file", path);
		return NULL;
	}
	gsize size = (gsize)st.st_size, have = 0;
	g_autofree char *text = g_malloc(size + 1);
	while (have < size) {
		ssize_t n = read(fd, text + have, size - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "rule file %s: %s", path,
				g_strerror(errno));
			close(fd);
			return NULL;
		}
		if (n == 0)
			break;
		have += (gsize)n;
	}
	close(fd);
	*len = have;
	return g_steal_pointer(&text);
}

/* Whether our rules are below this file, or what it extends: read once, cheaply, beforehand. */
static gboolean wants_builtin(const struct rule_file *file)
{
	return file->use_default == TRUE || (file->use_default < 0 && !file->is_foreign);
}

/* Below it comes what it extends: a path is looked up beside the file that names it. */
static gboolean add_path(struct builder *b, struct rule_file *file, guint depth, GError **error)
{
	if (file->extend_path != NULL) {
		if (depth == EXTEND_MAX || b->n_files >= FILES_MAX)
			return rule_file_fail(file, file->extend_line, error,
				"extend.path: more than %d files on top of one another",
				EXTEND_MAX);
		g_autofree char *folder = g_path_get_dirname(file->name);
		g_autofree char *path = g_path_is_absolute(file->extend_path)
						? g_strdup(file->extend_path)
						: g_build_filename(folder, file->extend_path, NULL);
		/* gitleaks looks from where it is started. */
		if (file->is_foreign && !g_file_test(path, G_FILE_TEST_EXISTS) &&
			g_file_test(file->extend_path, G_FILE_TEST_EXISTS)) {
			g_free(path);
			path = g_strdup(file->extend_path);
		}
		gsize len;
		g_autofree char *text = load(path, &len, error);
		if (text == NULL) {
			g_prefix_error(error, "%s:%u: ", file->name, file->extend_line);
			return FALSE;
		}
		b->n_files++;
		struct rule_file below = {.name = keep(b, path)};
		if (!parse(b, &below, text, len, error) || !add_path(b, &below, depth + 1, error))
			return FALSE;
	}
	return add_file(b, file, file->extend_path != NULL || file->use_default == TRUE, error);
}

static gboolean load_paths(struct builder *b, const struct rule_options *options, GError **error)
{
	guint n = options->paths ? g_strv_length((char **)options->paths) : 0;
	g_autofree struct rule_file *files = g_new0(struct rule_file, n + 1);
	gboolean is_builtin = n == 0;

	for (guint i = 0; i < n; i++) {
		gsize len;
		g_autofree char *text = load(options->paths[i], &len, error);
		if (text == NULL)
			return FALSE;
		files[i].name = keep(b, options->paths[i]);
		if (!parse(b, &files[i], text, len, error))
			return FALSE;
		is_builtin |= wants_builtin(&files[i]);
	}
	/* Of several the first; useDefault = false says that it is meant. */
	for (guint i = n; i-- > 0 && !is_builtin;)
		if (files[i].is_foreign && files[i].use_default < 0)
			b->set->set.alone = files[i].name;
	for (guint i = 0; i < n && options->no_builtin; i++)
		is_builtin &= files[i].use_default == TRUE;
	if (is_builtin && !(options->no_builtin && n == 0) && !add_builtin(b, error))
		return FALSE;
	for (guint i = 0; i < n; i++)
		if (!add_path(b, &files[i], 1, error))
			return FALSE;
	return TRUE;
}

gboolean rule_has_name(const struct rule *rule, const char *name)
{
	return rule_is_called(rule, name) || !g_strcmp0(rule->family, name);
}

gboolean rule_is_named(const struct rule *rule, const char *name, enum rule_name kind)
{
	if (kind == RULE_NAME_OURS)
		return !g_strcmp0(rule->id, name) || !g_strcmp0(rule->family, name);
	return kind == RULE_NAME_ALIAS && rule_has_name(rule, name);
}

static enum rule_name name_kind(const struct rule *rule, const char *name)
{
	return rule->id == NULL                             ? RULE_NAME_UNKNOWN
	       : rule_is_named(rule, name, RULE_NAME_OURS)  ? RULE_NAME_OURS
	       : rule_is_named(rule, name, RULE_NAME_ALIAS) ? RULE_NAME_ALIAS
							    : RULE_NAME_UNKNOWN;
}

/* The best that it is among all drafts. */
static enum rule_name draft_name(const struct builder *b, const char *name)
{
	enum rule_name kind = RULE_NAME_UNKNOWN;

	for (guint i = 0; i < b->drafts->len; i++)
		kind = MAX(kind,
			name_kind(&g_array_index(b->drafts, struct rule_draft, i).rule, name));
	return kind;
}

static gboolean is_chosen(
	const struct rule *rule, const char *const *list, const enum rule_name *kinds)
{
	for (guint i = 0; list[i] != NULL; i++)
		if (rule_is_named(rule, list[i], kinds[i]))
			return TRUE;
	return FALSE;
}

/* aliases: those of the list that are nothing else. */
static gboolean is_left_out(
	const struct rule *rule, const char *const *list, const char *const *aliases)
{
	return g_strv_contains(list, rule->id) || is_covered(rule, aliases) ||
	       (rule->family != NULL && g_strv_contains(list, rule->family));
}

static void dropped_add(GHashTable *dropped, const char *name, enum rule_name kind)
{
	if (name != NULL && (int)kind > GPOINTER_TO_INT(g_hash_table_lookup(dropped, name)))
		g_hash_table_insert(dropped, (gpointer)name, GINT_TO_POINTER(kind));
}

/* A choice leaves rules out, and an ignore file may speak of them all the same. */
static void drop_chosen(struct builder *b, struct rule *rule)
{
	GHashTable *dropped = b->set->dropped;

	dropped_add(dropped, rule->id, RULE_NAME_OURS);
	dropped_add(dropped, rule->family, RULE_NAME_OURS);
	for (guint i = 0; rule->aliases != NULL && rule->aliases[i] != NULL; i++)
		dropped_add(dropped, rule->aliases[i], RULE_NAME_ALIAS);
	drop(b, rule);
}

/* What each name of a list is; NULL with an error for one that fits nothing: a mistake. */
static enum rule_name *names_find(const struct builder *b, const char *const *list, GError **error)
{
	guint n = list != NULL ? g_strv_length((char **)list) : 0;
	g_autofree enum rule_name *kinds = g_new0(enum rule_name, n + 1);

	for (guint i = 0; i < n; i++) {
		kinds[i] = draft_name(b, list[i]);
		if (kinds[i] != RULE_NAME_UNKNOWN)
			continue;
		g_autofree char *alone = rule_set_alone_text(&b->set->set);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"there is no rule or family '%s'; %s", list[i],
			alone != NULL ? alone : "'muster rules list' has them all");
		return NULL;
	}
	return g_steal_pointer(&kinds);
}

/* From --enable-rule and --disable-rule. */
static gboolean choose(struct builder *b, const struct rule_options *options, GError **error)
{
	g_autofree enum rule_name *only = names_find(b, options->only, error);
	g_autofree enum rule_name *without =
		only != NULL ? names_find(b, options->without, error) : NULL;
	g_autoptr(GPtrArray) aliases = g_ptr_array_new();

	if (without == NULL)
		return FALSE;
	for (guint i = 0; options->without != NULL && options->without[i] != NULL; i++)
		if (without[i] == RULE_NAME_ALIAS)
			g_ptr_array_add(aliases, (gpointer)options->without[i]);
	g_ptr_array_add(aliases, NULL);
	const char *const *names = (const char *const *)aliases->pdata;
	for (guint i = 0; i < b->drafts->len; i++) {
		struct rule *rule = &g_array_index(b->drafts, struct rule_draft, i).rule;
		if (rule->id == NULL)
			continue;
		if ((options->only != NULL && !is_chosen(rule, options->only, only)) ||
			(options->without != NULL && is_left_out(rule, options->without, names)))
			drop_chosen(b, rule);
	}
	return TRUE;
}

static struct rule_set *finish(struct builder *b, GError **error)
{
	struct rule_private *set = b->set;

	if (!rule_set_finish(set, b->drafts, b->allowlists, b->problems, error))
		return NULL;
	b->set = NULL;
	return &set->set;
}

struct rule_set *rule_set_load(const struct rule_options *options, GError **error)
{
	struct builder b;
	struct rule_set *set = NULL;

	builder_init(&b);
	if (load_paths(&b, options, error) && choose(&b, options, error))
		set = finish(&b, error);
	builder_clear(&b);
	return set;
}

struct rule_set *rule_set_parse(const char *name, const char *text, gsize len, GError **error)
{
	struct builder b;
	struct rule_set *set = NULL;

	builder_init(&b);
	struct rule_file file = {.name = keep(&b, name)};
	if (parse(&b, &file, text, len, error) && add_file(&b, &file, FALSE, error))
		set = finish(&b, error);
	builder_clear(&b);
	return set;
}

void rule_set_free(struct rule_set *set)
{
	if (set == NULL)
		return;
	struct rule_private *private = (struct rule_private *)set;
	g_hash_table_unref(private->dropped);
	g_ptr_array_unref(private->docs);
	g_free(private);
}

enum rule_name rule_set_name(const struct rule_set *set, const char *name)
{
	const struct rule_private *private = (const struct rule_private *)set;
	enum rule_name kind = GPOINTER_TO_UINT(g_hash_table_lookup(private->dropped, name));

	for (guint i = 0; i < set->n; i++)
		kind = MAX(kind, name_kind(&set->rules[i], name));
	return kind;
}

char *rule_set_alone_text(const struct rule_set *set)
{
	return set->alone != NULL
		       ? g_strdup_printf(
				 "%s: read as a file in gitleaks' form, since it has no "
				 "[family]: Muster's own rules are off; '[extend] useDefault = "
				 "true' in it adds them",
				 set->alone)
		       : NULL;
}

const struct rule *rule_find(const struct rule_set *set, const char *id)
{
	for (guint i = 0; i < set->n; i++)
		if (!strcmp(set->rules[i].id, id))
			return &set->rules[i];
	return NULL;
}
