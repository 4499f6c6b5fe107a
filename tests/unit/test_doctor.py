"""The doctor finds what is there, and says what to do about what is not."""

import collections
import io
import socket

import pytest
from rich.console import Console

from pipeline import doctor


def only(findings):
    (finding,) = findings
    return finding


def test_examination_covers_every_subject():
    names = {finding.name for finding in doctor.examine()}
    assert {"Python", "system", "CPU", "waking readers", "numpy", "cv2", "JPEG", "GPU"} <= names


def test_whatever_is_missing_has_a_mend():
    assert all(finding.mend for finding in doctor.examine() if finding.state != "ok")


def test_every_finding_is_rendered_even_with_brackets():
    console = Console(file=io.StringIO(), width=200)
    console.print(doctor.render([doctor.Finding("[red]x", "missing", "no [path]", "get [it]")]))
    assert "[red]x" in console.file.getvalue()
    assert "no [path]" in console.file.getvalue()


def test_old_python_is_missing(monkeypatch):
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 1))
    assert only(doctor._python()).state == "missing"


def test_shared_memory_too_small_for_the_default_is_missing(monkeypatch, tmp_path):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor, "_SHM", tmp_path)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage(2**20, 2**20, 0))
    finding = only(doctor._shared_memory())
    assert finding.state == "missing"
    assert "shm-size" in finding.mend


def test_machine_without_nvidia_driver_is_told_that_none_is_needed(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    finding = only(doctor._gpus())
    assert (finding.state, "not needed" in finding.mend) == ("warn", True)


def test_broken_nvidia_driver_is_a_finding(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda _: "/no/such/nvidia-smi")
    assert "fails" in only(doctor._gpus()).found


def test_package_that_cannot_be_loaded_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "_import_version", lambda _: None)
    assert {finding.state for finding in doctor._packages()} == {"missing"}


@pytest.mark.parametrize(("is_taken", "is_free"), [(True, False), (False, True)])
def test_port_in_use_is_told_from_a_free_one(is_taken, is_free):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        if is_taken:
            other.listen()
        else:
            other.close()
        assert doctor._is_free("127.0.0.1", port) == is_free
