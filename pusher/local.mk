# pusher: muster-pusher, the one daemon.
sbin_PROGRAMS += pusher/muster-pusher
dist_man_MANS += pusher/muster-pusher.8

pusher_muster_pusher_SOURCES = \
	pusher/client.c \
	pusher/client.h \
	pusher/dialect.c \
	pusher/dialect.h \
	pusher/dialect_audit.c \
	pusher/dialect_dashboard.c \
	pusher/dialect_run.c \
	pusher/dialect_stream.c \
	pusher/event_row.c \
	pusher/event_row.h \
	pusher/frame.c \
	pusher/frame.h \
	pusher/gate.c \
	pusher/gate.h \
	pusher/hub.c \
	pusher/hub.h \
	pusher/identity.c \
	pusher/identity.h \
	pusher/lane.c \
	pusher/lane.h \
	pusher/log_reader.c \
	pusher/log_reader.h \
	pusher/main.c \
	pusher/replay.c \
	pusher/replay.h \
	pusher/reports.c \
	pusher/reports.h \
	pusher/run.c \
	pusher/run.h \
	pusher/head.c \
	pusher/head.h \
	pusher/snapshot.c \
	pusher/snapshot.h \
	pusher/status.c \
	pusher/status.h \
	pusher/stream.c \
	pusher/stream.h \
	pusher/ws.c \
	pusher/ws.h
pusher_muster_pusher_CFLAGS = $(AM_CFLAGS) $(WEBSOCKETS_CFLAGS)
pusher_muster_pusher_LDADD = lib/libmuster-db.a lib/libmuster.a $(WEBSOCKETS_LIBS) $(EV_LIBS) \
	$(PQ_LIBS) $(JSON_LIBS) $(SODIUM_LIBS) $(GLIB_LIBS)
