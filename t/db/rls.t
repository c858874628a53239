#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Nobody sees or touches what is another organisation's: every table and every function, asked from
# one organisation for things that exist in another. A table or a function without an answer here is
# a failure: say who may use it, and show that it keeps to its organisation.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Digest::SHA qw(sha256_hex);
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $stand = Muster::Test->new;
my @roles = qw(muster_api muster_hook muster_jobs muster_push);

# --- tables: what each role has been granted. No answer for a table: it fails.
my %tables = (
	account => {},        # of no organisation: the owner's functions only
	audit => { muster_api => 'SELECT' },
	comment => {},
	confirmation => {},
	deployment => {},
	event => { muster_api => 'SELECT' },
	finding => {},
	finding_count => {},
	finding_sum => {},
	finding_rule => {},
	finding_state => {},
	health => {},
	idempotency => {},
	identity => {},        # of no organisation
	invitation => {},
	job => {},
	job_attempt => {},
	job_count => {},      # numbers of nobody
	job_counted => {},
	job_kind => {},       # of the program
	credential => {},
	mirror => {},
	job_pause => {},
	login_limit => {},    # likewise
	membership => {},
	metric => {},
	letter => {},
	migration => {},      # of no organisation
	occurrence => {},
	organization => { muster_api => 'SELECT' },
	organization_slug => {}, # of those that are gone, too
	outbox => {},
	password_reset => {},  # of no organisation
	project => { muster_api => 'SELECT' },
	rate_limit => {},     # of no organisation
	refresh => {},
	repo => { muster_api => 'SELECT' },
	root => { muster_api => 'SELECT' },
	rule => {},
	run => { muster_api => 'SELECT' },
	run_log => {},
	saved_search => {},
	schedule => {},
	schedule_tick => {},
	session => {},
	setting => {},
	stream => {},         # numbers of nobody
	tally => {},
	summary => {},
	test_latest => {},
	test_run => {},
	token => {},
	totp => {},            # of no organisation
	trail => {},
	waiver => {},
	worker => {},         # of hosts
);

# --- functions. roles: who may call it. Then one of
#   is => 'pure'      reads no table
#   is => 'internal'  no role may call it: it is called by functions of the owner
#   is => 'all'       crosses organisations on purpose; why says for whom
#   call => SQL       called in acme, %s and $name stand for other's things; error => its SQLSTATE,
#                     else what comes back must not name anything of the other organisation
my %functions = (
	# only for functions of ours
	(map { $_ => { is => 'internal' } } qw(
		host_is_there mirror_host mirror_free reconcile_add reconcile_kept reconcile_leftover cron_field cron_next cron_parse html letter_is_wanted prune_step prune_table schedule_act schedule_add
		schedule_begin schedule_change schedule_drop schedule_edit schedule_find schedule_jitter schedule_json
		schedule_event schedule_fail schedule_go schedule_make schedule_next schedule_own schedule_put schedule_queue
		schedule_rows schedule_run_now job_is_new
		schedule_times schedule_trail setting_get setting_json setting_known setting_set setting_value
		summary_all summary_compose summary_html summary_json summary_letter_of summary_lines summary_step
		summary_subject summary_text tally_add tally_days tally_row tally_since trash_prune waiver_apply
		waiver_json waiver_release worker_is_alive worker_json worker_list
	)),
	account => { roles => \@roles, is => 'pure' },
	account_add => { is => 'internal' },
	account_drop => { is => 'internal' },
	account_edit => { is => 'internal' },
	account_enter => { roles => ['muster_api'], is => 'all', why => 'before anybody is known' },
	account_find => { is => 'internal' },
	account_json => { is => 'internal' },
	account_list => { is => 'internal' },
	account_me => { roles => ['muster_api'], call => 'select muster.account_me()' },
	account_password => { is => 'internal' },
	account_password_set => { roles => ['muster_api'], call => q{select muster.account_password_set('x')} },
	account_register => { roles => ['muster_api'], is => 'all', why => 'before anybody is known' },
	account_erase => { is => 'internal' },
	account_spare => { is => 'internal' },
	account_remove => { roles => ['muster_api'],
		call => q{select muster.account_remove('viewer@other.example', '$account')}, error => 'MU403' },
	account_rename => { roles => ['muster_api'], call => q{select muster.account_rename('x')} },
	account_prove => { is => 'internal' },
	account_role => { is => 'internal' },
	account_state => { is => 'internal' },
	account_unlock => { is => 'internal' },
	account_totp_remove => { is => 'internal' },
	account_change => { is => 'trigger' },
	analysis_key => { is => 'internal' },
	analysis_begin => { is => 'internal' },
	analysis_first => { is => 'internal' },
	analysis_queue => { is => 'internal' },
	analysis_kind => { is => 'internal' },
	analysis_metrics => { roles => ['muster_api'], call => q{select muster.analysis_metrics('$repo')}, error => 'MU404' },
	analysis_pull_request => { roles => ['muster_api'], call => q{select muster.analysis_pull_request(77)}, error => 'MU404' },
	analysis_scan_add => { roles => ['muster_api'], call => q{select muster.analysis_scan_add('$repo')}, error => 'MU404' },
	analysis_scan_get => { roles => ['muster_api'], call => 'select muster.analysis_scan_get($run)', error => 'MU404' },
	analysis_scan_json => { is => 'internal' },
	analysis_scan_list => { roles => ['muster_api'], call => 'select muster.analysis_scan_list()' },
	analysis_type => { is => 'internal' },
	admin_account_find => { is => 'internal' },
	admin_account_get => { roles => ['muster_api'], call => q{select muster.admin_account_get('$account')}, error => 'MU403' },
	admin_account_items => { is => 'internal' },
	admin_account_lock => { is => 'internal' },
	admin_account_list => { roles => ['muster_api'], call => q{select muster.admin_account_list()}, error => 'MU403' },
	admin_account_role => { roles => ['muster_api'], call => q{select muster.admin_account_role('$account', 'viewer')}, error => 'MU403' },
	admin_account_state => { roles => ['muster_api'], call => q{select muster.admin_account_state('$account', 'disabled')}, error => 'MU403' },
	admin_integrations => { roles => ['muster_api'], call => q{select muster.admin_integrations('[]')}, error => 'MU403' },
	admin_setting_list => { roles => ['muster_api'], call => q{select muster.admin_setting_list()}, error => 'MU403' },
	admin_setting_update => { roles => ['muster_api'], call => q{select muster.admin_setting_update('retention.event_days', '9')}, error => 'MU403' },
	admin_trail_list => { roles => ['muster_api'], call => q{select muster.admin_trail_list()}, error => 'MU403' },
	admin_usage => { roles => ['muster_api'], call => q{select muster.admin_usage()}, error => 'MU403' },
	admin_queue_list => { roles => ['muster_api'], call => 'select muster.admin_queue_list()', error => 'MU403' },
	admin_queue_organization => { is => 'internal' },
	admin_queue_pause => { roles => ['muster_api'], call => 'select muster.admin_queue_pause()', error => 'MU403' },
	admin_queue_pause_list => { roles => ['muster_api'], call => 'select muster.admin_queue_pause_list()', error => 'MU403' },
	admin_queue_redrive => { roles => ['muster_api'], call => 'select muster.admin_queue_redrive()', error => 'MU403' },
	admin_queue_resume => { roles => ['muster_api'], call => 'select muster.admin_queue_resume()', error => 'MU403' },
	admin_queue_status => { roles => ['muster_api'], call => 'select muster.admin_queue_status()', error => 'MU403' },
	admin_worker_list => { roles => ['muster_api'], call => 'select muster.admin_worker_list()', error => 'MU403' },
	audit_add => { roles => ['muster_api'], call => q{select muster.audit_add('$repo')}, error => 'MU404' },
	audit_csv => { roles => ['muster_api'], call => 'select muster.audit_csv()' },
	audit_diff => { roles => ['muster_api'], call => 'select muster.audit_diff($audit)', error => 'MU404' },
	audit_find => { is => 'internal' },
	audit_get => { roles => ['muster_api'], call => 'select muster.audit_get($audit)', error => 'MU404' },
	audit_history => { roles => ['muster_api'], call => 'select muster.audit_history()' },
	audit_history_get => { roles => ['muster_api'],
		call => q{select muster.audit_history_get('$file')}, error => 'MU404' },
	audit_list => { roles => ['muster_api'], call => 'select muster.audit_list()' },
	audit_json => { roles => ['muster_api'], is => 'pure' },
	audit_repos => { is => 'internal' },
	byte_at => { roles => ['muster_api'], is => 'pure' },
	comment_add => { roles => ['muster_api'], call => q{select muster.comment_add($finding, 'x')}, error => 'MU404' },
	comment_json => { is => 'internal' },
	comment_list => { roles => ['muster_api'], call => 'select muster.comment_list($finding)', error => 'MU404' },
	comment_remove => { roles => ['muster_api'], call => 'select muster.comment_remove($finding, $comment)',
		error => 'MU404' },
	comment_tally => { is => 'internal' },
	comment_tally_change => { is => 'trigger' },
	count_add => { is => 'internal' },
	confirmation_add => { is => 'internal' },
	confirmation_use => { is => 'internal' },
	csv => { roles => ['muster_api'], is => 'pure' },
	cursor_format => { roles => ['muster_api'], is => 'pure' },
	cursor_parse => { roles => ['muster_api'], is => 'pure' },
	cursor_moment => { roles => [], is => 'pure' },
	dashboard_alerts => { roles => ['muster_api'], call => 'select muster.dashboard_alerts()' },
	dashboard_health => { roles => ['muster_api'], call => 'select muster.dashboard_health()' },
	dashboard_metrics => { roles => ['muster_api'], call => 'select muster.dashboard_metrics()' },
	dashboard_overview => { roles => ['muster_api'], call => 'select muster.dashboard_overview()' },
	dashboard_team => { roles => ['muster_api'], call => 'select muster.dashboard_team()' },
	dashboard_project => { is => 'internal' },
	deployment_change => { is => 'trigger' },
	deployment_event => { is => 'internal' },
	deployment_get => { roles => ['muster_api'], call => q{select muster.deployment_get('$deployment')}, error => 'MU404' },
	deployment_json => { is => 'internal' },
	deployment_list => { roles => ['muster_api'], call => 'select muster.deployment_list()' },
	deployment_lock => { is => 'internal' },
	deployment_new => { roles => ['muster_api'], call => q{select muster.deployment_new('1', 'staging')} },
	deployment_own => { is => 'internal' },
	deployment_rollback => { roles => ['muster_api'], call => q{select muster.deployment_rollback('$deployment')},
		error => 'MU404' },
	deployment_tally => { is => 'internal' },
	deployment_tally_change => { is => 'trigger' },
	deployment_update => { roles => ['muster_api'], call => q{select muster.deployment_update('$deployment', 'failed')},
		error => 'MU404' },
	enter => { roles => ['muster_api', 'muster_hook'], error => 'MU403',
		call => q{select muster.enter('session', '$hash', 'other', 'viewer', null)} },
	event_bounds => { roles => [qw(muster_api muster_jobs muster_push)], is => 'pure' },
	event_extend => { is => 'internal' },
	event_lane => { is => 'internal' },
	event_list => { roles => ['muster_api'], call => 'select muster.event_list(0, 1000)' },
	event_feed => { roles => ['muster_push'], is => 'all', why => 'the pusher filters for each client' },
	event_rows => { is => 'internal' },
	field_error => { roles => ['muster_api'], is => 'pure' },
	file_name => { roles => ['muster_api'], is => 'pure' },
	(map { ($_ => { is => 'internal' }) } qw(finding_body finding_csv finding_decide finding_estimate finding_export_head
		finding_export_page finding_find finding_items finding_json finding_lock finding_of_scan
		finding_page finding_state_tally finding_store)),
	(map { ($_ => { is => 'trigger' }) } qw(finding_count_change finding_state_tally_change finding_sum_change finding_tally_change)),
	finding_bulk => { roles => ['muster_api'], call => q{select muster.finding_bulk('[$finding]', 'in_progress')},
		expect => '{"changed": 0, "missing": 1}' },
	finding_export => { roles => ['muster_api'], call => q{select * from muster.finding_export('json')} },
	finding_get => { roles => ['muster_api'], call => 'select muster.finding_get($finding)', error => 'MU404' },
	finding_history => { roles => ['muster_api'], call => 'select muster.finding_history($finding)',
		error => 'MU404' },
	finding_import => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	finding_list => { roles => ['muster_api'], call => 'select muster.finding_list()' },
	finding_occurrences => { roles => ['muster_api'], call => 'select muster.finding_occurrences($finding)',
		error => 'MU404' },
	finding_summary => { roles => ['muster_api'], call => q{select muster.finding_summary('$repo')},
		error => 'MU404' },
	finding_update => { roles => ['muster_api'], call => q{select muster.finding_update($finding, 'in_progress')},
		error => 'MU404' },
	forge_check => { roles => ['muster_api'], call => q{select muster.forge_check('github:other-owner')}, expect => 'f' },
	forge_known => { roles => ['muster_api'], expect => 'false',
		call => q{select muster.forge_known('{"owner": "me", "repos": [{"clone_url": "https://example.org/me/other-one.git"}]}')
			#>> '{repos,0,known}'} },
	glob_like => { is => 'internal' },
	health_connections => { roles => ['muster_api'], is => 'all', why => 'counts for a monitoring system, no names' },
	health_family => { roles => ['muster_api'], is => 'pure' },
	health_get => { roles => ['muster_api'], is => 'all', why => 'one number, whether jobs wait' },
	health_jobs => { roles => ['muster_api'], is => 'all', why => 'counts for a monitoring system, no names but of hosts' },
	health_metrics => { roles => ['muster_api'], is => 'all', why => 'counts for a monitoring system, no names' },
	health_tell => { is => 'internal' },
	health_queue => { roles => ['muster_api'], is => 'all', why => 'counts for a monitoring system, no names' },
	health_worst => { roles => ['muster_api'], is => 'pure' },
	identity_add => { roles => ['muster_api'], call => q{select muster.identity_add('https://x', 'x', null, gen_random_uuid())}, error => 'MU403' },
	identity_confirm => { roles => ['muster_api'], call => 'select muster.identity_confirm()' },
	identity_json => { is => 'internal' },
	identity_list => { roles => ['muster_api'], call => 'select muster.identity_list()' },
	identity_remove => { roles => ['muster_api'], call => q{select muster.identity_remove('$identity')}, error => 'MU404' },
	idempotency_keep => { roles => ['muster_api'], call => q{select muster.idempotency_keep('$key', 'x')},
		expect => 'x' },
	idempotency_take => { roles => ['muster_api'], call => q{select muster.idempotency_take('$key', sha256(''))},
		expect => '' },
	invitation_accept => { roles => ['muster_api'], is => 'all', why => 'the link is the right to it' },
	invitation_add => { roles => ['muster_api'],
		call => q{select muster.invitation_add('new@acme.example', 'viewer', sha256('new'))} },
	invitation_find => { roles => ['muster_api'], is => 'all', why => 'the link is the right to it' },
	invitation_join => { roles => ['muster_api'], call => q{select muster.invitation_join(sha256('no invitation'))},
		error => 'MU404' },
	invitation_json => { is => 'internal' },
	invitation_list => { roles => ['muster_api'], call => 'select muster.invitation_list()' },
	invitation_of => { is => 'internal' },
	invitation_remove => { roles => ['muster_api'], call => q{select muster.invitation_remove('$invitation')},
		error => 'MU404' },
	is_admin => { is => 'internal' },
	iso => { roles => ['muster_api'], is => 'pure' },
	# of the queue, only for functions of ours
	(map { $_ => { is => 'internal' } } qw(
		job_attempts job_cancel job_pause job_redrive job_release job_resume job_retry job_why prune waiver_expire
		job_abandon job_vain job_act job_act_all job_attempt_keep job_change job_count_add job_count_all
		job_count_between job_count_keep job_end_attempt job_find job_held job_hold job_is_held job_run_take job_kinds_open job_piece job_step_one
		job_obstacle job_rows queue_act queue_ended queue_figures queue_hold queue_json queue_kinds queue_of
		queue_own queue_own_open queue_pauses
	)),
	credential_add => { roles => ['muster_api'], call => q{select muster.credential_add(gen_random_uuid(), 'own.example', 'git', 'x')} },
	credential_drop => { is => 'internal' },
	credential_fault => { is => 'internal' },
	credential_worked => { is => 'internal' },
	clone_done => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_credential => { is => 'internal' },
	has_ssh_key => { is => 'internal' },
	host_keys_parse => { is => 'internal' },
	url_ssh_host => { is => 'internal' },
	credential_end => { is => 'internal' },
	credential_json => { is => 'internal' },
	credential_list => { roles => ['muster_api'], call => 'select muster.credential_list()' },
	credential_put => { is => 'internal' },
	credential_remove => { roles => ['muster_api'], call => q{select muster.credential_remove('$credential')}, error => 'MU404' },
	credential_rows => { is => 'internal' },
	url_host => { is => 'internal' },
	job_login => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_add => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_busy => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_claim => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_complete => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_cycle => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_complete_all => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_fail => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_kind_set => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_log => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_progress => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_renew => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_snooze => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	job_status => { roles => ['muster_jobs'], is => 'all', why => 'how busy the runner is' },
	job_step => { roles => ['muster_jobs'], is => 'all', why => 'time passes for all' },
	job_usage => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	json_int => { roles => ['muster_api'], is => 'pure' },
	json_text => { roles => ['muster_api'], is => 'pure' },
	json_time => { roles => ['muster_api'], is => 'pure' },
	letter_done => { roles => ['muster_jobs'], is => 'all', why => 'who sends letters sends those of all' },
	letter_take => { roles => ['muster_jobs'], is => 'all', why => 'who sends letters sends those of all' },
	limit_check => { roles => ['muster_api'], is => 'pure' },
	limit_from => { is => 'internal' },
	login_limits => { is => 'internal' },
	login_find => { roles => ['muster_api'], is => 'all', why => 'before anybody is known' },
	login_key => { is => 'internal' },
	login_refuse => { is => 'internal' },
	login_tried => { roles => ['muster_api'], is => 'all', why => 'before anybody is known' },
	login_try => { roles => ['muster_api'], is => 'all', why => 'before anybody is known' },
	markdown => { is => 'internal' },
	match_check => { roles => ['muster_api'], is => 'pure' },
	member_email => { roles => ['muster_api'], call => q{select muster.member_email('viewer@other.example')},
		error => 'MU400' },
	member_find => { is => 'internal' },
	member_json => { is => 'internal' },
	member_list => { roles => ['muster_api'], call => 'select muster.member_list()' },
	member_remove => { roles => ['muster_api'], call => q{select muster.member_remove('$account')}, error => 'MU404' },
	member_update => { roles => ['muster_api'], call => q{select muster.member_update('$account', 'viewer')},
		error => 'MU404' },
	membership_change => { is => 'trigger' },
	metric_add => { roles => ['muster_api'], call => q{select muster.metric_add('[{"name": "a", "value": 1}]')} },
	metric_json => { is => 'internal' },
	metric_list => { roles => ['muster_api'], call => q{select muster.metric_list('other.metric')},
		expect => '{"next": null, "items": []}' },
	metric_names => { roles => ['muster_api'], call => 'select muster.metric_names()' },
	notify_data_change => { is => 'trigger' },
	organization => { roles => \@roles, is => 'pure' },
	openid_enter => { roles => ['muster_api'], is => 'all', why => 'before anybody is known' },
	organization_add => { is => 'internal' },
	organization_close => { is => 'internal' },
	organization_drop => { is => 'internal' },
	organization_edit => { is => 'internal' },
	organization_erase => { is => 'internal' },
	organization_find => { is => 'internal' },
	organization_get => { roles => ['muster_api'], call => q{select muster.organization_get('$id')}, error => 'MU404' },
	organization_items => { is => 'internal' },
	organization_json => { is => 'internal' },
	organization_limits => { is => 'internal' },
	organization_list => { roles => ['muster_api'], call => 'select muster.organization_list()' },
	organization_need => { roles => ['muster_api'], is => 'pure' },
	organization_new => { roles => ['muster_api'], call => q{select muster.organization_new('mine', 'Mine')},
		error => 'MU403' },
	organization_own => { is => 'internal' },
	organization_remove => { roles => ['muster_api'], call => q{select muster.organization_remove('$id', 'other')},
		error => 'MU404' },
	organization_slug_check => { is => 'internal' },
	organization_slug_keep => { is => 'internal' },
	organization_update => { roles => ['muster_api'], call => q{select muster.organization_update('$id', 'Mine')},
		error => 'MU404' },
	overview_announce => { roles => ['muster_api'], call => 'select muster.overview_announce()' },
	overview_get => { roles => ['muster_api'], call => 'select muster.overview_get()' },
	password_reset_add => { roles => ['muster_api'], is => 'all', why => 'before anybody is known' },
	password_reset_find => { roles => ['muster_api'], is => 'all', why => 'the link is the right to it' },
	password_reset_use => { roles => ['muster_api'], is => 'all', why => 'the link is the right to it' },
	person_json => { is => 'internal' },
	platform_need => { is => 'internal' },
	platform_spare => { is => 'internal' },
	project_add => { is => 'internal' },
	project_change => { is => 'trigger' },
	project_get => { roles => ['muster_api'], call => q{select muster.project_get('$project')}, error => 'MU404' },
	project_json => { is => 'internal' },
	project_list => { roles => ['muster_api'], call => 'select muster.project_list()' },
	project_new => { roles => ['muster_api'], call => q{select muster.project_new('mine', 'Mine')} },
	project_only => { is => 'internal' },
	project_own => { is => 'internal' },
	project_progress => { is => 'internal' },
	project_remove => { roles => ['muster_api'], call => q{select muster.project_remove('$project')}, error => 'MU404' },
	project_status => { roles => ['muster_api'], call => q{select muster.project_status('$project')}, error => 'MU404' },
	project_status_lines => { is => 'internal' },
	project_update => { roles => ['muster_api'], call => q{select muster.project_update('$project', 'Mine')},
		error => 'MU404' },
	prune_hourly => { roles => ['muster_jobs'], is => 'all', why => 'time passes for all' },
	push_report => { roles => ['muster_push'], is => 'all', why => 'the pusher names the organisation' },
	push_run => { roles => ['muster_push'], is => 'all', why => 'the pusher names the organisation' },
	push_run_log => { roles => ['muster_push'], is => 'all', why => 'the pusher names the organisation' },
	push_sessions => { roles => ['muster_push'], is => 'all', why => 'the pusher serves all' },
	queue_attempt_list => { roles => ['muster_api'], call => q{select muster.queue_attempt_list($job)}, error => 'MU404' },
	queue_cancel => { roles => ['muster_api'], call => q{select muster.queue_cancel($job)}, error => 'MU404' },
	queue_get => { roles => ['muster_api'], call => q{select muster.queue_get($job)}, error => 'MU404' },
	queue_list => { roles => ['muster_api'], call => q{select muster.queue_list()} },
	queue_log_list => { roles => ['muster_api'], call => q{select muster.queue_log_list($job)}, error => 'MU404' },
	queue_pause => { roles => ['muster_api'], call => q{select muster.queue_pause('none')}, error => 'MU404' },
	queue_pause_list => { roles => ['muster_api'], call => q{select muster.queue_pause_list()} },
	queue_redrive => { roles => ['muster_api'], call => q{select muster.queue_redrive()} },
	queue_resume => { roles => ['muster_api'], call => q{select muster.queue_resume('none')}, error => 'MU404' },
	queue_retry => { roles => ['muster_api'], call => q{select muster.queue_retry($job)}, error => 'MU404' },
	queue_status => { roles => ['muster_api'], call => q{select muster.queue_status()} },
	rate_take => { roles => ['muster_api'], call => q{select muster.rate_take('write', 20, 200)},
		expect => '' },
	repo_code => { is => 'internal' },
	remote_key => { is => 'internal' },
	remediation_clone => { roles => ['muster_api'], call => q{select muster.remediation_clone('$repo')}, error => 'MU404' },
	remediation_commit => { roles => ['muster_api'], call => q{select muster.remediation_commit('$repo')}, error => 'MU404' },
	remediation_delete => { roles => ['muster_api'], call => q{select muster.remediation_delete('$repo', p_dry_run => true)}, error => 'MU404' },
	remediation_discard => { roles => ['muster_api'], call => q{select muster.remediation_discard('$repo')}, error => 'MU404' },
	remediation_fix_remote => { roles => ['muster_api'], call => q{select muster.remediation_fix_remote('$repo')}, error => 'MU404' },
	remediation_mismatch => { roles => ['muster_api'], call => q{select muster.remediation_mismatch('$repo')}, error => 'MU404' },
	remediation_ask => { is => 'internal' },
	remediation_author => { is => 'internal' },
	reconcile_record => { roles => ['muster_jobs'], is => 'all', why => 'a runner serves all, by a lease' },
	remediation_done => { roles => ['muster_jobs'], is => 'all', why => 'a runner serves all, by a lease' },
	remediation_batch => { roles => ['muster_api'], call => q{select muster.remediation_batch('clone', '["$run"]')} },
	remediation_fact => { is => 'internal' },
	remediation_queue => { is => 'internal' },
	fetch_add => { is => 'internal' },
	fetch_done => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	fetch_get => { roles => ['muster_api'], call => q{select muster.fetch_get('$repo')}, error => 'MU404' },
	fetch_new => { roles => ['muster_api'], call => q{select muster.fetch_new('$repo')}, error => 'MU404' },
	mirror_url => { is => 'internal' },
	repo_is_here => { is => 'internal' },
	fetch_fault => { is => 'internal' },
	repo_ask => { roles => ['muster_jobs'], is => 'all', why => 'an administrator of the host' },
	scan_add => { roles => ['muster_api'], call => q{select muster.scan_add('$repo')}, error => 'MU404' },
	repo_bring_back => { roles => ['muster_jobs'], is => 'all', why => 'an administrator of the host' },
	repo_alone => { is => 'internal' },
	url_check_role => { is => 'internal' },
	repo_active => { roles => ['muster_api'], is => 'pure' },
	repo_add => { roles => ['muster_api'], call => q{select muster.repo_add('https://forge.example/a.git', p_project => '$project')},
		error => 'MU404' },
	repo_add_path => { is => 'internal' },
	repo_add_url => { is => 'internal' },
	repo_count => { is => 'internal' },
	repo_archive => { roles => ['muster_api'], call => q{select muster.repo_archive('$repo')}, error => 'MU404' },
	removal_columns => { is => 'internal' },
	removal_finish => { is => 'internal' },
	removal_piece => { is => 'internal' },
	removal_step => { is => 'internal' },
	removal_whole => { is => 'internal' },
	repo_brief => { is => 'internal' },
	repo_columns => { is => 'internal' },
	repo_compact => { roles => ['muster_api'], is => 'pure' },
	repo_get => { roles => ['muster_api'], call => q{select muster.repo_get('$repo')}, error => 'MU404' },
	repo_history => { roles => ['muster_api'], call => q{select muster.repo_history($root, 0)},
		expect => '[]' },
	repo_lock => { is => 'internal' },
	repo_import => { roles => ['muster_api'],
		call => q{select muster.repo_import('["https://example.org/a.git"]', '$project')}, error => 'MU404' },
	repo_items => { is => 'internal' },
	repo_list => { roles => ['muster_api'], call => q{select muster.repo_list(p_limit => 200)} },
	repo_find => { roles => ['muster_api'], call => q{select (muster.repo_find('$repo')).id}, error => 'MU404' },
	repo_id => { roles => ['muster_api'], call => q{select muster.repo_id('$repo')}, error => 'MU404' },
	repo_place => { roles => ['muster_api'], call => q{select * from muster.repo_place('$repo')},
		error => 'MU404' },
	repo_projects => { is => 'internal' },
	repo_project_change => { is => 'trigger' },
	repo_put_aside => { is => 'internal' },
	repo_removal_json => { is => 'internal' },
	repo_remove => { roles => ['muster_api'], call => q{select muster.repo_remove('$repo')}, error => 'MU404' },
	repo_restore => { roles => ['muster_api'], call => q{select muster.repo_restore('$repo')}, error => 'MU404' },
	repo_said => { roles => ['muster_api'], is => 'pure' },
	repo_source_id => { is => 'internal' },
	repo_status => { is => 'internal' },
	repo_tell => { is => 'internal' },
	repo_unarchive => { roles => ['muster_api'], call => q{select muster.repo_unarchive('$repo')}, error => 'MU404' },
	repo_update => { roles => ['muster_api'], call => q{select muster.repo_update('$repo', 'mine')}, error => 'MU404' },
	report_assemble => { is => 'internal' },
	report_compare => { is => 'internal' },
	report_faults => { is => 'internal' },
	report_feed => { roles => ['muster_push'], is => 'all',
		why => 'the folder of a report names its organisation' },
	report_get => { roles => ['muster_api'], call => 'select muster.report_get()' },
	report_ingest => { roles => ['muster_jobs', 'muster_push'], is => 'all',
		why => 'the folder of a report names its organisation' },
	report_number => { is => 'internal' },
	report_parse => { is => 'internal' },
	report_refuse => { is => 'internal' },
	report_repos => { is => 'internal' },
	role_from => { is => 'internal' },
	role_of => { is => 'internal' },
	role_rank => { is => 'internal' },
	root_add => { roles => ['muster_jobs'], is => 'all', why => 'an administrator of the host' },
	root_audit_add => { is => 'internal' },
	root_audit => { roles => ['muster_api'], call => 'select muster.root_audit($root)', error => 'MU404' },
	root_list => { roles => ['muster_jobs'], is => 'all', why => 'an administrator of the host' },
	root_parts => { is => 'internal' },
	root_queue => { is => 'internal' },
	root_remove => { roles => ['muster_jobs'], is => 'all', why => 'an administrator of the host' },
	root_take => { is => 'internal' },
	rule_get => { roles => ['muster_api'], call => q{select muster.rule_get('$rule')}, error => 'MU404' },
	rule_json => { is => 'internal' },
	rule_list => { roles => ['muster_api'], call => 'select muster.rule_list()' },
	rule_title => { is => 'internal' },
	rule_update => { roles => ['muster_api'], call => q{select muster.rule_update('$rule', 'low')},
		error => 'MU404' },
	run_cancel => { roles => ['muster_api'], call => q{select muster.run_cancel($run)}, error => 'MU404' },
	run_change => { is => 'trigger' },
	run_detail => { roles => ['muster_api'], call => q{select muster.run_detail($run)}, error => 'MU404' },
	run_json => { is => 'internal' },
	run_list => { roles => ['muster_api'], call => q{select muster.run_list()} },
	run_log_add => { is => 'internal' },
	run_log_change => { is => 'trigger' },
	run_log_list => { roles => ['muster_api'], call => q{select muster.run_log_list($run)}, error => 'MU404' },
	run_own => { is => 'internal' },
	run_progress => { is => 'internal' },
	run_status => { is => 'internal' },
	run_tally => { is => 'internal' },
	run_tally_change => { is => 'trigger' },
	saved_search_add => { roles => ['muster_api'],
		call => q{select muster.saved_search_add('mine', 'repos', '{}')} },
	saved_search_json => { is => 'internal' },
	saved_search_list => { roles => ['muster_api'], call => 'select muster.saved_search_list()' },
	saved_search_remove => { roles => ['muster_api'], call => q{select muster.saved_search_remove('$search')},
		error => 'MU404' },
	saved_search_update => { roles => ['muster_api'],
		call => q{select muster.saved_search_update('$search', 'mine')}, error => 'MU404' },
	sarif_level => { is => 'internal' },
	sarif_result => { is => 'internal' },
	sarif_rule => { is => 'internal' },
	sarif_severity => { is => 'internal' },
	schedule_get => { roles => ['muster_api'], call => q{select muster.schedule_get('$schedule')}, error => 'MU404' },
	schedule_list => { roles => ['muster_api'], call => 'select muster.schedule_list()' },
	schedule_new => { roles => ['muster_api'], call => q{select muster.schedule_new('audit', '@daily', p_repo => '$repo')},
		error => 'MU404' },
	schedule_preview => { roles => ['muster_api'], call => q{select muster.schedule_preview('@daily')} },
	schedule_remove => { roles => ['muster_api'], call => q{select muster.schedule_remove('$schedule')}, error => 'MU404' },
	schedule_run => { roles => ['muster_api'], call => q{select muster.schedule_run('$schedule')}, error => 'MU404' },
	schedule_tick => { roles => ['muster_jobs'], is => 'all', why => 'time passes for all' },
	schedule_update => { roles => ['muster_api'], call => q{select muster.schedule_update('$schedule', '@daily')},
		error => 'MU404' },
	scopes => { is => 'internal' },
	scan_record => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	search_all => { roles => ['muster_api'], call => q{select muster.search_all('o', p_include_facets => true)} },
	search_bulk => { roles => ['muster_api'], call => q{select muster.search_bulk('run_audit', '["$repo"]') #>> '{results,0,success}'},
		expect => 'false' },
	search_facets => { roles => ['muster_api'], call => 'select muster.search_facets()' },
	search_alike => { is => 'internal' },
	search_findings => { is => 'internal' },
	search_items => { is => 'internal' },
	search_marks => { is => 'internal' },
	search_ranges => { is => 'internal' },
	search_repos => { is => 'internal' },
	search_suggest => { roles => ['muster_api'], call => q{select muster.search_suggest('other')},
		expect => '{"next": null, "items": []}' },
	sequence_events => { roles => [qw(muster_api muster_hook muster_jobs muster_push)], is => 'all',
		why => 'the log is one; nothing of it comes back' },
	session_add => { roles => ['muster_api'], is => 'all', why => 'before anybody is known' },
	session_announce => { is => 'internal' },
	session_change => { is => 'trigger' },
	session_end => { roles => ['muster_api'], call => q{select muster.session_end('$sid')}, error => 'MU404' },
	session_end_all => { roles => ['muster_api'], call => 'select muster.session_end_all()' },
	session_history => { roles => ['muster_api'], call => 'select muster.session_history()' },
	session_json => { is => 'internal' },
	session_list => { roles => ['muster_api'], call => 'select muster.session_list()' },
	session_move => { roles => ['muster_api'], call => q{select muster.session_move('$id')}, error => 'MU404' },
	session_remove => { roles => ['muster_api'], call => q{select muster.session_remove('$sid')},
		expect => 'f' },
	session_rotate => { roles => ['muster_api'], is => 'all', why => 'the token names the session' },
	setting_list => { roles => ['muster_api'], call => 'select muster.setting_list()' },
	setting_update => { roles => ['muster_api'], call => q{select muster.setting_update('retention.event_days', '9')},
		error => 'MU403' },
	severity_rank => { is => 'internal' },
	session_tell => { is => 'internal' },
	sign_in_methods => { roles => ['muster_api'], is => 'all', why => 'before anybody is known; a setting of all' },
	statistics_categories => { roles => ['muster_api'], call => 'select muster.statistics_categories()' },
	statistics_dashboard => { roles => ['muster_api'], call => 'select muster.statistics_dashboard()' },
	statistics_health => { roles => ['muster_api'], call => 'select muster.statistics_health()' },
	statistics_runs => { roles => ['muster_api'], call => 'select muster.statistics_runs()' },
	statistics_severity => { roles => ['muster_api'], call => 'select muster.statistics_severity()' },
	statistics_top => { roles => ['muster_api'], call => 'select muster.statistics_top()' },
	status_code => { roles => ['muster_api'], is => 'pure' },
	status_name => { roles => ['muster_api'], is => 'pure' },
	status_rank => { roles => ['muster_api'], is => 'pure' },
	stream_position => { roles => \@roles, is => 'pure' },
	stream_raise => { is => 'internal' },
	summary_get => { roles => ['muster_api'], call => q{select muster.summary_get('$summary')}, error => 'MU404' },
	summary_list => { roles => ['muster_api'], call => 'select muster.summary_list()' },
	summary_letter => { roles => ['muster_api'], call => 'select muster.summary_letter()' },
	summary_join => { roles => ['muster_api'], is => 'pure' },
	test_run_add => { roles => ['muster_api'], call => q{select muster.test_run_add(1, 1, 0)} },
	test_run_json => { is => 'internal' },
	test_run_list => { roles => ['muster_api'], call => 'select muster.test_run_list()' },
	test_latest_change => { is => 'trigger' },
	test_run_tally => { is => 'internal' },
	test_run_tally_change => { is => 'trigger' },
	timezone_check => { is => 'internal' },
	token_add => { roles => ['muster_api'],
		call => q{select muster.token_add('mine', '["read"]', sha256('mine'), 'mst_mine')} },
	token_announce => { is => 'internal' },
	token_drop => { is => 'internal' },
	token_issue => { is => 'internal' },
	token_rows => { is => 'internal' },
	token_change => { is => 'trigger' },
	token_json => { is => 'internal' },
	token_list => { roles => ['muster_api'], call => 'select muster.token_list()' },
	token_remove => { roles => ['muster_api'], call => q{select muster.token_remove('$token')}, error => 'MU404' },
	totp_begin => { roles => ['muster_api'], call => q{select muster.totp_begin('x')} },
	totp_confirm => { roles => ['muster_api'], call => q{select muster.totp_confirm(1, '[]')}, error => 'MU409' },
	totp_get => { roles => ['muster_api'], call => 'select muster.totp_get()' },
	totp_recover => { roles => ['muster_api'], is => 'all', why => 'before anybody is known' },
	totp_recovery => { roles => ['muster_api'], call => q{select muster.totp_recovery('[]')}, error => 'MU409' },
	totp_remove => { roles => ['muster_api'], call => 'select muster.totp_remove()' },
	totp_sealed => { roles => ['muster_api'], call => 'select muster.totp_sealed()', error => 'MU409' },
	totp_take => { roles => ['muster_api'], is => 'all', why => 'before anybody is known' },
	trail_json => { is => 'internal' },
	trail_list => { roles => ['muster_api'], call => 'select muster.trail_list()' },
	trail_page => { is => 'internal' },
	trail_refuse => { is => 'trigger' },
	uri_escape => { is => 'internal' },
	url_fault => { is => 'internal' },
	uuid_from => { is => 'internal' },
	waiver_add => { roles => ['muster_api'], call => q{select muster.waiver_add('why', p_rule => 'any')} },
	worker_remove => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	worker_renew => { roles => ['muster_jobs'], is => 'all', why => 'the runner serves all' },
	waiver_list => { roles => ['muster_api'], call => 'select muster.waiver_list()' },
	waiver_remove => { roles => ['muster_api'], call => q{select muster.waiver_remove('$waiver')}, error => 'MU404' },
);

for my $single (0, 1) {
	my $mode = $single ? ' (one role)' : '';
	my $db = $stand->database(single => $single);
	my $acme = seed($db, 'acme');
	my $other = seed($db, 'other');
	my $who = $acme->{people}{org_admin};
	$db->sql(q{insert into muster.setting (organization_id, key, value) select id, 'a.key', to_jsonb(slug)
		from muster.organization});
	$db->json(enter($other->{people}{org_admin}, 'viewer') . 'select muster.audit_add(); commit');
	$db->json(enter($who, 'viewer') . 'select muster.audit_add(); commit');
	$db->sql(q{insert into muster.idempotency (organization_id, account_id, key, request_hash, answer)
		values ($1, $2, 'other-key', sha256('a'), 'other-answer')}, $other->{id}, $other->{people}{viewer}{id});
	my %thing = (id => $other->{id}, root => $other->{root}, sid => $other->{people}{viewer}{sid},
		repo => $db->value('select id from muster.repo where organization_id = $1 limit 1', $other->{id}),
		audit => $db->value('select id from muster.audit where organization_id = $1 limit 1', $other->{id}),
		run => $db->value('select id from muster.run where organization_id = $1 limit 1', $other->{id}),
		job => $db->value('select id from muster.job where organization_id = $1 limit 1', $other->{id}),
		hash => '\x' . sha256_hex($who->{token}), key => 'other-key',
		identity => $db->value(q{insert into muster.identity (account_id, issuer, subject)
			values ($1, 'https://other.example', 'other') returning id},
			$other->{people}{viewer}{id}),
		credential => $db->value(q{insert into muster.credential (id, organization_id, host, username, sealed)
			values (gen_random_uuid(), $1, 'other.example', 'other', 'other') returning id}, $other->{id}),
		token => $db->value(q{insert into muster.token (organization_id, account_id, name, hint, token_hash,
			scopes) values ($1, $2, 'other-token', 'mst_abcdef', sha256('other'), '{read}') returning id},
			$other->{id}, $other->{people}{viewer}{id}),
		finding($db, $other), deployment($db, $other), invitation => $db->value(q{insert into muster.invitation (organization_id, email,
			role, token_hash, expires_at) values ($1, 'other-guest@other.example', 'viewer', sha256('other-i'),
			now() + interval '1 day') returning id}, $other->{id}), account => $other->{people}{viewer}{id},
		project => $db->value('select id from muster.project where organization_id = $1 limit 1', $other->{id}),
		file => $db->value(q{select muster.file_name(reported_at) from muster.audit
			where organization_id = $1}, $other->{id}));
	ok !grep({ !defined } values %thing), "what is asked for exists$mode";
	my $api = $single ? $db : $db->as('muster_api');

	tables($db, $api, $acme, $other, $who, $mode) if !$single;
	functions($db, $api, $who, \%thing, $mode, $single);

	# The admin of one organisation is nobody in the other; the platform's is somebody.
	is $api->error(enter($who, 'viewer', organization => 'other') . 'select 1'), 'MU403',
		"an organization is entered by its members only$mode";
	is $api->error(enter($who, 'viewer', organization => $other->{id}) . 'select 1'), 'MU403',
		"by id as by name$mode";
	is $api->value(enter($acme->{people}{platform_admin}, 'org_admin', organization => 'other')
		. 'select muster.organization()'), $other->{id}, "and by the platform's administrator$mode";
	like $api->json(enter($who, 'viewer') . q{select muster.repo_get('acme-one')})->{name}, qr/^acme-one$/,
		"what is one's own is found$mode";
	is $api->error(enter($who, 'viewer') . q{select muster.repo_get('other-one')}), 'MU404',
		"what is another's is missing$mode";
	for my $call ('overview_get()', 'report_get()', 'repo_list()', 'audit_list()', 'audit_csv()',
		'audit_history()', q{repo_get('acme-one')}, 'event_list(0)', 'account_me()', 'audit_add()') {
		is $api->error("select muster.$call"), 'MU401', "without enter() there is no $call$mode";
	}
	is $api->error(q{begin; select muster.enter('none', null, 'acme', 'nobody', null);
		select muster.repo_list()}), 'MU401', "nobody in person has no organization$mode";
}

done_testing;

sub tables {
	my ($db, $api, $acme, $other, $who, $mode) = @_;
	my %found = map { $_->[0] => $_->[1] } $db->rows(q{select relname, exists (select from pg_attribute
		where attrelid = c.oid and attname = 'organization_id') from pg_class c
		where relnamespace = 'muster'::regnamespace and relkind in ('r', 'p') and not relispartition});
	is_deeply [sort keys %found], [sort keys %tables], 'every table has its answer in this test';
	is $db->value(q{select count(*) from pg_class c, aclexplode(relacl) a
		where relnamespace = 'muster'::regnamespace and relispartition and a.grantee <> relowner}), 0,
		'partitions are reached through their table only';
	for my $table (sort keys %found) {
		my $expected = $tables{$table} or next;
		for my $role (@roles) {
			my $is = $db->value(q{select coalesce(string_agg(privilege_type, ' ' order by privilege_type), '')
				from information_schema.table_privileges
				where table_schema = 'muster' and table_name = $1 and grantee = $2}, $table, $role);
			is $is, $expected->{$role} // '', "$role on $table: " . ($expected->{$role} // 'nothing');
		}
		next unless $expected->{muster_api};
		my $column = $table eq 'organization' ? 'id' : 'organization_id';
		is $db->value(q{select count(*) from pg_policy where polrelid = $1::regclass
			and pg_get_expr(polqual, polrelid) = $2}, "muster.$table", "($column = muster.organization())"), 1,
			"$table has the one policy";
		cmp_ok $db->value("select count(*) from muster.$table where $column = \$1", $other->{id}), '>', 0,
			"$table holds something of the other organization";
		is_deeply [$api->rows(enter($who, 'viewer') . "select distinct $column from muster.$table")],
			[[$acme->{id}]], "and shows only what is one's own";
		is $api->value("select count(*) from muster.$table"), 0, "without enter() $table is empty";
	}
	for my $insert ("run (organization_id, project_id, kind) select '$acme->{id}', id, 'audit'
			from muster.project", "job (organization_id, kind, key) values ('$acme->{id}', 'audit', 'x')",
		"trail (organization_id, action) values ('$acme->{id}', 'x')") {
		is $api->error(enter($who, 'viewer') . "insert into muster.$insert"), '42501',
			'nothing is added but by functions: ' . substr $insert, 0, 5;
	}
	return;
}

# What the other organisation deploys, tests and measures.
sub deployment {
	my ($db, $other) = @_;
	my $project = $db->value('select id from muster.project where organization_id = $1 limit 1', $other->{id});
	$db->sql(q{insert into muster.test_run (organization_id, project_id, suite, total, passed, failed)
		values ($1, $2, 'other-suite', 1, 1, 0)}, $other->{id}, $project);
	$db->sql(q{insert into muster.metric (organization_id, project_id, name, value) values ($1, $2, 'other.metric', 1)},
		$other->{id}, $project);
	return (deployment => $db->value(q{insert into muster.deployment (organization_id, project_id, environment, version)
		values ($1, $2, 'staging', 'other-1') returning id}, $other->{id}, $project));
}

# A finding of the other organisation, and what hangs on it.
sub finding {
	my ($db, $other) = @_;
	my $repo = $db->value('select id from muster.repo where organization_id = $1 limit 1', $other->{id});
	$db->sql(q{select muster.finding_store($1, 'secret', null, '[{"fingerprint": "other-print", "rule": "other-rule",
		"title": "other-title", "severity": "high", "places": [{"blob": "b", "line": 1}]}]', true)}, $repo);
	my $viewer = $other->{people}{viewer}{id};
	my %thing = (finding => $db->value(q{select id from muster.finding where fingerprint = 'other-print'}),
		rule => $db->value(q{select id from muster.rule where key = 'other-rule'}));
	$thing{comment} = $db->value(q{insert into muster.comment (organization_id, project_id, finding_id,
		account_id, text) select r.organization_id, r.project_id, f.id, $2, 'other-words' from muster.finding f
		join muster.repo r on r.id = f.repo_id where f.id = $1 returning id}, $thing{finding}, $viewer);
	$thing{waiver} = $db->value(q{insert into muster.waiver (organization_id, rule, reason)
		values ($1, 'other-nothing', 'other-why') returning id}, $other->{id});
	$thing{schedule} = $db->value(q{insert into muster.schedule (organization_id, repo_id, kind, cron, jitter_s, backfill_s,
		next_at) values ($1, $2, 'audit', '@daily', 0, 60, now() + interval '1 day') returning id}, $other->{id}, $repo);
	$thing{summary} = $db->value(q{insert into muster.summary (organization_id, day, data)
		values ($1, '2026-01-01', '{"summary": {"total": 1, "dirty": 0}, "repositories": [], "name": "other"}') returning id},
		$other->{id});
	$thing{search} = $db->value(q{insert into muster.saved_search (organization_id, account_id, name, subject, query,
		shared) values ($1, $2, 'other-search', 'repos', '{}', true) returning id}, $other->{id}, $viewer);
	return %thing;
}

sub functions {
	my ($db, $api, $who, $thing, $mode, $single) = @_;
	my %found = map { $_->[0] => $_->[1] } $db->rows(q{select proname, bool_or(prorettype = 'trigger'::regtype)
		from pg_proc where pronamespace = 'muster'::regnamespace group by 1});
	is_deeply [sort keys %found], [sort keys %functions], "every function has its answer in this test$mode";
	for my $name (sort keys %found) {
		my $f = $functions{$name} or next;
		if (!$single) {
			is_deeply [map { $_->[0] } $db->rows(q{select distinct a.grantee::regrole::text from pg_proc p,
				aclexplode(proacl) a where pronamespace = 'muster'::regnamespace and proname = $1
				and a.grantee <> proowner order by 1}, $name)], [sort @{ $f->{roles} // [] }],
				"$name may be called by " . (join(' ', @{ $f->{roles} // [] }) || 'no role');
		}
		if (($f->{is} // '') eq 'trigger') {
			is $found{$name}, 't', "$name is a trigger's$mode";
		}
		next unless $f->{call};
		my $call = $f->{call} =~ s/\$(\w+)/$thing->{$1} \/\/ die "no $1"/ger;
		my ($out, $error) = $api->try(enter($who, 'viewer') . $call);
		if ($f->{error}) {
			like $error, qr/ERROR:\s+$f->{error}:/, "$name refuses what is another's$mode";
		} else {
			is $error, '', "$name answers$mode";
			unlike $out, qr/other-|\@other|\Q$thing->{id}\E|\Q$thing->{repo}\E/, "with what is one's own only$mode";
			is $out, $f->{expect}, "which is nothing for another's$mode" if defined $f->{expect};
		}
	}
	return;
}
