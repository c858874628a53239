/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/openapi_schema.h"

/* The assembler takes the file as it is. Its name is relative to the top of the build folder. */
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	".global openapi_schema_bytes\n"
	"openapi_schema_bytes:\n"
	".incbin \"cgi/openapi_schema.json\"\n"
	"1:	.byte 0\n"
	".popsection\n");

extern const char openapi_schema_bytes[] __attribute__((visibility("hidden")));

const char *openapi_schema(void)
{
	return openapi_schema_bytes;
}
