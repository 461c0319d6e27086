"""ROS 2 nodes: parameters in, messages in, one call into the domain, messages out."""

import signal

# Ctrl-C while a node is still importing ends it without a traceback; `vipa_ros.common.node.run` takes over from there.
signal.signal(signal.SIGINT, signal.SIG_DFL)
