"""A test's node and a node of the graph meet before the first request."""

import time

from rcl_interfaces.srv import ListParameters

AGAIN_S = 1.0  # wall seconds without an answer after which the greeting is sent again


def meet(node, name, wait):
    """Until the node `name` knows every client that `node` has made so far: rmw_fastrtps drops the answer to one that the server has
    not met. wait(condition, what) waits until condition()."""
    greeting = node.create_client(ListParameters, f"/{name}/list_parameters")
    asked, last = [], 0.0

    def met():
        nonlocal last
        if greeting.service_is_ready() and time.monotonic() - last > AGAIN_S:
            last = time.monotonic()
            asked.append(greeting.call_async(ListParameters.Request()))
        return any(future.done() for future in asked)

    wait(met, f"{name} to answer a greeting")
