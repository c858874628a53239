/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/entropy.h"

#include <math.h>
#include <string.h>

double entropy_bits(const guint8 *text, gsize len)
{
	guint32 counts[256] = {0};
	double sum = 0;

	if (len == 0)
		return 0;
	for (gsize i = 0; i < len; i++)
		counts[text[i]]++;
	for (guint c = 0; c < 256; c++)
		if (counts[c] > 1)
			sum += counts[c] * log2(counts[c]);
	return log2((double)len) - sum / (double)len;
}

static guint alphabet_size(const guint8 *text, gsize len)
{
	gboolean has_hex_letter = FALSE;

	for (gsize i = 0; i < len; i++) {
		if (!g_ascii_isxdigit(text[i]) && text[i] != '-')
			return 64;
		has_hex_letter |= g_ascii_isalpha(text[i]);
	}
	return has_hex_letter ? 16 : 10;
}

gboolean entropy_reaches(const guint8 *text, gsize len, double bits)
{
	double most = log2((double)MIN(len, alphabet_size(text, len)));

	/* Nine in ten random texts of 12 and more characters have this much. */
	return entropy_bits(text, len) >= MIN(bits, 0.8 * most);
}

/* Pairs that make up some four fifths of English text and of names in programs. */
static const char pairs[] =
	"th he in er an re nd at on nt ha es st en ed to it ou ea hi is or ti as te et ng of al de "
	"se le sa si ar ve ra ld ur me ne ro co ri io ic ll be ma om el ec ce us ch la di li ta pe "
	"ot ho so tr ut em ss ac ct ai no ge sh wh ow ad ie pl rs un pr ee im il am op ke mo po ns "
	"wa id ab pa ca na ck ag ap lo ev we ub lu up oo do bl ex fi fo fr gr ir iv ig nc nk os ou "
	"pp qu rd rm rn rt ry sc sp su ty tu ul um av ay ba bu by cl cr cu da dd du ef ei ey ff fe "
	"ga gi gn gu ht ia if ki ks lt ly mb mi mp my ni nn nu ny od og oi ol ov pi pu rc rk rr ru "
	"sk sl sn sw tt tw ts ud ue ug ui va vi wi wo ye yo ob ok ft ds gh ls ms ps ws ys bo br fa "
	"ds ip db ak ru ms ";

static const guint8 *pair_table(void)
{
	static guint8 table[26 * 26];
	static gsize is_ready;

	if (g_once_init_enter(&is_ready)) {
		for (const char *p = pairs; *p != '\0'; p += 3)
			table[(p[0] - 'a') * 26 + p[1] - 'a'] = 1;
		g_once_init_leave(&is_ready, 1);
	}
	return table;
}

double entropy_wordiness(const guint8 *text, gsize len)
{
	const guint8 *common = pair_table();
	guint n = 0, n_common = 0;

	for (gsize i = 1; i < len; i++) {
		if (!g_ascii_isalpha(text[i - 1]) || !g_ascii_isalpha(text[i]))
			continue;
		/* A new word of camelCase begins here. */
		if (g_ascii_islower(text[i - 1]) && g_ascii_isupper(text[i]))
			continue;
		guint a = (guint)(g_ascii_tolower(text[i - 1]) - 'a');
		guint b = (guint)(g_ascii_tolower(text[i]) - 'a');
		n++;
		n_common += common[a * 26 + b];
	}
	return n >= 4 ? (double)n_common / n : 0;
}
