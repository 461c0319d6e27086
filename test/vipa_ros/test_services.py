"""A service whose answer was lost is asked again where that is safe, and nowhere else."""

import pytest

pytest.importorskip("rclpy")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from vipa.errors import VipaError
from vipa_ros.bringup.environment import Domain
from vipa_ros.common.services import Services


class Deaf:
    """A server in the test's own process whose first answers are lost, as rmw_fastrtps drops those for a client that the server has
    not met yet."""

    def __init__(self, node, lost):
        self.asked, self.lost = 0, lost
        self.service = node.create_service(Trigger, "/deaf", self.answer)
        self.send, self.service.send_response = self.service.send_response, self.respond

    def answer(self, request, response):
        self.asked += 1
        response.success, response.message = True, str(self.asked)
        return response

    def respond(self, response, header):
        if self.asked > self.lost:
            self.send(response, header)


@pytest.fixture
def ask():
    """ask(server's lost answers, wait, again, vain) → (the answer or the error, how often it was asked)."""
    domain = Domain()
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain.id)
    node = rclpy.create_node("asker", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def run(lost, wait, again, vain=lambda: ""):
        deaf, services = Deaf(node, lost), Services(node, {"/deaf": Trigger})

        async def call():
            try:
                return (await services.call("/deaf", Trigger.Request(), wait, again, vain)).message
            except VipaError as error:
                return error

        task = executor.create_task(call)
        while not task.done():
            executor.spin_once(timeout_sec=0.1)
        return task.result(), deaf.asked

    yield run
    context.try_shutdown()
    domain.release()


def test_what_may_be_asked_twice_is(ask):
    answer, asked = ask(lost=2, wait=60.0, again=0.05)
    assert answer == str(asked) and asked == 3


def test_what_may_not_is_asked_once(ask):
    error, asked = ask(lost=1, wait=1.0, again=0.0)
    assert isinstance(error, VipaError) and "/deaf did not answer within 1 s" in str(error) and asked == 1


def test_what_is_waited_for_in_vain_is_not_waited_for(ask):
    looks = iter(["", "", "nothing heard from it"])
    error, _ = ask(lost=100, wait=60.0, again=0.0, vain=lambda: next(looks))
    assert isinstance(error, VipaError) and str(error) == "nothing heard from it"


@pytest.mark.parametrize("comes, wait", [(True, 60.0), (False, 0.2)])
def test_what_has_not_been_heard_of_yet_is_waited_for(comes, wait):
    """The node goes on meanwhile: what is waited for comes by one of its own callbacks."""
    domain, context, heard = Domain(), rclpy.Context(), []
    rclpy.init(context=context, domain_id=domain.id)
    node = rclpy.create_node("waits", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    if comes:
        node.create_timer(0.05, lambda: heard.append(True))
    task = executor.create_task(Services(node, {}).until(lambda: bool(heard), wait))
    while not task.done():
        executor.spin_once(timeout_sec=0.1)
    assert task.result() is comes
    context.try_shutdown()
    domain.release()
