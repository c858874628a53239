/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/request.h"

#include <string.h>

#include <glib/gstdio.h>

#include "cgi/auth.h"
#include "cgi/problem.h"
#include "cgi/route.h"
#include "lib/error.h"
#include "t/fuzz/target.h"

/*
 * A request as a web server hands it over: lines NAME=value, an empty line, the body. Whatever it
 * is, decoded text is UTF-8, inputs are found or refused, and nothing of it gets a line of its own
 * into the headers of the answer.
 */
struct front {
	GHashTable *variables;
	const char *body;
	gsize body_len;
	GString *answer;
};

static const char *variable_get(void *data, const char *name)
{
	struct front *front = data;
	return g_hash_table_lookup(front->variables, name);
}

static gssize body_read(void *data, char *bytes, gsize len)
{
	struct front *front = data;
	gsize n = MIN(MIN(len, front->body_len), 7);

	memcpy(bytes, front->body, n);
	front->body += n;
	front->body_len -= n;
	return (gssize)n;
}

static gboolean answer_write(void *data, const char *bytes, gsize len)
{
	struct front *front = data;
	g_string_append_len(front->answer, bytes, (gssize)len);
	return TRUE;
}

static struct conf *conf_make(void)
{
	g_autofree char *path = NULL;
	int fd = g_file_open_tmp("muster-fuzz.XXXXXX", &path, NULL);
	fuzz_require(fd >= 0 && g_close(fd, NULL));
	struct conf *conf = conf_load(path, NULL);
	g_unlink(path);
	fuzz_require(conf != NULL);
	fuzz_require(conf_set(conf, "server.trusted_proxies", "10.0.0.0/8", NULL));
	return conf;
}

static void front_fill(struct front *front, char *text, gsize size)
{
	char *end = text + size;

	while (text < end && *text != '\n') {
		char *line_end = memchr(text, '\n', (gsize)(end - text));
		char *equals = strchr(text, '=');
		if (line_end == NULL)
			line_end = end;
		*line_end = '\0';
		if (equals != NULL && equals < line_end) {
			*equals = '\0';
			g_hash_table_insert(front->variables, text, equals + 1);
		}
		text = MIN(line_end + 1, end);
	}
	front->body = MIN(text + 1, end);
	front->body_len = (gsize)(end - front->body);
}

static void call_make(struct api *api, struct request *request, struct response *response)
{
	g_autofree char *allowed = NULL;
	const struct route *route = route_find(request, &allowed);
	struct route_call call = {
		.api = api, .route = route, .request = request, .response = response};

	if (route == NULL || !request_read_body(request, 4096, NULL))
		return;
	json_object *faults = route_take_inputs(&call);
	for (guint i = 0; i < route_inputs_len(route); i++)
		fuzz_require(call.values[i] == NULL || g_utf8_validate(call.values[i], -1, NULL));
	if (faults != NULL)
		problem_set(response, request, 400, "x", faults);
	else
		response_take_text(response, RESPONSE_JSON, g_strdup("{}"));
	route_call_clear(&call);
}

static void answer_check(const GString *answer)
{
	const char *end = strstr(answer->str, "\r\n\r\n");

	fuzz_require(end != NULL && g_str_has_prefix(answer->str, "Status: "));
	for (const char *at = answer->str; at < end; at++) {
		fuzz_require((guchar)*at >= 0x20 || *at == '\r' || *at == '\n');
		fuzz_require(*at != '\r' || at[1] == '\n');
		fuzz_require(*at != '\n' || (at > answer->str && at[-1] == '\r'));
	}
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
	static struct api api;
	g_autofree char *text = g_malloc(size + 1);
	struct front front = {.variables = g_hash_table_new(g_str_hash, g_str_equal),
		.answer = g_string_new(NULL)};
	const struct gateway gateway = {variable_get, body_read, answer_write, &front};
	g_autoptr(GError) error = NULL;
	struct response response;

	if (api.conf == NULL) {
		api.conf = conf_make();
		route_check_table();
	}
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	front_fill(&front, text, size);
	g_autoptr(request) request = request_new(api.conf, &gateway, &error);
	g_autofree char *cookie = request_cookie(request, "muster_session");
	response_init(&response);
	fuzz_require(request->id != NULL && request->method != NULL && request->base != NULL);
	for (guint i = 0; error == NULL && i < request->segments->len; i++)
		fuzz_require(g_utf8_validate(request->segments->pdata[i], -1, NULL));
	auth_check_origin(&api, request, NULL);
	if (error == NULL)
		call_make(&api, request, &response);
	else
		problem_from_error(&response, request, error, error_http_status(error), NULL);
	if (cookie != NULL)
		response_header(&response, "X-Cookie", cookie);
	fuzz_require(response_send(&response, request));
	answer_check(front.answer);
	response_clear(&response);
	g_string_free(front.answer, TRUE);
	g_hash_table_destroy(front.variables);
	return 0;
}
