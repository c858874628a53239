-- SPDX-License-Identifier: MIT
-- Something to look at, for `muster demo`: people, organisations, repositories with two weeks of audits,
-- findings, runs, deployments, test runs and figures. Sent whole, in one transaction, into a database in
-- which there is nobody yet. The setting muster.demo_hashes has the passwords' hashes, by address.
--
-- What has a function is written through it, so that what pages show was computed here as anywhere.
-- Only the times are moved afterwards: all of it happens now, and should look as if it had not.

do $$
begin
	if exists (select from muster.account) or exists (select from muster.repo) then
		raise exception using errcode = 'MU409',
			message = 'There are accounts or repositories here already: a demo is for an empty database.';
	end if;
end
$$;

-- Who acts from here on in this transaction.
create function pg_temp.act(p_email text, p_organization text) returns void
language sql as $$
	select set_config('muster.account', muster.account_find(p_email)::text, true),
	       set_config('muster.organization', muster.organization_find(p_organization)::text, true),
	       set_config('muster.role', muster.role_of(muster.account_find(p_email),
							 muster.organization_find(p_organization)), true);
$$;

select muster.organization_add('default', 'Zen Pipeline'), muster.organization_add('nxzen', 'Nxzen');
select muster.project_add('nxzen', 'platform', 'Platform'), muster.project_add('nxzen', 'shop', 'Shop');
select muster.account_add(p.email, p.name, current_setting('muster.demo_hashes')::jsonb ->> p.email,
			  p.organization, p.role)
  from (values ('admin@zenpipeline.ai', 'Platform Admin', 'default', 'platform_admin'),
	       ('demo@zenpipeline.ai', 'Demo User', 'default', 'developer'),
	       ('john@nxzen.com', 'John Carter', 'nxzen', 'org_admin'),
	       ('jane@nxzen.com', 'Jane Miller', 'nxzen', 'team_lead'),
	       ('mike@nxzen.com', 'Mike Brown', 'nxzen', 'developer')) p (email, name, organization, role);
select muster.account_role('demo@zenpipeline.ai', 'nxzen', 'viewer');
update muster.organization set owner_id = muster.account_find('john@nxzen.com') where slug = 'nxzen';

-- --- repositories. status is today's; on other days most are clean and some are not.
create temporary table demo_repo on commit drop as
select r.*, row_number() over () as n
  from (values
	('nxzen', 'platform', 'backend', 'api-gateway', 'clean', 'main', 2, 'Answer 503 while the pool is empty', 0),
	('nxzen', 'platform', 'backend', 'billing', 'dirty', 'fix/rounding', 5, 'Round once, at the end', 6),
	('nxzen', 'platform', 'backend', 'data-pipeline', 'clean', 'main', 140, 'Read the last partition first', 0),
	('nxzen', 'platform', 'backend', 'infrastructure', 'mismatched', 'main', 9, 'Renew certificates a week earlier', 0),
	('nxzen', 'platform', 'backend', 'legacy-portal', 'missing', null, null, null, null),
	('nxzen', 'platform', 'backend', 'ml-scoring', 'clean', 'main', 31, 'Keep the seed with the model', 0),
	('nxzen', 'platform', 'backend', 'notifications', 'clean', 'main', 1, 'Send one letter for many events', 0),
	('nxzen', 'shop', 'frontend', 'checkout-web', 'clean', 'main', 0, 'Say which field is wrong', 0),
	('nxzen', 'shop', 'frontend', 'design-system', 'clean', 'main', 12, 'Give focus an outline', 0),
	('nxzen', 'shop', 'frontend', 'mobile-app', 'dirty', 'feature/offline', 3, 'Store the cart while offline', 11),
	('nxzen', 'shop', 'frontend', 'sandbox', 'extra', 'main', 65, 'Try the new bundler', 0),
	('default', 'default', 'local', 'handbook', 'clean', 'main', 7, 'Explain the release day', 0),
	('default', 'default', 'local', 'scripts', 'dirty', 'main', 20, 'Rotate logs by size', 2),
	('default', 'default', 'local', 'website', 'clean', 'main', 4, 'Serve smaller pictures', 0))
	r (organization, project, root, name, status, branch, age, subject, changed);

-- One root's repositories as they were so many half days ago.
create function pg_temp.demo_report(p_organization text, p_root text, p_ago integer) returns text
language sql as $$
	with state as (
		-- Before its last commit a repository had an older one.
		select r.*, d.at, c.at - case when d.at > c.at then interval '0' else interval '17 days' end as committed_at,
		       case when p_ago = 0 then r.status
			    when r.status in ('missing', 'extra', 'mismatched') then case when p_ago < 2 + r.n then r.status else 'clean' end
			    when (r.n * 7 + p_ago * 5) % 11 < 2 then 'dirty' else 'clean' end as now_status,
		       case when p_ago = 0 then r.changed else ((r.n * 3 + p_ago) % 5 + 1)::integer end as now_changed
		  from demo_repo r
		 cross join lateral (select now() - make_interval(days => r.age, hours => 3) as at) c,
		       (select now() - p_ago * interval '12 hours' - interval '4 minutes' as at) d
		 where r.organization = p_organization and r.root = p_root
	), judged as (
		select s.*, s.now_status in ('missing', 'not_git') as is_gone,
		       case when s.now_status = 'dirty' then s.now_changed else 0 end as n_changed,
		       extract(epoch from s.at - s.committed_at)::integer / 86400 as days,
		       s.at - s.committed_at > interval '90 days' as is_stale, case when s.n % 5 = 2 then '["LICENSE"]'::jsonb else '[]' end as lacks
		  from state s
	)
	select jsonb_build_object('schema_version', 1, 'generator', 'muster demo', 'host', 'demo.example',
		'report_id', muster.uuid_from(p_organization || p_root || p_ago), 'project_id', min(project),
		'timestamp', muster.iso(min(at)), 'duration_ms', 180 + p_ago * 3,
		'health_status', case when bool_or(now_status = 'missing') then 'red'
				      when bool_or(now_status <> 'clean') then 'yellow' else 'green' end,
		'local_git_root', '/srv/' || p_root, 'roots', jsonb_build_array(jsonb_build_object('path', '/srv/' || p_root)),
		'github_user', p_organization, 'mitigation_actions', jsonb_build_object(
			'clone_missing', 'Clone it', 'review_or_delete', 'Look at it, then keep or delete it',
			'commit_or_discard', 'Commit or discard the changes', 'fix_remote_or_rename', 'Correct the remote'),
		'summary', jsonb_build_object('total', count(*), 'missing', count(*) filter (where now_status = 'missing'),
			'extra', count(*) filter (where now_status = 'extra'),
			'dirty', count(*) filter (where now_status = 'dirty'),
			'mismatched', count(*) filter (where now_status = 'mismatched'),
			'clean', count(*) filter (where now_status = 'clean'), 'not_git', 0, 'errors', 0,
			'stale', count(*) filter (where is_stale), 'missing_files', count(*) filter (where lacks <> '[]'),
			'unknown', '[]'::jsonb),
		'repos', jsonb_agg(jsonb_build_object('id', muster.uuid_from(p_organization || name), 'name', name,
			'status', now_status, 'path', '/srv/' || p_root || '/' || name,
			'dashboard_link', '/audit/' || name || '?action=' || case now_status when 'missing' then 'clone'
				when 'extra' then 'review' when 'dirty' then 'commit' when 'mismatched' then 'fix_remote'
				else 'view' end,
			'remote', case when now_status = 'extra' then null
				       else format('https://github.com/%s/%s.git', p_organization, name) end,
			'branch', branch, 'lastCommit', case when not is_gone then muster.iso(committed_at) end,
			'lastCommitSha', case when not is_gone then left(encode(sha256(convert_to(name || committed_at, 'UTF8')), 'hex'), 40) end,
			'lastCommitSubject', subject, 'lastCommitAgeDays', days,
			'uncommittedChanges', case when not is_gone then n_changed > 0 end, 'changed', n_changed,
			'missingFiles', case when not is_gone then lacks end, 'isStale', is_stale,
			'ahead', case when not is_gone then n_changed / 3 end, 'behind', case when not is_gone then 0 end,
			'counts', jsonb_build_object('staged', n_changed / 3, 'unstaged', n_changed - n_changed / 3,
				'untracked', 0, 'unmerged', 0, 'unverified', 0, 'stashes', 0),
			'findings', null, 'staleTags', 0,
			'healthScore', case when not is_gone
				then greatest(100 - 2 * n_changed - 5 * jsonb_array_length(lacks), 0) end,
			'health_unknown', '["critical", "high", "secrets"]'::jsonb, 'branches', '[]'::jsonb,
			'worktrees', '[]'::jsonb, 'submodules', '[]'::jsonb, 'head', case when not is_gone then 'branch' end,
			'recommendations', '[]'::jsonb,
			'checks', jsonb_build_array(
				jsonb_build_object('id', 'clean', 'severity', 'low',
					'status', case when n_changed > 0 then 'warn' else 'pass' end,
					'message', case when n_changed > 0 then format('%s files are changed', n_changed)
							else 'nothing is uncommitted' end),
				jsonb_build_object('id', 'active', 'severity', 'info',
					'status', case when is_stale then 'warn' else 'pass' end,
					'message', case when is_stale then format('the last commit is %s days old', days)
							else 'there were commits lately' end))) order by name))::text
	  from judged;
$$;

do $$
declare
	v_one record;
	v_head bigint;
begin
	for v_one in
		select r.organization, r.root, a.ago
		  from (select distinct organization, root from demo_repo) r, generate_series(27, 0, -1) a (ago)
		 order by a.ago desc, r.organization, r.root
	loop
		select head into v_head from muster.stream;
		perform muster.report_ingest(v_one.organization, 'demo.example', v_one.root,
			pg_temp.demo_report(v_one.organization, v_one.root, v_one.ago));
		update muster.event set at = now() - v_one.ago * interval '12 hours' - interval '4 minutes'
		 where id > v_head;
	end loop;
end
$$;
update muster.audit set created_at = reported_at;

-- --- findings, each of a run that was the first to see it.
create temporary table demo_finding on commit drop as
select * from (values
	('billing', 'secret', 'stripe-secret-key', 'Stripe secret key', 'critical', 'config/production.env', 12, 'sk_l…9fQ2', 19, 'open'),
	('billing', 'secret', 'generic-password', 'Password in a configuration file', 'high', 'deploy/values.yaml', 48, '"S3…k!"', 11, 'in_progress'),
	('api-gateway', 'secret', 'aws-access-key-id', 'AWS access key id', 'medium', 'scripts/upload.sh', 7, 'AKIA…7Q2X', 41, 'resolved'),
	('infrastructure', 'secret', 'private-key', 'Private key', 'critical', 'certs/old/server.key', 1, '-----BEGIN…', 66, 'open'),
	('infrastructure', 'secret', 'github-pat', 'GitHub personal access token (classic)', 'critical', '.github/sync.yml', 23, 'ghp_…x0Lm', 5, 'open'),
	('mobile-app', 'secret', 'google-api-key', 'Google API key', 'medium', 'android/app/keys.xml', 3, 'AIza…wK8s', 27, 'ignored'),
	('checkout-web', 'secret', 'slack-webhook', 'Slack incoming webhook', 'high', 'src/notify.js', 15, 'https://hooks.sl…', 14, 'open'),
	('data-pipeline', 'dependency', 'CVE-2021-44228', 'log4j-core 2.14.1: remote code execution by a logged text', 'critical', 'pom.xml', 88, null, 33, 'open'),
	('checkout-web', 'dependency', 'CVE-2023-45857', 'axios 1.5.0: the anti-forgery token is sent to other hosts', 'medium', 'package-lock.json', 412, null, 21, 'open'),
	('api-gateway', 'dependency', 'CVE-2023-44487', 'golang.org/x/net 0.15.0: HTTP/2 rapid reset', 'high', 'go.sum', 61, null, 8, 'in_progress'),
	('ml-scoring', 'dependency', 'CVE-2024-3651', 'idna 3.4: very slow for long names', 'medium', 'requirements.txt', 9, null, 17, 'open'),
	('notifications', 'dependency', 'CVE-2022-25883', 'semver 7.3.7: very slow for long ranges', 'medium', 'package-lock.json', 1033, null, 38, 'resolved'),
	('billing', 'code', 'sql-concatenation', 'A query is put together from input', 'high', 'src/invoice/search.py', 74, null, 12, 'open'),
	('mobile-app', 'code', 'weak-hash', 'MD5 for a signature', 'medium', 'lib/sync/sign.dart', 31, null, 6, 'open'),
	('design-system', 'code', 'inner-html', 'Text becomes markup', 'low', 'src/tooltip.ts', 18, null, 24, 'open'),
	('scripts', 'secret', 'generic-password', 'Password in a configuration file', 'high', 'backup.conf', 4, '"hu…r2"', 9, 'open'),
	('website', 'code', 'inner-html', 'Text becomes markup', 'low', 'assets/menu.js', 40, null, 13, 'open'))
	f (repo, kind, rule, title, severity, path, line, sample, age, state);

do $$
declare
	v_scan record;
	v_run bigint;
begin
	for v_scan in
		select r.organization_id, r.project_id, r.id as repo_id, d.kind, min(r.name) as name,
		       max(f.age) filter (where f.kind = d.kind) as age,
		       count(f.*) filter (where f.kind = d.kind) as total,
		       coalesce(jsonb_agg(jsonb_build_object('fingerprint', encode(sha256(convert_to(f.repo || f.rule || f.path,
				'UTF8')), 'hex'), 'rule', f.rule, 'title', f.title, 'severity', f.severity,
				'path', f.path, 'line', f.line, 'sample', f.sample, 'in_head', true, 'author', 'Mike Brown',
				'commit', left(encode(sha256(convert_to(f.path, 'UTF8')), 'hex'), 40),
				'committed_at', muster.iso(now() - make_interval(days => f.age + 2)),
				'occurrences', 1, 'places', jsonb_build_array(jsonb_build_object('line', f.line,
					'column', 1, 'end_line', f.line, 'end_column', 20))))
				filter (where f.kind = d.kind), '[]') as findings
		  from muster.repo r
		 cross join unnest(array['secret', 'dependency', 'code']) d (kind)
		  left join demo_finding f on f.repo = r.name
		 where r.status <> 'missing'
		 group by r.organization_id, r.project_id, r.id, d.kind
		 order by 6 desc nulls last, 5, 4
	loop
		insert into muster.run (organization_id, project_id, repo_id, account_id, kind, status, progress,
			message, total_results, created_at, started_at, completed_at)
		select v_scan.organization_id, v_scan.project_id, v_scan.repo_id, muster.account_find('mike@nxzen.com'),
		       case v_scan.kind when 'secret' then 'scan' when 'dependency' then 'deps' else 'analyze' end,
		       'completed', 100, 'Complete', v_scan.total, t.at, t.at + interval '2 seconds',
		       t.at + interval '2 seconds' + length(v_scan.name) * interval '1.7 seconds'
		  from (select now() - make_interval(days => coalesce(v_scan.age, 1), mins => length(v_scan.name) * 9) as at) t
		returning id into v_run;
		perform muster.finding_store(v_scan.repo_id, v_scan.kind, v_run, v_scan.findings, true);
	end loop;
	insert into muster.run (organization_id, project_id, repo_id, kind, status, progress, message, error,
		created_at, started_at, completed_at)
	select organization_id, project_id, id, 'scan', 'failed', 25, 'Reading the pack',
	       'The pack ends in the middle of an object.', now() - interval '3 days', now() - interval '3 days',
	       now() - interval '3 days' + interval '4 seconds'
	  from muster.repo where name = 'legacy-portal';
end
$$;
update muster.finding f set first_seen_at = r.created_at, changed_at = r.created_at
  from muster.run r where r.id = f.run_id;
update muster.finding_state s set at = f.first_seen_at, found_at = f.first_seen_at from muster.finding f where f.id = s.finding_id;

-- What people decided about them.
select pg_temp.act('jane@nxzen.com', 'nxzen');
select muster.finding_update(f.id, case d.state when 'ignored' then 'ignored' else d.state end,
		case d.state when 'ignored' then 'The key is bound to the app and to one interface'
			     when 'resolved' then 'Revoked and replaced' else 'Being replaced' end,
		case when d.state = 'in_progress' then muster.account_find('mike@nxzen.com')::text end)
  from demo_finding d
  join muster.repo r on r.name = d.repo
  join muster.finding f on f.repo_id = r.id and f.rule = d.rule and f.path = d.path
 where d.state <> 'open' and r.organization_id = muster.organization();
select muster.comment_add(f.id, 'The old one has been revoked. What is left is to take the file out of the history.')
  from muster.finding f where f.rule = 'private-key';
select muster.waiver_add('Samples that the documentation needs', p_rule => 'generic-password',
			 p_path => 'docs/*', p_days => 180);
select pg_temp.act('mike@nxzen.com', 'nxzen');
select muster.comment_add(f.id, 'I change it on Thursday, with the release.')
  from muster.finding f where f.rule = 'generic-password' and f.organization_id = muster.organization();
select muster.saved_search_add('Critical and open', 'findings', '{"severity": "critical", "state": "open"}', true);

-- --- projects, deployments, test runs, figures.
select pg_temp.act('john@nxzen.com', 'nxzen');
select muster.project_update('platform', null, 'What everything else stands on', 34, 50, 'medium',
			     'Two critical findings in infrastructure are open'),
       muster.project_update('shop', null, 'What customers see', 18, 24, 'low', 'The offline cart is late');
insert into muster.deployment (organization_id, project_id, repo_id, environment, version, commit, strategy,
	status, notes, error, account_id, created_at, started_at, completed_at)
select r.organization_id, r.project_id, r.id, d.environment, d.version,
       left(encode(sha256(convert_to(d.version || d.repo, 'UTF8')), 'hex'), 12), d.strategy, d.status, d.notes, d.error,
       muster.account_find('jane@nxzen.com'), t.at, t.at + interval '20 seconds',
       case when d.status in ('completed', 'failed') then t.at + d.minutes * interval '1 minute' end
  from (values
	('api-gateway', 'staging', '2.8.0', 'rolling', 'completed', null, null, 310, 6),
	('api-gateway', 'production', '2.8.0', 'canary', 'completed', null, null, 286, 22),
	('checkout-web', 'production', '5.1.2', 'blue_green', 'completed', 'Smaller pictures', null, 240, 9),
	('billing', 'staging', '1.14.0', 'rolling', 'failed', null, 'The migration waited for a lock', 170, 4),
	('billing', 'staging', '1.14.1', 'rolling', 'completed', null, null, 165, 5),
	('notifications', 'production', '0.9.7', 'rolling', 'completed', null, null, 98, 3),
	('checkout-web', 'production', '5.2.0', 'blue_green', 'completed', null, null, 52, 11),
	('api-gateway', 'staging', '2.9.0', 'rolling', 'completed', null, null, 26, 6),
	('billing', 'production', '1.14.1', 'canary', 'completed', null, null, 20, 31),
	('api-gateway', 'production', '2.9.0', 'canary', 'pending', 'After the review', null, 1, 0))
	d (repo, environment, version, strategy, status, notes, error, hours, minutes)
  join muster.repo r on r.name = d.repo
 cross join lateral (select now() - d.hours * interval '1 hour' as at) t
 order by t.at;
insert into muster.deployment (organization_id, project_id, repo_id, environment, version, commit, strategy,
	status, notes, rollback_of, account_id, created_at, started_at, completed_at)
select d.organization_id, d.project_id, d.repo_id, 'production', '5.1.2',
       left(encode(sha256('5.1.2checkout-web'), 'hex'), 12), 'blue_green', 'completed', 'Payments were slow', d.id,
       d.account_id, d.completed_at + interval '40 minutes', d.completed_at + interval '40 minutes',
       d.completed_at + interval '44 minutes'
  from muster.deployment d where d.version = '5.2.0';
update muster.deployment set status = 'rolled_back' where version = '5.2.0';
insert into muster.test_run (organization_id, project_id, repo_id, commit, branch, suite, total, passed, failed,
	skipped, duration_ms, coverage, account_id, at)
select r.organization_id, r.project_id, r.id, left(encode(sha256(convert_to(r.name || d.day, 'UTF8')), 'hex'), 12), 'main',
       s.suite, s.total - d.day * 2, s.total - d.day * 2 - f.failed - 3, f.failed, 3, s.total * 41 + d.day * 97,
       round(82.5 - d.day * 0.3 + length(r.name) * 0.2, 1), muster.account_find('mike@nxzen.com'),
       now() - d.day * interval '1 day' - length(r.name) * interval '11 minutes'
  from (values ('api-gateway', 'unit', 840), ('billing', 'unit', 512), ('checkout-web', 'browser', 176)) s (repo, suite, total)
  join muster.repo r on r.name = s.repo
 cross join generate_series(13, 0, -1) d (day)
 cross join lateral (select case when (d.day + length(s.repo)) % 6 = 0 then 2 else 0 end as failed) f
 order by d.day desc, s.repo;
insert into muster.metric (organization_id, project_id, name, value, unit, tags, at)
select muster.organization(), (muster.project_own('default')).id, m.name,
       round((m.base * (1 + (11 - a.month) * 0.02) + case when a.month % 3 = 0 then m.base * 0.04 else 0 end)::numeric, 2),
       'EUR', '{"source": "demo"}', date_trunc('month', now()) - a.month * interval '1 month'
  from generate_series(11, 0, -1) a (month)
 cross join (values ('financial.revenue', 84000), ('financial.expenses', 61000), ('financial.net_profit', 23000),
		    ('financial.cash_flow', 19500)) m (name, base)
 order by 7, m.name;
insert into muster.trail (action, subject) values ('demo.add', 'demo');
