# contrib
EXTRA_DIST += \
	contrib/install-packages \
	contrib/muster.conf \
	contrib/packages \
	contrib/quickstart \
	contrib/test

# What an administrator copies or includes.
muster_lighttpddir = $(pkgdatadir)/lighttpd
dist_muster_lighttpd_DATA = contrib/lighttpd/muster.conf
