/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/json.h"

#include <string.h>

#include "t/fuzz/target.h"

/*
 * What json_check() accepts json-c must accept, and what json-c then writes must be acceptable
 * again: whoever reads a document after us sees what we saw.
 */
int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
	static const struct json_limits limits = {1 << 20, 64, 1000};
	const char *bytes = (const char *)data;
	g_autoptr(GError) error = NULL;

	if (!json_check(bytes, size, &limits, NULL))
		return 0;
	g_autoptr(json_object) value = json_parse(bytes, size, &limits, &error);
	if (value == NULL) {
		/* The one document that is fine and no value. */
		fuzz_require(strstr(error->message, "null") != NULL);
		return 0;
	}
	const char *text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
	fuzz_require(json_check(text, strlen(text), &limits, NULL));
	g_autoptr(json_object) again = json_parse(text, strlen(text), &limits, NULL);
	fuzz_require(again != NULL && json_object_equal(value, again));
	return 0;
}
