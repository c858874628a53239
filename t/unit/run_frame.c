/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run_frame.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/check.h"

struct channel {
	int fds[2];
	struct frame_reader *reader;
};

static void channel_open(struct channel *channel, gconstpointer data)
{
	g_assert_cmpint(pipe2(channel->fds, O_CLOEXEC | O_NONBLOCK), ==, 0);
	channel->reader = frame_reader_new(100);
}

static void channel_close(struct channel *channel, gconstpointer data)
{
	frame_reader_free(channel->reader);
	for (int i = 0; i < 2; i++)
		if (channel->fds[i] >= 0)
			close(channel->fds[i]);
}

static void end(struct channel *channel)
{
	close(channel->fds[1]);
	channel->fds[1] = -1;
}

static void raw_write(struct channel *channel, const char *bytes, gsize len)
{
	g_assert_cmpint(write(channel->fds[1], bytes, len), ==, (gssize)len);
}

static enum frame_state next(
	struct channel *channel, enum frame_kind *kind, GBytes **body, GError **error)
{
	return frame_read(channel->reader, channel->fds[0], kind, body, error);
}

static void whole_check(struct channel *channel, enum frame_kind wanted, const char *text)
{
	g_autoptr(GBytes) body = NULL;
	g_autoptr(GError) error = NULL;
	enum frame_kind kind = FRAME_UNSET;

	g_assert_cmpint(next(channel, &kind, &body, &error), ==, FRAME_STATE_WHOLE);
	g_assert_no_error(error);
	g_assert_cmpint(kind, ==, wanted);
	g_assert_cmpstr(g_bytes_get_data(body, NULL), ==, text);
	g_assert_cmpuint(g_bytes_get_size(body), ==, strlen(text));
}

static void refused_check(struct channel *channel, enum muster_error code, const char *text)
{
	g_autoptr(GBytes) body = NULL;
	GError *error = NULL;
	enum frame_kind kind;

	g_assert_cmpint(next(channel, &kind, &body, &error), ==, FRAME_STATE_BAD);
	check_refused(error, code, text);
	g_assert_null(body);
}

static void test_order(struct channel *channel, gconstpointer data)
{
	enum frame_kind kind;
	GBytes *body = NULL;

	g_assert_true(frame_write(channel->fds[1], FRAME_PROGRESS, "{}", 2, NULL));
	g_assert_true(frame_write(channel->fds[1], FRAME_RESULT, "{\"a\":1}", 7, NULL));
	whole_check(channel, FRAME_PROGRESS, "{}");
	whole_check(channel, FRAME_RESULT, "{\"a\":1}");
	g_assert_cmpint(next(channel, &kind, &body, NULL), ==, FRAME_STATE_MORE);
	end(channel);
	g_assert_cmpint(next(channel, &kind, &body, NULL), ==, FRAME_STATE_END);
}

static void test_pieces(struct channel *channel, gconstpointer data)
{
	const char bytes[] = "\0\0\0\7r{\"a\":1}";
	enum frame_kind kind;
	GBytes *body = NULL;

	for (gsize i = 0; i + 2 < sizeof(bytes); i++) {
		raw_write(channel, bytes + i, 1);
		g_assert_cmpint(next(channel, &kind, &body, NULL), ==, FRAME_STATE_MORE);
	}
	raw_write(channel, "}", 1);
	whole_check(channel, FRAME_RESULT, "{\"a\":1}");
}

static void test_long(struct channel *channel, gconstpointer data)
{
	raw_write(channel, "\0\0\0\x65r", 5);
	refused_check(channel, MUSTER_ERROR_LIMIT, "101 bytes at once, 100 are allowed");
}

static void test_kind(struct channel *channel, gconstpointer data)
{
	raw_write(channel, "\0\0\0\1R1", 6);
	refused_check(channel, MUSTER_ERROR_INPUT, "no frame");
}

static void test_cut(struct channel *channel, gconstpointer data)
{
	raw_write(channel, "\0\0\0\5r{", 6);
	end(channel);
	refused_check(channel, MUSTER_ERROR_MISSING, "in the middle of a frame");
}

static void test_not_json(struct channel *channel, gconstpointer data)
{
	raw_write(channel, "\0\0\0\3g{a}", 8);
	refused_check(channel, MUSTER_ERROR_INPUT, "no JSON");
}

static void test_empty(struct channel *channel, gconstpointer data)
{
	raw_write(channel, "\0\0\0\0r", 5);
	refused_check(channel, MUSTER_ERROR_INPUT, "no JSON");
}

#define TEST(name, function)                                                                       \
	g_test_add("/run_frame/" name, struct channel, NULL, channel_open, function, channel_close)

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	TEST("frames come in the order in which they were written", test_order);
	TEST("a frame may come byte by byte", test_pieces);
	TEST("one longer than its kind may be is refused by its header", test_long);
	TEST("an unknown kind is refused", test_kind);
	TEST("an end in the middle is an error", test_cut);
	TEST("what is no JSON is refused", test_not_json);
	TEST("an empty one is no JSON", test_empty);
	return check_run();
}
