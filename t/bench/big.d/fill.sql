-- SPDX-License-Identifier: MIT
-- What t/bench/big asks: one organisation with nearly everything, two thousand small ones. Each part
-- begins with a line "-- == NAME" and is run and timed by itself, triggers off. Numbers are written
-- out; :scale (1 by default) divides the large ones. Skewed as the real ones are: a few repositories,
-- rules and accounts have most. random() is not asked, so that all runs see the same.

-- == organization, account, membership
insert into muster.organization (slug, name)
select 'team-' || n, 'Team ' || n from generate_series(1, 2000) n;
insert into muster.project (organization_id, slug, name)
select id, 'default', 'Default' from muster.organization where slug <> 'default';
insert into muster.project (organization_id, slug, name)
select o.id, 'project-' || n, 'Project ' || n
  from muster.organization o, generate_series(1, 499) n where o.slug = 'default';
insert into muster.account (id, email, name)
select md5('account' || n)::uuid, 'person' || n || '@example.org', 'Person ' || n
  from generate_series(1, 20000) n;
insert into muster.membership (organization_id, account_id, role)
select o.id, md5('account' || n)::uuid, (array['viewer', 'developer', 'team_lead', 'org_admin'])[1 + n % 4]
  from muster.organization o, generate_series(1, 10000) n where o.slug = 'default';
insert into muster.membership (organization_id, account_id, role)
select o.id, md5('account' || 1 + (right(o.slug, -5)::integer * 10 + n) % 20000)::uuid,
       (array['viewer', 'developer', 'team_lead', 'org_admin'])[1 + n % 4]
  from muster.organization o, generate_series(1, 5) n where o.slug like 'team-%';

-- == session, token, invitation, setting, search
insert into muster.session (organization_id, account_id, token_hash, csrf, expires_at, address, agent)
select o.id, md5('account' || 1 + n % 10000)::uuid, sha256(('session' || n)::bytea), decode(md5(n::text), 'hex'),
       now() + interval '7 days', '192.0.2.' || n % 255, 'Mozilla/5.0 (X11; Linux x86_64)'
  from muster.organization o, generate_series(1, 50000) n where o.slug = 'default';
insert into muster.session (organization_id, account_id, token_hash, csrf, expires_at, address, agent)
select a.organization_id, a.account_id, sha256(('own' || n)::bytea), decode(md5(n::text), 'hex'),
       now() + interval '7 days', '192.0.2.1', 'Mozilla/5.0 (X11; Linux x86_64)'
  from generate_series(1, 2000) n,
       (select m.organization_id, m.account_id from muster.membership m
	  join muster.account a on a.id = m.account_id where a.email = 'ann@example.org' limit 1) a;
insert into muster.token (organization_id, account_id, name, hint, token_hash, scopes)
select o.id, md5('account' || 1 + n % 10000)::uuid, 'token ' || n, 'mst_' || left(md5(n::text), 4),
       sha256(('token' || n)::bytea), '{read}'
  from muster.organization o, generate_series(1, 20000) n where o.slug = 'default';
insert into muster.invitation (organization_id, email, role, token_hash, expires_at)
select o.id, 'new' || n || '@example.org', 'viewer', sha256(('invitation' || n)::bytea), now() + interval '7 days'
  from muster.organization o, generate_series(1, 5000) n where o.slug = 'default';
insert into muster.saved_search (organization_id, account_id, name, subject, query, shared)
select o.id, md5('account' || 1 + n % 10000)::uuid, 'search ' || n,
       (array['findings', 'repos'])[1 + n % 2], '{"state": "open"}', n % 20 = 0
  from muster.organization o, generate_series(1, 20000) n where o.slug = 'default';

-- == root, repo
insert into muster.root (organization_id, project_id, host, slug, path, report, report_id, report_bytes, reported_at)
select o.id, p.id, 'host' || n, 'root-' || n, '/srv/git' || n,
       '{"health_status": "yellow", "local_git_root": "/srv/git", "schema_version": 1}', gen_random_uuid(),
       case n when 1 then 36000000 else 400000 end, now()
  from muster.organization o join muster.project p on p.organization_id = o.id and p.slug = 'default',
       generate_series(1, 11) n
 where o.slug = 'default' order by n;
insert into muster.repo (id, organization_id, project_id, root_id, source_id, ordinal, name, status, path, remote,
	branch, health_score, last_commit_at, last_commit_subject, ahead, behind, staged, unstaged, untracked, stashes,
	stale, report, hash, digest, scanned_at, updated_at)
select md5('repo' || n)::uuid, t.organization_id, case when n % 3 = 0 then p.id else t.project_id end, t.id,
       md5('source' || n)::uuid, (n - 1) % 9000, 'repository-' || n,
       (array['clean', 'clean', 'clean', 'clean', 'clean', 'clean', 'dirty', 'dirty', 'mismatched', 'missing',
	      'clean', 'clean', 'extra', 'clean', 'not_git', 'clean', 'clean'])[1 + n % 17],
       t.path || '/team' || n % 40 || '/repository-' || n, 'https://example.org/team' || n % 40 || '/repository-' || n
       || '.git', (array['main', 'master', 'develop'])[1 + n % 3], case when n % 50 > 0 then 40 + n % 61 end,
       now() - n * interval '1 hour', 'Mend what was number ' || n, n % 3, n % 5, n % 2, n % 4, n % 6, 0, n % 7 = 0,
       r.report, sha256(n::text::bytea), sha256(n::text::bytea), case when n % 100 > 0 then now() end, now()
  from generate_series(1, 10000) n
  join muster.root t on t.slug = 'root-' || case when n <= 9000 then 1 else 2 + (n - 9001) / 100 end
  join muster.project p on p.organization_id = t.organization_id and p.slug = 'project-' || 1 + n % 499
 cross join lateral (select jsonb_build_object('name', 'repository-' || n, 'path', '/srv/git/repository-' || n,
		'counts', jsonb_build_object('staged', n % 2, 'unstaged', n % 4, 'untracked', n % 6),
		'checks', jsonb_agg(jsonb_build_object('id', 'check-' || k, 'severity', 'low', 'status', 'pass', 'group',
			'worktree', 'message', 'what is looked at as number ' || k || ' of ' || n)
			order by k)) as report
	from generate_series(1, 25) k) r;

-- == audit
insert into muster.audit (organization_id, project_id, root_id, report_id, report_hash, reported_at, duration_ms,
	health_status, summary, repos, changed, score_sum, score_count, buckets, statuses, scores, created_at)
select t.organization_id, t.project_id, t.id, gen_random_uuid(), sha256(n::text::bytea),
       now() - (2001 - n) * interval '10 minutes', 1200, 'yellow',
       '{"total": 9000, "clean": 6000, "dirty": 1200, "missing": 500, "extra": 500, "mismatched": 500, "not_git": 300}',
       case t.slug when 'root-1' then 9000 else 100 end, n % 5, 630000, 9000, '{0,0,0,0,10,20,30,40,50,60}',
       decode(repeat(lpad(to_hex(1 + n % 5), 2, '0') || '0503050505030201',
		     case t.slug when 'root-1' then 1000 else 12 end), 'hex'),
       decode(repeat('3c4664505a3c4650', case t.slug when 'root-1' then 1125 else 13 end), 'hex'),
       now() - (2001 - n) * interval '10 minutes'
  from generate_series(1, 2000) n, muster.root t
 order by n, t.id;
update muster.root t set audit_id = (select max(id) from muster.audit a where a.root_id = t.id);

-- == rule, waiver
insert into muster.rule (organization_id, key, kind, title, remedy)
select o.id, 'rule-' || n, (array['secret', 'dependency', 'code'])[1 + n % 3], 'What rule ' || n || ' says',
       'Take it out of the history and make a new one.'
  from muster.organization o, generate_series(1, 900) n where o.slug = 'default';
insert into muster.waiver (id, organization_id, account_id, repo_id, rule, reason, created_at)
select md5('waiver' || n)::uuid, o.id, md5('account' || 1 + n % 100)::uuid, md5('repo' || 1 + n % 10000)::uuid,
       'rule-' || 1 + n % 900, 'Known and harmless', now() - n * interval '1 hour'
  from muster.organization o, generate_series(1, 20000) n where o.slug = 'default';

-- == finding
insert into muster.finding (organization_id, repo_id, kind, fingerprint, rule, title, severity, path, line, secret_id,
	sample, in_head, commit, author, committed_at, occurrences, data, state, ignored_by, waiver_id, assignee_id,
	run_id, first_seen_at, changed_at, gone_at, seen_at)
select o.id, md5('repo' || 1 + least(f.skew, n % 10000))::uuid,
       (array['secret', 'dependency', 'code'])[1 + f.rule % 3], 'fingerprint-' || n, 'rule-' || f.rule,
       'What rule ' || f.rule || ' says', f.severity,
       'src/module' || n % 1000 || '/part' || n % 37 || '/file' || n || '.c', n % 2000,
       md5((n % 700000)::text), '****' || left(md5(n::text), 4), n % 4 > 0, md5(n::text) || left(md5(n::text), 8),
       'Person ' || n % 500, now() - (1000000 - n) * interval '1 minute', 1 + n % 7,
       jsonb_build_object('family', 'token', 'tags', jsonb_build_array('a', 'b'), 'column', n % 80, 'blob', md5(n::text),
			  'places', md5(n::text), 'severity', f.severity),
       f.state, case f.state when 'ignored' then 'waiver' end,
       case f.state when 'ignored' then md5('waiver' || 1 + n % 20000)::uuid end,
       case when n % 20 = 0 then md5('account' || 1 + n % 300)::uuid end, 1 + n / 10,
       now() - (1000000 - n) * interval '1 minute', now() - (1000000 - n) * interval '30 seconds',
       case f.state when 'resolved' then now() end, case f.state when 'resolved' then now() end
  from generate_series(1, 1000000 / :scale) n
 cross join lateral (select (n % 30000) as skew, 1 + (n::bigint * n) % 900 as rule,
	(array['high', 'medium', 'medium', 'low', 'low', 'low', 'low', 'info', 'info', 'critical'])[1 + n % 10] as severity,
	(array['open', 'resolved', 'open', 'resolved', 'open', 'ignored', 'open', 'open', 'resolved', 'open',
	       'in_progress'])[1 + n % 11] as state) f
  join muster.organization o on o.slug = 'default'
 order by n;
insert into muster.finding_count (organization_id, repo_id, kind, state, severity, n)
select organization_id, repo_id, kind, state, severity, count(*) from muster.finding group by 1, 2, 3, 4, 5;
insert into muster.finding_sum (repo_id, organization_id, n)
select c.repo_id, c.organization_id, array(
	select coalesce(sum(d.n), 0)::integer
	  from generate_series(1, 23) k (place)
	  left join muster.finding_count d on d.repo_id = c.repo_id and k.place in (
		5 * array_position(array['open', 'in_progress', 'resolved', 'ignored'], d.state) - 5
		+ array_position(array['critical', 'high', 'medium', 'low', 'info'], d.severity),
		20 + array_position(array['secret', 'dependency', 'code'], d.kind))
	 group by k.place order by k.place)
  from (select distinct repo_id, organization_id from muster.finding_count) c;
insert into muster.finding_rule (organization_id, repo_id, kind, rule, n)
select organization_id, repo_id, kind, rule, count(*) from muster.finding
 where state in ('open', 'in_progress') group by 1, 2, 3, 4;
insert into muster.tally (organization_id, what, key, span, day, n)
select organization_id, 'repos', kind || ' ' || rule, 'ever', '-infinity'::date, count(*)
  from muster.finding_rule group by organization_id, kind, rule
union all
select organization_id, 'open.' || severity, kind || ' ' || rule, 'ever', '-infinity', count(*)
  from muster.finding where state in ('open', 'in_progress') group by organization_id, severity, kind, rule
union all
select f.organization_id, 'found', f.kind || ' ' || f.rule, s.span,
       date_trunc(s.span, f.first_seen_at at time zone 'UTC')::date, count(*)
  from muster.finding f cross join (values ('day'), ('month')) s (span) group by 1, 3, 4, 5;

-- == occurrence, finding_state, comment
insert into muster.occurrence (organization_id, finding_id, number, blob, line, col, end_line, end_col)
select f.organization_id, f.id, k, md5(f.id::text || k), k, 1, k, 40
  from muster.finding f, generate_series(1, case when f.id = 1 then 5000 else 2 end) k;
insert into muster.finding_state (organization_id, project_id, finding_id, found_at, account_id, before, after, at)
select f.organization_id, r.project_id, f.id, f.first_seen_at, case when k = 2 then md5('account' || 1 + f.id % 300)::uuid end,
       case when k = 2 then 'open' end, case when k = 1 then 'open' else f.state end,
       f.first_seen_at + k * interval '1 hour'
  from muster.finding f join muster.repo r on r.id = f.repo_id
 cross join generate_series(1, case when f.id = 1 then 5000 when f.state <> 'open' then 2 else 1 end) k;
insert into muster.comment (organization_id, project_id, finding_id, account_id, text, created_at)
select f.organization_id, r.project_id, f.id, md5('account' || 1 + f.id % 300)::uuid, 'A word on ' || f.id, now()
  from muster.finding f join muster.repo r on r.id = f.repo_id
 cross join generate_series(1, case when f.id = 1 then 2000 else 1 end) k
 where f.id = 1 or f.id % 10 = 0;

-- == run, job, run_log
insert into muster.run (organization_id, project_id, repo_id, account_id, kind, status, total_results, created_at,
	started_at, completed_at, pull_request)
select r.organization_id, r.project_id, r.id, case when n % 2 = 0 then md5('account' || 1 + n % 300)::uuid end,
       case when n % 10007 = 0 then 'analyze' else (array['audit', 'scan', 'scan', 'audit', 'deps'])[1 + n % 5] end,
       case when n % 5003 = 0 then 'failed' when n % 7001 = 0 then 'cancelled' else 'completed' end, n % 10,
       now() - (500000 - n) * interval '5 minutes', now() - (500000 - n) * interval '5 minutes',
       now() - (500000 - n) * interval '5 minutes' + (n % 90) * interval '1 second',
       case when n % 5 in (1, 2) then 1 + n % 1000 end
  from generate_series(1, 500000 / :scale) n
  join muster.repo r on r.id = md5('repo' || 1 + n % 10000)::uuid
 order by n;
insert into muster.job (organization_id, run_id, kind, key, state, created_at, started_at, finished_at)
select r.organization_id, r.id, 'audit', 'key' || r.id, 'done', r.created_at, r.started_at, r.completed_at
  from muster.run r where r.id > 300000 / :scale;
select muster.job_count_add();
insert into muster.run_log (organization_id, run_id, number, text)
select r.organization_id, r.id, k, repeat('what was printed ' || k || E'\n', 5)
  from muster.run r, generate_series(1, case when r.id = 1 then 20000 else 1 end) k where r.id < 50000;

-- == deployment, test_run, metric
insert into muster.deployment (id, organization_id, project_id, repo_id, environment, version, commit, status,
	account_id, created_at, started_at, completed_at)
select md5('deployment' || n)::uuid, r.organization_id, r.project_id, r.id,
       (array['development', 'development', 'staging', 'production'])[1 + n % 4], '1.' || n / 1000 || '.' || n % 1000,
       md5(n::text), case when n % 2003 = 0 then 'failed' when n % 5003 = 0 then 'rolled_back' else 'completed' end,
       md5('account' || 1 + n % 300)::uuid, now() - (200000 - n) * interval '5 minutes',
       now() - (200000 - n) * interval '5 minutes', now() - (200000 - n) * interval '5 minutes'
  from generate_series(1, 200000 / :scale) n
  join muster.repo r on r.id = md5('repo' || 1 + n % 10000)::uuid
 order by n;
insert into muster.test_run (organization_id, project_id, repo_id, commit, branch, suite, total, passed, failed,
	duration_ms, coverage, at)
select r.organization_id, r.project_id, r.id, md5(n::text), 'main', 'unit', 100, 100 - n % 3, n % 3, 12000, n % 100,
       now() - (500000 - n) * interval '2 minutes'
  from generate_series(1, 500000 / :scale) n
  join muster.repo r on r.id = md5('repo' || 1 + n % 10000)::uuid
 order by n;
insert into muster.metric (organization_id, project_id, name, value, unit, tags, at)
select p.organization_id, p.id, 'figure.number_' || 1 + least(n % 100, n % 61), n % 1000, 'ms', '{"host": "a"}',
       now() - (2000000 - n) * interval '20 seconds'
  from generate_series(1, 2000000 / :scale) n, muster.organization o
  join muster.project p on p.organization_id = o.id and p.slug = 'default' where o.slug = 'default'
 order by n;

-- == what was done, counted
insert into muster.tally (organization_id, project_id, what, key, span, day, n, amount)
select t.organization_id, p.id, t.what, t.key, s.span, date_trunc(s.span, t.day)::date, sum(t.n), sum(t.amount)
  from (select t.* from muster.finding_state x cross join lateral muster.finding_state_tally(row(x.*)::muster.finding_state, 1) t
	union all
	select t.* from muster.comment x cross join lateral muster.comment_tally(row(x.*)::muster.comment, 1) t
	union all
	select t.* from muster.run x cross join lateral muster.run_tally(row(x.*)::muster.run, 1) t
	union all
	select t.* from muster.deployment x cross join lateral muster.deployment_tally(row(x.*)::muster.deployment, 1) t
	union all
	select t.* from muster.test_run x cross join lateral muster.test_run_tally(row(x.*)::muster.test_run, 1) t) t
 cross join lateral (values (t.project_id), (null)) p (id)
 cross join (values ('day'), ('month')) s (span)
 group by 1, 2, 3, 4, 5, 6 having sum(t.n) <> 0 or sum(t.amount) <> 0
 order by 1, 2, 3, 5, 6, 4;

-- == trail
insert into muster.trail (organization_id, account_id, action, subject, data, address, at)
select o.id, md5('account' || 1 + n % 300)::uuid, case when n % 50021 = 0 then 'organization.update'
	else (array['session.add', 'finding.update', 'run.add', 'token.add', 'session.end'])[1 + n % 5] end,
       'subject-' || n % 100000, '{"what": "something"}', '192.0.2.' || n % 255,
       now() - (2000000 - n) * interval '30 seconds'
  from generate_series(1, 2000000 / :scale) n, muster.organization o where o.slug = 'default'
 order by n;

-- == event
set role muster_owner;
select muster.event_extend(11000000 / :scale);
reset role;
insert into muster.event (id, organization_id, project_id, channel, type, subject, data, labels, at)
select n, case when n % 20 = 0 then t.id else o.id end, 'default', k.channel, k.type, 'subject-' || n % 10000,
       jsonb_build_object('repo', jsonb_build_object('id', md5('repo' || 1 + n % 10000), 'name', 'repository-' || 1 + n % 10000,
		'status', 'dirty', 'health_score', n % 100), 'before', 'clean', 'number', n),
       case k.type when 'session-change' then '{"internal": true}' else '{}' end::jsonb,
       now() - (10000000 - n) * interval '60 milliseconds'
  from generate_series(1, 10000000 / :scale) n
  join muster.organization o on o.slug = 'default'
  left join muster.organization t on t.slug = 'team-' || 1 + n / 20 % 2000
 cross join lateral (select case when n % 100003 = 0 then 'alerts' when n % 10 = 0 then 'runs'
				 when n % 50 = 7 then 'presence' else 'audit' end as channel,
			    case when n % 100003 = 0 then 'risk_alert' when n % 10 = 0 then 'status_change'
				 when n % 50 = 7 then 'session-change' else 'repo-status-change' end as type) k;
update muster.stream set head = 10000000 / :scale;
