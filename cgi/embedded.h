/* SPDX-License-Identifier: MIT */
#ifndef CGI_EMBEDDED_H
#define CGI_EMBEDDED_H

/* Files that are part of the program, whole, each ended by a NUL. Constants. */

/* schema/api-1.json: one JSON object, a schema by name. */
const char *embedded_schema(void);

/* htdocs/docs.html: the page that draws the OpenAPI document. */
const char *embedded_docs(void);

#endif
