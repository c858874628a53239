# sql: what `muster migrate` reads, in this order: setup.sql, migration/*, reset.sql, api/*, grant.sql.
nobase_dist_pkgdata_DATA += \
	sql/setup.sql \
	sql/reset.sql \
	sql/grant.sql \
	sql/migration/0001_identity.sql \
	sql/migration/0002_repo.sql \
	sql/migration/0003_event.sql \
	sql/migration/0004_job.sql \
	sql/migration/0005_request.sql \
	sql/migration/0006_told.sql \
	sql/migration/0007_finding.sql \
	sql/migration/0008_organization.sql \
	sql/migration/0009_invitation.sql \
	sql/migration/0010_deployment.sql \
	sql/api/account.sql \
	sql/api/base.sql \
	sql/api/deployment.sql \
	sql/api/event.sql \
	sql/api/finding.sql \
	sql/api/invitation.sql \
	sql/api/job.sql \
	sql/api/organization.sql \
	sql/api/overview.sql \
	sql/api/project.sql \
	sql/api/repo.sql \
	sql/api/report.sql \
	sql/api/request.sql \
	sql/api/retention.sql \
	sql/api/rule.sql \
	sql/api/run.sql \
	sql/api/saved_search.sql \
	sql/api/self.sql \
	sql/api/session.sql \
	sql/api/setting.sql \
	sql/api/test_run.sql \
	sql/api/token.sql \
	sql/api/waiver.sql
