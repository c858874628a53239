# htdocs: the page. Plain files, installed as they are; nothing is built.
nobase_dist_pkgdata_DATA += \
	htdocs/index.html htdocs/docs.html htdocs/favicon.svg \
	htdocs/css/theme.css htdocs/css/base.css htdocs/css/part.css htdocs/css/view.css htdocs/css/repo.css \
	htdocs/css/job.css \
	htdocs/css/docs.css \
	htdocs/js/api.js htdocs/js/backoff.js htdocs/js/command.js htdocs/js/cron.js htdocs/js/dom.js \
	htdocs/js/docs.js htdocs/js/event.js htdocs/js/format.js htdocs/js/key.js htdocs/js/live.js \
	htdocs/js/main.js htdocs/js/page.js htdocs/js/pref.js htdocs/js/shell.js \
	htdocs/js/sse.js htdocs/js/state.js htdocs/js/theme.js htdocs/js/url.js \
	htdocs/js/parts/badge.js htdocs/js/parts/chart.js htdocs/js/parts/connection.js \
	htdocs/js/parts/credential.js htdocs/js/parts/diff.js htdocs/js/parts/form.js htdocs/js/parts/header.js htdocs/js/parts/job.js \
	htdocs/js/parts/notice.js htdocs/js/parts/run.js htdocs/js/parts/schedule.js htdocs/js/parts/shape.js \
	htdocs/js/parts/strip.js \
	htdocs/js/parts/toast.js htdocs/js/parts/vouch.js htdocs/js/parts/window.js \
	htdocs/js/views/account.js htdocs/js/views/audit.js htdocs/js/views/audit_list.js \
	htdocs/js/views/credential_list.js htdocs/js/views/forgot.js \
	htdocs/js/views/invitation.js htdocs/js/views/job.js htdocs/js/views/job_list.js htdocs/js/views/missing.js htdocs/js/views/overview.js \
	htdocs/js/views/register.js htdocs/js/views/repo.js htdocs/js/views/repo_list.js \
	htdocs/js/views/reset.js htdocs/js/views/run.js htdocs/js/views/schedule.js htdocs/js/views/schedule_list.js \
	htdocs/js/views/sign_in.js htdocs/js/views/sign_in_return.js

# What tells Node that these are modules, the browser tests, the README's pictures.
EXTRA_DIST += htdocs/package.json t/dash/lib t/dash/browser contrib/screenshots
