# SPDX-License-Identifier: Apache-2.0
"""Whom a certificate has to name where nothing but the target says so (RFC 5922 7.3, RFC 6125): a target that is a name is asked
for by that name and held against it, one that is an address against the address, and where a redirect leads against its name.
On the wire, from either side; the names are a name server's in the carrier's host."""
import pytest
from lab_fixtures import NAME_SERVER as SERVER
from lab_fixtures import set_up
from sides import BOTH, beside
from test_stream import end_call, refuse
from test_tls import ends_tls, failures, grows, pki  # noqa: F401

from harness import dns
from harness.netns import CARRIER

# Numbers of peers whose first target is a name, and whose second another name, at another port; whose only target is an address;
# whose two targets are two names at one place; and of one that may send calls on to a name.
NAMED, ADDRESSED, SHARED, SENT_ON = "+4941", "+4942", "+4943", "+4944"


def name(letter, side):
    return f"{letter}-{side.peer}.test"


def zone_of(side):
    own = name("allowed", side)
    zone = {name(letter, side): [f"A {side.address}"] for letter in "ab"}
    return zone | {own: [f"NAPTR 10 10 s SIPS+D2T _sips._tcp.{own}"], f"_sips._tcp.{own}": [f"SRV 10 0 5074 host.{own}"],
                   f"host.{own}": [f"A {side.address}"]}


@pytest.fixture(scope="module")
def server(management):
    one = dns.NameServer(CARRIER, SERVER, zone=zone_of(BOTH[0]) | zone_of(BOTH[1]))
    yield one
    one.close()


@pytest.fixture(scope="module")
def named(pki):  # noqa: F811
    def change(config):
        pki.realms(config)
        beside(config, NAMED, lambda side: {"targets": [f"sips:{name('a', side)}:5071", f"sips:{name('b', side)}:5072"]})
        beside(config, ADDRESSED, lambda side: {"targets": [f"sips:{side.address}:5071"]})
        beside(config, SHARED, lambda side: {
            "targets": [f"sips:{name(letter, side)}:5073" for letter in "ab"], "response_map": {"receive": "carrier-in"}})
        beside(config, SENT_ON, lambda side: {"targets": [f"sip:{side.address}:5070"], "redirects": {
            "mode": "follow", "allow": [name("allowed", side)]}})
        config["dns"] = {"servers": [SERVER], "min_ttl": "1s", "timeout": "300ms", "tries": 2}
    return change


def of(pki, *names):  # noqa: F811
    return pki.lab.issue("-".join(names).replace(":", "-"), ", ".join(names))


def shakes_hands(callee):
    while not callee.accepted:  # here, since no thread does it
        assert callee.receive(0.2) is None


def gets_nothing(callee, before):
    assert callee.receive(0.1) is None and not callee.heard, "nothing is said to a wrong one"
    grows("name", before)


@pytest.mark.case("a target that is a name is asked for by it and held against it, not another target's or its address", "TLS")
def test_each_name_has_to_prove_itself(server, door, named, pki, ends, ends_tls, number, sides):  # noqa: F811
    door(named)
    calling, called = sides
    a, b = (name(letter, called) for letter in "ab")
    caller, before = ends.at(calling), failures("name")
    wrong = ends_tls.at(called, own=of(pki, f"DNS:{b}", f"IP:{called.address}"), port=5071, sips=True)
    right = ends_tls.at(called, own=of(pki, f"DNS:{b}"), port=5072, sips=True)
    call = caller.invite(NAMED + number[3:])
    shakes_hands(wrong)
    refuse(right, call)
    assert wrong.asked == [a] and right.asked == [b]
    gets_nothing(wrong, before)


@pytest.mark.case("a target that is an address is held against the address", "TLS")
def test_an_address_has_to_prove_itself(server, door, named, pki, ends, ends_tls, number, sides):  # noqa: F811
    door(named)
    calling, called = sides
    callee = ends_tls.at(called, own=of(pki, f"IP:{called.address}"), port=5071, sips=True)
    near, far, *_ = set_up(ends.at(calling), callee, ADDRESSED + number[3:])
    assert callee.asked == [None], "SNI takes names only"
    end_call(near, far)


@pytest.mark.case("two names at one address have a connection each, used again for its own calls", "TLS")
def test_two_names_at_one_address(server, door, named, pki, ends, ends_tls, number, sides):  # noqa: F811
    door(named)
    calling, called = sides
    a, b = (name(letter, called) for letter in "ab")
    caller = ends.at(calling)
    callee = ends_tls.at(called, own=of(pki, f"DNS:{a}", f"DNS:{b}"), port=5073, sips=True)
    for _ in range(2):
        call = caller.invite(SHARED + number[3:])
        for host in (a, b):  # the first sends it on to the second
            invite = callee.expect("INVITE")
            assert invite.start == f"INVITE sips:{SHARED}{number[3:]}@{host}:5073 SIP/2.0"
            callee.reply(invite, *((503, "Service Unavailable") if host == a else (486, "Busy Here")))
            callee.expect("ACK")
        call.refused()
    assert callee.asked == [a, b]


@pytest.mark.case("where a redirect leads is held against the name that was allowed", "TLS")
@pytest.mark.parametrize("right", [True, False])
def test_a_redirect_to_a_name(server, door, named, pki, ends, ends_tls, number, sides, right):  # noqa: F811
    door(named)
    calling, called = sides
    caller, first, before = ends.at(calling), ends.at(called, port=5070), failures("name")
    own = of(pki, f"DNS:{name('allowed', called)}") if right else of(pki, f"DNS:{name('a', called)}", f"IP:{called.address}")
    second = ends_tls.at(called, own=own, port=5074, sips=True)
    call = caller.invite(SENT_ON + number[3:])
    first.reply(first.expect("INVITE"), 302, "Moved Temporarily", extra=[f"Contact: <sips:777@{name('allowed', called)}>"])
    first.expect("ACK")
    if right:
        assert refuse(second, call).start == f"INVITE sips:777@{name('allowed', called)} SIP/2.0"
    else:
        shakes_hands(second)
        call.refused()
        gets_nothing(second, before)
    assert second.asked == [name("allowed", called)]
