"""Renders the simulated cell's cameras and publishes them as realsense-ros does."""

import queue
import threading

from rclpy.node import Node

from vipa.rates import Every
from vipa_ros.cameras.image_publishers import image_publishers
from vipa_ros.common import convert
from vipa_sim.cell import SimCell
from vipa_sim.render import Renderer
from vipa_sim.snapshot import Snapshot


class CameraPublisher:
    """Renders and publishes on a thread of its own, which alone touches the OpenGL context.

    A capture that falls due while the last one is still being rendered makes the tick wait: simulated time slows, no frame
    is lost. Pictures that are stamped after their exposure come no earlier than their stamps.
    """

    def __init__(self, node: Node, cell: SimCell):
        self.cell = cell
        self.every = {name: Every(camera.rate, cell.stamp_ns) for name, camera in cell.cameras.items()}
        self.publishers = {camera: image_publishers(node, camera) for camera in self.every}
        self.exposed: list[tuple[str, Snapshot]] = []  # and not yet to be published
        self.jobs: queue.Queue = queue.Queue(maxsize=1)
        self.error: Exception | None = None
        ready = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(ready,), name="render", daemon=True)
        self.thread.start()
        ready.wait()  # making a renderer stalls other threads: before control starts
        self.raise_error()

    def raise_error(self):
        if self.error:
            raise self.error

    def tick(self, now_ns):
        due = [c for c, every in self.every.items() if every(now_ns)]
        if due:
            snapshot = self.cell.snapshot()
            self.exposed += [(camera, snapshot) for camera in due]
        ready = [(camera, s) for camera, s in self.exposed if s.stamp_of(camera) <= now_ns]
        if ready:
            self.exposed = [(camera, s) for camera, s in self.exposed if s.stamp_of(camera) > now_ns]
            self.jobs.put(ready)
        self.raise_error()

    def run(self, ready):
        try:
            renderer = Renderer(self.cell)
            ready.set()
            while (job := self.jobs.get()) is not None:
                for camera, snapshot in job:
                    self.publish(renderer.frame(snapshot, camera))
            renderer.close()
        except Exception as error:  # noqa: BLE001  raised again on the main thread, at the next tick
            self.error = error
            ready.set()
            while self.jobs.get() is not None:  # never leave the main thread waiting in put()
                pass

    def publish(self, frame):
        for key, msg in convert.frame_msgs(frame).items():
            self.publishers[frame.name][key].publish(msg)

    def close(self):
        self.jobs.put(None)
        self.thread.join(timeout=2.0)
