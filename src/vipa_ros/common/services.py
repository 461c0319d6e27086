"""Services and pauses that are awaited, not waited for: a single-threaded node goes on meanwhile."""

import time
from collections.abc import Callable

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future

from vipa.errors import VipaError
from vipa_ros.common.node import steady_clock

POLL_S = 0.02  # wall seconds between looks for a service that is not there yet
# wall seconds without an answer after which what may be asked twice is asked again, if it is answered at once
RETRY_S = 1.0
FIRST_WAIT_S = 5.0  # wall seconds for what a node that has just started has not heard of yet


class Services:
    """Clients of the services {name: type}, for coroutines on the node's executor."""

    def __init__(self, node: Node, kinds: dict[str, type]):
        self.node, self.group = node, ReentrantCallbackGroup()
        self.clients = {}
        self.add(kinds)

    def add(self, kinds: dict[str, type]) -> None:
        """More services {name: type}."""
        self.clients |= {n: self.node.create_client(kind, n, callback_group=self.group) for n, kind in kinds.items()}

    def send(self, name: str, request, answered=None) -> None:
        """Calls a service without waiting for its answer; `answered`, if given, gets its future."""
        future = self.clients[name].call_async(request)
        if answered is not None:
            future.add_done_callback(answered)

    async def call(self, name: str, request, wait: float, again: float = 0.0, vain: Callable[[], str] = lambda: ""):
        """The answer of a service; VipaError if it is not there, or does not answer, within `wait` wall seconds.

        vain: '' or why no answer is waited for any more, which is raised. again: wall seconds without an answer after which the request, which may be executed twice, is sent again; 0: never. A
        client knows that the server is there, not that the server knows of the client: rmw_fastrtps waits 0.1 s for that and then
        drops the answer for good.
        """
        client, began, sent, why = self.clients[name], time.monotonic(), [], ""
        answer = Future(executor=self.node.executor)

        def look():
            nonlocal why
            now = time.monotonic()
            if answer.done():
                return
            why = vain() or (f"service {name} did not answer within {wait:g} s" if now - began > wait else "")
            if why:
                answer.set_result(None)
            elif (not sent or (again and now - sent[-1] > again)) and client.service_is_ready():
                sent.append(now)
                client.call_async(request).add_done_callback(lambda f: answer.done() or answer.set_result(f.result()))

        timer = self.node.create_timer(POLL_S, look, clock=steady_clock(), callback_group=self.group)
        result = await answer
        self.node.destroy_timer(timer)
        if result is None:
            raise VipaError(why)
        return result

    async def within(self, future: Future, wait: float):
        """The result of `future`, None if it does not come within `wait` wall seconds."""
        answer, began = Future(executor=self.node.executor), time.monotonic()

        def look():
            if not answer.done() and (future.done() or time.monotonic() - began > wait):
                answer.set_result(future.result() if future.done() else None)

        timer = self.node.create_timer(POLL_S, look, clock=steady_clock(), callback_group=self.group)
        result = await answer
        self.node.destroy_timer(timer)
        return result

    async def until(self, there: Callable[[], bool], wait: float) -> bool:
        """Whether there() has become true within `wait` wall seconds."""
        deadline = time.monotonic() + wait
        while not there() and time.monotonic() < deadline:
            await self.pause(POLL_S)
        return there()

    async def pause(self, seconds: float) -> None:
        """Lets wall time pass."""
        over = Future(executor=self.node.executor)
        timer = self.node.create_timer(
            seconds, lambda: over.done() or over.set_result(None), clock=steady_clock(), callback_group=self.group
        )
        await over
        self.node.destroy_timer(timer)
