"""/metrics tells counts to a program on this machine, or with a token, and nothing to anybody else."""

import re

import pytest

from tests.web.served import Project

_LINE = re.compile(
    r"(# (HELP|TYPE) [a-z_0-9]+ .+"
    r'|[a-z_][a-z_0-9]*(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? [0-9.e+-]+)'
)
_HERE = {"host": "localhost:8600"}


def _figures(text: str) -> dict[str, float]:
    lines = text.splitlines()
    assert all(_LINE.fullmatch(line) for line in lines), [line for line in lines if not _LINE.fullmatch(line)]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}


def test_counts_and_nothing_personal(here: Project) -> None:
    here.add_person("anna@example.org", "community", first_name="Anna")
    here.add_person("ben@example.org", "community", status="pending")
    here.newsletter.subscribers.suppress("carl@example.org")
    token = here.newsletter.access.create_token("watch", ["metrics:read"], lasts=None)
    with here.client(client=("127.0.0.1", 5)) as client:
        client.get("/healthz", headers=_HERE)
        client.get("/u/a-token-that-is-secret", headers=_HERE)
        client.get("/nowhere/at-all", headers=_HERE)
        client.head("/nowhere/at-all", headers=_HERE)
        answer = client.get("/metrics", headers=_HERE)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    said = _figures(answer.text)
    assert said['newsletter_subscriptions{list="community",status="active"}'] == 1
    assert said['newsletter_subscriptions{list="community",status="pending"}'] == 1
    assert said["newsletter_suppressed_addresses"] == 1
    assert said['newsletter_webhook_calls{state="waiting"}'] == 0
    assert said['newsletter_http_requests_total{route="/healthz",status="2xx"}'] == 1
    assert said['newsletter_http_requests_total{route="none",status="4xx"}'] == 2
    assert said['newsletter_http_request_seconds_count{route="/healthz"}'] == 1
    assert said['newsletter_http_request_seconds_sum{route="/healthz"}'] > 0
    for secret in ("anna", "ben@", "secret", "at-all", token):
        assert secret.lower() not in answer.text.lower()


def test_a_stranger_behind_a_proxy_on_this_machine_finds_no_such_page(here: Project) -> None:
    with here.client(client=("127.0.0.1", 5)) as client:
        for headers in (
            {"host": "news.example.org"},
            {**_HERE, "X-Forwarded-For": "127.0.0.1"},
            {**_HERE, "X-Forwarded-Proto": "https"},
            {**_HERE, "X-Real-IP": "127.0.0.1"},
            {**_HERE, "Forwarded": "for=127.0.0.1"},
            {**_HERE, "Via": "1.1 proxy"},
        ):
            assert (headers, client.get("/metrics", headers=headers).status_code) == (headers, 404)
        assert client.post("/metrics", headers=_HERE).status_code == 405


def test_a_token_with_the_scope_opens_it_from_anywhere_and_one_without_does_not(here: Project) -> None:
    access = here.newsletter.access
    right = access.create_token("watch", ["metrics:read"], lasts=None)
    wrong = access.create_token("other", ["subscribers:read"], lasts=None)
    with here.client(client=("192.0.2.1", 5)) as client:
        assert client.get("/metrics", headers={"Authorization": f"Bearer {right}"}).status_code == 200
        assert client.get("/metrics", headers={"Authorization": f"Bearer {wrong}"}).status_code == 404
        assert client.get("/metrics").status_code == 404


def test_the_database_is_counted_again_after_ten_seconds_only(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from newsletter.web.public import metrics

    with here.client(client=("127.0.0.1", 5)) as client:
        people = 'newsletter_subscriptions{list="community",status="active"}'
        assert people not in _figures(client.get("/metrics", headers=_HERE).text)
        here.add_person("anna@example.org", "community")
        assert people not in _figures(client.get("/metrics", headers=_HERE).text)
        monkeypatch.setattr(metrics, "KEPT_FOR", 0.0)
        assert _figures(client.get("/metrics", headers=_HERE).text)[people] == 1


def test_names_with_quotes_are_escaped(here: Project) -> None:
    from newsletter.web.public.counting import Counts
    from newsletter.web.public.metrics import render

    counts = Counts()
    counts.add('/a"b\\c\nd', 200, 0.5)
    text = render(here.newsletter.access.figures(), counts)
    assert 'route="/a\\"b\\\\c\\nd"' in text
    assert _figures(text)
