# SPDX-License-Identifier: MIT
"""
A peer of t/bench/rest: what one writes with FastAPI for the same routes. asyncpg with a pool, typed
inputs, one transaction a request: who asks, then the function, whose JSON is the body as it comes.

uvicorn runs it; BENCH names a JSON file with the database and the statements.
"""
import hashlib
import json
import os
from typing import Optional

import asyncpg
from fastapi import Cookie, FastAPI, Header, Query, Request, Response
from pydantic import BaseModel, Field

with open(os.environ["BENCH"]) as file:
    bench = json.load(file)

app = FastAPI(openapi_url=None)
pool: asyncpg.Pool


class TestRun(BaseModel):
    total: int = Field(ge=0, le=1000000)
    passed: int = Field(ge=0, le=1000000)
    failed: int = Field(ge=0, le=1000000)
    suite: Optional[str] = Field(None, max_length=200)


@app.on_event("startup")
async def start():
    global pool
    pool = await asyncpg.create_pool(host=bench["host"], database=bench["database"], user=bench["user"],
                                     min_size=bench["pool"], max_size=bench["pool"])


async def answer(request, token, role, csrf, scope, sql, *values, status=200):
    if not token:
        return Response('{"status":401}', 401, media_type="application/problem+json")
    csrf_bytes = bytes.fromhex(csrf) if csrf is not None else None
    try:
        async with pool.acquire() as db:
            async with db.transaction():
                position = await db.fetchval(bench["enter"], "session", hashlib.sha256(token.encode()).digest(),
                                             None, role, csrf_bytes, scope, request.client and request.client.host)
                body = await db.fetchval(sql, *values)
    except asyncpg.PostgresError as error:
        code = error.sqlstate or ""
        status = int(code[2:]) if code.startswith("MU") else 500
        return Response(json.dumps({"status": status}), status, media_type="application/problem+json")
    return Response(body, status, {"Stream-Position": str(position)}, "application/json")


@app.get("/api/v1/repos/{repo}")
async def repo_get(request: Request, repo: str, muster_session: Optional[str] = Cookie(None)):
    return await answer(request, muster_session, "viewer", None, "read", bench["one"], repo)


@app.get("/api/v1/repos")
async def repo_list(request: Request, limit: int = Query(50, ge=1, le=200),
                    muster_session: Optional[str] = Cookie(None)):
    return await answer(request, muster_session, "viewer", None, "read", bench["list"], limit)


@app.post("/api/v1/test-runs")
async def test_run_add(request: Request, run: TestRun, muster_session: Optional[str] = Cookie(None),
                       x_csrf_token: str = Header("")):
    return await answer(request, muster_session, "developer", x_csrf_token, "write", bench["write"], run.total,
                        run.passed, run.failed, run.suite, status=201)
