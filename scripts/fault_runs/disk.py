"""A small disk of its own for the data directory, so that it can be full."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


class Disk:
    """A mounted folder. `why_not`: why it cannot be filled; empty where it can."""

    def __init__(self, folder: Path, why_not: str) -> None:
        self.folder, self.why_not = folder, why_not
        self._filling = folder / "filling"

    def fill(self) -> None:
        """Leave nothing free."""
        space = os.statvfs(self.folder)
        with contextlib.suppress(OSError), self._filling.open("wb") as file:
            # Allocated in pieces, the last of them small: what is left is less than a page.
            for piece in (space.f_bavail * space.f_frsize // 2, 1 << 24, 1 << 20, 1 << 16, 1 << 12):
                with contextlib.suppress(OSError):
                    while True:
                        at = file.seek(0, os.SEEK_END)
                        os.posix_fallocate(file.fileno(), at, piece)

    def release(self) -> None:
        """Give back what `fill` took."""
        self._filling.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(parent: Path, mebibytes: int) -> Iterator[Disk]:
    """A file system of that size below `parent`: ext4 in a file, else in memory, else a plain folder."""
    folder, image = parent / "data", parent / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(mebibytes << 20)
    reasons = []
    ways = (
        (("mkfs.ext4", "-q", "-m", "0", str(image)), ("mount", "-o", "loop", str(image), str(folder))),
        (("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)),),
    )
    for commands in ways:
        why_not = _run(commands)
        if not why_not:
            break
        reasons.append(why_not)
    mounted = folder.is_mount()
    try:
        folder.chmod(0o755)
        yield Disk(folder, "" if mounted else f"no small disk can be mounted ({'; '.join(reasons)})")
    finally:
        if mounted:
            _run((("umount", "--lazy", str(folder)),))


def _run(commands: tuple[tuple[str, ...], ...]) -> str:
    """Why they do not work, in one line; empty where they do."""
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            return f"{command[0]}: {error.strerror}"
        if done.returncode != 0:
            return (done.stderr or done.stdout).strip().partition("\n")[0] or command[0]
    return ""
