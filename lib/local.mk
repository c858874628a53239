# lib: what two programs share. One library for each foreign one that not every program needs.
noinst_LIBRARIES += lib/libmuster.a lib/libmuster-db.a lib/libmuster-http.a lib/libmuster-jwk.a

lib_libmuster_a_SOURCES = \
	lib/conf.c \
	lib/conf.h \
	lib/conf_keys.c \
	lib/error.c \
	lib/error.h \
	lib/event.h \
	lib/event_kinds.c \
	lib/exit.h \
	lib/file.c \
	lib/file.h \
	lib/hash.c \
	lib/hash.h \
	lib/json.c \
	lib/json.h \
	lib/live.c \
	lib/live.h \
	lib/log.c \
	lib/log.h \
	lib/mail.c \
	lib/mail.h \
	lib/memory.c \
	lib/memory.h \
	lib/oid.c \
	lib/oid.h \
	lib/quote.c \
	lib/quote.h \
	lib/report.c \
	lib/report.h \
	lib/secret.c \
	lib/secret.h \
	lib/severity.c \
	lib/severity.h \
	lib/ssh_key.c \
	lib/ssh_key.h \
	lib/totp.c \
	lib/totp.h \
	lib/wake.c \
	lib/wake.h
lib_libmuster_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)

dist_man_MANS += lib/muster.conf.5

lib_libmuster_db_a_SOURCES = \
	lib/db.c \
	lib/db.h
lib_libmuster_db_a_CFLAGS = $(AM_CFLAGS) $(PQ_CFLAGS)

lib_libmuster_http_a_SOURCES = \
	lib/http.c \
	lib/http.h
lib_libmuster_http_a_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)

lib_libmuster_jwk_a_SOURCES = \
	lib/jwk.c \
	lib/jwk.h
lib_libmuster_jwk_a_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS) $(SODIUM_CFLAGS)
