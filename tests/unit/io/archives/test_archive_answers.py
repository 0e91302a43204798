from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from heliopolis.io.archives import answers
from heliopolis.io.archives.answers import Question, current, kept, read_json, with_query
from heliopolis.io.remote.client import OfflineError, RemoteError


def _question(web: Any, **more: Any) -> Question:
    return Question("an-archive", "a list", f"{web.url}/list?a=1", **more)


def test_an_answer_counts_for_the_month_in_which_it_was_given(
    web: Any, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.routes["/list"] = lambda _: b"first"
    monkeypatch.setattr(answers, "today", lambda: date(2026, 5, 1))
    assert kept(store, _question(web)) == b"first"
    web.routes["/list"] = lambda _: b"second"
    monkeypatch.setattr(answers, "today", lambda: date(2026, 5, 31))
    assert kept(store, _question(web)) == b"first"
    monkeypatch.setattr(answers, "today", lambda: date(2026, 6, 1))
    assert kept(store, _question(web)) == b"second"
    assert web.count("/list") == 2


def test_offline_an_older_answer_serves_but_never_that_of_another_version(
    web: Any, store: Any, offline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.routes["/list"] = lambda _: b"first"
    with pytest.raises(OfflineError):
        kept(offline, _question(web))
    kept(store, _question(web))
    monkeypatch.setattr(answers, "today", lambda: date(2030, 1, 1))
    web.forget()
    assert kept(offline, _question(web)) == b"first"
    assert current(offline, _question(web)) == b"first"
    with pytest.raises(OfflineError):
        kept(offline, _question(web, version="v6"))
    assert not web.asked


def test_a_current_answer_is_asked_for_each_time(web: Any, store: Any) -> None:
    web.routes["/list"] = lambda _: str(len(web.asked)).encode()
    assert [current(store, _question(web)) for _ in range(2)] == [b"1", b"2"]


def test_what_fails_its_check_is_not_kept(web: Any, store: Any) -> None:
    web.routes["/list"] = lambda _: b"<ServiceException>Layer unknown</ServiceException>"
    question = _question(web, check=lambda body: read_json(body, "a list"))
    with pytest.raises(RemoteError, match="Layer unknown"):
        kept(store, question)
    web.routes["/list"] = lambda _: b"{}"
    assert kept(store, question) == b"{}"


def test_queries_keep_the_signs_that_services_expect() -> None:
    made = with_query("https://x/wms", {"BBOX": "1,2", "CRS": "EPSG:2154", "NAME": "a b&c"})
    assert made == "https://x/wms?BBOX=1,2&CRS=EPSG:2154&NAME=a+b%26c"
    assert with_query("https://x/wms?map=m", {"A": 1}) == "https://x/wms?map=m&A=1"
