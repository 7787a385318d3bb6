"""The small disk is full when it is filled, and has room again; where there is none, it says why."""

from pathlib import Path

import pytest

from scripts.fault_runs.disk import small_disk


def test_a_filled_disk_takes_nothing_more(tmp_path: Path) -> None:
    with small_disk(tmp_path, 16) as disk:
        if disk.why_not:
            pytest.skip(disk.why_not)
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.folder / "more").write_bytes(bytes(1 << 16))
        disk.release()
        assert (disk.folder / "more").write_bytes(bytes(1 << 16))
    assert not (tmp_path / "data").is_mount()


def test_without_a_small_disk_there_is_a_folder_and_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with small_disk(tmp_path, 16) as disk:
        assert "mount: No such file or directory" in disk.why_not
        (disk.folder / "file").write_bytes(b"kept")
