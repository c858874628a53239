# contrib
EXTRA_DIST += \
	contrib/install-packages \
	contrib/packages \
	contrib/test
