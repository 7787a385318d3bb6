"""Random walks over one offer, with a model of our own beside it: the second transcription of the tables."""

import itertools
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.api.legal_path import check_path
from tests.api.test_ask_and_answer import words
from tests.api.test_every_move import abort, moves_of
from tests.api.test_possible_moves import BY_THE_TASK, send, update
from tests.domain.test_lifecycle import OFFER_TABLE, transcribed
from tests.factories import OFFICE, business, created, observation, offered
from tests.running_service import RunningService

TABLE = transcribed(OFFER_TABLE)
# The same examples in every run; no stored ones, so that one machine sees what another does.
EXAMPLES = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    # A shorter walk would fail as well, and cost minutes.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
WORDS = {"scheduled": "visit-scheduled", "redirected": "referred-onward"}
# What ends an offer is likely enough: most steps are such that it goes on.
GOING_ON = [
    "acknowledge",
    "ask",
    "answer",
    "accept",
    "schedule",
    "depart",
    "miss",
    "arrive",
    "report",
    "abort",
]
STEPS = st.lists(
    st.tuples(
        st.sampled_from([*GOING_ON, *GOING_ON, "stop", "complete", "close", "reject", "withdraw"]),
        st.sampled_from(["sender", "receiver", "receiver", "office"]),
    ),
    min_size=8,
    max_size=16,
)
_turn = itertools.count()


@dataclass(slots=True)
class Model:
    """What we think of the offer."""

    state: str = "requested"
    asked: bool = False
    abort: bool = False

    def after(self, move: str, party: str) -> str | None:
        """The state that the move of this party leads to; None where it is refused."""
        effect = TABLE.get((self.state, move, party))
        if effect is None:
            return None
        if move == "answer" and self.state != "awaiting-information" and not self.asked:
            return None
        if move == "stop" and not self.abort:
            return None
        return effect[0]

    def make(self, move: str, state: str) -> None:
        self.state = state
        self.asked = move == "ask" or (self.asked and move != "answer")
        ended = state not in {*OPEN, "arrived"}
        self.abort, self.asked = self.abort and not ended, self.asked and not ended

    def answer(self, state: str, *, left: bool) -> None:
        """One question is answered; left: others are not."""
        self.asked = left
        self.state = self.state if left and self.state == "awaiting-information" else state


OPEN = "requested received awaiting-information accepted scheduled in-transit no-show".split()


@EXAMPLES
@given(steps=STEPS)
async def test_a_walk_goes_where_the_model_goes(service: RunningService, steps: list[tuple[str, str]]):
    case, model, questions = await offered(service), Model(), list[str]()
    systems = {"sender": case.sender, "receiver": case.receiver, "office": await service.system(OFFICE)}
    seen = await created(case.receiver, observation(case.patient["id"]))
    for move, party in steps:
        client, task = systems[party], await case.task()
        text = f"Step {next(_turn)}"
        if move == "abort":
            answer = await client.post("Task", json=abort(case))
            allowed = party == "sender" and model.state == "arrived"
            assert (answer.status_code in {200, 201}) is allowed, (model, answer.text)
            model.abort = model.abort or allowed
            continue
        expected = model.after(move, party)
        if move == "answer":
            if party != "sender" or not questions:
                continue
            # The last one; who answers it again is refused.
            answer = await client.post("Communication", json=words(case, text, questions[-1]))
            taken = answer.status_code == 201
            if not model.asked and model.state != "awaiting-information":
                assert answer.status_code == 409, (model, answer.text)
                continue
            if expected is not None and not taken:
                # One asked before it is still open.
                assert answer.status_code == 409
                questions.pop()
                continue
            assert taken is (expected is not None), (model, answer.text)
            if taken:
                questions.pop()
                model.answer(expected or model.state, left=bool(questions))
            continue
        if move == "ask" and expected is not None:
            asked = await created(client, words(case, text))
            questions.append(asked["id"])
            answer_status = 200
        else:
            extra = f"Observation/{seen['id']}#{text}" if move == "report" else text
            again = move in BY_THE_TASK and BY_THE_TASK[move][1] == WORDS.get(model.state, model.state)
            # Outputs of others are put aside: that is no move.
            if again or move == "ask" or (move == "report" and party != "receiver"):
                continue
            answer_status = (await send(client, update(task, move, extra))).status_code
        included = move == "complete" and model.state in {"accepted", "scheduled", "in-transit", "no-show"}
        if included and party == "receiver":
            expected = "completed"
        assert (answer_status == 200) is (expected is not None), (model, move, party, answer_status)
        if expected is not None:
            model.make(move, expected)
            questions = questions if model.asked else []
        assert business(await case.task()) == WORDS.get(model.state, model.state)
        listed = await moves_of(client, case)
        possible = {name for state, name, by in TABLE if model.after(name, by) and by == party and state}
        assert listed.keys() - {"owes"} == possible, (model, party)
    await check_path(service, case.request["id"])
