"""Follows the log of a job: streams may end or break, the job's status is the truth."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

from dist_bp.submit.client import ENDED, JobsClient, RayJob, Unreachable

LOOK_SECONDS = 5.0
QUIET_SECONDS = 1.0
"""After which a stream without news is taken for one that may have ended."""
AGAIN_SECONDS = 1.0
SILENT_SECONDS = 60.0
OWN_HEAD_SILENT_SECONDS = 10.0


def follow(client: JobsClient, name: str, write: Callable[[str], object]) -> RayJob:
    """Writes the log as it comes until the job has ended; returns the job.

    Raises SubmitError where the cluster has not answered for a minute (the local head: 10 s), KeyboardInterrupt on
    Ctrl-C.
    """
    limit = OWN_HEAD_SILENT_SECONDS if client.dashboard.is_own_head else SILENT_SECONDS
    seen = 0
    answered = time.monotonic()

    def hear() -> None:
        nonlocal answered
        answered = time.monotonic()

    while True:
        try:
            seen = asyncio.run(_stream(client, name, seen, write, hear))
            job = client.job(name)
            if job["status"] in ENDED:
                write(client.logs(name)[seen:])
                return job
            hear()
        except Unreachable:
            if time.monotonic() - answered > limit:
                raise
        time.sleep(AGAIN_SECONDS)


async def _stream(
    client: JobsClient, name: str, seen: int, write: Callable[[str], object], hear: Callable[[], None]
) -> int:
    """Writes what comes after the first `seen` characters until the stream ends; returns what has been seen then.

    `hear` is called whenever the cluster answers.

    A new stream begins with the first line again.
    """
    position = 0
    async for text in _chunks(client, name, hear):
        fresh = text[max(seen - position, 0) :]
        position += len(text)
        seen = max(seen, position)
        if fresh:
            write(fresh)
    return seen


async def _chunks(client: JobsClient, name: str, hear: Callable[[], None]) -> AsyncIterator[str]:
    """Text of the stream, until it ends or breaks, or the job has ended and nothing more comes."""
    import aiohttp

    url = f"{client.dashboard.address}/api/jobs/{quote(name, safe='')}/logs/tail"
    deadlines = aiohttp.ClientTimeout(total=None, sock_connect=LOOK_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(
                headers=client.headers, timeout=deadlines, trust_env=not client.dashboard.is_loopback
            ) as session,
            await asyncio.wait_for(
                session.ws_connect(url, heartbeat=2 * LOOK_SECONDS, max_msg_size=0), LOOK_SECONDS
            ) as stream,
        ):
            while True:
                try:
                    message = await stream.receive(timeout=QUIET_SECONDS)
                except TimeoutError:
                    if (await asyncio.to_thread(client.job, name))["status"] in ENDED:
                        return
                    hear()
                    continue
                hear()
                if message.type != aiohttp.WSMsgType.TEXT:
                    return
                yield message.data
    except (aiohttp.ClientError, OSError, Unreachable):
        return
