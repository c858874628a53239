/* SPDX-License-Identifier: MIT */
#ifndef CGI_OPENAPI_SCHEMA_H
#define CGI_OPENAPI_SCHEMA_H

/* schema/api-1.json: one JSON object, a schema by name. Ended by a NUL; a constant. */
const char *openapi_schema(void);

#endif
