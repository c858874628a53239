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
	"1:	.byte 0\n"
	".balign 4\n"
	".global rule_builtin_len\n"
	"rule_builtin_len:\n"
	".long 1b - rule_builtin_text\n"
	".balign 16\n"
	".global rule_builtin_sample_text\n"
	"rule_builtin_sample_text:\n"
	".incbin \"jobs/scan/sample.all\"\n"
	"2:	.byte 0\n"
	".balign 4\n"
	".global rule_builtin_sample_len\n"
	"rule_builtin_sample_len:\n"
	".long 2b - rule_builtin_sample_text\n"
	".popsection\n");

extern const char rule_builtin_text[] __attribute__((visibility("hidden")));
extern const guint32 rule_builtin_len __attribute__((visibility("hidden")));
extern const char rule_builtin_sample_text[] __attribute__((visibility("hidden")));
extern const guint32 rule_builtin_sample_len __attribute__((visibility("hidden")));

const char *rule_builtin(gsize *len)
{
	*len = rule_builtin_len;
	return rule_builtin_text;
}

const char *rule_builtin_sample(gsize *len)
{
	*len = rule_builtin_sample_len;
	return rule_builtin_sample_text;
}
