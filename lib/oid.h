/* SPDX-License-Identifier: MIT */
#ifndef LIB_OID_H
#define LIB_OID_H

#include <stdint.h>

#include <glib.h>

/*
 * The name of a git object: the SHA-1 of its header and bytes. Repositories that use SHA-256 are
 * refused before anybody comes here.
 */
#define OID_BYTES 20
#define OID_HEX 40

struct oid {
	uint8_t bytes[OID_BYTES];
};

/* FALSE when the first 40 bytes are not lower or upper case hex. */
gboolean oid_parse(struct oid *oid, const char *hex);
void oid_format(const struct oid *oid, char hex[OID_HEX + 1]);

#endif
