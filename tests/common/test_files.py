"""A file is the old one or the new one; temporary files of dead processes go, and nothing else does."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bayesglmm.common import files
from bayesglmm.common.files import locked, probe, replace_file, write_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced_with_the_rights_of_an_ordinary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for data in (b"one", b"", memoryview(b"three")):
        write_file(path, data)
        assert path.read_bytes() == bytes(data)
    (tmp_path / "ordinary").touch()
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    assert names(tmp_path) == ["a.csv", "ordinary"]


@pytest.mark.parametrize("step", ["fsync", "replace", "fdopen"])
def test_what_fails_leaves_the_old_file_and_no_other(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    write_file(path, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.txt"]


def test_only_temporary_files_are_left_overs(tmp_path: Path) -> None:
    mine = [".writing", ".writing-mine.csv", f".writing-{'a' * 31}.csv", f"writing-{'a' * 32}.csv", "a.csv"]
    for name in (*mine, f".writing-{'a' * 32}.csv", f".writing-{'0' * 32}.tmp"):
        (tmp_path / name).touch()
    (tmp_path / f".writing-{'b' * 32}.csv").mkdir()
    write_file(tmp_path / "a.csv", b"new")
    assert names(tmp_path) == sorted([*mine, f".writing-{'b' * 32}.csv"])


def test_one_writer_at_a_time_and_the_lock_ends_with_the_process(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom bayesglmm.common.files import locked\n"
        "with locked(Path(sys.argv[1])) as alone:\n    print(alone, flush=True)\n    time.sleep(600)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == "True\n"
        done: list[str] = []
        writer = threading.Thread(target=lambda: (write_file(tmp_path / "a", b"new"), done.append("written")))
        writer.start()
        writer.join(0.3)
        assert done == []
        holder.kill()
        writer.join()
    assert done == ["written"]


def test_a_writer_that_never_ends_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PATIENCE", 0.05)
    with locked(tmp_path) as alone:
        assert alone
        with pytest.raises(TimeoutError, match="another process has been writing there"):
            write_file(tmp_path / "a", b"new")
    write_file(tmp_path / "a", b"new")


def test_a_system_without_locks_on_folders_writes_and_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / f".writing-{'a' * 32}.csv"
    left.touch()

    class NoLocks:
        LOCK_EX = LOCK_NB = 0

        @staticmethod
        def flock(*_: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

    for system in (NoLocks, None):
        monkeypatch.setattr(files, "_fcntl", system)
        write_file(tmp_path / "a.csv", b"new")
        assert names(tmp_path) == sorted([left.name, "a.csv"])


def test_an_error_of_the_disk_is_not_taken_for_a_system_that_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        files.flush_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EINVAL, "Invalid argument")))
    files.flush_folder(tmp_path)


def test_a_probe_leaves_nothing_and_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / ".writing").write_text("mine")
    probe(tmp_path)
    assert names(tmp_path) == [".writing"]
    with pytest.raises(OSError, match="No such file"):
        probe(tmp_path / "gone")


def test_a_folder_in_the_place_of_a_file_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "a", b"new")
    assert names(tmp_path) == ["a"]
