# SPDX-License-Identifier: MIT
"""A peer of t/bench/queue: Celery on Redis with a task that does nothing but, when it is told to, say
when it was entered. A task is acknowledged when it is done, so that none is lost with its worker, as
in the other queues; there is no store of results.

usage: python3 celery_peer.py worker CONCURRENCY STAMPS
       python3 celery_peer.py add COUNT         so many at once
       python3 celery_peer.py ask COUNT DELAY   one each DELAY seconds: lines "NUMBER ASKED TAKEN"

BENCH_REDIS is the socket's path.
"""
import os
import sys
import time

from celery import Celery

app = Celery("bench", broker="redis+socket://" + os.environ["BENCH_REDIS"])
app.conf.update(task_acks_late=True, task_ignore_result=True, broker_connection_retry=False,
                worker_hijack_root_logger=False, broker_transport_options={"visibility_timeout": 3600})
stamps = sys.argv[3] if sys.argv[1] == "worker" else None


@app.task(name="nothing")
def nothing(stamp=None):
    if stamp is not None:
        now = time.time()
        with open(stamps, "a", encoding="ascii") as out:
            out.write(f"{stamp} {now:.6f}\n")


if sys.argv[1] == "worker":
    app.worker_main(["worker", "--concurrency", sys.argv[2], "--loglevel", "WARNING", "--without-gossip",
                     "--without-mingle", "--without-heartbeat"])
elif sys.argv[1] == "add":
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(int(sys.argv[2])):
            nothing.apply_async(producer=producer)
else:
    with app.producer_pool.acquire(block=True) as producer:
        nothing.apply_async(producer=producer)  # the connection is made
        time.sleep(0.5)
        for number in range(int(sys.argv[2])):
            asked = time.time()
            nothing.apply_async(kwargs={"stamp": number}, producer=producer)
            print(number, f"{asked:.6f}", f"{time.time():.6f}", flush=True)
            time.sleep(float(sys.argv[3]))
