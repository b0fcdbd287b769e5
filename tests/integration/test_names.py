# SPDX-License-Identifier: Apache-2.0
"""Targets that are names (RFC 3263): NAPTR, SRV, A and AAAA from a name server in the carrier's host, judged by where the
INVITEs arrive. The server is reached beside Sallyport's ports (a management link) or through the tap, over TCP."""
import json
import time

import pytest
from lab_fixtures import NAME_SERVER as SERVER
from lab_fixtures import set_up

from harness import dns, metrics, netns, sip, stream
from harness.netns import CARRIER, CARRIER6, CARRIER_A, CARRIER_B, CORE4, SBC

FULL = {"carrier.test": ["NAPTR 10 10 s SIP+D2U _sip._udp.carrier.test"],
        "_sip._udp.carrier.test": ["SRV 10 0 5080 one.carrier.test"], "one.carrier.test": [f"A {CARRIER_A}"]}


def named(target="sip:carrier.test", server=SERVER, **more):
    """carrier-a is a name, known by nothing else, and the only peer that calls go to."""
    def change(config):
        carrier = config["peers"]["carrier-a"]
        del carrier["match"]
        carrier["targets"] = [target]
        carrier["limits"]["setup"] = "1s"
        del config["peers"]["carrier-b"]
        config["routes"] = [{"from": "office", "to": ["carrier-a"]}, {"from": "carrier-a", "to": ["office"]}]
        config["dns"] = {"servers": [server], "min_ttl": "1s", "timeout": "300ms", "tries": 2, **more}
    return change


@pytest.fixture
def server(management, _door):
    one = dns.NameServer(CARRIER, SERVER, zone=FULL)
    yield one
    _door.stop()  # the next test's server has another zone, and nothing is to be remembered
    one.close()


def peer(lab, name="carrier-a"):
    done = netns.run(SBC, [netns.BINARY, "show", "peers", "--json", "--socket", netns.STATE / "admin.sock"], check=True)
    return next(row for row in json.loads(done.stdout)["peers"] if row["name"] == name)


def until(what, read, timeout=15.0):
    """Looks until read() is what is wanted."""
    deadline = time.monotonic() + timeout
    while (seen := read()) != what:
        assert time.monotonic() < deadline, f"still {seen!r}, not {what!r}"
        time.sleep(0.1)


def refused_by(pub, end, number):
    """One call, refused where it arrives."""
    call = pub.invite(number)
    end.reply(invite := end.expect("INVITE"), 486, "Busy Here")
    end.expect("ACK")
    call.refused()
    return invite


@pytest.mark.case("NAPTR, SRV and A lead to the call, the Request-URI keeps the name", "Names")
def test_naptr_srv_and_address_lead_to_the_call_and_the_uri_keeps_the_name(door, server, ends, number):
    lab = door(named())
    pub, carrier = ends.pub(), ends.carrier(port=5080)
    near, far, *_ = set_up(pub, carrier, number)
    assert far.first.start.startswith(f"INVITE sip:{number}@carrier.test SIP/2.0")
    assert [kind for _, kind, _ in server.asked[:3]] == ["NAPTR", "SRV", "A"]
    assert all(way == "udp" for way, *_ in server.asked)
    assert peer(lab)["targets"] == [f"carrier.test: UDP {CARRIER_A}:5080 up"]
    near.send("BYE")
    far.hear_bye()
    pub.expect(200, call_id=near.call_id)


@pytest.mark.case("a peer without match is known by what its names lead to", "Names", directions="carrier to caller")
def test_a_name_is_a_source_too(door, server, ends, number):
    door(named())
    call = ends.carrier(port=5080).invite(number)
    ends.pub().expect("INVITE")
    call.expect(100, skip=())
    other = ends.carrier(address=CARRIER_B)
    other.invite(number)
    other.expect(403)


@pytest.mark.case("a changed record moves the calls when its TTL has passed", "Names")
def test_a_changed_record_moves_the_calls_when_its_ttl_has_passed(door, server, ends, number):
    lab = door(named())
    pub, one, two = ends.pub(), ends.carrier(port=5080), ends.carrier(address=CARRIER_B, port=5080)
    refused_by(pub, one, number)
    server.zone = {**FULL, "one.carrier.test": [f"A {CARRIER_B}"]}
    until([f"carrier.test: UDP {CARRIER_B}:5080 up"], lambda: peer(lab)["targets"])
    refused_by(pub, two, number)
    one.silent(0.3)


@pytest.mark.case("a silent first target: failover to the next priority, and a rest", "Names")
def test_a_dead_first_target_fails_over_to_the_next_priority(door, server, ends, number):
    server.zone = {**FULL, "_sip._udp.carrier.test": ["SRV 20 0 5080 one.carrier.test", "SRV 10 0 5081 one.carrier.test"]}
    lab = door(named())
    pub, deaf, next_one = ends.pub(), ends.carrier(port=5081), ends.carrier(port=5080)
    refused_by(pub, next_one, number)  # deaf says nothing for limits.setup
    deaf.expect("INVITE")
    first, second = peer(lab)["targets"]
    assert first.startswith(f"carrier.test: UDP {CARRIER_A}:5081 out of use") and second.endswith(":5080 up")
    refused_by(pub, next_one, number)
    while deaf.receive(0.3):
        pass  # the first INVITE, which goes on until its Timer B
    assert len({message.call_id for message in deaf.heard}) == 1, "the second call was not sent there at all"


@pytest.mark.case("an ICMP error: failover at once", "Names")
def test_one_that_refuses_packets_is_passed_over_at_once(door, server, ends, number):
    server.zone = {**FULL, "_sip._udp.carrier.test": ["SRV 20 0 5080 one.carrier.test", "SRV 10 0 5099 one.carrier.test"]}
    door(named())
    began = time.monotonic()
    refused_by(ends.pub(), ends.carrier(port=5080), number)
    assert time.monotonic() - began < 0.9, "not after limits.setup, but when the ICMP error came"


@pytest.mark.case("weights, counted on the wire", "Names")
def test_weights_hold_over_many_calls(door, server, ends, wire):
    server.zone = {**FULL, "_sip._udp.carrier.test": ["SRV 10 75 5080 one.carrier.test", "SRV 10 25 5081 one.carrier.test"]}
    door(named())
    seen = wire(core=netns.PORT_PEERS["core"][:2])
    pub, heavy, light = ends.pub(), ends.carrier(port=5080), ends.carrier(port=5081)
    calls = 160
    for i in range(calls):
        call = pub.invite(f"+4420{i:07d}")
        end = next(e for _ in range(400) for e in (heavy, light) if (invite := e.receive(0.01)) and invite.method == "INVITE")
        end.reply(end.heard[-1], 486, "Busy Here")
        call.refused()
    seen.stop()
    invites = [m for m in sip.messages(seen.packets("core")) if m.method == "INVITE"]
    arrived = {port: len({m.call_id for m in invites if m.dport == port}) for port in (5080, 5081)}
    assert sum(arrived.values()) == calls
    assert 0.6 * calls < arrived[5080] < 0.9 * calls, arrived  # four standard deviations


@pytest.mark.case("NAPTR chooses TCP", "Names")
def test_tcp_is_chosen_where_naptr_prefers_it(door, server, number, ends):
    server.zone = {**FULL, "carrier.test": ["NAPTR 10 20 s SIP+D2U _sip._udp.carrier.test", "NAPTR 10 10 s SIP+D2T _sip._tcp.carrier.test"],
                   "_sip._tcp.carrier.test": ["SRV 10 0 5080 one.carrier.test"]}
    door(named())
    carrier = stream.StreamEndpoint(CARRIER, CARRIER_A, 5080)
    try:
        near, far, *_ = set_up(ends.pub(), carrier, number)
        assert far.first.get("via").startswith(f"SIP/2.0/TCP {CORE4}")
        near.send("BYE")
        far.hear_bye()
    finally:
        carrier.close()


@pytest.mark.case("AAAA", "Names")
def test_an_ipv6_address_is_called_from_ours(door, server, ends, number):
    server.zone = {**FULL, "one.carrier.test": [f"AAAA {CARRIER6}"]}
    door(named())
    carrier = ends.carrier(address=CARRIER6, port=5080, door=netns.CORE6)
    refused_by(ends.pub(), carrier, number)


@pytest.mark.case("silent servers: the last answer; NXDOMAIN: the peer is down by name", "Names")
def test_servers_that_go_silent_leave_the_last_answer_and_a_no_takes_the_peer_down(door, server, ends, number):
    lab = door(named())
    pub, carrier = ends.pub(), ends.carrier(port=5080)
    server.silent = True
    until([f"carrier.test (stale): UDP {CARRIER_A}:5080 up"], lambda: peer(lab)["targets"])
    refused_by(pub, carrier, number)
    assert metrics.total(metrics.scrape(), "dns_names", state="stale") == 1
    server.zone, server.silent = {}, False
    until(["carrier.test: no such name"], lambda: peer(lab)["targets"])
    assert not peer(lab)["usable"]
    pub.invite(number).refused([503])
    now = metrics.scrape()
    assert metrics.total(now, "peer_up", peer="carrier-a") == 0
    assert metrics.total(now, "dns_queries_total", type="NAPTR", outcome="no_name") >= 1
    server.zone = FULL
    until(True, lambda: peer(lab)["usable"], timeout=40)
    refused_by(pub, carrier, number)


@pytest.mark.case("an address of ours is never called", "Names")
def test_an_address_of_ours_is_never_called(door, server, ends, number):
    server.zone = {**FULL, "one.carrier.test": [f"A {CORE4}", "A 224.0.0.1"]}
    lab = door(named())
    assert peer(lab)["targets"] == ["carrier.test: no usable address"]
    ends.pub().invite(number).refused([503])
    assert metrics.total(metrics.scrape(), "dns_discarded_total", reason="own_address") >= 1


@pytest.mark.case("a name server in the realm, over TCP through the tap", "Names")
def test_a_name_server_in_the_realm_is_asked_over_tcp_through_the_tap(door, ends, number, _door):
    server = dns.NameServer(CARRIER, CARRIER_A, zone=FULL)
    try:
        door(named(server=CARRIER_A, transport="tcp", timeout="2s"))
        until(True, lambda: peer(None)["usable"])
        refused_by(ends.pub(), ends.carrier(port=5080), number)
        assert server.asked and all(way == "tcp" for way, *_ in server.asked)
    finally:
        _door.stop()
        server.close()
