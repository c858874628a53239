/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/event.h"

#include <string.h>

/* clang-format off */
const struct event_kind event_kinds[] = {
	{ "audit-update", EVENT_CHANNEL_AUDIT, .is_state = TRUE,
	  .help = "A whole new report, or where to get it." },
	{ "repo-status-change", EVENT_CHANNEL_AUDIT, .is_feed = TRUE,
	  .help = "One repository changed: its object, the status before, the new summary." },
	{ "status_change", EVENT_CHANNEL_RUNS, .is_feed = TRUE,
	  .help = "A run was asked for, started, completed, failed or was cancelled." },
	{ "progress_update", EVENT_CHANNEL_RUNS, .is_state = TRUE,
	  .help = "How far a run has come." },
	{ "run_log", EVENT_CHANNEL_RUNS, .is_state = TRUE,
	  .help = "How far the log of a run reaches." },
	{ "schedule_tick", EVENT_CHANNEL_RUNS,
	  .help = "A schedule's time came: what was queued, or why nothing was, and how many times were missed." },
	{ "deployment_started", EVENT_CHANNEL_DEPLOYMENTS, .is_feed = TRUE,
	  .help = "A deployment has begun." },
	{ "deployment_completed", EVENT_CHANNEL_DEPLOYMENTS, .is_feed = TRUE,
	  .help = "A deployment is complete." },
	{ "deployment_failed", EVENT_CHANNEL_DEPLOYMENTS, .is_feed = TRUE,
	  .help = "A deployment has failed." },
	{ "deployment_rolled_back", EVENT_CHANNEL_DEPLOYMENTS, .is_feed = TRUE,
	  .help = "A deployment was taken back." },
	{ "test_run_completed", EVENT_CHANNEL_ACTIVITY, .is_feed = TRUE,
	  .help = "Tests have run: how many passed, failed, were skipped." },
	{ "metric_update", EVENT_CHANNEL_METRICS, .is_state = TRUE,
	  .help = "The newest value of a figure." },
	{ "health-metrics-update", EVENT_CHANNEL_METRICS, .is_state = TRUE,
	  .help = "The figures of the queue and the age of the newest report, when they have changed." },
	{ "risk_alert", EVENT_CHANNEL_ALERTS, .is_feed = TRUE,
	  .help = "What threatens a project has changed." },
	{ "vulnerability_detected", EVENT_CHANNEL_ALERTS, .is_feed = TRUE,
	  .help = "A scan found something that nobody knew: which, where, how severe." },
	{ "scan_complete", EVENT_CHANNEL_SCANS, .is_feed = TRUE,
	  .help = "A scan of a repository is complete: which, of which." },
	{ "connection-status", EVENT_CHANNEL_PRESENCE, .is_state = TRUE,
	  .help = "The state of the live connection itself: connected or degraded." },
	{ "user_login", EVENT_CHANNEL_PRESENCE,
	  .help = "Somebody signed in." },
	{ "user_logout", EVENT_CHANNEL_PRESENCE,
	  .help = "Somebody signed out, here or elsewhere." },
	{ "session-change", EVENT_CHANNEL_PRESENCE, .is_hidden = TRUE,
	  .help = "A session, token or membership changed: mirrors read it again." },
};

static const char *const channel_names[] = {
	[EVENT_CHANNEL_AUDIT] = "audit",
	[EVENT_CHANNEL_RUNS] = "runs",
	[EVENT_CHANNEL_ACTIVITY] = "activity",
	[EVENT_CHANNEL_PRESENCE] = "presence",
	[EVENT_CHANNEL_DEPLOYMENTS] = "deployments",
	[EVENT_CHANNEL_SCANS] = "scans",
	[EVENT_CHANNEL_ALERTS] = "alerts",
	[EVENT_CHANNEL_METRICS] = "metrics",
};
/* clang-format on */

const gsize event_kinds_len = G_N_ELEMENTS(event_kinds);

const struct event_kind *event_kind_find(const char *type)
{
	for (gsize i = 0; i < event_kinds_len; i++)
		if (!strcmp(event_kinds[i].type, type))
			return &event_kinds[i];
	return NULL;
}

const char *event_channel_name(enum event_channel channel)
{
	return channel_names[channel];
}
