/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/conf.h"

/*
 * Every setting there is. contrib/muster.conf and lib/muster.conf.5 are checked against this
 * table by t/lint/conf.t. Groups stand in the order in which an administrator meets them.
 */

/* clang-format off */
const struct conf_key conf_keys[] = {
	{ "paths.state", CONF_TYPE_PATH, "",
	  .help = "Folder for reports, clones and everything else Muster keeps; empty is the one systemd made for a service, /var/lib/muster for root, $XDG_STATE_HOME/muster for others." },
	{ "paths.run", CONF_TYPE_PATH, "",
	  .help = "Folder for sockets; keep it short, a socket's path has at most 107 bytes; empty is the one systemd made for a service, /run/muster for root, $XDG_RUNTIME_DIR/muster for others." },
	{ "paths.cache", CONF_TYPE_PATH, "",
	  .help = "Folder for what can be computed again; empty is the one systemd made for a service, else $XDG_CACHE_HOME/muster." },
	{ "paths.sql", CONF_TYPE_PATH, "",
	  .help = "Folder with the migrations and functions; empty is the installed one." },
	{ "paths.htdocs", CONF_TYPE_PATH, "",
	  .help = "Folder with the page; empty is the installed one." },
	{ "paths.muster", CONF_TYPE_PATH, "",
	  .help = "The program muster, which makes the diffs that the page shows; empty is the installed one." },

	{ "database.url", CONF_TYPE_STRING, "",
	  .help = "libpq connection string without user and password; empty: there is no database. Other than on a Unix socket it is sslmode=verify-full unless this says otherwise: name the authority in sslrootcert." },
	{ "database.direct", CONF_TYPE_STRING, "",
	  .help = "Connection string that reaches PostgreSQL past any pooler, for LISTEN; empty is database.url." },
	{ "database.password_file", CONF_TYPE_PATH, "",
	  .help = "File with the passwords, host:port:database:role:password a line, mode 0600; empty is libpq's own, ~/.pgpass." },
	{ "database.roles", CONF_TYPE_WORD, "separate", .words = "separate|single",
	  .help = "separate: each program signs in as its own role (muster_api, muster_jobs, ...); single: as database.url says." },
	{ "database.prepare", CONF_TYPE_BOOL, "true",
	  .help = "Prepare statements once per connection; false behind a pooler in transaction mode." },
	{ "database.timeout_ms", CONF_TYPE_INT, "10000", .min = 100, .max = 3600000,
	  .help = "A statement of a request that takes longer is cancelled." },

	{ "secret.key_file", CONF_TYPE_PATH, "",
	  .help = "File with the 32-byte master key, mode 0600, or 0640 where the runner is another user of its group; empty is 'key' in paths.state." },

	{ "server.host", CONF_TYPE_STRING, "",
	  .help = "This host's name in the database: which folders it watches and which reports are its own; empty is what the system calls itself." },
	{ "server.public_url", CONF_TYPE_STRING, "",
	  .help = "The address people type; decides about Secure cookies and the Origin check; empty: what the web server says." },

	{ "server.cors_origins", CONF_TYPE_STRING, "",
	  .help = "Origins (https://app.example.org), separated by spaces, whose pages may use the API and the streams." },
	{ "server.sendmail", CONF_TYPE_PATH, "/usr/sbin/sendmail",
	  .help = "The program that takes letters (invitations, new passwords); msmtp-mta, postfix and exim bring one." },
	{ "server.mail_from", CONF_TYPE_STRING, "",
	  .help = "Who letters are from, as in Muster <muster@example.org>; empty: whom the mail program makes it." },
	{ "server.trusted_proxies", CONF_TYPE_STRING, "",
	  .help = "Addresses and networks (10.0.0.0/8), separated by spaces, whose X-Forwarded-For and X-Forwarded-Proto are believed." },

	{ "auth.remote_user", CONF_TYPE_WORD, "off", .words = "off|existing|create",
	  .help = "Whether people whom the web server has signed in (its parameter REMOTE_USER) come in without a password: existing: with the account that they have; create: with one made for them. Only when the web server asks everybody for all of /api/." },
	{ "auth.remote_user_domain", CONF_TYPE_STRING, "",
	  .help = "What makes an address of such a name that is none: ann becomes ann@example.org." },
	{ "auth.openid_file", CONF_TYPE_PATH, "",
	  .help = "File with the issuers (OpenID Connect, GitHub) that people may sign in with, a group each, see api.fcgi(8); others may not read it." },
	{ "auth.new_organization", CONF_TYPE_STRING, "default",
	  .help = "Where accounts belong that are made at the first sign-in." },
	{ "auth.new_role", CONF_TYPE_WORD, "viewer", .words = "viewer|developer|team_lead",
	  .help = "And what they may do there." },

	{ "api.workers", CONF_TYPE_INT, "4", .min = 1, .max = 256,
	  .help = "Processes of api.fcgi that answer requests, each with one database connection." },
	{ "api.requests_max", CONF_TYPE_INT, "10000", .min = 1, .max = 1000000000,
	  .help = "A process of api.fcgi is replaced after about so many requests." },
	{ "api.body_max_bytes", CONF_TYPE_INT, "1048576", .min = 1024, .max = 268435456,
	  .help = "No route takes a longer body; most take less." },
	{ "api.rate_limit", CONF_TYPE_BOOL, "true",
	  .help = "Clients that ask too often are told to wait (status 429)." },
	{ "api.metrics_from", CONF_TYPE_STRING, "",
	  .help = "Addresses and networks (10.0.0.0/8), separated by spaces, that read /metrics without signing in; all others need to be a platform administrator." },

	{ "event.bus", CONF_TYPE_WORD, "notify", .words = "notify|poll",
	  .help = "How other hosts hear of new events: LISTEN/NOTIFY, or polling alone." },
	{ "event.poll_ms", CONF_TYPE_INT, "200", .min = 10, .max = 60000,
	  .help = "Backstop poll of the event log." },

	{ "pusher.live", CONF_TYPE_BOOL, "true",
	  .help = "Live connections; false: pages poll instead." },
	{ "pusher.clients_max", CONF_TYPE_INT, "10000", .min = 1, .max = 1000000,
	  .help = "Live connections at once." },
	{ "pusher.clients_per_account", CONF_TYPE_INT, "200", .min = 1, .max = 1000000,
	  .help = "Live connections of one account at once." },
	{ "pusher.clients_per_address", CONF_TYPE_INT, "500", .min = 1, .max = 1000000,
	  .help = "Live connections from one address (X-Forwarded-For of the web server) at once." },
	{ "pusher.heartbeat_s", CONF_TYPE_INT, "30", .min = 1, .max = 300,
	  .help = "Pings and heartbeats; web servers cut connections that are silent for 60 seconds." },
	{ "pusher.message_max_bytes", CONF_TYPE_INT, "4096", .min = 128, .max = 1048576,
	  .help = "The longest message that a client may send." },
	{ "pusher.messages_per_minute", CONF_TYPE_INT, "120", .min = 1, .max = 1000000,
	  .help = "Messages that one client may send; as many may come at once." },
	{ "pusher.ring_events", CONF_TYPE_INT, "4096", .min = 16, .max = 1048576,
	  .help = "Newest events kept in memory for clients that come back; older ones are read from the log." },
	{ "pusher.replay_max", CONF_TYPE_INT, "10000", .min = 1, .max = 10000000,
	  .help = "A client that missed more events than this loads the page's data again." },

	{ "audit.stale_days", CONF_TYPE_INT, "90", .min = 1, .max = 36500,
	  .help = "A repository whose last commit is older is stale." },
	{ "audit.large_blob_bytes", CONF_TYPE_INT, "10485760", .min = 1, .max = G_MAXINT64,
	  .help = "Files of HEAD from this size on are listed as large." },
	{ "audit.skip", CONF_TYPE_STRING, "node_modules;vendor;.cache;.Trash-*;__pycache__",
	  .help = "Names of folders, separated by ';' (* and ? allowed), that are not searched for repositories." },
	{ "audit.history_keep", CONF_TYPE_INT, "100", .min = 1, .max = 100000,
	  .help = "Report files kept in history/ of a report folder." },

	{ "scan.rules", CONF_TYPE_STRING, "",
	  .help = "Files with rules of your own for scans that are jobs, separated by ';', in full, as --rules of muster scan takes them." },

	{ "job.concurrency", CONF_TYPE_INT, "0", .min = 0, .max = 1024,
	  .help = "Jobs that may run at once on this host, for each set of queues that has a runner; 0 is the number of processors." },
	{ "job.drain_s", CONF_TYPE_INT, "20", .min = 0, .max = 86400,
	  .help = "A runner that is told to stop waits so long for its jobs, then ends them; they run again later." },

	{ "log.level", CONF_TYPE_WORD, "info", .words = "debug|info|warning|error",
	  .help = "The least important line that is written." },
	{ "log.target", CONF_TYPE_WORD, "auto", .words = "auto|stderr|journald",
	  .help = "auto: journald when standard error is its stream, else standard error." },
};
/* clang-format on */

const gsize conf_keys_len = G_N_ELEMENTS(conf_keys);

const char *const conf_former_keys[] = {
	"audit.interval_s", /* schedules say when: muster-schedule(1) */
	NULL,
};
