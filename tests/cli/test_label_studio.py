"""Label Studio from the command line; the exchange itself is tested beside it."""

from __future__ import annotations

from pathlib import Path

from command_line import call

from querist.pool.pool import Pool


def test_what_is_missing_is_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    Pool.create(tmp_path / "pool", {"classes": ["a", "b"]}).close()
    assert "--query FOLDER or --where" in call("label-studio", "push", tmp_path / "pool").output
    result = call("label-studio", "pull", tmp_path / "pool")
    assert (result.exit_code, "LABEL_STUDIO_API_KEY" in result.output) == (2, True)
    result = call("label-studio", "push", tmp_path / "pool", "--where", "all", "--link", "x")
    assert "BEFORE=AFTER" in result.output
    result = call("label-studio", "ask", tmp_path / "no-run", "--once")
    assert (result.exit_code, "LABEL_STUDIO_API_KEY" in result.output) == (2, True)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "0" * 40)
    result = call("label-studio", "ask", tmp_path / "no-run", "--once")
    assert (result.exit_code, "no-run" in result.output) == (1, True)
