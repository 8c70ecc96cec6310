"""What is fetched: runs that are over, each once, and nothing of an archive that is no run."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from harness.errors import HarnessError, UsageError
from harness.job import collect as fetching
from harness.job.collect import VERDICT, collect, unpack
from harness.kube import Kube
from tests.unit.job.cluster import PODS, Laid, laid
from tests.unit.test_recorded import record

VOLUME = "/api/v1/namespaces/airflow-chaos/persistentvolumeclaims/airflow-chaos"


def archive(files: dict[str, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    packed.seek(0)
    return packed


def test_only_the_runs_asked_for_come_out_of_an_archive(tmp_path: Path) -> None:
    packed = archive({"a-1/verdict.json": b"{}", "b-1/verdict.json": b"{}", "jobs/j.json": b"{}"})
    assert unpack(packed, ["a-1", "c-1"], tmp_path) == [tmp_path / "a-1"]
    assert [path.name for path in tmp_path.iterdir()] == ["a-1"]


def test_none_comes_out_of_its_place(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    with pytest.raises(HarnessError, match="cannot be unpacked"):
        unpack(archive({"../../escaped": b"!"}), ["x"], reports)
    assert not (tmp_path / "escaped").exists()
    assert list(reports.iterdir()) == []


def test_one_that_broke_off_leaves_nothing(tmp_path: Path) -> None:
    whole = archive({"a-1/history.jsonl": bytes(range(256)) * 100}).getvalue()
    with pytest.raises(HarnessError, match="cannot be unpacked"):
        unpack(io.BytesIO(whole[: len(whole) // 2]), ["a-1"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_here_stays(tmp_path: Path) -> None:
    (tmp_path / "a-1").mkdir()
    assert unpack(archive({"a-1/verdict.json": b"{}"}), ["a-1"], tmp_path) == []
    assert list((tmp_path / "a-1").iterdir()) == []


class Volume:
    """What the pod that reads the volume would print of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pods: list[str] = []

    def fetch(self, home: str, pod: str, command: list[str], into: io.BytesIO, within_s: float) -> None:
        self.pods.append(pod)
        if command[0] == "find":
            names = [f"{path.parent.name}/{VERDICT}\0" for path in sorted(self.folder.glob(f"*/{VERDICT}"))]
            into.write("".join(names).encode())
            return
        with tarfile.open(fileobj=into, mode="w:gz") as tar:
            for name in command[command.index("--") + 1 :]:
                tar.add(self.folder / name, name)


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Volume:
    there = Volume(tmp_path / "volume")
    monkeypatch.setattr(Kube, "fetch", there.fetch)
    return there


def judged(folder: Path) -> Path:
    record(folder, [])
    (folder / VERDICT).write_text("{}", encoding="utf-8")
    return folder


def test_each_run_is_fetched_once_and_judged_here_too(tmp_path: Path, volume: Volume) -> None:
    cluster = Laid()
    cluster.objects[VOLUME] = {"kind": "PersistentVolumeClaim", "metadata": {"name": "airflow-chaos"}}
    judged(volume.folder / "a-1")
    record(volume.folder / "under-way", [])
    with laid(tmp_path, cluster) as (own, _, _):
        settings = own.model_copy(update={"reports": tmp_path / "reports"})
        cluster.pod("p-1", "uid", "Running")
        found = collect(settings, lambda said: None)
        assert found == [tmp_path / "reports" / "a-1"]
        assert (found[0] / "report.html").is_file()
        assert collect(settings, lambda said: None) == []
        assert set(volume.pods) == {"p-1"}
        assert f"{PODS}/airflow-chaos-collect" not in cluster.objects


def test_where_no_pod_has_the_volume_one_is_started_and_goes_again(
    tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Laid()
    about = {"name": "airflow-chaos", "annotations": {"airflow-chaos/image": "i:k"}}
    cluster.objects[VOLUME] = {"kind": "PersistentVolumeClaim", "metadata": about}
    judged(volume.folder / "a-1")
    with laid(tmp_path, cluster) as (own, _, server):
        settings = own.model_copy(update={"reports": tmp_path / "reports"})
        monkeypatch.setattr(fetching, "_phase", lambda manifests, home: "Running")
        assert collect(settings, lambda said: None)
        (made,) = server.asked_for("PATCH", f"{PODS}/airflow-chaos-collect")
        assert made.body["spec"]["containers"][0]["image"] == "i:k"
        assert f"{PODS}/airflow-chaos-collect" not in cluster.objects


def test_without_a_volume_there_is_nothing_to_fetch(tmp_path: Path) -> None:
    with laid(tmp_path, Laid()) as (settings, _, server):
        with pytest.raises(UsageError, match="there is no volume in airflow-chaos"):
            collect(settings, lambda said: None)
        assert {one.method for one in server.asked} == {"GET"}
