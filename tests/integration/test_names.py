# SPDX-License-Identifier: Apache-2.0
"""Targets that are names (RFC 3263): NAPTR, SRV, A and AAAA from a name server in the carrier's host, judged by where the
INVITEs arrive, on either side. The server is reached beside Sallyport's ports (a management link) or through the tap, over TCP.
All cases share one process: each has a peer of its own on both sides, by the number that is called, and records of its own."""
import time

import pytest
from lab_fixtures import NAME_SERVER as SERVER
from lab_fixtures import set_up
from phones import ask
from sides import BOTH, beside, each_peer
from test_stream import refuse

from harness import dns, metrics, netns, stream
from harness.netns import CARRIER

WHOLE, MOVES, SILENT, CLOSED, WEIGHTS, TCP, V6, STALE, OURS = (f"+490{case}" for case in range(1, 10))
SENT_ON = "+4910"  # of a peer that is an address, and may send calls on


def domain(side, number):
    return f"{peer_name(side, number)}.test"


def peer_name(side, number):
    return f"{side.peer}-{number[1:]}"


def records(own, host, *places):
    """NAPTR, SRV and the host's records of that name; places: (priority, weight, port)."""
    return {own: [f"NAPTR 10 20 s SIP+D2U _sip._udp.{own}"],
            f"_sip._udp.{own}": [f"SRV {priority} {weight} {port} host.{own}" for priority, weight, port in places],
            f"host.{own}": host}


def zone_of(side):
    one = (10, 0, 5080)
    cases = {WHOLE: [one], MOVES: [one], SILENT: [(20, 0, 5080), (10, 0, 5081)], CLOSED: [(20, 0, 5080), (10, 0, 5099)],
             WEIGHTS: [(10, 75, 5080), (10, 25, 5081)], TCP: [one], V6: [one], STALE: [one], OURS: [one]}
    hosts = {V6: [f"AAAA {side.address6}"], OURS: [f"A {side.door}", "A 224.0.0.1"]}
    zone = records(f"known-{side.peer}.test", [f"A {side.second}"], one)
    zone |= records(f"allowed-{side.peer}.test", [f"A {side.address}"], (10, 0, 5083))
    for number, places in cases.items():
        zone |= records(domain(side, number), hosts.get(number, [f"A {side.address}"]), *places)
    own = domain(side, TCP)
    zone[own].append(f"NAPTR 10 10 s SIP+D2T _sip._tcp.{own}")
    zone[f"_sip._tcp.{own}"] = [f"SRV 10 0 5080 host.{own}"]
    return zone


ZONE = zone_of(BOTH[0]) | zone_of(BOTH[1])


def named(config, server=SERVER, **more):
    """A peer for each case, and one that is known by nothing but what its name leads to; `office` and `carrier-a` call."""
    each_peer(lambda peer, side: peer.update(match=[side.address, side.address6]))(config)
    for number in (WHOLE, MOVES, SILENT, CLOSED, WEIGHTS, TCP, V6, STALE, OURS):
        beside(config, number, lambda side, number=number: {"targets": [f"sip:{domain(side, number)}"], "limits": {"setup": "1s"}})
    beside(config, SENT_ON, lambda side: {"targets": [f"sip:{side.address}:5082"], "redirects": {
        "mode": "follow", "allow": [f"allowed-{side.peer}.test"]}})
    for side, other in zip(BOTH, BOTH[::-1]):
        config["peers"][f"{side.peer}-known"] = {"realm": side.realm, "targets": [f"sip:known-{side.peer}.test"]}
        config["routes"].append({"from": f"{side.peer}-known", "to": [other.peer]})
    config["dns"] = {"servers": [server], "min_ttl": "1s", "timeout": "300ms", "tries": 2, **more}


@pytest.fixture(scope="module")
def server(management):
    one = dns.NameServer(CARRIER, SERVER, zone=ZONE)
    yield one
    one.close()


def peer(side, number):
    return next(row for row in ask(command="show", what="peers")["peers"] if row["name"] == peer_name(side, number))


def until(what, read, timeout=15.0):
    """Looks until read() is what is wanted."""
    deadline = time.monotonic() + timeout
    while (seen := read()) != what:
        assert time.monotonic() < deadline, f"still {seen!r}, not {what!r}"
        time.sleep(0.1)


@pytest.fixture
def second(sides):
    """One more address of the called network's host."""
    with netns.address(sides[1].ns, sides[1].second) as one:
        yield one


@pytest.fixture
def called_at(watches, sides):
    """The ports where INVITEs for that number have arrived since, one after the other."""
    seen, since = watches[sides[1].ns], watches[sides[1].ns].mark()

    def ports(invite):
        seen.until(lambda p: p.payload == invite.raw)
        return [m.dport for m in seen.sip(since) if m.method == "INVITE" and m.user == invite.user]
    return ports


# ---- where the call goes

@pytest.mark.case("NAPTR, SRV and A lead to the call, the Request-URI keeps the name", "Names")
def test_naptr_srv_and_address_lead_to_the_call_and_the_uri_keeps_the_name(server, door, ends, number, sides):
    door(named)
    calling, called = sides
    own, dialled = domain(called, WHOLE), WHOLE + number[3:]
    near, far, *_ = set_up(ends.at(calling), ends.at(called, port=5080), dialled)
    assert far.first.start == f"INVITE sip:{dialled}@{own} SIP/2.0"
    assert [kind for _, kind, name in server.asked if name.endswith(own)][:3] == ["NAPTR", "SRV", "A"]
    assert all(way == "udp" for way, *_ in server.asked)
    assert peer(called, WHOLE)["targets"] == [f"{own}: UDP {called.address}:5080 up"]
    near.bye()
    far.hear_bye()


@pytest.mark.case("a redirect to a peer's name, or an allowed one, goes where it leads, to no other", "Names")
def test_a_redirect_to_the_name_of_a_peer_goes_where_it_leads(server, door, ends, number, sides):
    door(named)
    calling, called = sides
    own = domain(called, WHOLE)
    caller, first = ends.at(calling), ends.at(called, port=5082)
    second, third = ends.at(called, port=5080), ends.at(called, port=5083)
    call = caller.invite(SENT_ON + number[3:])
    invite = first.expect("INVITE")
    first.reply(invite, 302, "Moved Temporarily", extra=[f"Contact: <sip:1@stranger.test>, <sip:777@{own.upper()}>;q=0.5"])
    first.expect("ACK")
    assert refuse(second, call).start == f"INVITE sip:777@{own} SIP/2.0"
    call = caller.invite(SENT_ON + number[3:])
    first.reply(first.expect("INVITE"), 302, "Moved Temporarily", extra=[f"Contact: <sip:778@allowed-{called.peer}.test>"])
    first.expect("ACK")
    assert refuse(third, call).start == f"INVITE sip:778@allowed-{called.peer}.test SIP/2.0"
    assert not [name for *_, name in server.asked if name.endswith("stranger.test")]


@pytest.mark.case("a peer without match is known by what its names lead to", "Names")
def test_a_name_is_a_source_too(server, door, number, sides, ends):
    door(named)
    calling, called = sides
    with netns.address(calling.ns, calling.second) as known, netns.address(calling.ns, calling.stranger) as stranger:
        callee = ends.at(called)
        refuse(callee, ends.at(calling, address=known).invite(number))
        ends.at(calling, address=stranger).invite(number).refused([403])
        assert [m.method for m in callee.heard] == ["INVITE", "ACK"]


@pytest.mark.case("a changed record moves the calls when its TTL has passed", "Names")
def test_a_changed_record_moves_the_calls_when_its_ttl_has_passed(server, door, second, number, sides, ends):
    door(named)
    calling, called = sides
    caller, one, two = ends.at(calling), ends.at(called, port=5080), ends.at(called, address=second, port=5080)
    refuse(one, caller.invite(MOVES + number[3:]))
    server.zone[f"host.{domain(called, MOVES)}"] = [f"A {second}"]
    until([f"{domain(called, MOVES)}: UDP {second}:5080 up"], lambda: peer(called, MOVES)["targets"])
    refuse(two, caller.invite(MOVES + number[3:]))
    assert [m.method for m in one.heard] == ["INVITE", "ACK"]


@pytest.mark.case("a silent first target: failover to the next priority, and a rest", "Names")
def test_a_dead_first_target_fails_over_to_the_next_priority(server, door, ends, number, sides, called_at):
    door(named)
    calling, called = sides
    caller, deaf, next_one = ends.at(calling), ends.at(called, port=5081), ends.at(called, port=5080)
    invite = refuse(next_one, caller.invite(SILENT + number[3:]))  # deaf says nothing for limits.setup
    assert called_at(invite).index(5080) > 1, "it was given time"
    deaf.expect("INVITE")
    first, then = peer(called, SILENT)["targets"]
    assert first.startswith(f"{domain(called, SILENT)}: UDP {called.address}:5081 out of use") and then.endswith(":5080 up")
    refuse(next_one, caller.invite(SILENT + number[3:]))
    while deaf.receive(0.2):
        pass  # the first INVITE, which goes on until its Timer B
    assert len({message.call_id for message in deaf.heard}) == 1, "the second call was not sent there at all"


@pytest.mark.case("an ICMP error: failover at once", "Names")
def test_one_that_refuses_packets_is_passed_over_at_once(server, door, ends, number, sides, called_at):
    door(named)
    calling, called = sides
    invite = refuse(ends.at(called, port=5080), ends.at(calling).invite(CLOSED + number[3:]))
    assert called_at(invite)[:2] == [5099, 5080]


@pytest.mark.case("weights, counted on the wire", "Names")
def test_weights_hold_over_many_calls(server, door, ends, sides, watches):
    door(named)
    calling, called = sides
    seen, since = watches[called.ns], watches[called.ns].mark()
    caller, heavy, light = ends.at(calling), ends.at(called, port=5080), ends.at(called, port=5081)
    calls = 160
    for i in range(calls):
        call = caller.invite(f"{WEIGHTS}{i:07d}")
        end = next(e for _ in range(400) for e in (heavy, light) if (invite := e.receive(0.01)) and invite.method == "INVITE")
        end.reply(end.heard[-1], 486, "Busy Here")
        call.refused()
    invites = [m for m in seen.sip(since) if m.method == "INVITE" and m.dst == called.address]
    arrived = {port: len({m.call_id for m in invites if m.dport == port}) for port in (5080, 5081)}
    assert sum(arrived.values()) == calls
    assert 0.6 * calls < arrived[5080] < 0.9 * calls, arrived  # four standard deviations


@pytest.mark.case("NAPTR chooses TCP", "Names")
def test_tcp_is_chosen_where_naptr_prefers_it(server, door, number, ends, sides):
    door(named)
    calling, called = sides
    callee = stream.StreamEndpoint(called.ns, called.address, 5080)
    try:
        near, far, *_ = set_up(ends.at(calling), callee, TCP + number[3:])
        assert far.first.get("via").startswith(f"SIP/2.0/TCP {called.door}:5060;")
        near.send("BYE")
        far.hear_bye()
    finally:
        callee.close()


@pytest.mark.case("AAAA", "Names")
def test_an_ipv6_address_is_called_from_ours(server, door, ends, number, sides):
    door(named)
    calling, called = sides
    callee = ends.at(called, address=called.address6, port=5080, door=called.door6)
    invite = refuse(callee, ends.at(calling).invite(V6 + number[3:]))
    assert invite.get("via").startswith(f"SIP/2.0/UDP [{called.door6}]:5060;")


@pytest.mark.case("an address of ours is never called", "Names")
def test_an_address_of_ours_is_never_called(server, door, ends, number, sides):
    door(named)
    calling, called = sides
    assert peer(called, OURS)["targets"] == [f"{domain(called, OURS)}: no usable address"]
    ends.at(calling).invite(OURS + number[3:]).refused([503])
    assert metrics.total(metrics.scrape(), "dns_discarded_total", reason="own_address") >= 1


@pytest.mark.case("silent servers: the last answer; NXDOMAIN: the peer is down by name until its negative TTL has passed", "Names", directions="both")
def test_servers_that_go_silent_leave_the_last_answer_and_a_no_takes_the_peer_down(server, door, ends, number):
    """Both directions at once, since each step waits for a TTL."""
    door(named)
    end = {side: ends.at(side) for side in BOTH}
    targets = {side: ends.at(side, port=5080) for side in BOTH}
    dialled = STALE + number[3:]

    def call(called, *codes):
        calling = next(side for side in BOTH if side is not called)
        invited = end[calling].invite(dialled)
        return invited.refused(codes) if codes else refuse(targets[called], invited)

    server.silent = True
    for side in BOTH:
        until([f"{domain(side, STALE)} (stale): UDP {side.address}:5080 up"], lambda side=side: peer(side, STALE)["targets"])
        call(side)
    assert metrics.total(metrics.scrape(), "dns_names", state="stale") > 2
    for side in BOTH:
        del server.zone[domain(side, STALE)], server.zone[f"_sip._udp.{domain(side, STALE)}"]
    server.silent = False
    for side in BOTH:
        until([f"{domain(side, STALE)}: no such name"], lambda side=side: peer(side, STALE)["targets"])
        assert not peer(side, STALE)["usable"]
        call(side, 503)
        assert metrics.total(metrics.scrape(), "peer_up", peer=peer_name(side, STALE)) == 0
    now = metrics.scrape()
    assert metrics.total(now, "dns_queries_total", type="NAPTR", outcome="no_name") >= 2
    assert metrics.total(now, "dns_names", state="stale") == 0
    server.zone |= ZONE
    for side in BOTH:
        until(True, lambda side=side: peer(side, STALE)["usable"])
        call(side)


@pytest.mark.case("a name server in the realm, over TCP through the tap", "Names")
def test_a_name_server_in_the_realm_is_asked_over_tcp_through_the_tap(door, ends, number, sides):
    calling, called = sides
    one = dns.NameServer(called.ns, called.address, zone=ZONE)
    try:
        door(lambda config: named(config, server=called.address, transport="tcp", timeout="2s"))
        until(True, lambda: peer(called, WHOLE)["usable"])
        refuse(ends.at(called, port=5080), ends.at(calling).invite(WHOLE + number[3:]))
        assert one.asked and all(way == "tcp" for way, *_ in one.asked)
    finally:
        door.stop()
        one.close()
