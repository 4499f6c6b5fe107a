"""Follows the metrics and events of a running session: `python examples/watch_metrics.py`."""

import msgpack
import zmq

from shm.session import read_session, usual_session

socket = zmq.Context.instance().socket(zmq.SUB)
socket.connect(read_session(usual_session())["endpoints"]["events"])
socket.subscribe(b"")  # or b"metrics", or b"event"
while True:
    topic, data = socket.recv_multipart()
    content = msgpack.unpackb(data)
    if topic == b"event":
        print(content)
    else:
        rates = {stage["name"]: stage["rate_hz"] for stage in content["stages"]}
        print(f"{content['rate_hz']:.1f} frames/s, age {content['age_ms']['p50']} ms, {rates}")
