# The Jazzy world: ROS 2 from apt, VIPA as a colcon workspace.
#
# NOT YET RUN. Written after the distribution's package index; tell us what it stumbles over.
#
#   docker build -t vipa .
#   docker run --rm --shm-size=1g vipa ros2 launch vipa_ros episode.launch.py task:=put_three_obj policy:=expert
FROM ros:jazzy

SHELL ["/bin/bash", "-c"]
ENV DEBIAN_FRONTEND=noninteractive

RUN apt-get update && apt-get install -y --no-install-recommends \
    libegl1 libgl1-mesa-dri libopengl0 python3-venv python3-pip && rm -rf /var/lib/apt/lists/*

# Dependencies first: they change less often than the sources. rosdep, like colcon, stops at the root package, so both
# packages are named.
WORKDIR /workspace/src/vipa
COPY package.xml ./
COPY vipa_msgs/package.xml vipa_msgs/
RUN apt-get update && rosdep update --rosdistro jazzy && \
    rosdep install --rosdistro jazzy --ignore-src --default-yes --from-paths . vipa_msgs && \
    rm -rf /var/lib/apt/lists/*

# What apt does not have, beside what it has: NumPy stays below 2.
COPY requirements-jazzy.lock ./
RUN python3 -m venv --system-site-packages /workspace/venv && touch /workspace/venv/COLCON_IGNORE && \
    /workspace/venv/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r requirements-jazzy.lock

COPY . .
WORKDIR /workspace
# colcon of the venv, so that the nodes' first line names its Python
RUN source /opt/ros/jazzy/setup.bash && \
    venv/bin/python -m colcon build --base-paths src/vipa src/vipa/vipa_msgs

RUN sed -i '/^exec /i source /workspace/install/setup.bash' /ros_entrypoint.sh
CMD ["vipa", "doctor"]
