/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/scan/example.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	g_autofree char *template = g_strndup(len ? (const char *)data : "", len);
	g_autoptr(GError) error = NULL;
	struct example example = {0};

	if (!example_expand(template, EXAMPLE_SEED, &example, &error)) {
		fuzz_require(error != NULL && example.text == NULL);
		return 0;
	}
	fuzz_require(example.text->len <= EXAMPLE_TEXT_MAX);
	fuzz_require(example.secret_at + example.secret_len <= example.text->len);
	example_clear(&example);
	return 0;
}
