"""An ONNX graph under construction: values are known by name, a node's name says where it belongs.

Only conversion needs this module and with it the package `onnx`; running a graph does not.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stages.networks.pack import Precision, Target

# The newest that ezvtuber-rt's pack uses and TensorRT 8.6, DirectML and OpenVINO read alike.
OPSET = 16
# The file format of that opset's time: older runtimes refuse newer ones.
IR_VERSION = 8

_ELEMENT_TYPES = {
    "uint8": TensorProto.UINT8,
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
}


class Graph:
    """Grows node by node; `model` closes it.

    With precision fp16, `weight` stores float16: the layers that use it then compute in half
    precision. `target` chooses between forms of layers that compute the same.
    """

    def __init__(self, name: str, precision: Precision = "fp32", target: Target = "cpu") -> None:
        self.name = name
        self.number = "float16" if precision == "fp16" else "float32"
        self.target = target
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._inputs: dict[str, onnx.ValueInfoProto] = {}
        self._outputs: dict[str, onnx.ValueInfoProto] = {}
        self._renamed: dict[str, str] = {}
        self._scopes: list[str] = []
        self._taken: dict[str, int] = {}

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Put `name` before the names of the nodes made inside."""
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()

    def input(self, name: str, dtype: str, *shape: int) -> str:
        """Declare an input; the graph takes its inputs in the order of these calls."""
        self._inputs[name] = helper.make_tensor_value_info(name, _ELEMENT_TYPES[dtype], shape)
        return name

    def output(self, value: str, name: str, dtype: str, *shape: int) -> None:
        """Declare that `value` leaves the graph as `name`."""
        if value in self._inputs or value in self._renamed:
            value = self.add("Identity", value)
        self._renamed[value] = name
        self._outputs[name] = helper.make_tensor_value_info(name, _ELEMENT_TYPES[dtype], shape)

    def constant(self, values: NDArray[Any], hint: str = "constant") -> str:
        """Store an array as it is; equal ones are stored once."""
        values = np.ascontiguousarray(values)
        content = hashlib.blake2b(values.tobytes(), digest_size=16).digest()
        key = (values.dtype.str, values.shape, content)
        if key in self._known:
            return self._known[key]
        name = self._fresh(hint)
        self._constants.append(numpy_helper.from_array(values, name))
        self._known[key] = name
        return name

    def weight(self, values: NDArray[Any], hint: str = "weight") -> str:
        """Store published numbers in the graph's precision."""
        return self.constant(values.astype(self.number), hint)

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; return the name of that output."""
        name = self._fresh(op)
        self._nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def cast(self, value: str, dtype: str) -> str:
        """Convert `value` to `dtype`."""
        return self.add("Cast", value, to=_ELEMENT_TYPES[dtype])

    def to_number(self, value: str) -> str:
        """Convert a float32 value to the graph's precision."""
        return value if self.number == "float32" else self.cast(value, self.number)

    def from_number(self, value: str) -> str:
        """Convert a value of the graph's precision to float32."""
        return value if self.number == "float32" else self.cast(value, "float32")

    def model(self, metadata: dict[str, str] | None = None) -> onnx.ModelProto:
        """Return the finished graph, checked for well-formedness."""
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [self._renamed.get(name, name) for name in names]
        graph = helper.make_graph(
            self._nodes,
            self.name,
            list(self._inputs.values()),
            list(self._outputs.values()),
            self._constants,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="ayatsuri",
        )
        helper.set_model_props(model, metadata or {})
        onnx.checker.check_model(model)
        return model

    def _fresh(self, hint: str) -> str:
        stem = "/".join((*self._scopes, hint))
        count = self._taken.get(stem, 0)
        self._taken[stem] = count + 1
        return f"{stem}_{count}" if count else stem
