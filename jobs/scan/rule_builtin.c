/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule_builtin.h"

/*
 * The assembler takes the file as it is: no generated header, no array of numbers for the compiler
 * to read. The name is relative to the top of the build folder, where make runs.
 */
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	".global rule_builtin_text\n"
	"rule_builtin_text:\n"
	".incbin \"jobs/scan/rules.all\"\n"
	".global rule_builtin_end\n"
	"rule_builtin_end:\n"
	".byte 0\n"
	".popsection\n");

extern const char rule_builtin_text[] __attribute__((visibility("hidden")));
extern const char rule_builtin_end[] __attribute__((visibility("hidden")));

const char *rule_builtin(gsize *len)
{
	*len = (gsize)(rule_builtin_end - rule_builtin_text);
	return rule_builtin_text;
}
