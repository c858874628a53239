/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/rules.h"

#include "lib/json.h"

static void put_text(json_object *object, const char *key, const char *text)
{
	g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;

	json_object_object_add(object, key, valid ? json_object_new_string(valid) : NULL);
}

static void put_list(json_object *object, const char *key, const char *const *list)
{
	json_object *array = json_object_new_array();

	for (; *list != NULL; list++) {
		g_autofree char *valid = g_utf8_make_valid(*list, -1);
		json_object_array_add(array, json_object_new_string(valid));
	}
	json_object_object_add(object, key, array);
}

static void put_number(json_object *object, const char *key, gint64 number)
{
	json_object_object_add(object, key, json_object_new_int64(number));
}

static void put_flag(json_object *object, const char *key, gboolean flag)
{
	json_object_object_add(object, key, json_object_new_boolean(flag));
}

static json_object *allowlist_new(const struct rule_allowlist *list)
{
	static const char *const targets[] = {"secret", "secret", "match", "line"};
	json_object *object = json_object_new_object();

	put_text(object, "description", list->description);
	put_text(object, "condition", list->is_and ? "AND" : "OR");
	put_text(object, "regex_target", targets[list->target]);
	put_list(object, "regexes", list->regexes);
	put_list(object, "stopwords", list->stopwords);
	put_list(object, "paths", list->paths);
	put_list(object, "commits", list->commits);
	return object;
}

static json_object *rule_new(const struct rule *rule)
{
	json_object *object = json_object_new_object(), *list;

	put_text(object, "id", rule->id);
	put_text(object, "family", rule->family);
	put_text(object, "description", rule->description);
	put_text(object, "severity", severity_name(rule->severity));
	put_number(object, "specificity", rule->specificity);
	put_text(object, "regex", rule->regex);
	put_number(object, "secret_group", rule->secret_group);
	put_list(object, "sieve", rule->sieve);
	put_list(object, "keywords", rule->keywords);
	put_text(object, "path", rule->path);
	json_object_object_add(object, "entropy",
		rule->entropy > 0 ? json_object_new_double(rule->entropy) : NULL);
	put_text(object, "checksum", rule->checksum);
	put_list(object, "context", rule->context);
	json_object_object_add(object, "allowlists", list = json_object_new_array());
	for (guint i = 0; i < rule->n_allowlists; i++)
		json_object_array_add(list, allowlist_new(&rule->allowlists[i]));
	json_object_object_add(object, "required", list = json_object_new_array());
	for (guint i = 0; i < rule->n_required; i++)
		json_object_array_add(list, json_object_new_string(rule->required[i].id));
	put_list(object, "aliases", rule->aliases);
	put_list(object, "tags", rule->tags);
	put_list(object, "examples", rule->examples);
	put_list(object, "negatives", rule->negatives);
	put_text(object, "rotate", rule->rotate);
	put_text(object, "remedy", rule->remedy);
	put_flag(object, "slow", rule->flags & RULE_SLOW);
	put_flag(object, "builtin", rule->is_builtin);
	put_text(object, "source", rule->source);
	put_number(object, "line", rule->line);
	return object;
}

static json_object *problems_new(const struct rule_set *set)
{
	static const char *const kinds[] = {"", "unknown", "unsupported", "dropped"};
	json_object *array = json_object_new_array();

	for (guint i = 0; i < set->n_problems; i++) {
		json_object *object = json_object_new_object();
		put_text(object, "kind", kinds[set->problems[i].kind]);
		put_text(object, "source", set->problems[i].source);
		put_number(object, "line", set->problems[i].line);
		put_text(object, "rule", set->problems[i].rule);
		put_text(object, "text", set->problems[i].text);
		json_object_array_add(array, object);
	}
	return array;
}

static void print(json_object *object, GString *out)
{
	g_string_append(out, json_object_to_json_string_ext(object,
				     JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	g_string_append_c(out, '\n');
	json_object_put(object);
}

void rules_print_json(const struct rule_set *set, GString *out)
{
	json_object *object = json_object_new_object(), *rules = json_object_new_array();
	g_autoptr(GString) hash = g_string_new(NULL);

	for (guint i = 0; i < sizeof set->hash; i++)
		g_string_append_printf(hash, "%02x", set->hash[i]);
	put_text(object, "rule_set", hash->str);
	json_object_object_add(object, "rules", rules);
	for (guint i = 0; i < set->n; i++)
		json_object_array_add(rules, rule_new(&set->rules[i]));
	json_object_object_add(object, "problems", problems_new(set));
	print(object, out);
}

void rules_print_one_json(const struct rule *rule, GString *out)
{
	print(rule_new(rule), out);
}

static void put_fault(json_object *faults, const char *rule, const char *source, guint line,
	gboolean is_error, const char *text)
{
	json_object *one = json_object_new_object();

	put_text(one, "rule", rule);
	put_text(one, "source", source);
	put_number(one, "line", line);
	put_text(one, "level", is_error ? "error" : "warning");
	put_text(one, "text", text);
	json_object_array_add(faults, one);
}

void rules_print_check_json(
	const struct rule_set *set, const struct rule_check *check, GString *out)
{
	json_object *object = json_object_new_object(), *faults = json_object_new_array();

	put_number(object, "rules", set->n);
	put_number(object, "examples", check->n_examples);
	put_number(object, "negatives", check->n_negatives);
	put_number(object, "errors", check->n_errors);
	put_number(object, "warnings", check->n_warnings);
	json_object_object_add(object, "faults", faults);
	for (guint i = 0; i < set->n_problems; i++) {
		const struct rule_problem *problem = &set->problems[i];
		if (problem->kind != RULE_PROBLEM_DROPPED)
			continue;
		g_autofree char *text = g_strdup_printf("left out: %s", problem->text);
		put_fault(faults, problem->rule, problem->source, problem->line, TRUE, text);
	}
	for (guint i = 0; i < check->faults->len; i++) {
		const struct rule_fault *fault = check->faults->pdata[i];
		put_fault(faults, fault->rule->id, fault->rule->source, fault->rule->line,
			fault->is_error, fault->text);
	}
	json_object_object_add(object, "problems", problems_new(set));
	print(object, out);
}
