"""How often one address may ask for what costs, on a clock of the test's own."""

from __future__ import annotations

from aggregator.web.limits import RateLimit, name_client


def test_tokens_come_back_with_time_and_only_so_many_addresses_are_remembered() -> None:
    now = [0.0]
    limit = RateLimit(60, clock=lambda: now[0])

    assert [limit.take("192.0.2.1") for _ in range(31)] == [0] * 30 + [1]
    assert limit.take("192.0.2.2") == 0
    now[0] = 2.5
    assert [limit.take("192.0.2.1") for _ in range(3)] == [0, 0, 1]
    now[0] = 10_000
    assert [limit.take("192.0.2.1") for _ in range(31)] == [0] * 30 + [1]
    for number in range(50_000):
        limit.take(str(number))
    assert len(limit._buckets) <= 20_000
    assert {RateLimit(0).take("192.0.2.1") for _ in range(1000)} == {0}


def test_one_customer_of_ipv6_is_one_client() -> None:
    assert name_client("2001:db8::1") == name_client("2001:db8::ffff:0:0:1") != name_client("2001:db8:0:1::1")
    assert name_client("::ffff:192.0.2.1") == "192.0.2.1"
    assert name_client("x" * 1000) == "x" * 64
