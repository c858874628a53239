# contrib
EXTRA_DIST += \
	contrib/hooks/pre-commit \
	contrib/hooks/pre-receive \
	contrib/install-packages \
	contrib/muster.conf \
	contrib/packages \
	contrib/quickstart \
	contrib/test

# What an administrator copies or includes.
muster_lighttpddir = $(pkgdatadir)/lighttpd
dist_muster_lighttpd_DATA = contrib/lighttpd/muster.conf
muster_apachedir = $(pkgdatadir)/apache
dist_muster_apache_DATA = contrib/apache/muster.conf
muster_nginxdir = $(pkgdatadir)/nginx
dist_muster_nginx_DATA = contrib/nginx/muster.conf

muster_prometheusdir = $(pkgdatadir)/prometheus
dist_muster_prometheus_DATA = contrib/prometheus/muster.yml

# For systemd, or cron where that is not there.
muster_systemddir = $(pkgdatadir)/systemd
muster_systemd_DATA = \
	contrib/systemd/muster-api.service \
	contrib/systemd/muster-pusher.service \
	contrib/systemd/muster-runner.service
muster_crondir = $(pkgdatadir)/cron
muster_cron_DATA = contrib/cron/muster
EXTRA_DIST += \
	contrib/systemd/muster-api.service.in \
	contrib/systemd/muster-pusher.service.in \
	contrib/systemd/muster-runner.service.in \
	contrib/cron/muster.in
CLEANFILES += $(muster_systemd_DATA) $(muster_cron_DATA)

$(muster_systemd_DATA) $(muster_cron_DATA): %: $(srcdir)/%.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's,[@]bindir[@],$(bindir),g' -e 's,[@]sbindir[@],$(sbindir),g' \
		-e 's,[@]pkglibexecdir[@],$(pkglibexecdir),g' $(srcdir)/$@.in >$@
