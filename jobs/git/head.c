/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/head.h"

#include <fnmatch.h>
#include <string.h>

#include "lib/error.h"

#define PATH_MAX_BYTES 4096
#define PUBLIC_MAX_BYTES (256 * 1024)
#define MODE_TYPE 0170000
#define MODE_FOLDER 0040000
#define MODE_FILE 0100000

/* clang-format off */

/* Patterns over the whole path in small letters; '*' does not match '/'. */
static const struct {
	const char *pattern;
	unsigned part;
} parts[] = {
	{ "readme", HEAD_PART_README },
	{ "readme.*", HEAD_PART_README },
	{ ".github/readme.*", HEAD_PART_README },
	{ "docs/readme.*", HEAD_PART_README },
	{ "license", HEAD_PART_LICENSE },
	{ "license.*", HEAD_PART_LICENSE },
	{ "license-*", HEAD_PART_LICENSE },
	{ "licence", HEAD_PART_LICENSE },
	{ "licence.*", HEAD_PART_LICENSE },
	{ "copying", HEAD_PART_LICENSE },
	{ "copying.*", HEAD_PART_LICENSE },
	{ "copyright", HEAD_PART_LICENSE },
	{ "unlicense", HEAD_PART_LICENSE },
	{ "licenses/*", HEAD_PART_LICENSE },	/* REUSE */
	{ "security", HEAD_PART_SECURITY },
	{ "security.*", HEAD_PART_SECURITY },
	{ ".github/security.*", HEAD_PART_SECURITY },
	{ "docs/security.*", HEAD_PART_SECURITY },
	{ "codeowners", HEAD_PART_CODEOWNERS },
	{ ".github/codeowners", HEAD_PART_CODEOWNERS },
	{ ".gitlab/codeowners", HEAD_PART_CODEOWNERS },
	{ ".gitea/codeowners", HEAD_PART_CODEOWNERS },
	{ "docs/codeowners", HEAD_PART_CODEOWNERS },
	{ ".github/workflows/*.yml", HEAD_PART_CI },
	{ ".github/workflows/*.yaml", HEAD_PART_CI },
	{ ".gitea/workflows/*.y*ml", HEAD_PART_CI },
	{ ".forgejo/workflows/*.y*ml", HEAD_PART_CI },
	{ ".gitlab-ci.yml", HEAD_PART_CI },
	{ ".circleci/config.yml", HEAD_PART_CI },
	{ ".travis.yml", HEAD_PART_CI },
	{ ".cirrus.yml", HEAD_PART_CI },
	{ ".drone.yml", HEAD_PART_CI },
	{ ".woodpecker.y*ml", HEAD_PART_CI },
	{ ".woodpecker/*.y*ml", HEAD_PART_CI },
	{ ".buildkite/*", HEAD_PART_CI },
	{ ".builds/*.yml", HEAD_PART_CI },
	{ ".build.yml", HEAD_PART_CI },
	{ ".ci/*", HEAD_PART_CI },
	{ "jenkinsfile", HEAD_PART_CI },
	{ "azure-pipelines.yml", HEAD_PART_CI },
	{ "bitbucket-pipelines.yml", HEAD_PART_CI },
	{ "appveyor.yml", HEAD_PART_CI },
	{ ".appveyor.yml", HEAD_PART_CI },
	{ ".gitignore", HEAD_PART_GITIGNORE },
	{ ".github/dependabot.y*ml", HEAD_PART_UPDATE_TOOL },
	{ "renovate.json*", HEAD_PART_UPDATE_TOOL },
	{ ".renovaterc*", HEAD_PART_UPDATE_TOOL },
	{ ".github/renovate.json*", HEAD_PART_UPDATE_TOOL },
	{ ".gitlab/renovate.json*", HEAD_PART_UPDATE_TOOL },
	{ ".pyup.yml", HEAD_PART_UPDATE_TOOL },
	{ ".dependabot/config.yml", HEAD_PART_UPDATE_TOOL },
	{ "updatecli.d/*", HEAD_PART_UPDATE_TOOL },
};

/* Patterns over the last part of the path in small letters. */
static const char *const secret_names[] = {
	".env", ".env.*", "*.env", ".envrc",
	"*.pem", "*.key", "*.p12", "*.pfx", "*.pkcs12", "*.jks", "*.keystore", "*.kdbx", "*.kdb",
	"*.ppk", "*.ovpn", "*.p8",
	"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519",
	".netrc", "_netrc", ".pgpass", ".htpasswd", ".git-credentials", ".dockercfg", ".pypirc",
	"*.tfstate", "*.tfstate.backup",
	"service-account*.json", "credentials.json", "secrets.json", "secrets.yml", "secrets.yaml",
};

static const char *const harmless_names[] = {
	"*example*", "*sample*", "*template*", "*.dist", "*.pub", "*.default", "*.defaults",
	"*.schema",
};
/* clang-format on */

static void file_free(gpointer data)
{
	struct head_file *file = data;

	g_free(file->path);
	g_free(file->author);
	g_free(file);
}

struct head_file *head_file_new(const char *path, const struct oid *oid, guint64 size_bytes)
{
	struct head_file *file = g_new0(struct head_file, 1);

	file->path = g_strdup(path);
	file->oid = *oid;
	file->size_bytes = size_bytes;
	return file;
}

struct head_tree *head_tree_new_empty(void)
{
	struct head_tree *head = g_new0(struct head_tree, 1);

	head->large = g_ptr_array_new_with_free_func(file_free);
	head->sensitive = g_ptr_array_new_with_free_func(file_free);
	return head;
}

void head_tree_free(struct head_tree *head)
{
	if (head == NULL)
		return;
	g_ptr_array_unref(head->large);
	g_ptr_array_unref(head->sensitive);
	g_free(head);
}

unsigned head_part_of(const char *path)
{
	unsigned part = 0;

	/* All of them are at the top or below one of a few folders. */
	const char *slash = strchr(path, '/');
	if (slash != NULL && *path != '.' && g_ascii_strncasecmp(path, "docs/", 5) != 0 &&
		g_ascii_strncasecmp(path, "licenses/", 9) != 0 &&
		g_ascii_strncasecmp(path, "updatecli.d/", 12) != 0)
		return 0;
	g_autofree char *small = g_ascii_strdown(path, -1);
	for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
		if (!fnmatch(parts[i].pattern, small, FNM_PATHNAME))
			part |= parts[i].part;
	return part;
}

bool head_is_sensitive(const char *path)
{
	const char *slash = strrchr(path, '/');
	g_autofree char *name = g_ascii_strdown(slash != NULL ? slash + 1 : path, -1);

	for (gsize i = 0; i < G_N_ELEMENTS(secret_names); i++) {
		if (fnmatch(secret_names[i], name, 0) != 0)
			continue;
		for (gsize j = 0; j < G_N_ELEMENTS(harmless_names); j++)
			if (!fnmatch(harmless_names[j], name, 0))
				return false;
		return true;
	}
	return false;
}

struct walk {
	struct odb *odb;
	struct head_tree *head;
	guint64 large_bytes;
	GString *path;
};

/*
 * A .pem or .key file may hold nothing but certificates and public keys, which are for everybody;
 * then its name alone is no reason to alarm anybody. What cannot be read is judged by its name.
 */
static bool is_public(struct odb *odb, const char *path, const struct oid *oid)
{
	static const char *const harmless[] = {"-----BEGIN CERTIFICATE-----",
		"-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----",
		"-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----BEGIN CERTIFICATE REQUEST-----"};
	g_auto(OdbObject) blob = {0};
	bool is_harmless = false;

	if ((!g_str_has_suffix(path, ".pem") && !g_str_has_suffix(path, ".key")) ||
		!odb_read(odb, oid, OBJECT_BLOB, PUBLIC_MAX_BYTES, &blob, NULL))
		return false;
	for (gsize i = 0; i < G_N_ELEMENTS(harmless); i++)
		is_harmless |=
			memmem(blob.data, blob.len, harmless[i], strlen(harmless[i])) != NULL;
	return is_harmless && memmem(blob.data, blob.len, "PRIVATE KEY", 11) == NULL;
}

static gboolean file_add(
	struct walk *walk, const struct tree_entry *entry, const struct oid *oid, GError **error)
{
	struct head_tree *head = walk->head;
	const char *path = walk->path->str;
	enum object_type type;
	guint64 size_bytes = 0;

	if (++head->files > HEAD_FILES_MAX) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "HEAD has more than %d files",
			HEAD_FILES_MAX);
		return FALSE;
	}
	head->present |= head_part_of(path);
	if ((entry->mode & MODE_TYPE) != MODE_FILE)
		return TRUE;
	/* A partial clone has not every blob: then the size is not known and is left out. */
	if (odb_look(walk->odb, oid, &type, &size_bytes, NULL))
		head->bytes += size_bytes;
	if (size_bytes >= walk->large_bytes) {
		head->large_count++;
		g_ptr_array_add(head->large, head_file_new(path, oid, size_bytes));
	}
	if (head_is_sensitive(path) && !is_public(walk->odb, path, oid)) {
		head->sensitive_count++;
		if (head->sensitive->len < HEAD_LIST_MAX)
			g_ptr_array_add(head->sensitive, head_file_new(path, oid, size_bytes));
	}
	return TRUE;
}

/* As deep as a path of PATH_MAX_BYTES can be: the stack holds that. */
static gboolean tree_walk(struct walk *walk, const struct oid *tree, GError **error)
{
	g_auto(OdbObject) object = {0};
	gsize len = walk->path->len;
	struct tree_entry entry;
	gboolean is_done = TRUE;

	if (!odb_read(walk->odb, tree, OBJECT_TREE, OBJECT_TREE_MAX_BYTES, &object, error))
		return FALSE;
	const char *at = object.data, *end = object.data + object.len;
	while (is_done && tree_next(&at, end, &entry)) {
		struct oid oid;
		memcpy(oid.bytes, entry.oid, OID_BYTES);
		if (len + entry.name_len + 2 > PATH_MAX_BYTES) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
				"HEAD has a path of more than %d bytes", PATH_MAX_BYTES);
			return FALSE;
		}
		g_string_append_len(walk->path, entry.name, (gssize)entry.name_len);
		if ((entry.mode & MODE_TYPE) == MODE_FOLDER) {
			g_string_append_c(walk->path, '/');
			is_done = tree_walk(walk, &oid, error);
		} else {
			is_done = file_add(walk, &entry, &oid, error);
		}
		g_string_truncate(walk->path, len);
	}
	if (is_done && at != end) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "a tree of HEAD is broken");
		return FALSE;
	}
	return is_done;
}

static gint size_compare(gconstpointer a, gconstpointer b)
{
	const struct head_file *x = *(const struct head_file *const *)a;
	const struct head_file *y = *(const struct head_file *const *)b;

	if (x->size_bytes != y->size_bytes)
		return x->size_bytes > y->size_bytes ? -1 : 1;
	return strcmp(x->path, y->path);
}

struct head_tree *head_tree_new(
	struct odb *odb, const struct oid *tree, guint64 large_bytes, GError **error)
{
	g_autoptr(HeadTree) head = head_tree_new_empty();
	g_autoptr(GString) path = g_string_new(NULL);
	struct walk walk = {odb, head, large_bytes, path};

	if (!tree_walk(&walk, tree, error))
		return NULL;
	g_ptr_array_sort(head->large, size_compare);
	if (head->large->len > HEAD_LIST_MAX)
		g_ptr_array_set_size(head->large, HEAD_LIST_MAX);
	return g_steal_pointer(&head);
}
