"""Turns the head of a running session: `python examples/publish_poses.py`.

Any program that speaks ZeroMQ and msgpack can do this; the 45 parameters are in docs/poses.md.
"""

import math
import time

import msgpack
import zmq

from shm.session import read_session, usual_session

endpoint = read_session(usual_session())["endpoints"]["poses"]
socket = zmq.Context.instance().socket(zmq.PUB)
socket.connect(endpoint)
start = time.perf_counter()
while (seconds := time.perf_counter() - start) < 20.0:
    pose = [0.0] * 45
    pose[40] = math.sin(2.0 * seconds)  # head_y: look left and right
    pose[41] = 0.5 * math.sin(1.3 * seconds)  # neck_z: tilt
    pose[44] = 0.5 + 0.5 * math.sin(1.5 * seconds)  # breathing
    socket.send(msgpack.packb({"pose": pose, "time_ns": time.perf_counter_ns(), "source": "demo"}))
    time.sleep(1 / 30)
