"""The pages in a browser: drawn, without an error, from disk alone, and in the width of a phone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import recorded
from harness.history import Sample
from harness.kills import Matrix
from harness.outcome import Verdict
from harness.report import kills
from tests.unit.builders import bad, changed, healthy, job, meta
from tests.unit.judge.airflow_times import Dag, life
from tests.unit.report.test_html import EVIL
from tests.unit.test_kills import trial
from tests.unit.test_recorded import record

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on the PATH, so no page can be opened in it")
ACROSS = "--allow-file-access-from-files"  # a frame from disk may be looked into
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0", "--virtual-time-budget=20000",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars",
    "--dump-dom",
)  # fmt: skip


def opened(page: Path, tmp_path: Path, *flags: str) -> tuple[str, list[str]]:
    """The page as the browser has made it, and what it said to the console."""
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'browser'}", *flags, page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def framed(page: Path, tmp_path: Path, width: int, then: str = "") -> Path:
    """A page that shows another one in a frame, for windows are never as narrow as a phone, and takes over what became
    of it; `then` is done with the document `seen`, and what it finds is put into `took`."""
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe src="{page.as_uri()}" width="{width}" height="900"></iframe><script>'
        "onload = () => setTimeout(() => { const seen = frames[0].document, took = document.body.dataset;"
        "took.wide = seen.documentElement.scrollWidth;"
        "took.drawn = seen.querySelector('#timeline')?.dataset.drawn;"
        f"{then} }}, 3000)</script>",
        encoding="utf-8",
    )
    return frame


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one run, in which servers say what they should not."""
    folder = tmp_path_factory.mktemp("runs")
    records = changed(
        bad(healthy(), 25, 30), Sample, lambda s: s.target == "dags", lambda _: {"target": EVIL, "error": EVIL}
    )
    records = changed(records, Sample, lambda s: s.target == EVIL and s.due > 25 * 10**9, lambda _: {"outcome": "fail"})
    run = record(folder / "run", [meta(run_id="run", experiment=EVIL), *records[1:], job(9, 5, EVIL)])
    recorded.check(run, save=True)
    lived = life(Dag("by-itself", period=10), away=[(60, 80)]).records()
    recorded.check(record(folder / "scheduled", lived), save=True)
    trials = (trial("found", Verdict.FAIL, failed=("named",)), trial(EVIL, also=(EVIL,), experiment="a-long-name" * 3))
    (folder / "kill-matrix.html").write_text(kills.page(Matrix(trials=trials)), encoding="utf-8")
    return folder


@pytest.mark.parametrize("flags", [(), ("--blink-settings=preferredColorScheme=0",)], ids=["light", "dark"])
def test_a_report_is_drawn_without_an_error(runs: Path, tmp_path: Path, flags: tuple[str, ...]) -> None:
    dom, said = opened(runs / "run" / "report.html", tmp_path, *flags)
    assert said == []
    assert 'data-drawn="yes"' in dom
    drawn = re.sub(r"<script.*?</script>", "", dom, flags=re.DOTALL)
    assert drawn.count('class="point"') > 100
    for word in ("Availability", "Scheduler heartbeats", "Task attempts", "Pods", "GET version, new connections"):
        assert word in drawn
    assert "<img" not in drawn


def test_scheduled_runs_have_a_row(runs: Path, tmp_path: Path) -> None:
    dom, said = opened(runs / "scheduled" / "report.html", tmp_path)
    assert said == []
    drawn = re.sub(r"<script.*?</script>", "", dom, flags=re.DOTALL)
    assert drawn.index("Scheduled runs") < drawn.index(">by-itself<")
    assert drawn.count('class="point"') > 30


def test_the_index_is_shown_without_an_error(runs: Path, tmp_path: Path) -> None:
    dom, said = opened(runs / "index.html", tmp_path)
    assert said == []
    assert "<polyline" in dom
    assert "<img" not in dom


@pytest.mark.parametrize("page", ["run/report.html", "scheduled/report.html", "index.html", "kill-matrix.html"])
def test_a_phone_shows_the_whole_width(runs: Path, tmp_path: Path, page: str) -> None:
    dom, said = opened(framed(runs / page, tmp_path, 400), tmp_path, ACROSS)
    assert said == []
    assert 'data-wide="400"' in dom
    assert ('data-drawn="yes"' in dom) is page.endswith("report.html")


def test_a_reader_can_look_closer_and_hide_what_is_in_the_way(runs: Path, tmp_path: Path) -> None:
    then = (
        "const plot = seen.getElementById('timeline'), shown = () => plot._fullData.filter((t) => t.visible === true);"
        "const before = shown().length; seen.querySelectorAll('button[data-range]')[2].click();"
        "[...seen.querySelectorAll('.annotation')].find((a) => a.textContent.includes('version, new'))"
        ".querySelector('.cursor-pointer').dispatchEvent(new MouseEvent('click', { bubbles: true }));"
        "took.range = plot.layout.xaxis.range.join(); took.hidden = before - shown().length;"
    )
    dom, said = opened(framed(runs / "run" / "report.html", tmp_path, 1200, then), tmp_path, ACROSS)
    assert said == []
    assert 'data-range="19.5,25.5"' in dom
    assert 'data-hidden="2"' in dom


def test_an_error_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<script>fetch('https://example.org'); throw Error('broken')</script>", encoding="utf-8")
    _, said = opened(page, tmp_path)
    assert [line for line in said if "broken" in line]
    assert [line for line in said if "ERR_NAME_NOT_RESOLVED" in line or "Failed to fetch" in line]
