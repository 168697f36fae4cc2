"""Second opinions, disagreements and decisions, over HTTP."""

from __future__ import annotations


def test_two_people_disagree_and_a_third_decides(pooled) -> None:
    path = f"/v1/pools/{pooled.pool}"

    def lent(who: str, which: str, **more: object) -> list[str]:
        ask = {"holder": who, "number": 3, "which": which, "by": who, **more}
        page = pooled.http.post(f"{path}/leases", json=ask).json()
        return [one["id"] for one in page["items"]]

    def say(by: str, kind: str = "label", **values: str) -> None:
        labels = [{"id": id, "value": value, "kind": kind} for id, value in values.items()]
        answer = pooled.http.post(f"{path}/labels", json={"labels": labels, "by": by})
        assert answer.status_code == 201, answer.text

    assert lent("bob", "second") == []
    one, two, three = lent("ada", "unlabelled")
    say("ada", **{one: "cat", two: "cat", three: "dog"})
    assert lent("ada", "second") == []
    assert lent("bob", "second") == []  # ada holds them still
    assert lent("ada", "second", by="bob", among=[three, one]) == [three, one]
    say("bob", **{one: "cat", two: "dog", three: "dog"})
    assert lent("ada", "disputed", among=[one, two]) == [two]
    assert lent("ada", "disputed") == [two]
    (dispute,) = pooled.http.get(f"{path}/disputes").json()["items"]
    said = [(x["by"], x["value"]) for x in dispute["opinions"]]
    assert said == [("ada", "cat"), ("bob", "dog")]
    accord = pooled.http.get(f"{path}/accord").json()
    assert (accord["items"], accord["contested"]) == (3, 1)
    assert accord["pairs"][0]["agreement"] == 2 / 3
    say("eve", "decide", **{two: "cat"})
    say("bob", **{two: "dog"})
    assert pooled.http.get(f"{path}/items/{two}").json()["label"] == "cat"
    assert pooled.http.get(f"{path}/disputes").json()["items"] == []
