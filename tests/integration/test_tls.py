# SPDX-License-Identifier: Apache-2.0
"""SIP over TLS on the wire, from either side: calls over it on either leg and on both, versions, certificates and the names in
them, sips URIs, new certificates under running connections, what fails and by which name, a flood of handshakes beside calls."""
import datetime
import os
import re
import signal
import ssl
import subprocess
import threading
import time

import pytest
from lab_fixtures import set_up, talk
from sides import BOTH, beside, each_peer
from test_stream import answered, end_call, options, refuse
from transfers import say

from harness import metrics, netns, pcap, stream, tls, ua, verdicts

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

# Numbers of peers beside the usual two, at the same hosts: over UDP; and those whose first target shows a certificate that is
# not theirs, and whose second, over UDP, is called instead.
UDP = "+4901"
WRONG = {"name": ("+4911", 5062), "wildcard": ("+4912", 5063), "untrusted": ("+4913", 5064)}
# Among those that are called by sips URIs: one whose second target has UDP alone; and numbers that are rewritten.
MIXED, REWRITTEN = "+4921", "+4922"


class Pki:
    """One authority that all trust, one that nobody does, and the usual certificates."""

    def __init__(self, folder):
        self.lab, self.others = tls.Authority(folder), tls.Authority(folder, "others")
        self.of_realm = {side.realm: self.lab.issue(side.realm, f"DNS:{side.realm}.example") for side in BOTH}
        self.second = {side.realm: self.lab.issue(f"second-{side.realm}", f"DNS:second-{side.realm}.example") for side in BOTH}
        self.of_peer = {side: self.lab.issue(side.peer, f"DNS:{side.peer}.example") for side in BOTH}

    def _doors(self, config):
        for realm, own in self.of_realm.items():
            config["realms"][realm]["sip"]["tls"] = tls.DOOR_PORT
            config["realms"][realm]["tls"] = {"certificate": str(own[0]), "key": str(own[1]), "ca": str(self.lab.file),
                                              "sni": [dict(zip(("certificate", "key"), map(str, self.second[realm])))]}

    def realms(self, config):
        """Both realms speak TLS, and both peers are reached by it. One configuration for most tests, since each is a start."""
        self._doors(config)
        each_peer(lambda peer, side: peer.update(
            targets=[f"sip:{side.address};transport=tls"], tls={"name": f"{side.peer}.example"},
            limits={"connections_per_source": 1000}))(config)
        beside(config, UDP, lambda side: {"targets": [f"sip:{side.address}:5060"]})
        for number, port in WRONG.values():
            beside(config, number, lambda side, port=port: {
                "targets": [f"sip:{side.address}:{port};transport=tls", f"sip:{side.address}:5070"],
                "tls": {"name": f"{side.peer}.example"}})

    def sips(self, config):
        """Both peers are called by sips URIs alone."""
        self._doors(config)
        each_peer(lambda peer, side: peer.update(
            targets=[f"sips:{side.address}"], tls={"name": f"{side.peer}.example"},
            numbers={"out": [{"match": f"{REWRITTEN}*", "strip": 1, "prefix": "00"}]}))(config)
        beside(config, MIXED, lambda side: {"targets": [f"sips:{side.address}:5065", f"sip:{side.address}:5070"]})

    def probing(self, config):
        self.sips(config)
        each_peer(lambda peer, _: peer.update(probe="1s"))(config)

    def named(self, config):
        """The two peers are known by the names in their certificates, wherever they come from."""
        self.realms(config)
        each_peer(lambda peer, side: peer.update(match=[f"tls:{side.peer}.example"]))(config)

    def demanding(self, config):
        self.realms(config)
        for realm in config["realms"].values():
            realm["tls"]["verify"] = "yes"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def ends_tls(pki):
    """Endpoints over TLS that are closed after the test."""
    made = []

    class Ends:
        def at(self, side, own=None, trusts=None, demands=False, most=None, shows=None, **kwargs):
            """own, trusts, demands: as a server; shows: as a client."""
            server = tls.context(server=True, own=own or pki.of_peer[side], trusts=trusts, demands=demands, most=most)
            client = tls.context(own=shows, trusts=pki.lab, most=most)
            address = kwargs.pop("address", side.address)
            made.append(tls.TlsEndpoint(side.ns, address, server=server, client=client, **kwargs))
            return made[-1]

        def sips(self, side):
            return self.at(side, sips=True)

        def link(self, side, made_context=None, **kwargs):
            made.append(tls.connect(side.ns, side.door, made_context, **kwargs))
            return made[-1]

        def plain(self, side):
            made.append(stream.connect(side.ns, side.door, port=tls.DOOR_PORT))
            return made[-1]

    yield Ends()
    for one in made:
        one.close()


def failures(reason, samples=None):
    return metrics.total(samples or metrics.scrape(), "tls_handshake_failures_total", reason=reason)


def grows(reason, before, by=1, seconds=3.0):
    """Waits until the handshake failures of that reason are so many more than before."""
    deadline = time.monotonic() + seconds
    while failures(reason) < before + by:
        assert time.monotonic() < deadline, f"no failure was counted as {reason}"
        time.sleep(0.1)
    assert failures(reason) == before + by


# ---- calls

def octets(watch, since):
    return b"".join(p.payload for p in watch.packets[since:] if p.proto == pcap.TCP and tls.DOOR_PORT in (p.sport, p.dport))


@pytest.mark.case("both legs over TLS, 1.2 and 1.3, nothing readable; BYE of either side", "TLS")
@pytest.mark.parametrize("most", [V12, V13], ids=["1.2", "1.3"])
@pytest.mark.parametrize("by_caller", [True, False])
def test_a_call_over_tls_on_both_legs(door, pki, ends_tls, watches, number, sides, by_caller, most):
    door(pki.realms)
    calling, called = sides
    since = {ns: watch.mark() for ns, watch in watches.items()}
    caller, callee = ends_tls.at(calling, most=most), ends_tls.at(called, most=most)
    near, far, *_ = set_up(caller, callee, number)
    invite = far.first
    assert invite.start == f"INVITE sip:{number}@{called.address};transport=tls SIP/2.0"
    assert invite.get("via").startswith(f"SIP/2.0/TLS {called.door}:5061;branch=z9hG4bK")
    assert f"<sip:{called.door}:5061;transport=tls>" in invite.get("contact")
    assert f"<sip:{calling.door}:5061;transport=tls>" in near.first.get("contact")
    assert calling.address not in invite.raw.decode()
    for link in (*caller.links, *callee.links):
        assert link.sock.version() == ("TLSv1.2" if most == V12 else "TLSv1.3")
    assert callee.asked == [f"{called.peer}.example"], "SNI"
    end_call(near, far, by_caller)
    assert len(caller.links) == 1 and callee.accepted == 1, "one connection a leg, for everything"
    for ns, watch in watches.items():
        seen = octets(watch, since[ns])
        assert len(seen) > 2000 and number.encode() not in seen and b"SIP/2.0" not in seen, "readable on the wire"


@pytest.mark.case("UDP on the caller's leg, TLS on the callee's", "TLS")
@pytest.mark.parametrize("by_caller", [True, False])
def test_udp_on_the_caller_s_leg(door, pki, ends, ends_tls, number, sides, by_caller):
    door(pki.realms)
    calling, called = sides
    near, far, *_ = set_up(ends.at(calling), ends_tls.at(called), number)
    assert far.first.get("via").startswith("SIP/2.0/TLS") and "transport" not in near.first.get("contact")
    end_call(near, far, by_caller)


@pytest.mark.case("TLS on the caller's leg, UDP on the callee's", "TLS")
def test_tls_on_the_caller_s_leg(door, pki, ends, ends_tls, number, sides):
    door(pki.realms)
    calling, called = sides
    near, far, *_ = set_up(ends_tls.at(calling), ends.at(called), UDP + number[3:])
    assert far.first.get("via").startswith("SIP/2.0/UDP") and f"{calling.door}:5061;transport=tls" in near.first.get("contact")
    end_call(near, far)


@pytest.mark.case("media while signalling is over TLS", "TLS")
def test_media_flows_while_signalling_is_over_tls(door, pki, ends, ends_tls, number, sides):
    door(pki.realms)
    a, b = (ends.media(side.ns, side.address) for side in sides)
    near, far, to_a, to_b = set_up(*map(ends_tls.at, sides), number, a.port, b.port)
    talk(a, to_a, b, to_b)
    end_call(near, far)
    assert len(a.seqs(b.ssrc)) > 40 and len(b.seqs(a.ssrc)) > 40


# ---- whom we send to

@pytest.mark.case("a server that is not whom we mean gets nothing (RFC 5922)", "TLS")
@pytest.mark.parametrize("wrong", WRONG)
def test_a_server_that_is_not_whom_we_mean_gets_nothing(door, pki, ends, ends_tls, number, sides, wrong):
    door(pki.realms)
    calling, called = sides
    peer = called.peer
    own = {"name": lambda: pki.lab.issue("wrong", f"DNS:other.example, DNS:{peer}.example.evil"),
           "wildcard": lambda: pki.lab.issue("wild", "DNS:*.example"),
           "untrusted": lambda: pki.others.issue("fake", f"DNS:{peer}.example")}[wrong]()
    reason = "untrusted" if wrong == "untrusted" else "name"
    before, (prefix, port) = failures(reason), WRONG[wrong]
    caller, callee, second = ends.at(calling), ends_tls.at(called, own=own, port=port), ends.at(called, port=5070)
    call = caller.invite(prefix + number[3:])
    while not callee.accepted:  # its handshake is a thread of its own on no side: it is done here
        assert callee.receive(0.2) is None
    refuse(second, call)
    assert callee.receive(0.1) is None and not callee.heard, "nothing is said to a wrong one"
    grows(reason, before)


@pytest.mark.case("mutual TLS to a peer", "TLS")
def test_we_show_a_certificate_to_a_server_that_demands_one(door, pki, ends, ends_tls, number, sides):
    door(pki.realms)
    calling, called = sides
    callee = ends_tls.at(called, trusts=pki.lab, demands=True)
    near, far, *_ = set_up(ends.at(calling), callee, number)
    assert tls.shown(callee.links[0]) == called.realm
    end_call(near, far)


# ---- what is shown, and what fails

@pytest.mark.case("SNI", "TLS")
def test_the_certificate_of_the_asked_name_is_shown(door, pki, ends_tls, side):
    door(pki.realms)
    for asks, cn in ((None, side.realm), (f"second-{side.realm}.example", f"second-{side.realm}"), ("third.example", side.realm)):
        assert tls.shown(ends_tls.link(side, tls.context(trusts=pki.lab), asks=asks)) == cn


@pytest.mark.case("old versions, plain text and silence are refused by name", "TLS", directions="each port")
def test_old_versions_plain_text_and_silence_are_refused_by_name(door, pki, ends_tls):
    """Both ports at once, since the silent ones have ten seconds."""
    door(pki.realms)
    late = failures("timeout")
    silent = [ends_tls.plain(side) for side in BOTH]
    for side in BOTH:
        before = failures("version")
        with pytest.raises(OSError):
            ends_tls.link(side, tls.context(most=ssl.TLSVersion.TLSv1_1))
        grows("version", before)
        before, plain = failures("not_tls"), ends_tls.plain(side)
        plain.send(options())
        assert plain.closes(3)
        assert not any(b"SIP/2.0" in part for part in plain.heard)
        grows("not_tls", before)
    assert all(one.closes(13) for one in silent)
    grows("timeout", late, by=len(silent))
    assert all(answered(ends_tls.link(side)) for side in BOTH)


# ---- the stream inside

@pytest.mark.case("framing across records", "TLS")
def test_messages_and_records_do_not_mind_each_other(door, pki, ends_tls, side):
    door(pki.realms)
    link = ends_tls.link(side)
    ids = [ua.token() for _ in range(40)]
    link.send("".join(options(one) for one in ids))
    assert [link.message().call_id for _ in ids] == ids
    text = options(ids[0] + "x").encode()
    for at in range(0, len(text), 11):
        link.send(text[at:at + 11])
    assert link.message().call_id == ids[0] + "x"
    link.send("\r\n\r\n")
    assert link.until(lambda: link.pongs == 1)


@pytest.mark.case("openssl s_client", "TLS")
def test_another_implementation_s_command_line_is_answered(door, pki, side):
    door(pki.realms)
    client = netns.popen(side.ns, ["openssl", "s_client", "-quiet", "-connect", f"{side.door}:{tls.DOOR_PORT}", "-CAfile",
                                   pki.lab.file, "-verify_return_error", "-servername", f"{side.realm}.example"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        client.stdin.write(options().replace("/TCP", "/TLS").encode())
        client.stdin.flush()
        assert client.stdout.readline().startswith(b"SIP/2.0 200 ")
    finally:
        netns.stop_process(client)
        client.stdin.close()
        client.stdout.close()


# ---- certificates in time

def ends_at(certificate):
    said = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-enddate"], check=True, capture_output=True,
                          text=True).stdout
    end = datetime.datetime.strptime(said.strip().removeprefix("notAfter="), "%b %d %H:%M:%S %Y GMT")
    return end.replace(tzinfo=datetime.timezone.utc).timestamp()


def told_end(owner, file):
    [(_, value)] = metrics.select(metrics.scrape(), "tls_certificate_expiry_seconds", owner=owner, file=str(file))
    return value


def reload():
    return subprocess.run([netns.BINARY, "reload", "--socket", netns.STATE / "admin.sock"], capture_output=True, text=True,
                          timeout=10, check=False)


@pytest.mark.case("certificates reloaded, nobody dropped, expiry told", "TLS")
@pytest.mark.parametrize("how", ["signal", "command"])
def test_new_certificates_are_shown_and_nobody_is_dropped(door, pki, ends_tls, number, sides, how):
    lab = door(pki.realms)
    calling, called = sides
    own, owner = pki.of_realm[calling.realm], f"realm {calling.realm}"
    caller, callee = map(ends_tls.at, sides)
    near, far, *_ = set_up(caller, callee, number)
    assert told_end(owner, own[0]) == ends_at(own[0])
    old = ssl.PEM_cert_to_DER_cert(own[0].read_text())
    assert caller.links[0].sock.getpeercert(binary_form=True) == old
    # Ends that differ by more than the second in which one may be issued after the other.
    pki.lab.issue(calling.realm, f"DNS:{calling.realm}.example", days=30 if how == "signal" else 60)
    if how == "signal":
        signal.pidfd_send_signal(os.pidfd_open(lab.pid), signal.SIGHUP)
    else:
        done = reload()
        assert done.returncode == 0 and "certificates" in done.stdout, done
    wanted, deadline = ends_at(own[0]), time.monotonic() + 5
    while told_end(owner, own[0]) != wanted:
        assert time.monotonic() < deadline, "the metric does not tell the new certificate's end"
        time.sleep(0.1)
    fresh = ends_tls.link(calling, tls.context(trusts=pki.lab))
    assert fresh.sock.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(own[0].read_text()) != old
    end_call(near, far)
    assert len(caller.links) == 1 and not caller.links[0].ended and callee.accepted == 1


# ---- a flood

@pytest.mark.case("a flood of handshakes delays no call", "TLS")
def test_a_flood_of_handshakes_delays_no_call(door, pki, tmp_path, sides):
    """While clients do nothing but shake hands, SIPp's calls over UDP are all answered and none of its messages had to be
    sent twice (T1 is half a second)."""
    door(pki.realms)
    calling, called = sides
    stop = threading.Event()

    def flood():
        made = tls.context()
        while not stop.is_set():
            try:
                tls.connect(calling.ns, calling.door, made).close()
            except OSError:
                continue

    threads = [threading.Thread(target=flood, daemon=True) for _ in range(3)]
    uas = netns.popen(called.ns, ["sipp", "-sn", "uas", "-i", called.address, "-p", "5060", "-nostdin", "-m", "60"], cwd=tmp_path)
    try:
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        shaken = metrics.total(metrics.scrape(), "tls_handshakes_total")
        sipp = netns.run(calling.ns, ["sipp", "-sn", "uac", "-i", calling.address, "-p", "5060", "-nostdin", "-m", "60", "-r", "20",
                                      "-d", "300", "-s", f"{UDP}201", "-timeout", "30", "-trace_stat", "-stf", "stat.csv",
                                      f"{calling.door}:5060"], cwd=tmp_path, timeout=60)
        assert sipp.returncode == 0, sipp.stdout[-1500:]
        assert metrics.total(metrics.scrape(), "tls_handshakes_total") - shaken > 50, "that was no flood"
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
        netns.stop_process(uas)
    names, *rows = [line.split(";") for line in (tmp_path / "stat.csv").read_text().splitlines()]
    assert dict(zip(names, rows[-1]))["Retransmissions(C)"] == "0"


def test_after_all_that_the_law_holds(door, pki, ends_tls, number):
    lab = door(pki.realms)
    near, far, *_ = set_up(*map(ends_tls.at, BOTH), number)
    end_call(near, far)
    _, samples = metrics.rest()
    for port in ("access", "core"):
        assert verdicts.law_holds("x", {port: metrics.law(samples)[port]}).ok
    assert metrics.total(samples, "tls_handshakes_active") == 0
    assert not re.search(r"certificate.*fault", lab.log)


@pytest.mark.case("a broken file changes nothing", "TLS")
def test_a_broken_file_changes_nothing(door, pki, ends_tls, side):
    door(pki.realms)
    key = pki.of_realm[side.realm][1]
    kept = key.read_bytes()
    key.write_text("no key")
    try:
        done = reload()
        assert done.returncode != 0 and str(key) in done.stderr, done
    finally:
        key.write_bytes(kept)
    assert answered(ends_tls.link(side, tls.context(trusts=pki.lab)))


# ---- sips

@pytest.mark.case("sips on both legs; BYE of either side", "TLS")
@pytest.mark.parametrize("by_caller", [True, False])
def test_a_sips_call_is_sips_on_both_legs(door, pki, ends_tls, number, sides, by_caller):
    door(pki.sips)
    calling, called = sides
    near, far, *_ = set_up(*map(ends_tls.sips, sides), number)
    assert far.first.start == f"INVITE sips:{number}@{called.address} SIP/2.0"
    assert far.first.get("contact") == f"<sips:{called.door}:5061>"
    assert near.first.get("contact") == f"<sips:{calling.door}:5061>"
    end_call(near, far, by_caller)


@pytest.mark.case("a REFER to a sips URI, and a 302 to one, stay sips, at our own port for TLS", "TLS")
def test_who_is_sent_on_to_sips_is_sent_to_our_own_port_for_tls(door, pki, ends_tls, number, sides):
    door(pki.sips)
    calling, called = sides
    caller, callee = map(ends_tls.sips, sides)
    near, far, *_ = set_up(caller, callee, number)
    say(near, "REFER", extra=["Refer-To: <sips:0555@10.9.8.7>"])
    passed = callee.expect("REFER", call_id=far.call_id)
    assert passed.get("refer-to") == f"<sips:0555@{called.door}:5061>"
    callee.reply(passed, 603, "Decline")
    caller.expect(603, call_id=near.call_id)
    end_call(near, far, True)
    call = caller.invite(number)
    callee.reply(callee.expect("INVITE"), 302, "Moved Temporarily", extra=[f"Contact: <sips:0556@{called.address}>"])
    final = call.refused()
    assert (final.code, final.get("contact")) == (302, f"<sips:0556@{calling.door}:5061>")


@pytest.mark.case("a sips URI's number is rewritten, and it stays sips", "Numbers")
def test_a_sips_number(door, pki, ends_tls, number, sides):
    door(pki.sips)
    caller, callee = map(ends_tls.sips, sides)
    dialled = REWRITTEN + number[3:]
    invite = refuse(callee, caller.invite(dialled))
    assert invite.start == f"INVITE sips:00{dialled[1:]}@{sides[1].address} SIP/2.0"
    assert re.fullmatch(rf"<sips?:00{dialled[1:]}@\S+>", invite.get("to"))


@pytest.mark.case("a sips call never leaves by another transport", "TLS")
def test_a_sips_call_never_leaves_by_another_transport(door, pki, ends, ends_tls, number, sides):
    """Its first target is not there, and the second has UDP alone."""
    door(pki.sips)
    calling, called = sides
    caller, second = ends_tls.sips(calling), ends.at(called, port=5070)
    final = caller.invite(MIXED + number[3:]).refused()
    assert final.code == 480 and final.get("warning").startswith("380 "), final.start
    second.silent(0.3)


@pytest.mark.case("a sips URI over UDP is refused", "TLS")
def test_a_sips_URI_over_udp_is_refused(door, pki, ends, ends_tls, number, sides):
    door(pki.sips)
    calling, called = sides
    caller, callee = ends.at(calling), ends_tls.at(called)
    caller.scheme = "sips"
    final = caller.invite(number).refused()
    assert final.code == 480 and final.get("warning").startswith("380 "), final.start
    callee.silent(0.3)


@pytest.mark.case("OPTIONS both ways over TLS", "TLS", directions="each port")
def test_options_are_sent_and_answered_over_tls(door, pki, ends_tls):
    door(pki.probing)
    for one, side in [(ends_tls.at(side), side) for side in BOTH]:
        link = ends_tls.link(side)
        while len(one.heard) < 2:
            assert one.receive(1.5) is None and one.heard, "no probe came"
        assert {m.start for m in one.heard} == {f"OPTIONS sips:{side.address} SIP/2.0"}
        assert one.accepted == 1, "each on the same connection"
        link.send(options().replace("/TCP", "/TLS"))
        assert link.message().code == 200


# ---- who comes

@pytest.fixture
def elsewhere(sides):
    """An address at the caller's that no peer has."""
    with netns.address(sides[0].ns, sides[0].stranger) as one:
        yield one


@pytest.mark.case("mutual TLS from a peer, matched by its name", "TLS")
def test_a_peer_is_known_by_its_certificate_and_a_stranger_is_not(door, pki, sides, elsewhere, ends_tls, number):
    """Mutual TLS: each peer by its name alone, from whatever address."""
    door(pki.named)
    calling, called = sides
    caller = ends_tls.at(calling, address=elsewhere, shows=pki.of_peer[calling])
    near, far, *_ = set_up(caller, ends_tls.at(called), number)
    end_call(near, far)
    for shows in (None, pki.lab.issue("nobody", "DNS:nobody.example")):
        link = ends_tls.link(calling, tls.context(own=shows), source=(elsewhere, 0))
        link.send(options())
        assert link.message().code == 403 and link.closes(3)


def shakes(link):
    """TLS 1.3 tells a client of a refused certificate with the first octets that it reads, or cuts it off while it writes."""
    try:
        link.send(options())
    except OSError:
        return False
    return link.message() is not None


@pytest.mark.case("a certificate demanded of everybody", "TLS")
def test_a_certificate_can_be_demanded_of_everybody(door, pki, ends_tls, side):
    door(pki.demanding)
    assert shakes(ends_tls.link(side, tls.context(own=pki.of_peer[side])))
    for own, reason in ((None, "no_certificate"), (pki.others.issue("x", "DNS:x.example"), "untrusted")):
        before = failures(reason)
        assert not shakes(ends_tls.link(side, tls.context(own=own)))
        grows(reason, before)
