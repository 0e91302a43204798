from __future__ import annotations

import os

import pytest

from heliopolis.io.power import PowerReading, energy_between, metered, read_power
from heliopolis.io.provenance import energy_used


def machine(folder, *, package_j, core_j=0.0, dram_j=None, busy_s=0.0):
    """Counters as Linux shows them."""
    zones = {"intel-rapl:0": ("package-0", package_j), "intel-rapl:0:0": ("core", core_j)}
    if dram_j is not None:
        zones["intel-rapl:0:1"] = ("dram", dram_j)
    for zone, (name, joules) in zones.items():
        place = folder / "powercap" / zone
        place.mkdir(parents=True, exist_ok=True)
        (place / "name").write_text(f"{name}\n")
        (place / "energy_uj").write_text(f"{int(joules * 1e6)}\n")
        (place / "max_energy_range_uj").write_text("262143328850\n")
    ticks = int(busy_s * os.sysconf("SC_CLK_TCK"))
    (folder / "stat").write_text(f"cpu  {ticks} 0 0 999 99 0 0 0 0 0\ncpu0 1 2 3\n")
    return read_power(folder / "powercap", folder / "stat")


def test_packages_and_memory_count_and_cores_are_a_part_of_them(tmp_path):
    before = machine(tmp_path, package_j=100, core_j=50, dram_j=10, busy_s=1000)
    after = machine(tmp_path, package_j=400, core_j=300, dram_j=70, busy_s=1020)
    assert energy_between(before, after, 20.0) * 3.6e6 == pytest.approx(360.0)
    assert energy_between(before, after, 5.0) * 3.6e6 == pytest.approx(90.0)


def test_a_job_is_never_given_more_than_all(tmp_path):
    before = machine(tmp_path, package_j=100, busy_s=10)
    after = machine(tmp_path, package_j=200, busy_s=11)
    assert energy_between(before, after, 99.0) * 3.6e6 == pytest.approx(100.0)


def test_a_counter_that_begins_again_goes_on():
    before = PowerReading({"intel-rapl:0": (990.0, 1000.0)}, 0.0)
    after = PowerReading({"intel-rapl:0": (20.0, 1000.0)}, 10.0)
    assert energy_between(before, after, 10.0) * 3.6e6 == pytest.approx(30.0)


def test_without_counters_nothing_is_invented(tmp_path):
    assert read_power(tmp_path / "none", tmp_path / "stat") is None
    assert energy_between(None, None, 1.0) is None
    reading = machine(tmp_path, package_j=1, busy_s=1)
    (tmp_path / "powercap" / "intel-rapl:0" / "energy_uj").unlink()
    assert read_power(tmp_path / "powercap", tmp_path / "stat") is None
    assert energy_between(reading, None, 1.0) is None


def test_the_record_tells_what_was_metered_and_what_assumed():
    def used(*jobs):
        return metered(energy_used(jobs), jobs)

    read = {"cpu_seconds": 300.0, "energy_kwh": 0.002}
    assumed = {"cpu_seconds": 100.0}
    both = used(read, assumed)
    assert both["energy_kwh"] == pytest.approx(0.002 + 100 * 12 / 3.6e6, abs=1e-6)
    assert both["metered_share"] == 0.75
    assert "assumed" in both["method"]
    alone = used(read)
    assert alone["metered_share"] == 1.0
    assert "assumed" not in alone["method"]
    assert used(assumed)["metered_share"] == 0.0
    assert used()["energy_kwh"] is None
