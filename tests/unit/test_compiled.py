"""Helpers that may be there: none is needed, and none of another source is used."""

import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from pipeline import doctor
from shm.compiled import PURE, Helper

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A helper of version 3 that can be imported."""
    module = ModuleType("aya_built")
    module.VERSION = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "aya_built", module)
    monkeypatch.setenv(PURE, "0")
    return module


def test_helper_of_this_version_is_used(built: ModuleType) -> None:
    assert Helper("aya_built", 3, "").load() is built


def test_helper_of_another_version_is_left_aside(built: ModuleType) -> None:
    found = Helper("aya_built", 4, "").find()
    assert found.module is None
    assert "version 3" in found.state
    assert "install" in found.mend


@pytest.mark.usefixtures("built")
def test_helpers_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PURE, "1")
    found = Helper("aya_built", 3, "").find()
    assert found.module is None
    assert PURE in found.state
    assert PURE in found.mend


@pytest.mark.usefixtures("built")
def test_helper_that_was_not_built_is_done_without() -> None:
    found = Helper("aya_absent", 1, "").find()
    assert (found.module, found.state) == (None, "was not built")


def test_helper_that_does_not_load_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aya_broken.py").write_text("raise ImportError('no such symbol')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(PURE, "")
    found = Helper("aya_broken", 1, "").find()
    assert found.module is None
    assert "no such symbol" in found.state


def test_no_installation_fails_for_want_of_a_helper() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    modules = project["tool"]["setuptools"]["ext-modules"]
    assert {module["name"] for module in modules} == {h.module for h in doctor.HELPERS}
    assert all(module["optional"] for module in modules)


@pytest.mark.usefixtures("built")
def test_doctor_says_of_each_helper_whether_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    helpers = (Helper("aya_built", 3, "it flies"), Helper("aya_absent", 1, "it flies"))
    monkeypatch.setattr(doctor, "HELPERS", helpers)
    used, absent = doctor._helpers()
    assert (used.state, used.found) == ("ok", "in use: it flies")
    assert (absent.state, absent.found) == ("warn", "was not built")
    assert "not needed" in absent.mend
