# SPDX-License-Identifier: Apache-2.0
"""SIP over TLS on the wire: calls over it on either leg and on both, versions, certificates and the names in them, sips
URIs, new certificates under running connections, what fails and by which name, and a flood of handshakes beside calls."""
import datetime
import os
import pathlib
import re
import signal
import ssl
import subprocess
import threading
import time

import pytest
from lab_fixtures import set_up, talk
from test_stream import end_call, options

from harness import metrics, netns, stream, tls, ua, verdicts
from harness.netns import ACCESS4, CARRIER, CARRIER_A, CORE4, PUB, PUB4

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class Pki:
    """One authority that all trust, one that nobody does, and the usual certificates."""

    def __init__(self, folder):
        self.lab, self.others = tls.Authority(folder), tls.Authority(folder, "others")
        self.access = self.lab.issue("access", "DNS:access.example")
        self.core = self.lab.issue("core", "DNS:core.example")
        self.carrier = self.lab.issue("carrier", "DNS:carrier.example")
        self.office = self.lab.issue("office", f"IP:{PUB4}")

    def realms(self, config):
        """Both realms speak TLS, and carrier-a and the office are reached by it."""
        for realm, own in (("access", self.access), ("core", self.core)):
            config["realms"][realm]["sip"]["tls"] = tls.DOOR_PORT
            config["realms"][realm]["tls"] = {"certificate": str(own[0]), "key": str(own[1]), "ca": str(self.lab.file)}
        config["peers"]["carrier-a"].update(targets=[f"sip:{CARRIER_A};transport=tls"], tls={"name": "carrier.example"})
        config["peers"]["office"]["targets"] = [f"sip:{PUB4};transport=tls"]

    def with_sips(self, config):
        self.realms(config)
        config["peers"]["carrier-a"]["targets"] = [f"sips:{CARRIER_A}"]


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def ends_tls(pki):
    """Endpoints over TLS that are closed after the test."""
    made = []

    class Ends:
        def pub(self, most=None, **kwargs):
            server = tls.context(server=True, own=pki.office, most=most)
            client = tls.context(trusts=pki.lab, most=most)
            made.append(tls.TlsEndpoint(PUB, PUB4, server=server, client=client, **kwargs))
            return made[-1]

        def carrier(self, own=None, trusts=None, demands=False, most=None, **kwargs):
            server = tls.context(server=True, own=own or pki.carrier, trusts=trusts, demands=demands, most=most)
            made.append(tls.TlsEndpoint(CARRIER, CARRIER_A, server=server, client=tls.context(most=most), **kwargs))
            return made[-1]

        def link(self, ns=PUB, door=ACCESS4, made_context=None, **kwargs):
            made.append(tls.connect(ns, door, made_context, **kwargs))
            return made[-1]

    yield Ends()
    for one in made:
        one.close()


def failures(reason, samples=None):
    return metrics.total(samples or metrics.scrape(), "tls_handshake_failures_total", reason=reason)


def grows(reason, before, seconds=3.0):
    """Waits until the handshake failures of that reason are one more than before."""
    deadline = time.monotonic() + seconds
    while failures(reason) < before + 1:
        assert time.monotonic() < deadline, f"no failure was counted as {reason}"
        time.sleep(0.1)
    assert failures(reason) == before + 1


# ---- calls

@pytest.mark.case("both legs over TLS, 1.2 and 1.3, nothing readable", "TLS", directions="caller to carrier")
@pytest.mark.parametrize("most", [V12, V13], ids=["1.2", "1.3"])
@pytest.mark.parametrize("by_caller", [True, False])
def test_a_call_over_tls_on_both_legs(door, pki, ends_tls, wire, number, by_caller, most):
    door(pki.realms)
    seen = wire(access=netns.PORT_PEERS["access"][:2], core=netns.PORT_PEERS["core"][:2])
    pub, carrier = ends_tls.pub(most), ends_tls.carrier(most=most)
    near, far, *_ = set_up(pub, carrier, number)
    invite = far.first
    assert invite.start.startswith(f"INVITE sip:{number}@{CARRIER_A};transport=tls ")
    assert invite.get("via").startswith(f"SIP/2.0/TLS {CORE4}:5061;branch=z9hG4bK")
    assert f"<sip:{CORE4}:5061;transport=tls>" in invite.get("contact")
    assert f"<sip:{ACCESS4}:5061;transport=tls>" in near.first.get("contact")
    assert PUB4 not in invite.raw.decode()
    for link in (*pub.links, *carrier.links):
        assert link.sock.version() == ("TLSv1.2" if most == V12 else "TLSv1.3")
    assert carrier.asked == ["carrier.example"], "SNI"
    end_call(near, far, by_caller)
    assert len(pub.links) == 1 and carrier.accepted == 1, "one connection a leg, for everything"
    seen.stop()
    for one in seen.all.values():
        octets = pathlib.Path(one.path).read_bytes()
        assert len(octets) > 2000 and number.encode() not in octets and b"SIP/2.0" not in octets, "readable on the wire"


@pytest.mark.case("both legs over TLS, from the carrier", "TLS", directions="carrier to caller")
def test_a_call_from_the_carrier_over_tls(door, pki, ends_tls, number):
    door(pki.realms)
    pub, carrier = ends_tls.pub(), ends_tls.carrier()
    near, far, *_ = set_up(carrier, pub, number)
    assert f"INVITE sip:{number}@{PUB4};transport=tls " in far.first.start + " "
    end_call(near, far, by_caller=False)


@pytest.mark.case("UDP on one leg, TLS on the other", "TLS")
@pytest.mark.parametrize("by_caller", [True, False])
def test_udp_on_one_leg_and_tls_on_the_other(door, pki, ends, ends_tls, number, by_caller):
    door(pki.realms)
    pub, carrier = ends.pub(), ends_tls.carrier()
    near, far, *_ = set_up(pub, carrier, number)
    assert far.first.get("via").startswith("SIP/2.0/TLS") and "transport" not in near.first.get("contact")
    end_call(near, far, by_caller)


def test_media_flows_while_signalling_is_over_tls(door, pki, ends, ends_tls, number):
    door(pki.realms)
    pub, carrier = ends_tls.pub(), ends_tls.carrier()
    a, b = ends.media(PUB, PUB4), ends.media(CARRIER, CARRIER_A)
    near, far, to_a, to_b = set_up(pub, carrier, number, a.port, b.port)
    talk(a, to_a, b, to_b)
    end_call(near, far)
    assert len(a.seqs(b.ssrc)) > 40 and len(b.seqs(a.ssrc)) > 40


# ---- sips

@pytest.mark.case("sips on both legs", "TLS")
@pytest.mark.parametrize("by_caller", [True, False])
def test_a_sips_call_is_sips_on_both_legs(door, pki, ends_tls, number, by_caller):
    door(pki.with_sips)
    pub, carrier = ends_tls.pub(sips=True), ends_tls.carrier(sips=True)
    near, far, *_ = set_up(pub, carrier, number)
    assert far.first.start == f"INVITE sips:{number}@{CARRIER_A} SIP/2.0"
    assert far.first.get("contact") == f"<sips:{CORE4}:5061>"
    assert near.first.get("contact") == f"<sips:{ACCESS4}:5061>"
    end_call(near, far, by_caller)


@pytest.mark.case("a sips call never leaves by another transport", "TLS")
def test_a_sips_call_never_leaves_by_another_transport(door, pki, ends, ends_tls, number):
    """carrier-a is not there, and carrier-b has UDP alone."""
    door(pki.with_sips)
    pub, second = ends_tls.pub(sips=True), ends.carrier(netns.CARRIER_B)
    final = pub.invite(number).refused()
    assert final.code == 480 and final.get("warning").startswith("380 "), final.start
    second.silent(0.5)
    door.stop()  # carrier-a may count as down for a while


@pytest.mark.case("a sips URI over UDP is refused", "TLS")
def test_a_sips_URI_over_udp_is_refused(door, pki, ends, ends_tls, number):
    door(pki.with_sips)
    pub, carrier = ends.pub(), ends_tls.carrier()
    pub.scheme = "sips"
    final = pub.invite(number).refused()
    assert final.code == 480 and final.get("warning").startswith("380 "), final.start
    carrier.silent(0.3)


# ---- whom we send to

@pytest.mark.case("a server that is not whom we mean gets nothing (RFC 5922)", "TLS")
@pytest.mark.parametrize("wrong", ["name", "wildcard", "untrusted"])
def test_a_server_that_is_not_whom_we_mean_gets_nothing(door, pki, ends, ends_tls, number, wrong):
    door(pki.realms)
    own = {"name": lambda: pki.lab.issue("wrong", "DNS:other.example, DNS:carrier.example.evil"),
           "wildcard": lambda: pki.lab.issue("wild", "DNS:*.example"),
           "untrusted": lambda: pki.others.issue("fake", "DNS:carrier.example")}[wrong]()
    reason = "untrusted" if wrong == "untrusted" else "name"
    before = failures(reason)
    pub, carrier, second = ends.pub(), ends_tls.carrier(own=own), ends.carrier(netns.CARRIER_B)
    call = pub.invite(number)
    assert carrier.receive(2) is None, "nothing is said to a wrong one"
    invite = second.expect("INVITE")
    second.reply(invite, 486, "Busy Here")
    second.expect("ACK")
    call.refused()
    grows(reason, before)
    door.stop()


@pytest.mark.case("mutual TLS to a peer", "TLS")
def test_we_show_a_certificate_to_a_server_that_demands_one(door, pki, ends, ends_tls, number):
    door(pki.realms)
    pub, carrier = ends.pub(), ends_tls.carrier(trusts=pki.lab, demands=True)
    near, far, *_ = set_up(pub, carrier, number)
    assert tls.shown(carrier.links[0]) == "core"
    end_call(near, far)


@pytest.mark.case("OPTIONS both ways over TLS", "TLS")
def test_options_are_sent_and_answered_over_tls(door, pki, ends_tls):
    def probing(config):
        pki.with_sips(config)
        config["peers"]["carrier-a"]["probe"] = "1s"
    door(probing)
    carrier, link = ends_tls.carrier(), ends_tls.link()
    carrier.receive(3)
    probes = [message for message in carrier.heard if message.method == "OPTIONS"]
    assert len(probes) >= 2 and carrier.accepted == 1, "each on the same connection"
    assert probes[0].start == f"OPTIONS sips:{CARRIER_A} SIP/2.0"
    link.send(options().replace("/TCP", "/TLS"))
    assert link.message().code == 200


# ---- who comes

@pytest.fixture
def elsewhere():
    """An address that no peer has."""
    netns.run(CARRIER, ["ip", "addr", "add", "192.0.2.99/24", "dev", "eth0"], check=True)
    yield "192.0.2.99"
    netns.run(CARRIER, ["ip", "addr", "del", "192.0.2.99/24", "dev", "eth0"])


@pytest.mark.case("mutual TLS from a peer, matched by its name", "TLS")
def test_a_peer_is_known_by_its_certificate_and_a_stranger_is_not(door, pki, ends_tls, elsewhere, number):
    """Mutual TLS: carrier-a by its name alone, from whatever address; its calls go to the office."""
    def named(config):
        pki.realms(config)
        config["peers"]["carrier-a"]["match"] = ["tls:carrier.example"]
    door(named)
    pub = ends_tls.pub()
    known = tls.TlsEndpoint(CARRIER, elsewhere, server=tls.context(server=True, own=pki.carrier),
                            client=tls.context(own=pki.carrier, trusts=pki.lab), door=CORE4)
    try:
        near, far, *_ = set_up(known, pub, number)
        end_call(near, far)
        link = ends_tls.link(CARRIER, CORE4, tls.context(), source=(elsewhere, 0))
        link.send(options(host=CORE4))
        assert link.message().code == 403 and link.closes(3)
        link = ends_tls.link(CARRIER, CORE4, tls.context(own=pki.lab.issue("nobody", "DNS:nobody.example")),
                             source=(elsewhere, 0))
        link.send(options(host=CORE4))
        assert link.message().code == 403 and link.closes(3)
    finally:
        known.close()


def demanding(pki):
    def change(config):
        pki.realms(config)
        config["realms"]["access"]["tls"]["verify"] = "yes"
    return change


def shakes(link):
    """TLS 1.3 tells a client of a refused certificate with the first octets that it reads, or cuts it off while it writes."""
    try:
        link.send(options())
    except OSError:
        return False
    return link.message() is not None


@pytest.mark.case("a certificate demanded of everybody", "TLS")
def test_a_certificate_can_be_demanded_of_everybody(door, pki, ends_tls):
    door(demanding(pki))
    assert shakes(ends_tls.link(made_context=tls.context(own=pki.office)))
    for own, reason in ((None, "no_certificate"), (pki.others.issue("x", "DNS:x.example"), "untrusted")):
        before = failures(reason)
        assert not shakes(ends_tls.link(made_context=tls.context(own=own)))
        grows(reason, before)


@pytest.mark.case("SNI", "TLS")
def test_the_certificate_of_the_asked_name_is_shown(door, pki, ends_tls):
    second = pki.lab.issue("second", "DNS:second.example")

    def two(config):
        pki.realms(config)
        config["realms"]["access"]["tls"]["sni"] = [{"certificate": str(second[0]), "key": str(second[1])}]
    door(two)
    for asks, cn in ((None, "access"), ("second.example", "second"), ("third.example", "access")):
        assert tls.shown(ends_tls.link(made_context=tls.context(trusts=pki.lab), asks=asks)) == cn


# ---- what fails

@pytest.mark.case("old versions, plain text and silence are refused by name", "TLS")
def test_old_versions_plain_text_and_silence_are_refused_by_name(door, pki, ends_tls):
    door(pki.realms)
    before = failures("version")
    with pytest.raises(OSError):
        ends_tls.link(made_context=tls.context(most=ssl.TLSVersion.TLSv1_1))
    grows("version", before)
    before = failures("not_tls")
    plain = stream.connect(PUB, ACCESS4, port=tls.DOOR_PORT)
    plain.send(options())
    assert plain.closes(3)
    assert not any(b"SIP/2.0" in part for part in plain.heard)
    grows("not_tls", before)
    before = failures("timeout")
    silent = stream.connect(PUB, ACCESS4, port=tls.DOOR_PORT)
    assert silent.closes(13)
    grows("timeout", before)
    link = ends_tls.link()
    link.send(options())
    assert link.message().code == 200


# ---- the stream inside

@pytest.mark.case("framing across records", "TLS")
def test_messages_and_records_do_not_mind_each_other(door, pki, ends_tls):
    door(pki.realms)
    link = ends_tls.link()
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
def test_another_implementation_s_command_line_is_answered(door, pki):
    door(pki.realms)
    client = netns.popen(PUB, ["openssl", "s_client", "-quiet", "-connect", f"{ACCESS4}:{tls.DOOR_PORT}", "-CAfile",
                               pki.lab.file, "-verify_return_error", "-servername", "access.example"],
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


def told_end(owner):
    [(_, value)] = metrics.select(metrics.scrape(), "tls_certificate_expiry_seconds", owner=owner)
    return value


@pytest.mark.case("certificates reloaded, nobody dropped, expiry told", "TLS")
@pytest.mark.parametrize("how", ["signal", "command"])
def test_new_certificates_are_shown_and_nobody_is_dropped(door, pki, ends_tls, number, how):
    lab = door(pki.realms)
    pub, carrier = ends_tls.pub(), ends_tls.carrier()
    near, far, *_ = set_up(pub, carrier, number)
    assert told_end("realm access") == ends_at(pki.access[0])
    old = ssl.PEM_cert_to_DER_cert(pki.access[0].read_text())
    assert pub.links[0].sock.getpeercert(binary_form=True) == old
    pki.lab.issue("access", "DNS:access.example", days=30)
    if how == "signal":
        signal.pidfd_send_signal(lab_pidfd(lab), signal.SIGHUP)
    else:
        done = subprocess.run([netns.BINARY, "reload", "--socket", netns.STATE / "admin.sock"], capture_output=True, text=True,
                              timeout=10, check=False)
        assert done.returncode == 0 and "certificates" in done.stdout, done
    wanted, deadline = ends_at(pki.access[0]), time.monotonic() + 5
    while told_end("realm access") != wanted:
        assert time.monotonic() < deadline, "the metric does not tell the new certificate's end"
        time.sleep(0.1)
    fresh = ends_tls.link(made_context=tls.context(trusts=pki.lab))
    assert fresh.sock.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(pki.access[0].read_text()) != old
    end_call(near, far)
    assert len(pub.links) == 1 and not pub.links[0].ended and carrier.accepted == 1


def lab_pidfd(lab):
    return os.pidfd_open(lab.pid)


@pytest.mark.case("a broken file changes nothing", "TLS")
def test_a_broken_file_changes_nothing(door, pki, ends_tls):
    door(pki.realms)
    kept = pki.core[1].read_bytes()
    pki.core[1].write_text("no key")
    try:
        done = subprocess.run([netns.BINARY, "reload", "--socket", netns.STATE / "admin.sock"], capture_output=True, text=True,
                              timeout=10, check=False)
        assert done.returncode != 0 and str(pki.core[1]) in done.stderr, done
    finally:
        pki.core[1].write_bytes(kept)
    link = ends_tls.link(made_context=tls.context(trusts=pki.lab))
    link.send(options())
    assert link.message().code == 200


# ---- a flood

@pytest.mark.case("a flood of handshakes delays no call", "TLS")
def test_a_flood_of_handshakes_delays_no_call(door, pki, tmp_path):
    """While clients do nothing but shake hands, SIPp's calls over UDP are all answered and none of its messages had to be
    sent twice (T1 is half a second)."""
    def busy(config):
        pki.realms(config)
        config["peers"]["carrier-a"]["targets"] = [f"sip:{CARRIER_A}:5060"]
        config["peers"]["office"]["limits"] = {"connections_per_source": 1000}
    door(busy)
    stop, done = threading.Event(), [0]

    def flood():
        made = tls.context()
        while not stop.is_set():
            try:
                tls.connect(PUB, ACCESS4, made).close()
                done[0] += 1
            except OSError:
                continue

    threads = [threading.Thread(target=flood, daemon=True) for _ in range(3)]
    uas = netns.popen(CARRIER, ["sipp", "-sn", "uas", "-i", CARRIER_A, "-p", "5060", "-nostdin", "-m", "60"], cwd=tmp_path)
    try:
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        shaken = metrics.total(metrics.scrape(), "tls_handshakes_total")
        sipp = netns.run(PUB, ["sipp", "-sn", "uac", "-i", PUB4, "-p", "5060", "-nostdin", "-m", "60", "-r", "20", "-d", "300",
                               "-s", "+44201", "-timeout", "30", "-trace_stat", "-stf", "stat.csv", f"{ACCESS4}:5060"],
                         cwd=tmp_path, timeout=60)
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
    pub, carrier = ends_tls.pub(), ends_tls.carrier()
    near, far, *_ = set_up(pub, carrier, number)
    end_call(near, far)
    _, samples = metrics.rest()
    for port in ("access", "core"):
        assert verdicts.law_holds("x", {port: metrics.law(samples)[port]}).ok
    assert metrics.total(samples, "tls_handshakes_active") == 0
    assert not re.search(r"certificate.*fault", lab.log)
