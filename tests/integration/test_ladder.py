# SPDX-License-Identifier: Apache-2.0
"""The rules that judge the matrix' ladders: a good leg passes, each fault put in turns its rule red."""
import ladder
import pytest

from harness import sip

HOST, OURS = "192.0.2.10", "192.0.2.1"


def sdp(version, address=OURS, port=30000, more=""):
    return f"v=0\r\no=- 7 {version} IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n{more}"


def message(start, src, cseq, branch, tags=("ours", "t2"), more=(), body=""):
    source = OURS if src == "<" else HOST
    request = not start.startswith("SIP")
    via = (source if request else HOST if src == "<" else OURS) + ":5060"
    lines = [start, f"Via: SIP/2.0/UDP {via};branch=z9hG4bK{branch}", f"From: <sip:a@x>;tag={tags[0]}",
             "To: <sip:b@y>" + (f";tag={tags[1]}" if tags[1] else ""), "Call-ID: one", f"CSeq: {cseq}", *more, "", body]
    dest = HOST if src == "<" else OURS
    return sip.parse("\r\n".join(lines).encode(), src=source, sport=5060, dst=dest, dport=5060)


def good():
    """Our INVITE to a callee behind two proxies, his answer, a re-INVITE of each side, BYE."""
    route = ("Route: <sip:p1;lr>", "Route: <sip:p2;lr>")
    contact, mine = f"Contact: <sip:c@{HOST}>", f"Contact: <sip:{OURS}:5060>"
    back = ("t2", "ours")
    return [
        message("INVITE sip:n@y SIP/2.0", "<", "1 INVITE", "a", ("ours", ""), (mine,), sdp(1)),
        message("SIP/2.0 200 OK", ">", "1 INVITE", "a", more=("Record-Route: <sip:p2;lr>, <sip:p1;lr>", contact), body=sdp(5, HOST)),
        message(f"ACK sip:c@{HOST} SIP/2.0", "<", "1 ACK", "b", more=route),
        message(f"INVITE sip:c@{HOST} SIP/2.0", "<", "2 INVITE", "c", more=(mine, *route), body=sdp(2, more="a=sendonly\r\n")),
        message("SIP/2.0 488 No", ">", "2 INVITE", "c"),
        message(f"ACK sip:c@{HOST} SIP/2.0", "<", "2 ACK", "c", more=route),
        message(f"INVITE sip:{OURS}:5060 SIP/2.0", ">", "9 INVITE", "d", back, (contact,), sdp(6, HOST)),
        message("SIP/2.0 200 OK", "<", "9 INVITE", "d", back, (mine,), sdp(1)),
        message(f"BYE sip:c@{HOST} SIP/2.0", "<", "3 BYE", "e", more=route),
        message("SIP/2.0 200 OK", ">", "3 BYE", "e"),
    ]


WANTED = "<INVITE >200 <ACK <INVITE >488 <ACK >INVITE <200 <BYE >200/BYE"


def put_in(at, old, new):
    found = good()
    raw = found[at].raw.replace(old.encode(), new.encode())
    assert raw != found[at].raw, "no fault was put in"
    found[at] = sip.parse(raw, src=found[at].src, sport=5060, dst=found[at].dst, dport=5060)
    return found


def test_a_good_leg_has_no_fault():
    leg = sip.Leg("one", good())
    assert ladder.leg_faults(leg) == [] and ladder.sequence(leg, WANTED) == []


@pytest.mark.parametrize("wanted", [WANTED + " <BYE", WANTED.rsplit(" ", 1)[0], WANTED.replace(">488", ">486")])
def test_a_ladder_with_a_step_more_less_or_another_is_red(wanted):
    assert ladder.sequence(sip.Leg("one", good()), wanted)


def test_what_crosses_may_come_in_any_order_and_a_retransmission_is_no_step():
    leg = sip.Leg("one", good() + good()[-1:])
    assert ladder.sequence(leg, WANTED.replace("<BYE >200/BYE", "{>200/BYE <BYE}")) == []


@pytest.mark.parametrize("rule,at,old,new", [
    (ladder.numbers, 3, "CSeq: 2 INVITE", "CSeq: 1 INVITE"),
    (ladder.numbers, 2, "CSeq: 1 ACK", "CSeq: 4 ACK"),
    (ladder.numbers, 7, "CSeq: 9 INVITE", "CSeq: 8 INVITE"),
    (ladder.numbers, 8, "CSeq: 3 BYE", "CSeq: 3 INFO"),
    (ladder.tags, 8, "tag=ours", "tag=other"),
    (ladder.tags, 7, "tag=ours", "tag=other"),
    (ladder.vias, 3, f"Via: SIP/2.0/UDP {OURS}:5060;", "Via: SIP/2.0/UDP 198.51.100.1:5060;"),
    (ladder.vias, 3, "branch=z9hG4bKc", "branch=z9hG4bKa"),
    (ladder.vias, 2, "branch=z9hG4bKb", "branch=b"),
    (ladder.vias, 0, "\r\nFrom", f"\r\nVia: SIP/2.0/UDP {HOST};branch=z9hG4bKx\r\nFrom"),
    (ladder.vias, 7, f"{HOST}:5060;branch", "192.0.2.77:5060;branch"),
    (ladder.routes, 8, "Route: <sip:p1;lr>\r\n", ""),
    (ladder.routes, 8, "p1", "p3"),
    (ladder.routes, 2, f"sip:c@{HOST}", "sip:n@y"),
    (ladder.routes, 5, f"sip:c@{HOST}", "sip:n@y"),
    (ladder.routes, 0, "\r\nFrom", "\r\nRoute: <sip:p1;lr>\r\nFrom"),
    (ladder.routes, 3, "\r\nFrom", "\r\nRecord-Route: <sip:p1;lr>\r\nFrom"),
    (ladder.contacts, 0, f"<sip:{OURS}:5060>", "<sip:198.51.100.1:5060>"),
    (ladder.versions, 3, "o=- 7 2", "o=- 7 1"),
    (ladder.versions, 3, "o=- 7 2", "o=- 7 3"),
    (ladder.versions, 3, "o=- 7 2", "o=- 8 2"),
    (ladder.versions, 7, f"o=- 7 1 IN IP4 {OURS}", f"o=- 7 1 IN IP4 {HOST}"),
    (ladder.answers, 7, "m=audio", "m=video"),
])
def test_a_fault_put_in_is_red(rule, at, old, new):
    assert rule(good()) == [] and rule(put_in(at, old, new))


def moved(at, cseq, uri="sip:c@192.0.2.77"):
    """After that message the peer changes its Contact by a request of its own; our BYE follows it there or stays."""
    back, mine = ("t2", "ours"), f"Contact: <sip:{OURS}:5060>"
    change = [message(f"{cseq.split()[1]} sip:{OURS}:5060 SIP/2.0", ">", cseq, "m", back, ("Contact: <sip:c@192.0.2.77>",)),
              message("SIP/2.0 200 OK", "<", cseq, "m", back, (mine,))]
    found = put_in(8, f"BYE sip:c@{HOST}", f"BYE {uri}") if uri != f"sip:c@{HOST}" else good()
    return found[:at] + change + found[at:]


@pytest.mark.parametrize("cseq", ["10 INVITE", "10 UPDATE"])
def test_the_target_is_the_newest_contact_of_the_peer(cseq):
    assert ladder.routes(moved(8, cseq)) == []
    assert ladder.routes(moved(8, cseq, f"sip:c@{HOST}")), "the one before"
    assert ladder.routes(moved(10, cseq)), "it came after the BYE"


@pytest.mark.parametrize("cseq", ["10 INVITE", "10 UPDATE"])
def test_a_refused_request_moves_no_target(cseq):
    def refused(uri):
        found = moved(8, cseq, uri)
        found[9] = message("SIP/2.0 488 Not Acceptable Here", "<", cseq, "m", ("t2", "ours"))
        return found
    assert ladder.routes(refused(f"sip:c@{HOST}")) == [] and ladder.routes(refused("sip:c@192.0.2.77"))


def test_a_reliable_18x_of_ours_takes_the_contact_of_what_it_answers():
    def answered(rseq, uri):
        found = moved(8, "10 INVITE", uri)
        back, more = ("t2", "ours"), ("RSeq: 7",) if rseq else ()
        found[9:10] = [message("SIP/2.0 183 Session Progress", "<", "10 INVITE", "m", back, more),
                       message("SIP/2.0 500 Server Internal Error", "<", "10 INVITE", "m", back)]
        return found
    assert ladder.routes(answered(True, "sip:c@192.0.2.77")) == [] and ladder.routes(answered(False, f"sip:c@{HOST}")) == []


def test_the_contact_of_a_2xx_refreshes_the_target_too():
    def answered(contact):
        found = good()
        found[4] = message("SIP/2.0 200 OK", ">", "2 INVITE", "c", more=(f"Contact: <{contact}>",), body=sdp(5, HOST))
        found[5] = message(f"ACK {contact} SIP/2.0", "<", "2 ACK", "x", more=("Route: <sip:p1;lr>", "Route: <sip:p2;lr>"))
        return found[:6] + found[8:]
    assert ladder.routes(answered(f"sip:c@{HOST}")) == [] and len(ladder.routes(answered("sip:c@192.0.2.77"))) == 1


@pytest.mark.parametrize("cseq", ["10 INFO", "10 MESSAGE"])
def test_what_refreshes_no_target_moves_nothing(cseq):
    assert ladder.routes(moved(8, cseq, f"sip:c@{HOST}")) == [] and ladder.routes(moved(8, cseq))


def test_the_contacts_of_a_redirection_are_no_target():
    found = good()
    found[4] = message("SIP/2.0 302 Moved", ">", "2 INVITE", "c", more=("Contact: <sip:else@192.0.2.77>",))
    assert ladder.routes(found) == []


def test_a_description_that_has_not_changed_keeps_its_version():
    found = good()[:3] + [message(f"INVITE sip:c@{HOST} SIP/2.0", "<", "2 INVITE", "c", body=sdp(2))]
    assert ladder.versions(found)


def test_other_parts_of_a_body_do_not_change_the_description():
    def sent(cseq, part, version, port=30000):
        parts = f"--b\r\nContent-Type: text/plain\r\n\r\n{part}\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{sdp(version, port=port)}\r\n--b--\r\n"
        return message(f"INVITE sip:c@{HOST} SIP/2.0", "<", f"{cseq} INVITE", f"c{cseq}", more=["Content-Type: multipart/mixed;boundary=b"],
                       body=parts)
    assert ladder.versions([sent(2, "a", 1), sent(3, "b", 1)]) == []
    assert ladder.versions([sent(2, "a", 1), sent(3, "a", 1, port=5002)])
    assert ladder.versions([sent(2, "a", 1), sent(3, "b", 2)])


def caller():
    """The other leg: who calls, at 198.51.100.20."""
    invite = ("INVITE sip:n@y SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKnear\r\nFrom: <sip:a@x>;tag=near-tag\r\n"
              "To: <sip:b@y>\r\nCall-ID: near-call\r\nCSeq: 1 INVITE\r\nContact: <sip:near-user@198.51.100.20>\r\n\r\n")
    return sip.Leg("near-call", [sip.parse(invite.encode(), src="198.51.100.20", dst="198.51.100.1")])


@pytest.mark.parametrize("more", ["X-Lab: secret", "Subject: near-tag", "Subject: 198.51.100.20", "Subject: near-call",
                                  "Subject: near-user", "Subject: z9hG4bKnear", "Subject: 198.51.100.1"])
def test_what_leaks_from_the_other_leg_is_red(more):
    assert ladder.leaks(caller(), sip.Leg("one", good())) == []
    assert ladder.leaks(caller(), sip.Leg("one", put_in(3, "\r\nFrom", f"\r\n{more}\r\nFrom")))
