# cgi: api.fcgi, which answers the web server.
pkglibexec_PROGRAMS += cgi/api.fcgi

# All but the program itself, so that tests can take parts of it.
noinst_LIBRARIES += cgi/libmuster-api.a
cgi_libmuster_api_a_SOURCES = \
	cgi/account.c \
	cgi/admin.c \
	cgi/api.h \
	cgi/auth.c cgi/auth.h \
	cgi/call.c cgi/call.h \
	cgi/child.c cgi/child.h \
	cgi/cors.c cgi/cors.h \
	cgi/dashboard.c \
	cgi/diff.c \
	cgi/docs.c \
	cgi/embedded.c cgi/embedded.h \
	cgi/export.c \
	cgi/fastcgi.c cgi/fastcgi.h \
	cgi/forge.c \
	cgi/gateway.h \
	cgi/handle.c cgi/handler.h \
	cgi/health.c \
	cgi/identity.c \
	cgi/issuer.c cgi/issuer.h \
	cgi/input.c cgi/input.h \
	cgi/live.c \
	cgi/mapped.c cgi/mapped.h \
	cgi/meter.c cgi/meter.h \
	cgi/openapi.c cgi/openapi.h \
	cgi/openid.c cgi/openid.h \
	cgi/password.c cgi/password.h \
	cgi/place.c cgi/place.h \
	cgi/plain.c cgi/plain.h \
	cgi/problem.c cgi/problem.h \
	cgi/prometheus.c \
	cgi/rate.c cgi/rate.h \
	cgi/request.c cgi/request.h \
	cgi/response.c cgi/response.h \
	cgi/route.c cgi/route.h cgi/routes.c \
	cgi/serve.c cgi/serve.h \
	cgi/session.c cgi/session.h \
	cgi/credential.c \
	cgi/token.c \
	cgi/totp.c cgi/totp.h

# What is part of the program as it is.
nobase_dist_pkgdata_DATA += schema/api-1.json
cgi/libmuster_api_a-embedded.$(OBJEXT) cgi/embedded.$(OBJEXT): cgi/embedded_schema.json cgi/embedded_docs.html
cgi/embedded_schema.json: $(srcdir)/schema/api-1.json
	$(AM_V_GEN)$(MKDIR_P) cgi && cat $(srcdir)/schema/api-1.json >$@.tmp && mv $@.tmp $@
cgi/embedded_docs.html: $(srcdir)/htdocs/docs.html
	$(AM_V_GEN)$(MKDIR_P) cgi && cat $(srcdir)/htdocs/docs.html >$@.tmp && mv $@.tmp $@
CLEANFILES += cgi/embedded_schema.json cgi/embedded_schema.json.tmp cgi/embedded_docs.html cgi/embedded_docs.html.tmp

cgi_api_fcgi_SOURCES = cgi/api.c
cgi_api_fcgi_LDADD = cgi/libmuster-api.a lib/libmuster-db.a lib/libmuster-http.a lib/libmuster-jwk.a \
	lib/libmuster.a $(FCGI_LIBS) $(QRENCODE_LIBS) $(PQ_LIBS) $(CURL_LIBS) $(CRYPTO_LIBS) \
	$(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)

dist_man_MANS += cgi/api.fcgi.8
