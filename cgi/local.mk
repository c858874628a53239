# cgi: api.fcgi, which answers the web server.
pkglibexec_PROGRAMS += cgi/api.fcgi

# All but the program itself, so that tests can take parts of it.
noinst_LIBRARIES += cgi/libmuster-api.a
cgi_libmuster_api_a_SOURCES = \
	cgi/api.h \
	cgi/auth.c cgi/auth.h \
	cgi/call.c cgi/call.h \
	cgi/cors.c cgi/cors.h \
	cgi/diff.c \
	cgi/fastcgi.c cgi/fastcgi.h \
	cgi/gateway.h \
	cgi/handle.c cgi/handler.h \
	cgi/health.c \
	cgi/input.c cgi/input.h \
	cgi/openapi.c cgi/openapi.h \
	cgi/openapi_schema.c cgi/openapi_schema.h \
	cgi/plain.c cgi/plain.h \
	cgi/problem.c cgi/problem.h \
	cgi/rate.c cgi/rate.h \
	cgi/request.c cgi/request.h \
	cgi/response.c cgi/response.h \
	cgi/route.c cgi/route.h cgi/routes.c \
	cgi/serve.c cgi/serve.h \
	cgi/session.c \
	cgi/token.c

# The schemas of the answers go into the program as they are.
nobase_dist_pkgdata_DATA += schema/api-1.json
cgi/libmuster_api_a-openapi_schema.$(OBJEXT) cgi/openapi_schema.$(OBJEXT): cgi/openapi_schema.json
cgi/openapi_schema.json: $(srcdir)/schema/api-1.json
	$(AM_V_GEN)$(MKDIR_P) cgi && cat $(srcdir)/schema/api-1.json >$@.tmp && mv $@.tmp $@
CLEANFILES += cgi/openapi_schema.json cgi/openapi_schema.json.tmp

cgi_api_fcgi_SOURCES = cgi/api.c
cgi_api_fcgi_LDADD = cgi/libmuster-api.a lib/libmuster-db.a lib/libmuster.a $(FCGI_LIBS) $(PQ_LIBS) \
	$(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)

dist_man_MANS += cgi/api.fcgi.8
