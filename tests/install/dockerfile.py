"""A Dockerfile as its instructions, and compose.yaml as its values."""

import json
import re
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from tests.install.environment import ROOT

COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word in capitals, and the rest of its lines in one."""

    word: str
    rest: str

    @property
    def exec_form(self) -> list[str]:
        """The words of a command written as JSON, as which alone it is run without a shell."""
        found: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return found


def read_stages() -> list[list[Instruction]]:
    """The instructions of each stage, FROM first."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    stages: list[list[Instruction]] = []
    for line in filter(None, joined.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append(Instruction(word, rest))
    return stages


STAGES = read_stages()


def only(word: str) -> Instruction:
    """The one instruction of this word in the last stage."""
    (found,) = (one for one in STAGES[-1] if one.word == word)
    return found
