from __future__ import annotations

from hand_journal import answer, facts, small

from querist.accounting.effective_text import compared, rows, spent_rows, verdict
from querist.accounting.summary import summarise


def test_the_small_journal_in_words() -> None:
    found = summarise(small())["effective"]
    assert verdict(found).startswith("32 answers came 3.73 × as fast")
    told = dict(rows(found))
    assert told["Answers"].startswith("30 look-ups trusted, 10 not, 2 simulations to learn from")
    assert told["Break-even"] == "20.6 look-ups (reached)"
    assert told["Audited, worker time"].startswith("1.36 × (")
    assert ("idle workers", "31 s", "56 %") in spent_rows(found)


def test_a_run_without_look_ups_claims_nothing() -> None:
    found = summarise(facts(answer("a", 0, 2)))["effective"]
    assert "gained nothing" in verdict(found)
    assert "nothing to compare" in verdict(summarise([])["effective"])


def test_the_control_run_is_compared_by_the_answer() -> None:
    found = summarise(small())["effective"]
    # 4 simulations in 8 s by one worker: 2 s an answer; the small run: 20 s and 55 s for 32.
    rows_ = [answer(f"c{i}", 2.0 * i, 2.0 * i + 2) for i in range(4)]
    joined = (0.0, "worker.joined", {"worker": "o/0", "pool": "o"})
    told = dict(compared(found, summarise(facts(joined, *rows_))["effective"]))
    assert told["Against control, elapsed time"].startswith("3.20 ×; 2.0 s an answer")
    assert told["Against control, worker time"].startswith("1.16 ×; ")
    assert "Beware" not in told
    slow = [answer("c", 0, 8)]
    assert "Beware" in dict(compared(found, summarise(facts(*slow))["effective"]))
    assert "nothing to compare" in compared(found, summarise([])["effective"])[0][1]
