/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/gitconfig.h"
#include "jobs/git/readfile.h"

#include "lib/error.h"

#include <fcntl.h>
#include <string.h>

#define INCLUDE_DEPTH_MAX 10

struct parser {
	const char *at;
	const char *end;
	guint line;
	GString *value;
};

struct gitconfig *gitconfig_new(void)
{
	struct gitconfig *c = g_new0(struct gitconfig, 1);

	c->entries = g_array_new(FALSE, FALSE, sizeof(struct gitconfig_entry));
	c->text = g_string_chunk_new(1024);
	return c;
}

void gitconfig_free(struct gitconfig *c)
{
	if (c == NULL)
		return;
	g_array_unref(c->entries);
	g_string_chunk_free(c->text);
	g_free(c);
}

/* A carriage return before a newline counts as the newline; the end of the file as well. */
static int next(struct parser *p)
{
	if (p->at == p->end)
		return '\n';
	if (*p->at == '\r' && p->end - p->at > 1 && p->at[1] == '\n')
		p->at++;
	if (*p->at == '\n')
		p->line++;
	return (unsigned char)*p->at++;
}

static gboolean broken(const struct parser *p, const char *what, GError **error)
{
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
		"the configuration is broken in line %u: %s", p->line, what);
	return FALSE;
}

static gboolean section_parse(struct parser *p, struct gitconfig *c, const char **section,
	const char **subsection, GError **error)
{
	g_autoptr(GString) name = g_string_new(NULL);
	int ch;

	*subsection = NULL;
	for (;;) {
		if (p->at == p->end)
			return broken(p, "a section has no end", error);
		ch = next(p);
		if (ch == ']')
			break;
		if (ch == ' ' || ch == '\t')
			goto quoted;
		if (!g_ascii_isalnum(ch) && ch != '-' && ch != '.')
			return broken(p, "a section has a wrong name", error);
		g_string_append_c(name, g_ascii_tolower(ch));
	}
	/* The old form [section.sub]: everything behind the first dot is the subsection. */
	char *dot = strchr(name->str, '.');
	if (dot != NULL) {
		*subsection = g_string_chunk_insert(c->text, dot + 1);
		g_string_truncate(name, dot - name->str);
	}
	*section = g_string_chunk_insert(c->text, name->str);
	return TRUE;

quoted:
	while (ch == ' ' || ch == '\t')
		ch = p->at == p->end ? '\n' : next(p);
	if (ch != '"')
		return broken(p, "a section has a wrong name", error);
	*section = g_string_chunk_insert(c->text, name->str);
	g_string_truncate(name, 0);
	for (;;) {
		ch = next(p);
		if (ch == '\n')
			return broken(p, "a section's name has no end", error);
		if (ch == '"')
			break;
		if (ch == '\\') {
			ch = next(p);
			if (ch == '\n')
				return broken(p, "a section's name has no end", error);
		}
		if (ch == '\0')
			return broken(p, "a zero byte", error);
		g_string_append_c(name, (char)ch);
	}
	if (next(p) != ']')
		return broken(p, "a section has no end", error);
	*subsection = g_string_chunk_insert(c->text, name->str);
	return TRUE;
}

/* Behind the `=`: up to the end of the line, with quotes, escapes, comments and continuation. */
static gboolean value_parse(struct parser *p, GError **error)
{
	gboolean is_quoted = FALSE;
	gsize spaces = 0;

	g_string_truncate(p->value, 0);
	for (;;) {
		int ch = next(p);
		if (ch == '\n') {
			if (is_quoted)
				return broken(p, "a quoted value has no end", error);
			return TRUE;
		}
		if (ch == '\0')
			return broken(p, "a zero byte", error);
		if (!is_quoted &&
			(ch == ' ' || ch == '\t' || ch == '\r' || ch == '\f' || ch == '\v')) {
			if (p->value->len > 0)
				spaces++;
			continue;
		}
		if (!is_quoted && (ch == ';' || ch == '#')) {
			while (next(p) != '\n')
				;
			return TRUE;
		}
		for (; spaces > 0; spaces--)
			g_string_append_c(p->value, ' ');
		if (ch == '\\') {
			ch = next(p);
			switch (ch) {
			case '\n':
				if (p->at == p->end)
					return TRUE;
				continue;
			case 't':
				ch = '\t';
				break;
			case 'b':
				ch = '\b';
				break;
			case 'n':
				ch = '\n';
				break;
			case '\\':
			case '"':
				break;
			default:
				return broken(p, "an unknown escape", error);
			}
		} else if (ch == '"') {
			is_quoted = !is_quoted;
			continue;
		}
		g_string_append_c(p->value, (char)ch);
	}
}

static gboolean entry_parse(struct parser *p, struct gitconfig *c, const char *section,
	const char *subsection, int ch, GError **error)
{
	struct gitconfig_entry entry = {.section = section, .subsection = subsection};
	char key[256];
	gsize len = 0;

	if (section == NULL)
		return broken(p, "a key before the first section", error);
	if (!g_ascii_isalpha(ch))
		return broken(p, "a key must begin with a letter", error);
	while (g_ascii_isalnum(ch) || ch == '-') {
		if (len == sizeof(key) - 1)
			return broken(p, "a key is too long", error);
		key[len++] = g_ascii_tolower(ch);
		ch = next(p);
	}
	key[len] = '\0';
	while (ch == ' ' || ch == '\t')
		ch = next(p);
	entry.key = g_string_chunk_insert_const(c->text, key);
	if (ch == '=') {
		if (!value_parse(p, error))
			return FALSE;
		entry.value = g_string_chunk_insert_len(c->text, p->value->str, p->value->len);
	} else if (ch == '#' || ch == ';') {
		while (next(p) != '\n')
			;
	} else if (ch != '\n') {
		return broken(p, "something follows a key", error);
	}
	if (c->entries->len >= GITCONFIG_ENTRIES_MAX)
		return broken(p, "too many entries", error);
	g_array_append_val(c->entries, entry);
	return TRUE;
}

gboolean gitconfig_parse(struct gitconfig *c, const char *data, gsize len, GError **error)
{
	g_autoptr(GString) value = g_string_sized_new(128);
	struct parser p = {.at = data, .end = data + len, .line = 1, .value = value};
	const char *section = NULL, *subsection = NULL;

	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
		p.at += 3;
	while (p.at < p.end) {
		int ch = next(&p);
		if (ch == '\n' || g_ascii_isspace(ch))
			continue;
		if (ch == '#' || ch == ';') {
			while (next(&p) != '\n')
				;
		} else if (ch == '[') {
			if (!section_parse(&p, c, &section, &subsection, error))
				return FALSE;
		} else if (!entry_parse(&p, c, section, subsection, ch, error)) {
			return FALSE;
		}
	}
	return TRUE;
}

gboolean gitconfig_load(struct gitconfig *c, int dir_fd, const char *name, GError **error)
{
	g_autofree char *data = NULL;
	gsize len;
	enum readfile_result result =
		readfile_load(dir_fd, name, 0, GITCONFIG_FILE_MAX_BYTES, &data, &len);

	if (result == READFILE_TOO_BIG) {
		g_set_error_literal(
			error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "the configuration is too big");
		return FALSE;
	}
	if (result != READFILE_OK)
		return TRUE;
	return gitconfig_parse(c, data, len, error);
}

static void user_load(struct gitconfig *c, const char *path, int depth);

/* Relative to the file that includes it, or to the person's home. */
static void include_load(struct gitconfig *c, const char *from, const char *path, int depth)
{
	g_autofree char *folder = g_path_get_dirname(from);
	g_autofree char *full = NULL;
	const char *home = g_getenv("HOME");

	if (g_str_has_prefix(path, "~/") && home != NULL)
		full = g_build_filename(home, path + 2, NULL);
	else if (g_path_is_absolute(path))
		full = g_strdup(path);
	else
		full = g_build_filename(folder, path, NULL);
	user_load(c, full, depth + 1);
}

/* A person's own file may include others of theirs; what they say comes where they are named. */
static void user_load(struct gitconfig *c, const char *path, int depth)
{
	g_autoptr(Gitconfig) own = gitconfig_new();

	if (depth > INCLUDE_DEPTH_MAX || !gitconfig_load(own, AT_FDCWD, path, NULL))
		return;
	for (guint i = 0; i < own->entries->len; i++) {
		struct gitconfig_entry e = g_array_index(own->entries, struct gitconfig_entry, i);
		if (c->entries->len >= GITCONFIG_ENTRIES_MAX)
			return;
		e.section = g_string_chunk_insert_const(c->text, e.section);
		e.key = g_string_chunk_insert_const(c->text, e.key);
		if (e.subsection != NULL)
			e.subsection = g_string_chunk_insert_const(c->text, e.subsection);
		if (e.value != NULL)
			e.value = g_string_chunk_insert(c->text, e.value);
		g_array_append_val(c->entries, e);
		if (strcmp(e.section, "include") == 0 && strcmp(e.key, "path") == 0 &&
			e.subsection == NULL && e.value != NULL)
			include_load(c, path, e.value, depth);
	}
}

struct gitconfig *gitconfig_new_user(void)
{
	struct gitconfig *c = gitconfig_new();
	const char *home = g_getenv("HOME");
	const char *xdg = g_getenv("XDG_CONFIG_HOME");
	const char *system = g_getenv("GIT_CONFIG_SYSTEM");
	const char *global = g_getenv("GIT_CONFIG_GLOBAL");

	if (!gitconfig_bool(g_getenv("GIT_CONFIG_NOSYSTEM"), FALSE))
		user_load(c, system != NULL ? system : "/etc/gitconfig", 0);
	if (global != NULL) {
		user_load(c, global, 0);
		return c;
	}
	if (xdg != NULL && xdg[0] != '\0') {
		g_autofree char *path = g_build_filename(xdg, "git", "config", NULL);
		user_load(c, path, 0);
	} else if (home != NULL) {
		g_autofree char *path = g_build_filename(home, ".config/git/config", NULL);
		user_load(c, path, 0);
	}
	if (home != NULL) {
		g_autofree char *path = g_build_filename(home, ".gitconfig", NULL);
		user_load(c, path, 0);
	}
	return c;
}

const char *gitconfig_find(
	const struct gitconfig *c, const char *section, const char *subsection, const char *key)
{
	for (guint i = c->entries->len; i-- > 0;) {
		const struct gitconfig_entry *e =
			&g_array_index(c->entries, struct gitconfig_entry, i);
		if (strcmp(e->key, key) == 0 && strcmp(e->section, section) == 0 &&
			g_strcmp0(e->subsection, subsection) == 0)
			return e->value != NULL ? e->value : "true";
	}
	return NULL;
}

gboolean gitconfig_bool(const char *value, gboolean otherwise)
{
	if (value == NULL)
		return otherwise;
	if (g_ascii_strcasecmp(value, "true") == 0 || g_ascii_strcasecmp(value, "yes") == 0 ||
		g_ascii_strcasecmp(value, "on") == 0)
		return TRUE;
	if (value[0] == '\0' || g_ascii_strcasecmp(value, "false") == 0 ||
		g_ascii_strcasecmp(value, "no") == 0 || g_ascii_strcasecmp(value, "off") == 0)
		return FALSE;
	char *end;
	gint64 number = g_ascii_strtoll(value, &end, 10);
	if (*end != '\0')
		return otherwise;
	return number != 0;
}
