/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "t/fuzz/target.h"

#include <string.h>

#include "jobs/scan/rule.h"
#include "jobs/scan/toml.h"

static void look(const struct toml_value *value)
{
	switch (value->kind) {
	case TOML_STRING:
		fuzz_require(strlen(value->string) == value->len);
		fuzz_require(g_utf8_validate(value->string, (gssize)value->len, NULL));
		break;
	case TOML_ARRAY:
		for (guint i = 0; i < value->n; i++)
			look(&value->items[i]);
		break;
	case TOML_TABLE:
		for (guint i = 0; i < value->table->n; i++) {
			const struct toml_entry *entry = &value->table->entries[i];
			fuzz_require(toml_find(value->table, entry->key) == &entry->value);
			look(&entry->value);
		}
		break;
	default:
		break;
	}
}

/* As TOML, then as a file of rules in whichever format it seems to be. */
int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	g_autoptr(GError) error = NULL, other = NULL;
	g_autoptr(Toml) doc = toml_parse("fuzz", (const char *)data, len, &error);

	fuzz_require((doc == NULL) == (error != NULL));
	if (doc == NULL)
		return 0;
	struct toml_value root = {.kind = TOML_TABLE, .table = (struct toml_table *)toml_root(doc)};
	look(&root);
	g_autoptr(RuleSet) set = rule_set_parse("fuzz", (const char *)data, len, &other);
	fuzz_require((set == NULL) == (other != NULL));
	for (guint i = 0; set != NULL && i < set->n; i++) {
		fuzz_require(set->rules[i].id != NULL && set->rules[i].sieve != NULL);
		fuzz_require(set->rules[i].regex != NULL);
	}
	return 0;
}
