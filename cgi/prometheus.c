/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgi/call.h"
#include "cgi/meter.h"
#include "lib/live.h"
#include "lib/log.h"

/* The text format of Prometheus, version 0.0.4. Names and labels are words of ours: no escapes. */
static void family(GString *out, const char *name, const char *type, const char *help)
{
	g_string_append_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void seconds_append(GString *out, gint64 us)
{
	char text[G_ASCII_DTOSTR_BUF_SIZE];
	g_string_append(out, g_ascii_formatd(text, sizeof(text), "%.6g", (double)us / 1e6));
}

/* What stands in front of each series of a route; the caller closes the brace. */
static void route_labels(GString *out, gsize i)
{
	g_string_append_printf(out, "{method=\"%s\",route=\"%s\"",
		i < routes_len ? routes[i].method : "", i < routes_len ? routes[i].path : "");
}

static void requests_print(GString *out, const struct meter *meter)
{
	family(out, "muster_http_requests_total", "counter",
		"Requests answered; those of no route have an empty one.");
	for (gsize i = 0; i <= routes_len; i++)
		for (guint s = 0; s < METER_STATUSES; s++) {
			guint64 n = meter_get(&meter->routes[i].statuses[s]);
			if (n == 0)
				continue;
			g_string_append(out, "muster_http_requests_total");
			route_labels(out, i);
			if (meter_statuses[s] != 0)
				g_string_append_printf(out, ",status=\"%u\"} ", meter_statuses[s]);
			else
				g_string_append(out, ",status=\"other\"} ");
			g_string_append_printf(out, "%" G_GUINT64_FORMAT "\n", n);
		}
}

static void bucket_print(GString *out, gsize i, gint64 bound_us, guint64 n)
{
	g_string_append(out, "muster_http_request_duration_seconds_bucket");
	route_labels(out, i);
	g_string_append(out, ",le=\"");
	if (bound_us > 0)
		seconds_append(out, bound_us);
	else
		g_string_append(out, "+Inf");
	g_string_append_printf(out, "\"} %" G_GUINT64_FORMAT "\n", n);
}

static void duration_print(GString *out, const struct meter_route *route, gsize i)
{
	guint64 n = 0;

	for (guint b = 0; b <= METER_BUCKETS; b++) {
		n += meter_get(&route->buckets[b]);
		bucket_print(out, i, b < METER_BUCKETS ? meter_bounds_us[b] : 0, n);
	}
	g_string_append(out, "muster_http_request_duration_seconds_sum");
	route_labels(out, i);
	g_string_append(out, "} ");
	seconds_append(out, (gint64)meter_get(&route->sum_us));
	g_string_append(out, "\nmuster_http_request_duration_seconds_count");
	route_labels(out, i);
	g_string_append_printf(out, "} %" G_GUINT64_FORMAT "\n", n);
}

static void durations_print(GString *out, const struct meter *meter)
{
	family(out, "muster_http_request_duration_seconds", "histogram",
		"From the first look at a request to the last byte of its answer.");
	for (gsize i = 0; i <= routes_len; i++) {
		guint64 n = 0;
		for (guint b = 0; b <= METER_BUCKETS; b++)
			n += meter_get(&meter->routes[i].buckets[b]);
		if (n > 0)
			duration_print(out, &meter->routes[i], i);
	}
}

static void number_print(
	GString *out, const char *name, const char *type, const char *help, guint64 n)
{
	family(out, name, type, help);
	g_string_append_printf(out, "%s %" G_GUINT64_FORMAT "\n", name, n);
}

static void workers_print(GString *out, const struct meter *meter)
{
	/* clang-format off */
	static const char *const uses[] = {
		[DB_USE_CLOSED] = "closed", [DB_USE_WAITING] = "waiting",
		[DB_USE_IDLE] = "idle", [DB_USE_BUSY] = "busy",
	};
	/* clang-format on */
	guint counts[G_N_ELEMENTS(uses)] = {0}, busy = 0, idle = 0;

	for (guint i = 0; i < METER_WORKERS; i++) {
		const struct meter_worker *worker = &meter->workers[i];
		guint use = (guint)__atomic_load_n(&worker->use, __ATOMIC_RELAXED);
		if (__atomic_load_n(&worker->pid, __ATOMIC_RELAXED) == 0)
			continue;
		if (__atomic_load_n(&worker->is_busy, __ATOMIC_RELAXED))
			busy++;
		else
			idle++;
		counts[use > DB_USE_UNSET && use < G_N_ELEMENTS(uses) ? use : DB_USE_CLOSED]++;
	}
	family(out, "muster_api_workers", "gauge", "Processes that answer requests.");
	g_string_append_printf(out,
		"muster_api_workers{state=\"busy\"} %u\nmuster_api_workers{state=\"idle\"} %u\n",
		busy, idle);
	family(out, "muster_database_connections", "gauge",
		"Connections of this host's workers to PostgreSQL: busy with a statement, idle, "
		"waiting to be opened, closed.");
	for (guint use = DB_USE_CLOSED; use < G_N_ELEMENTS(uses); use++)
		g_string_append_printf(out, "muster_database_connections{state=\"%s\"} %u\n",
			uses[use], counts[use]);
}

/*
 * Connections of the web server that no worker has taken yet, which the kernel tells
 * (sock_diag(7)); -1 where it does not.
 */
static int waiting_count(int listen_fd)
{
	struct stat st;
	struct {
		struct nlmsghdr head;
		struct unix_diag_req ask;
	} request = {
		.head = {.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST},
		.ask = {.sdiag_family = AF_UNIX,
			.udiag_states = -1U,
			.udiag_show = UDIAG_SHOW_RQLEN,
			.udiag_cookie = {-1U, -1U}},
	};
	union {
		struct nlmsghdr head;
		char bytes[512];
	} answer;

	if (listen_fd < 0 || fstat(listen_fd, &st) < 0)
		return -1;
	request.ask.udiag_ino = (guint32)st.st_ino;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return -1;
	gssize n = send(fd, &request, sizeof(request), 0) == sizeof(request)
			   ? recv(fd, &answer, sizeof(answer), 0)
			   : -1;
	close(fd);
	const gsize skip = NLMSG_LENGTH(sizeof(struct unix_diag_msg));
	if (n < (gssize)skip || answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return -1;
	for (gsize at = skip; at + sizeof(struct nlattr) <= (gsize)n;) {
		struct nlattr attribute;
		struct unix_diag_rqlen queue;
		memcpy(&attribute, answer.bytes + at, sizeof(attribute));
		if (attribute.nla_len < sizeof(attribute))
			break;
		if (attribute.nla_type == UNIX_DIAG_RQLEN &&
			at + NLA_HDRLEN + sizeof(queue) <= (gsize)n) {
			memcpy(&queue, answer.bytes + at + NLA_HDRLEN, sizeof(queue));
			return (int)queue.udiag_rqueue;
		}
		at += NLA_ALIGN(attribute.nla_len);
	}
	return -1;
}

static void host_print(GString *out, const struct api *api)
{
	const struct meter *meter = api->meter;
	int waiting = waiting_count(api->listen_fd);

	family(out, "muster_build_info", "gauge", "The version of this program.");
	g_string_append(out, "muster_build_info{version=\"" PACKAGE_VERSION "\"} 1\n");
	if (meter->started_us != 0) {
		family(out, "muster_api_start_time_seconds", "gauge",
			"When the parent of the workers started.");
		g_string_append_printf(out,
			"muster_api_start_time_seconds %" G_GINT64_FORMAT ".%03d\n",
			meter->started_us / G_USEC_PER_SEC,
			(int)(meter->started_us % G_USEC_PER_SEC / 1000));
	}
	requests_print(out, meter);
	durations_print(out, meter);
	number_print(out, "muster_http_response_bytes_total", "counter",
		"Bytes of answers' bodies.", meter_get(&meter->sent_bytes));
	workers_print(out, meter);
	number_print(out, "muster_api_workers_limit", "gauge", "How many of them there are to be.",
		(guint64)conf_get_int(api->conf, "api.workers"));
	if (waiting >= 0)
		number_print(out, "muster_api_requests_waiting", "gauge",
			"Requests that wait for a worker, and with it for a connection.",
			(guint64)waiting);
	number_print(out, "muster_api_worker_starts_total", "counter", "Workers started.",
		meter_get(&meter->worker_starts));
	number_print(out, "muster_api_worker_crashes_total", "counter",
		"Workers that ended otherwise than they should.",
		meter_get(&meter->worker_crashes));
	number_print(out, "muster_api_reloads_total", "counter",
		"Times that the configuration was read again.", meter_get(&meter->reloads));
}

static void live_print(GString *out, const struct conf *conf)
{
	struct live live;
	gboolean is_up = live_read(conf, &live);

	number_print(out, "muster_pusher_up", "gauge", "Whether muster-pusher lives on this host.",
		is_up);
	if (!is_up)
		return;
	family(out, "muster_live_connections", "gauge", "Clients that watch, by transport.");
	g_string_append_printf(out,
		"muster_live_connections{transport=\"websocket\"} %" G_GUINT64_FORMAT "\n"
		"muster_live_connections{transport=\"sse\"} %" G_GUINT64_FORMAT "\n"
		"muster_live_connections{transport=\"poll\"} %" G_GUINT64_FORMAT "\n",
		live.websocket, live.stream, live.poll);
	number_print(out, "muster_live_connections_limit", "gauge", "How many there may be.",
		(guint64)conf_get_int(conf, "pusher.clients_max"));
	number_print(out, "muster_live_connections_total", "counter", "Clients that ever came.",
		live.admitted);
	number_print(out, "muster_live_refused_total", "counter",
		"Clients that were turned away because there were too many.", live.refused);
	number_print(out, "muster_live_messages_total", "counter",
		"Messages about events given to clients.", live.delivered);
	number_print(out, "muster_pusher_event_id", "gauge",
		"The newest event that the pusher knows; muster_event_id is the log's.",
		(guint64)live.head);
	number_print(out, "muster_pusher_database_up", "gauge",
		"Whether the pusher reaches PostgreSQL.", !live.is_degraded);
}

/* What the database knows: lines that are ready, the same on every host. */
static void database_print(GString *out, struct api *api)
{
	g_autoptr(GError) failure = NULL;
	g_autoptr(db_result) result =
		db_query(api->db, "select muster.health_metrics()", 0, NULL, &failure);

	if (result == NULL) {
		log_failure(LOG_LEVEL_WARNING, "no figures of the database", failure);
		log_warning("the database said", "detail", db_error_detail(api->db), NULL);
	}
	number_print(out, "muster_database_up", "gauge", "Whether PostgreSQL answers.",
		result != NULL ? 1 : 0);
	if (result != NULL && db_result_rows(result) > 0)
		g_string_append(out, db_result_get(result, 0, 0));
}

gboolean prometheus_get(struct route_call *call, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(db_result) nothing = NULL;

	/* Whom the configuration names gets an answer while the database is away, too. */
	if (!call->is_open && !call_run(call, "select 1", 0, NULL, &nothing, error))
		return FALSE;
	host_print(out, call->api);
	live_print(out, call->api->conf);
	database_print(out, call->api);
	response_take_text(
		call->response, RESPONSE_METRICS, g_string_free(g_steal_pointer(&out), FALSE));
	return TRUE;
}
