from __future__ import annotations

from querist.accounting.report_html import Html, bars, escape, facts, figure, join, table, tag


def test_text_is_escaped_and_markup_is_not() -> None:
    assert escape("<b>") == "&lt;b&gt;"
    assert escape(Html("<b>")) == "<b>"
    assert join(["a", Html("<i>"), 1], " & ") == "a &amp; <i> &amp; 1"


def test_attributes_are_escaped_named_and_left_out() -> None:
    element = tag("p", "x<y", class_="a", aria_label='"q"', title=None)
    assert element == '<p class="a" aria-label="&quot;q&quot;">x&lt;y</p>'


def test_a_table_aligns_its_columns() -> None:
    text = table(("a", "b", "c"), [("x", 1, "<y>")], "Things", "lnl")
    assert '<td>x</td><td class="n">1</td><td>&lt;y&gt;</td>' in text
    assert "<caption" in text


def test_bars_are_relative_to_the_largest() -> None:
    text = bars({"few": 1, "many": 4}, "Counts")
    assert text.index("many") < text.index("few")
    assert "width:100.0%" in text
    assert "width:25.0%" in text
    assert "20 %" in text
    assert "none" in bars({}, "Counts")


def test_what_is_empty_is_left_out() -> None:
    assert facts({"a": None, "b": "", "c": "–"}) == ""
    assert facts({"a": 0}) == '<dl class="facts"><dt>a</dt><dd>0</dd></dl>'
    assert figure("", "nothing") == ""
