"""Each verdict of the audit's rules can turn, and what decided is in words."""

import numpy as np
import pandas as pd
import pytest

from lib.report import claims
from lib.scores.intervals import Interval
from lib.studies.leakage import doses, rules, tables
from lib.studies.leakage.arrays.report import EVIDENCE, ArrayReport, Finding
from lib.studies.leakage.outcomes import AuditReport, Result

HIGH, LOW = Interval(0.7, 0.6, 0.8, 3), Interval(0.3, 0.2, 0.4, 3)


def report(*verdicts: str) -> AuditReport:
    return AuditReport("builder", [Result("test", verdict, 0.0, 0.0, f"is {verdict}") for verdict in verdicts])


def look(verdict: str, test: str = "collapse", **numbers) -> Finding:
    return Finding(test, "Z", verdict, EVIDENCE, "what was seen", numbers)


@pytest.mark.parametrize("ruling, verdict", [
    (rules.no_leak_proved(report("clear", "proxy")), True),
    (rules.no_leak_proved(report("proxy", "leak")), False),
    (rules.genre_proxy(report("clear", "proxy")), True),
    (rules.genre_proxy(report("clear", "leak")), False),
    (rules.within_dose(report("clear").outcomes[0]), True),
    (rules.within_dose(report("proxy").outcomes[0]), False),
    (rules.leaks_beyond_audio(report("leak"), HIGH, 0.4), True),
    (rules.leaks_beyond_audio(report("leak"), LOW, 0.4), False),
    (rules.leaks_beyond_audio(report("proxy"), HIGH, 0.4), False),
    (rules.can_be_embedded(pd.DataFrame(np.ones((3, 2)))), True),
    (rules.can_be_embedded(pd.DataFrame(index=range(3))), False),
    (rules.nothing_found(look("clear")), True),
    (rules.nothing_found(look("found")), False),
    (rules.nothing_found(look("not decided")), None),
    (rules.nothing_found(look("clear", active=None)), None),  # collapse: not told
    (rules.nothing_found(look("found", active=2)), False),
])
def test_verdicts_turn(ruling, verdict):
    assert ruling["verdict"] is verdict and ruling["rule"] and ruling["name"]


def test_the_gravest_sentence_is_said():
    assert rules.no_leak_proved(report("clear", "proxy", "leak"))["said"] == "is leak"
    assert rules.no_leak_proved(report())["said"] == "nothing found"


def test_every_test_of_bare_arrays_that_is_claimed_has_its_words():
    entries = claims.registry()["claims"]
    claimed = {name.removeprefix("audit ") for name, entry in entries.items() if entry.get("rule") == "nothing_found"}
    assert claimed == set(rules.CLEAR)


def test_a_leak_is_seen_from_the_least_strength_that_is_called_often_enough():
    power = pd.DataFrame([(0.0, "a", 1, 10, 0.1), (0.3, "a", 8, 10, 0.8), (1.0, "a", 9, 10, 0.9)],
                         columns=["strength", "test", "called", "repeats", "rate"])
    assert tables.called(power) == {"seen": "from a leak of 1 SD (a)", "alarms": 1, "n": 10}
    assert tables.called(power, 0.95)["seen"] == "for none of the leaks tried"


def test_doses_within_the_expected_range_are_counted():
    fused = pd.DataFrame({0: [0.2, 0.4, 0.5, 0.9]}, index=[0.0, 0.5, 1.0, 2.3])
    found = doses.Curves(report("clear").outcomes[0], fused, {"audio and text": fused}, {"audio alone": 0.3})
    n, numbers = doses.expected(found)
    assert (n, numbers["at"], numbers["none"]) == (2, "at 0.50 to 1.00 nats", 0.2)
    one = found._replace(nmi={"audio and text": fused.iloc[:2]})
    assert doses.expected(one)[1]["at"] == "at 0.50 nats"


def test_looks_are_those_of_a_test_and_its_verdicts():
    found = [look("found"), look("clear"), look("clear", "silhouette")]
    report = ArrayReport("folder", 3, {}, pd.DataFrame(), found, {}, [])
    assert tables.looks(report, "collapse") == found[:2] and tables.looks(report, "collapse", "clear") == [found[1]]
