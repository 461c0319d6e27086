"""A person takes over from an episode's commander, and gives back: the authority changes hands, the episode goes on."""

from typing import Protocol

from rclpy.callback_groups import ReentrantCallbackGroup
from vipa_msgs.msg import Intervention
from vipa_msgs.srv import TakeOver

from vipa.errors import VipaError
from vipa.motion.permission import unnamed
from vipa.recording import topics
from vipa_ros.common import convert
from vipa_ros.common.qos import PROFILES
from vipa_ros.episode.opening import Heard
from vipa_ros.episode.running import Running
from vipa_ros.episode.services import EpisodeServices


class Manager(Protocol):
    """What the task manager's node gives: beside rclpy's Node, the running episode and who was heard."""

    running: Running | None
    others: EpisodeServices
    heard: Heard
    stamp_ns: int


class Takeover:
    """The service and what is published of it. While the commander does not drive, its silence and the time count for nothing."""

    def __init__(self, manager: Manager):
        self.manager = manager
        self.status = manager.create_publisher(Intervention, topics.INTERVENTION, PROFILES["latched"])
        group = ReentrantCallbackGroup()
        manager.create_service(TakeOver, topics.TAKE_OVER, self.on_request, callback_group=group)

    async def on_request(self, request, response):
        run = self.manager.running
        try:
            driver = self._driver(run, request)
            if driver != run.driver:
                await self.manager.others.grant(driver)
                if driver:  # a change of authority has restored motion's defaults
                    self.manager.others.want(run)
                run.drive(driver, request.operator_id)
            response.accepted = True
            response.message = f"{driver} drives" if driver else f"paused: {run.commander} does not drive"
            self.manager.get_logger().info(f"{request.operator_id}: {response.message}")
        except VipaError as error:
            response.message = str(error)
        if run is not None:
            self.publish(run)
        return response

    def _driver(self, run: Running | None, request) -> str:
        """Who shall have the authority. Raises VipaError."""
        if run is None or not run.under_way:
            raise VipaError("no episode is running")
        if why := unnamed(request.operator_id, "operator_id"):
            raise VipaError(why)
        if request.what == TakeOver.Request.PAUSE:
            return ""
        if request.what == TakeOver.Request.GIVE_BACK:
            return run.commander
        if request.what != TakeOver.Request.TAKE:
            raise VipaError(f"what {request.what}; allowed: 0 pause, 1 take, 2 give back")
        if why := unnamed(request.commander_id, "commander_id"):
            raise VipaError(why)
        if not self.manager.heard.is_there(request.commander_id):
            raise VipaError(
                f"commander '{request.commander_id}' is not there; allowed: one that runs beside the episode's"
            )
        return request.commander_id

    def watch(self, run: Running) -> None:
        """Who took over and has fallen silent has the authority no longer: the arm holds."""
        if not run.commander_drives and run.driver and not self.manager.heard.is_there(run.driver):
            self.manager.get_logger().error(f"{run.driver} drove, and is not there any more: paused")
            run.drive("", run.operator)
            self.manager.executor.create_task(self._pause())
            self.publish(run)

    async def _pause(self):
        try:
            await self.manager.others.grant("")
        except VipaError as error:
            self.manager.get_logger().error(str(error))

    def publish(self, run: Running) -> None:
        """Who drives now, for recorder and dataset."""
        msg = Intervention(
            episode_id=run.id, commander=run.commander, driver=run.driver, operator_id=run.operator,
            intervention=not run.commander_drives, count=run.interventions,
        )  # fmt: skip
        msg.header.stamp = convert.time_msg(max(self.manager.stamp_ns, self.manager.get_clock().now().nanoseconds))
        self.status.publish(msg)
