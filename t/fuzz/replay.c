/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "t/fuzz/target.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * usage: <target> SECONDS FOLDER
 *
 * The main of a fuzz target without libFuzzer: each file of the folder as it is, then changes of
 * them from a fixed seed until the time is over. The input of a crash is left in crash-input.
 */

#define INPUT_MAX_BYTES 65536

static const guint8 *current;
static size_t current_size;

static void on_crash(int sig)
{
	FILE *out = fopen("crash-input", "wb");
	if (out != NULL) {
		fwrite(current, 1, current_size, out);
		fclose(out);
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

static void input_run(const guint8 *data, size_t size)
{
	/* In memory of exactly its size, so that a sanitizer sees a read past the end. */
	g_autofree guint8 *copy = g_memdup2(data, size);
	current = copy;
	current_size = size;
	LLVMFuzzerTestOneInput(copy, size);
}

/* One change: a bit, a byte, a piece removed, doubled, or taken from another input. */
static void input_change(GRand *random, GByteArray *input, const GByteArray *other)
{
	guint at = (guint)g_rand_int_range(random, 0, (gint)input->len + 1);
	guint wanted = (guint)g_rand_int_range(random, 1, 16);
	guint len = MIN(wanted, input->len - at);
	guint8 byte = (guint8)g_rand_int_range(random, 0, 256);

	switch (g_rand_int_range(random, 0, 6)) {
	case 0:
		if (at < input->len)
			input->data[at] ^= (guint8)(1 << (byte & 7));
		break;
	case 1:
		if (at < input->len)
			input->data[at] = byte;
		break;
	case 2:
		if (len > 0)
			g_byte_array_remove_range(input, at, len);
		break;
	case 3:
		if (at < input->len && input->len < INPUT_MAX_BYTES) {
			g_autofree guint8 *piece = g_memdup2(input->data + at, len);
			g_byte_array_append(input, piece, len);
		}
		break;
	case 4:
		g_byte_array_set_size(input, at);
		break;
	default:
		if (other->len > 0 && input->len < INPUT_MAX_BYTES) {
			guint from = (guint)g_rand_int_range(random, 0, (gint)other->len);
			g_byte_array_set_size(input, at);
			g_byte_array_append(input, other->data + from, other->len - from);
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s SECONDS FOLDER\n", argv[0]);
		return 2;
	}
	const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	for (gsize i = 0; i < G_N_ELEMENTS(signals); i++)
		signal(signals[i], on_crash);

	g_autoptr(GPtrArray) inputs =
		g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
	g_autoptr(GDir) dir = g_dir_open(argv[2], 0, NULL);
	for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;) {
		g_autofree char *path = g_build_filename(argv[2], name, NULL);
		char *text;
		gsize len;
		if (!g_file_get_contents(path, &text, &len, NULL))
			continue;
		g_ptr_array_add(inputs, g_byte_array_new_take((guint8 *)text, len));
		input_run((const guint8 *)text, len);
	}
	if (inputs->len == 0) {
		fprintf(stderr, "%s holds no inputs\n", argv[2]);
		return 2;
	}
	g_autoptr(GRand) random = g_rand_new_with_seed(1);
	gint64 end = g_get_monotonic_time() + g_ascii_strtoll(argv[1], NULL, 10) * G_USEC_PER_SEC;
	guint64 runs = 0;
	for (; g_get_monotonic_time() < end; runs++) {
		const GByteArray *from =
			inputs->pdata[g_rand_int_range(random, 0, (gint)inputs->len)];
		const GByteArray *other =
			inputs->pdata[g_rand_int_range(random, 0, (gint)inputs->len)];
		g_autoptr(GByteArray) input = g_byte_array_new();
		g_byte_array_append(input, from->data, from->len);
		for (int n = g_rand_int_range(random, 1, 8); n > 0; n--)
			input_change(random, input, other);
		input_run(input->data, input->len);
	}
	printf("%u inputs, %" G_GUINT64_FORMAT " changes\n", inputs->len, runs);
	return 0;
}
