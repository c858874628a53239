/* SPDX-License-Identifier: MIT */
#ifndef CGI_HANDLER_H
#define CGI_HANDLER_H

#include "cgi/route.h"

/*
 * Routes that need more than one SQL function, each in the file of its subject. Shapes are those of
 * route_handler.
 */

/* health.c */
gboolean health_get(struct route_call *call, GError **error);

/* prometheus.c: figures of this host and of the database, for a monitoring system. */
gboolean prometheus_get(struct route_call *call, GError **error);

/* live.c: all pages are told to look again. */
gboolean live_trigger(struct route_call *call, GError **error);

/* docs.c: the page that shows the document of openapi.c, which is the table of routes. */
gboolean docs_get(struct route_call *call, GError **error);
gboolean openapi_get(struct route_call *call, GError **error);

/* session.c: sign-in. Tokens are told once and stored hashed. */
gboolean session_login(struct route_call *call, GError **error);
gboolean session_refresh(struct route_call *call, GError **error);
gboolean session_logout(struct route_call *call, GError **error);
gboolean session_stream_token(struct route_call *call, GError **error);

/* account.c: invitations, accounts that people make themselves, passwords. */
gboolean invitation_add(struct route_call *call, GError **error);
gboolean invitation_find(struct route_call *call, GError **error);
gboolean invitation_accept(struct route_call *call, GError **error);
gboolean invitation_join(struct route_call *call, GError **error);
gboolean account_register(struct route_call *call, GError **error);
gboolean account_forgot(struct route_call *call, GError **error);
gboolean account_reset(struct route_call *call, GError **error);
gboolean summary_send(struct route_call *call, GError **error);

/* identity.c: people whom somebody else vouches for. */
gboolean identity_methods(struct route_call *call, GError **error);
gboolean identity_remote(struct route_call *call, GError **error);
gboolean identity_start(struct route_call *call, GError **error);
gboolean identity_finish(struct route_call *call, GError **error);
gboolean identity_link_start(struct route_call *call, GError **error);
gboolean identity_link(struct route_call *call, GError **error);
gboolean identity_unlink(struct route_call *call, GError **error);

/* totp.c: what asks for the password once more: another password, the second factor. */
gboolean account_password(struct route_call *call, GError **error);
gboolean totp_begin(struct route_call *call, GError **error);
gboolean totp_confirm(struct route_call *call, GError **error);
gboolean totp_recovery(struct route_call *call, GError **error);
gboolean totp_disable(struct route_call *call, GError **error);

/* credential.c: seals what opens repositories on other hosts. */
gboolean credential_add(struct route_call *call, GError **error);

/* token.c: the one answer that holds a new token. */
gboolean token_add(struct route_call *call, GError **error);

/* export.c: findings as a file, sent piece by piece. */
gboolean finding_export(struct route_call *call, GError **error);

/* admin.c: what is configured, beside what the database knows. */
gboolean admin_integrations(struct route_call *call, GError **error);
/* forge.c: runs it too, to ask a forge. */
gboolean forge_get(struct route_call *call, GError **error);

/* dashboard.c: how a project stands, in three forms. */
gboolean project_status(struct route_call *call, GError **error);

/* diff.c: runs the program muster, see there. */
gboolean diff_get(struct route_call *call, GError **error);

#endif
