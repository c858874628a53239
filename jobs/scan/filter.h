/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_FILTER_H
#define MUSTER_JOBS_SCAN_FILTER_H

#include <glib.h>

/*
 * What tells a secret from what only has its shape: placeholders, templates, names in programs.
 * Conditions on the bytes alone; allowlists, which need patterns, are the judge's.
 *
 * The windows of jobs/scan/matcher.h are all that these functions look at.
 */

/*
 * Written by somebody who had no secret at hand: xxxx, ****, <your-token>, ${VAR}, {{ var }},
 * %VAR%, EXAMPLE, changeme; 1234567890, abcdef and the like; one character repeated. For tokens of
 * a known form: a random one is not refused in ten thousand.
 */
gboolean filter_is_placeholder(const guint8 *secret, gsize len);

/* The part of it that goes for passwords too, which may be abcd1234: words, runs, templates. */
gboolean filter_is_stand_in(const guint8 *text, gsize len);

/*
 * Not a secret although it is assigned to something named so: words, names of variables, calls,
 * paths, URLs, versions, dates, numbers, markup. For rules that know no more than a name ("password
 * = ..."): refuses weak passwords too, which are words.
 */
gboolean filter_is_ordinary(const guint8 *secret, gsize len);

/*
 * The same for rules that look for passwords (tagged "chosen"): a bad password is one too, but the
 * name of a variable, a label, a template, a word of the page, and what is only there to be changed
 * are none. Of random letters it lets 19 in 20 pass, of words and names 1 in 50.
 */
gboolean filter_is_no_password(const guint8 *secret, gsize len);

/*
 * What Basic authentication sends: base64 of a user, a colon and a password. TRUE for a short word
 * or a stand-in as the password; *is_default when it is a bad one, or looks like none, so that it
 * counts less. Both are FALSE for what is nothing of the kind.
 */
gboolean filter_is_no_basic(const guint8 *secret, gsize len, gboolean *is_default);

/*
 * Whether a name says that its value is about a secret, and none: password_field, tokenType,
 * publicKey, csrf_token, cacheKey. Read from its last word; signs and a change of case part words.
 */
gboolean filter_is_other_name(const guint8 *name, gsize len);

/*
 * Whether a password is one that everybody tries, in a sense that can be shown to all: secret,
 * postgres, admin123, Passw0rd; or belongs to a machine that is only reached from itself or stands
 * in examples (behind it in the window: @localhost, @127.0.0.1, @db.example.org). Such a finding is
 * true and does little harm.
 */
gboolean filter_is_default_password(const guint8 *secret, gsize len);
gboolean filter_is_for_local_host(const guint8 *window, gsize len, gsize secret_end);

/*
 * Whether one of the words is in the window at most `within` bytes before from or behind to, in any
 * case of letters. Words are in small letters.
 */
gboolean filter_has_context(const guint8 *window, gsize len, gsize from, gsize to,
	const char *const *words, guint within);

/*
 * Whether [from, to) is a hash of something, in hex: what it is given to on its line ends so
 * (token_sha1, "a-key.js", secret.md5), or it is the commit of an action (uses: a/b@...).
 */
gboolean filter_is_sum(const guint8 *window, gsize len, gsize from, gsize to);

/*
 * Whether [from, to) is the name of a commit in a report of ours or of gitleaks in CSV: the second
 * cell, behind the id of a rule, which may be all the name that a rule asks for.
 */
gboolean filter_is_reported_commit(const guint8 *window, gsize len, gsize from, gsize to);

/* Whether text ends as the name of a file does: .json, .pem, .html. */
gboolean filter_is_file_name(const guint8 *text, gsize len);
gboolean filter_is_call(const guint8 *text, gsize len);       /* getToken(), self.get("x") */
gboolean filter_is_hex_number(const guint8 *text, gsize len); /* 0x1f, to 64 bits */

/* Whether text holds the word (in small letters) in any case of letters. */
gboolean filter_holds(const guint8 *text, gsize len, const char *word);

/*
 * Whether an inline allow mark of ours or of the usual tools stands on a line of [from, to), or one
 * for the next line on the line before. A line is looked at as far as the window goes.
 */
gboolean filter_is_marked(const guint8 *window, gsize len, gsize from, gsize to);

#endif
