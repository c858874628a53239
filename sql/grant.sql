-- SPDX-License-Identifier: MIT
-- Who may call and read what: all of it, in one place, run last by every migrate. A role that does
-- not exist is left out (the one-role mode). Nothing is granted to public.
--
-- Programs reach tables through functions. muster_api alone reads the tables of the organisation
-- that enter() set, under row-level security; what crosses organisations is SECURITY DEFINER.

select muster.event_extend(head + span) from muster.stream;

do $$
declare
	v_role text;
	v_grant record;
	v_function text;
begin
	revoke all on all tables in schema muster from public;
	revoke all on all functions in schema muster from public;
	foreach v_role in array array['muster_api', 'muster_hook', 'muster_jobs', 'muster_push'] loop
		continue when not exists (select from pg_roles where rolname = v_role);
		execute format('revoke all on all tables in schema muster from %I', v_role);
		execute format('revoke all on all functions in schema muster from %I', v_role);
		execute format('grant usage on schema muster to %I', v_role);
		execute format('grant execute on function muster.organization(), muster.account() to %I', v_role);
	end loop;

	if exists (select from pg_roles where rolname = 'muster_api') then
		grant select on muster.organization, muster.project, muster.root, muster.repo, muster.audit,
			muster.event, muster.run to muster_api;
	end if;

	for v_grant in
		select * from (values
			('muster_api', array['enter', 'login_find', 'login_try', 'login_tried', 'session_add', 'session_rotate',
				'session_remove', 'account_me', 'overview_get', 'overview_announce', 'report_get', 'audit_history',
				'audit_history_get', 'audit_csv', 'audit_list', 'audit_add', 'repo_list', 'repo_get', 'repo_place',
				'repo_add', 'repo_update', 'repo_archive', 'repo_unarchive', 'repo_remove', 'repo_restore',
				'audit_get', 'audit_diff', 'finding_export', 'analysis_scan_add', 'scan_add', 'analysis_scan_list',
				'analysis_scan_get', 'analysis_pull_request', 'analysis_metrics',
				'event_list', 'event_bounds', 'stream_position', 'sequence_events',
				'health_get', 'health_queue', 'health_jobs', 'health_connections', 'health_metrics',
				'rate_take', 'idempotency_take', 'idempotency_keep',
				'token_list', 'token_add', 'token_remove',
				'finding_list', 'finding_get', 'finding_update', 'finding_bulk', 'finding_history',
				'finding_occurrences', 'finding_summary', 'comment_list', 'comment_add', 'comment_remove',
				'remediation_clone', 'remediation_commit', 'remediation_discard', 'remediation_fix_remote',
				'remediation_delete', 'remediation_batch', 'remediation_mismatch', 'summary_letter', 'summary_list', 'summary_get',
				'member_email', 'statistics_dashboard', 'statistics_runs', 'statistics_categories',
				'statistics_severity', 'statistics_health', 'statistics_top',
				'deployment_list', 'deployment_get', 'deployment_new', 'deployment_update',
				'deployment_rollback', 'test_run_list', 'test_run_add', 'metric_list', 'metric_add',
				'metric_names', 'run_list', 'run_detail', 'run_cancel', 'run_log_list',
				'invitation_list', 'invitation_add', 'invitation_remove', 'invitation_find', 'invitation_accept',
				'invitation_join',
				'account_register', 'account_remove', 'account_rename', 'account_password_set',
				'password_reset_add', 'password_reset_find', 'password_reset_use',
				'sign_in_methods', 'account_enter', 'openid_enter', 'identity_list', 'identity_confirm', 'identity_add', 'identity_remove',
				'totp_get', 'totp_begin', 'totp_sealed', 'totp_confirm', 'totp_recovery', 'totp_remove',
				'totp_take', 'totp_recover',
				'dashboard_overview', 'dashboard_metrics', 'dashboard_alerts', 'dashboard_health',
				'dashboard_team', 'project_status',
				'admin_account_list', 'admin_account_get', 'admin_account_role', 'admin_account_state',
				'admin_trail_list', 'admin_usage', 'admin_integrations', 'admin_setting_list',
				'admin_setting_update', 'session_history', 'session_list', 'session_end', 'session_end_all', 'session_move',
				'organization_list', 'organization_get', 'organization_new', 'organization_update',
				'organization_remove', 'member_list', 'member_update', 'member_remove',
				'project_list', 'project_get', 'project_new', 'project_update', 'project_remove',
				'setting_list', 'setting_update', 'trail_list',
				'rule_list', 'rule_get', 'rule_update', 'waiver_list', 'waiver_add', 'waiver_remove',
				'saved_search_list', 'saved_search_add', 'saved_search_update', 'saved_search_remove']),
			('muster_api', array['search_all', 'search_facets', 'search_suggest', 'search_bulk']),
			('muster_api', array['queue_list', 'queue_get', 'queue_attempt_list', 'queue_log_list', 'queue_cancel',
				'queue_retry', 'queue_redrive', 'queue_pause', 'queue_resume', 'queue_pause_list', 'queue_status',
				'admin_queue_list', 'admin_queue_status', 'admin_queue_redrive', 'admin_queue_pause',
				'admin_queue_resume', 'admin_queue_pause_list', 'admin_worker_list']),
			('muster_api', array['forge_check', 'forge_known', 'repo_import']),
			('muster_api', array['fetch_get', 'fetch_new', 'credential_list', 'credential_add', 'credential_remove']),
			('muster_jobs', array['job_login', 'fetch_done', 'clone_done']),
			('muster_api', array['schedule_list', 'schedule_get', 'schedule_new', 'schedule_update', 'schedule_remove',
				'schedule_run', 'schedule_preview']),
			-- what those that run as their caller use
			('muster_api', array['iso', 'json_int', 'json_text', 'json_time', 'byte_at', 'status_code',
				'status_name', 'status_rank', 'organization_need', 'cursor_format', 'cursor_parse',
				'field_error', 'limit_check', 'match_check', 'repo_compact', 'repo_find', 'repo_history', 'repo_id',
				'repo_said', 'audit_json', 'repo_active', 'root_audit',
				'file_name', 'summary_join', 'health_worst', 'health_family', 'csv']),
			('muster_hook', array['enter', 'sequence_events', 'stream_position']),
			('muster_jobs', array['job_add', 'schedule_tick', 'job_claim', 'job_cycle', 'job_renew',
				'job_progress', 'job_log', 'job_usage', 'job_complete', 'job_complete_all', 'job_fail', 'job_busy', 'job_snooze',
				'job_step', 'job_kind_set',
				'job_status', 'remediation_done', 'repo_bring_back', 'repo_ask',
				'worker_renew', 'worker_remove', 'finding_import', 'scan_record',
				'report_ingest', 'sequence_events', 'event_bounds', 'stream_position',
				'prune_hourly', 'reconcile_record', 'letter_take', 'letter_done',
				'root_add', 'root_list', 'root_remove']),
			('muster_push', array['report_ingest', 'report_feed', 'sequence_events', 'event_bounds',
				'event_feed', 'stream_position', 'push_sessions', 'push_report', 'push_run', 'push_run_log'])) g (role, functions)
	loop
		continue when not exists (select from pg_roles where rolname = v_grant.role);
		foreach v_function in array v_grant.functions loop
			-- An unknown name is our mistake: to_regproc would be quiet about it.
			execute format('grant execute on function %s to %I',
				       ('muster.' || v_function)::regproc::regprocedure, v_grant.role);
		end loop;
	end loop;
end
$$;
