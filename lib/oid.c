/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/oid.h"

static const int8_t *hex_values(void)
{
	/* clang-format off */
	static const int8_t values[128] = {
		['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7,
		['7'] = 8, ['8'] = 9, ['9'] = 10,
		['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
		['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
	};
	/* clang-format on */
	return values;
}

gboolean oid_parse(struct oid *oid, const char *hex)
{
	const int8_t *values = hex_values();
	struct oid parsed;

	for (int i = 0; i < OID_BYTES; i++) {
		unsigned char high = (unsigned char)hex[2 * i];
		if (high > 127 || values[high] == 0)
			return FALSE;
		unsigned char low = (unsigned char)hex[2 * i + 1];
		if (low > 127 || values[low] == 0)
			return FALSE;
		parsed.bytes[i] = (uint8_t)((values[high] - 1) << 4 | (values[low] - 1));
	}
	*oid = parsed;
	return TRUE;
}

void oid_format(const struct oid *oid, char hex[OID_HEX + 1])
{
	for (int i = 0; i < OID_BYTES; i++) {
		hex[2 * i] = "0123456789abcdef"[oid->bytes[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[oid->bytes[i] & 15];
	}
	hex[OID_HEX] = '\0';
}
