/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/embedded.h"

/* The assembler takes the files as they are. Names are relative to the top of the build folder. */
__asm__(".pushsection .rodata\n"
	".global embedded_schema_bytes\n"
	"embedded_schema_bytes:\n"
	".incbin \"cgi/embedded_schema.json\"\n"
	".byte 0\n"
	".global embedded_docs_bytes\n"
	"embedded_docs_bytes:\n"
	".incbin \"cgi/embedded_docs.html\"\n"
	".byte 0\n"
	".popsection\n");

extern const char embedded_schema_bytes[] __attribute__((visibility("hidden")));
extern const char embedded_docs_bytes[] __attribute__((visibility("hidden")));

const char *embedded_schema(void)
{
	return embedded_schema_bytes;
}

const char *embedded_docs(void)
{
	return embedded_docs_bytes;
}
