/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/response.h"

#include <string.h>

/* Half of a SHA-256 is enough to tell two answers apart. */
#define ETAG_DIGITS 32
#define WRITE_BYTES 65536
/* An answer is no document; a page of ours (docs.html) has all its parts from here. */
#define DATA_POLICY "default-src 'none'; frame-ancestors 'none'"
#define PAGE_POLICY                                                                                \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "            \
	"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "      \
	"require-trusted-types-for 'script'; trusted-types 'none'"

/* clang-format off */
static const struct {
	guint status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 409, "Conflict" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" },
	{ 500, "Internal Server Error" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
};
/* clang-format on */

const char *response_reason(guint status)
{
	for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

void response_init(struct response *response)
{
	*response = (struct response){.status = 200, .head = g_string_new(NULL)};
}

static void body_clear(struct response *response)
{
	g_clear_pointer(&response->text, g_free);
	g_clear_pointer(&response->result, db_result_free);
	response->body = NULL;
	response->body_len = 0;
}

void response_clear(struct response *response)
{
	body_clear(response);
	g_string_free(response->head, TRUE);
}

void response_header(struct response *response, const char *name, const char *value)
{
	g_string_append_printf(response->head, "%s: ", name);
	for (const char *at = value; *at != '\0'; at++)
		g_string_append_c(response->head, (guchar)*at < 0x20 || *at == 0x7f ? ' ' : *at);
	g_string_append(response->head, "\r\n");
}

void response_take_text(struct response *response, const char *type, char *text)
{
	body_clear(response);
	response->type = type;
	response->text = text;
	response->body = text;
	response->body_len = strlen(text);
}

void response_take_result(struct response *response, const char *type, struct db_result *result)
{
	body_clear(response);
	response->type = type;
	response->result = result;
	response->body = db_result_get(result, 0, 0);
	response->body_len = db_result_get_len(result, 0, 0);
}

/* list: an If-None-Match header; etag: without its quotes. */
static gboolean etag_is_known(const char *list, const char *etag)
{
	gsize len = strlen(etag);

	if (!strcmp(list, "*"))
		return TRUE;
	for (const char *at = strchr(list, '"'); at != NULL;) {
		const char *end = strchr(at + 1, '"');
		if (end == NULL)
			return FALSE;
		gsize n = (gsize)(end - at) - 1;
		if (n > 5 && !strncmp(end - 5, "-gzip", 5))
			n -= 5;
		if (n == len && !strncmp(at + 1, etag, len))
			return TRUE;
		at = strchr(end + 1, '"');
	}
	return FALSE;
}

static void etag_apply(struct response *response, const struct request *request)
{
	g_autofree char *hash = g_compute_checksum_for_data(
		G_CHECKSUM_SHA256, (const guchar *)response->body, response->body_len);
	const char *known = request_header(request, "If-None-Match");

	hash[ETAG_DIGITS] = '\0';
	g_string_append_printf(response->head, "ETag: \"%s\"\r\n", hash);
	if (known != NULL && etag_is_known(known, hash)) {
		response->status = 304;
		body_clear(response);
	}
}

static gboolean bytes_write(const struct gateway *gateway, const char *bytes, gsize len)
{
	for (gsize at = 0; at < len;) {
		gsize n = MIN(len - at, WRITE_BYTES);
		if (!gateway->write(gateway->data, bytes + at, n))
			return FALSE;
		at += n;
	}
	return TRUE;
}

/* Puts what every answer has around the headers that are there, and sends them. */
static gboolean head_write(struct response *response, const struct request *request)
{
	const struct gateway *gateway = request->gateway;

	g_string_append_printf(response->head,
		"X-Request-Id: %s\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"X-Frame-Options: DENY\r\n"
		"Referrer-Policy: same-origin\r\n"
		"Cross-Origin-Resource-Policy: same-origin\r\n"
		"Content-Security-Policy: %s\r\n"
		"\r\n",
		request->id,
		g_strcmp0(response->type, RESPONSE_HTML) == 0 ? PAGE_POLICY : DATA_POLICY);
	g_autofree char *status = g_strdup_printf(
		"Status: %u %s\r\n", response->status, response_reason(response->status));
	g_string_prepend(response->head, status);
	return gateway->write(gateway->data, response->head->str, response->head->len);
}

gboolean response_begin(struct response *response, const struct request *request, const char *type)
{
	response->type = type;
	response->is_begun = TRUE;
	g_string_append_printf(response->head,
		"Cache-Control: private, no-cache\r\n"
		"Vary: Accept, Authorization, Cookie\r\n"
		"Content-Type: %s\r\n",
		type);
	response->is_broken = !head_write(response, request);
	return !response->is_broken;
}

gboolean response_write(
	struct response *response, const struct request *request, const char *bytes, gsize len)
{
	if (!strcmp(request->method, "HEAD"))
		return !response->is_broken;
	response->is_broken = response->is_broken || !bytes_write(request->gateway, bytes, len);
	if (!response->is_broken)
		response->sent_bytes += len;
	return !response->is_broken;
}

gboolean response_send(struct response *response, const struct request *request)
{
	gboolean is_head = !strcmp(request->method, "HEAD");

	if (response->is_begun)
		return !response->is_broken;
	if (response->status == 200 && (is_head || !strcmp(request->method, "GET"))) {
		etag_apply(response, request);
		g_string_append(response->head, "Cache-Control: private, no-cache\r\n"
						"Vary: Accept, Authorization, Cookie\r\n");
	} else {
		g_string_append(response->head, "Cache-Control: no-store\r\n");
	}
	if (response->body != NULL)
		g_string_append_printf(response->head,
			"Content-Type: %s\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n",
			response->type, response->body_len);
	response->sent_bytes = is_head ? 0 : response->body_len;
	return head_write(response, request) &&
	       (is_head || bytes_write(request->gateway, response->body, response->body_len));
}
