/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_owner.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean is_own(uid_t owner)
{
	const char *caller = g_getenv("SUDO_UID");
	guint64 uid;

	if (owner == geteuid())
		return TRUE;
	return geteuid() == 0 && caller != NULL &&
	       g_ascii_string_to_unsigned(caller, 10, 0, G_MAXUINT32 - 1, &uid, NULL) &&
	       owner == (uid_t)uid;
}

/* What is not there belongs to nobody else. */
static gboolean is_own_place(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT || errno == ENOTDIR;
	if (!is_own(st.st_uid))
		return FALSE;
	return !S_ISLNK(st.st_mode) || (stat(path, &st) == 0 && is_own(st.st_uid));
}

static gboolean is_named(const char *value, const char *folder)
{
	const char *home = g_getenv("HOME");
	g_autofree char *full = g_str_has_prefix(value, "~/") && home != NULL
					? g_build_filename(home, value + 2, NULL)
					: g_strdup(value);
	gsize len = strlen(full);

	if (!strcmp(full, "*"))
		return TRUE;
	if (len >= 2 && !strcmp(full + len - 2, "/*"))
		return !strncmp(folder, full, len - 1);
	while (len > 1 && full[len - 1] == '/')
		full[--len] = '\0';
	return !strcmp(full, folder);
}

/* safe.directory: an empty one takes back those before it. */
static gboolean is_listed(const struct gitconfig *user, const char *folder)
{
	gboolean is_safe = FALSE;

	for (guint i = 0; i < user->entries->len; i++) {
		const struct gitconfig_entry *entry =
			&g_array_index(user->entries, struct gitconfig_entry, i);
		if (strcmp(entry->section, "safe") != 0 || entry->subsection != NULL ||
			strcmp(entry->key, "directory") != 0 || entry->value == NULL)
			continue;
		is_safe = *entry->value != '\0' && (is_safe || is_named(entry->value, folder));
	}
	return is_safe;
}

gboolean scan_owner_is_trusted(const char *folder, const struct gitconfig *user)
{
	g_autofree char *git = g_build_filename(folder, ".git", NULL);

	return (is_own_place(folder) && is_own_place(git)) ||
	       (user != NULL && is_listed(user, folder));
}
