"""Reference outputs, and back ends to hold against them."""

from collections.abc import Iterator

import pytest

from stages.backends.choice import open_backend
from stages.backends.engine import Backend, BackendMissing
from tests.tha3_reference import Reference, reference_files


@pytest.fixture(scope="module", params=reference_files(), ids=lambda path: path.stem)
def reference(request: pytest.FixtureRequest) -> Reference:
    return Reference(request.param)


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    try:
        opened = open_backend(request.param, threads=2)
    except BackendMissing as error:
        pytest.skip(f"runs where it is installed: {error}")
    with opened:
        yield opened
