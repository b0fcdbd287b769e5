# SPDX-License-Identifier: Apache-2.0
"""Offers and answers (RFC 3264, 3311, 6141, 6337), reliable provisional responses (3262) and 199 (6228)."""
from .case import END, END_FAR, UP, UP_FAR, Case, inside

OFFERS, RELIABLE = "Offer/answer", "Reliable provisionals"
ASK, ASKED = ">INVITE({0}) <100 <200({1}) >ACK", "<INVITE({0}) >200({1}) <ACK"
# A reliable 183 with the answer, acknowledged, at either side.
PROGRESS, PROGRESS_FAR = ">INVITE(sdp,able) <100 <183(sdp,reliable) >PRACK(rack) <200/PRACK ", "<INVITE(sdp,100rel) >183(sdp,rel,updates) <PRACK >200/PRACK "


def change(name, *exchanges, **more):
    """Re-INVITEs one after the other: (offer, answer) of each."""
    ask = " ~100 ".join(ASK.format(*one) for one in exchanges)
    asked = " ".join(ASKED.format(*one) for one in exchanges)
    return inside(name, OFFERS, ask, asked, **more)


CASES = [
    Case("offer in INVITE, answer in 200", OFFERS, UP + END, UP_FAR + END_FAR),
    Case("late offer: offer in 200, answer in ACK", OFFERS,
         ">INVITE <100 <200(sdp) >ACK(sdp) ~100 talk" + END, "<INVITE(bare) >200(sdp) <ACK(sdp) talk" + END_FAR),
    Case("offer in a reliable 18x, answer in PRACK", OFFERS,
         ">INVITE(able) <100 <183(sdp,reliable) >PRACK(rack,sdp) <200/PRACK(bare) <200(bare) >ACK talk" + END,
         "<INVITE(bare,100rel) >183(sdp,rel) <PRACK(sdp) >200/PRACK ~200 >200 <ACK talk" + END_FAR),
    Case("offer in PRACK, answer in its 200", OFFERS,
         ">INVITE(sdp,able) <100 <183(sdp,reliable) >PRACK(rack,moved) <200/PRACK(sdp) <200(bare) >ACK talk" + END,
         "<INVITE(sdp,100rel) >183(sdp,rel) <PRACK(sdp) >200/PRACK(sdp) ~200 >200 <ACK talk" + END_FAR),
    Case("UPDATE before the 200", OFFERS,
         PROGRESS + "~200 >UPDATE(moved) <200/UPDATE(sdp) <200(bare) >ACK talk" + END,
         PROGRESS_FAR + "<UPDATE(sdp) >200/UPDATE(sdp) ~200 >200 <ACK talk" + END_FAR, variant="by caller"),
    Case("UPDATE before the 200", OFFERS,
         PROGRESS + "<UPDATE(sdp) >200/UPDATE(sdp) <200(bare) >ACK talk" + END,
         PROGRESS_FAR + "~200 >UPDATE(moved) <200/UPDATE(sdp) ~200 >200 <ACK talk" + END_FAR, variant="by callee"),
    *inside("UPDATE after the 200", OFFERS, ">UPDATE(moved) <200/UPDATE(sdp)", "<UPDATE(sdp) >200/UPDATE(sdp)", up="sdp,updates"),
    *inside("UPDATE to a side that does not know it becomes a re-INVITE", OFFERS,
            ">UPDATE(moved) <200/UPDATE(sdp)", "<INVITE(sdp) >200(sdp) <ACK"),
    *inside("UPDATE refused: the session is unchanged", OFFERS, ">UPDATE(video) <488/UPDATE", "<UPDATE(video) >488/UPDATE",
            up="sdp,updates"),
    *change("re-INVITE with SDP: address change, latched at once, nothing to the old address", ("moved", "sdp")),
    *inside("re-INVITE without SDP: offer in 200, answer in ACK", OFFERS,
            ">INVITE <100 <200(sdp) >ACK(sdp) ~100", "<INVITE(bare) >200(moved) <ACK(sdp)"),
    *change("hold and resume: sendonly", ("sendonly", "recvonly"), ("sdp", "sdp")),
    *change("hold and resume: inactive", ("inactive", "inactive"), ("sdp", "sdp")),
    *inside("hold and resume: the old 0.0.0.0", OFFERS,
            ASK.format("zero", "recvonly") + " ~100 " + ASK.format("sdp", "sdp"),
            "<INVITE(held) >200(recvonly) <ACK " + ASKED.format("sdp", "sdp"),
            shows={"held": lambda m: "0.0.0.0" not in m.body and ("a=sendonly" in m.body or "a=inactive" in m.body)}),
    *change("adding a stream, and removing it: count and order of m= lines kept", ("video", "video"), ("video0", "video0")),
    *inside("re-INVITE refused: a new stream and a new address, the session unchanged", OFFERS,
            ">INVITE(video) <100 <488 >ACK", "<INVITE(video) >488 <ACK"),
    *inside("re-INVITE accepted in part: a new address taken, a new stream refused with port 0", OFFERS,
            ">INVITE(moved,video) <100 <200(video0) >ACK", "<INVITE(video) >200(video0) <ACK"),
    *inside("a new stream answered inactive in a reliable 18x, settled by UPDATE", OFFERS,
            ">INVITE(video,able) <100 <183(mute-video,reliable) >PRACK(rack) <200/PRACK <UPDATE(video) >200/UPDATE(video) <200(bare) >ACK",
            "<INVITE(video,100rel) >183(mute-video,rel) <PRACK >200/PRACK ~100 >UPDATE(video) <200/UPDATE(video) ~100 >200 <ACK",
            up="sdp,able"),
    *inside("rollback (RFC 6141): failure after a provisional answer keeps what was carried out", OFFERS,
            ">INVITE(moved,able) <100 <183(sdp,reliable) >PRACK(rack) <200/PRACK <500 >ACK",
            "<INVITE(sdp,100rel) >183(sdp,rel) <PRACK >200/PRACK ~200 >500 <ACK", up="sdp,able"),
    *inside("rollback (RFC 6141): failure before any answer leaves the old session", OFFERS,
            ">INVITE(video) <100 <180 <504 >ACK", "<INVITE(video) >180 ~200 >504 <ACK"),
    *change("codec change", ("G722+PCMU", "G722"), ("sdp", "sdp")),
    *change("o= version: unchanged by a refresh, one more with each change, each leg by itself", ("same", "same"), ("moved", "sdp")),

    Case("end to end, with RSeq numbers of our own", RELIABLE,
         ">INVITE(sdp,able) <100 <183(sdp,reliable) >PRACK(rack) <200/PRACK <180(reliable) >PRACK(rack) <200/PRACK <200(bare) >ACK talk" + END,
         "<INVITE(sdp,100rel) >183(sdp,rel) <PRACK(first) >200/PRACK ~200 >180(rel) <PRACK(next) >200/PRACK ~200 >200 <ACK talk" + END_FAR,
         shows={"first": lambda m: m.get("rack") == "7001 1 INVITE", "next": lambda m: m.get("rack") == "7002 1 INVITE"}),
    Case("on the callee's leg only: the caller does not know them", RELIABLE,
         ">INVITE(sdp) <100 <183(sdp,plain) <200(sdp) >ACK talk" + END,
         "<INVITE(sdp) >183(sdp,rel) <PRACK >200/PRACK ~200 >200 <ACK talk" + END_FAR),
    Case("on the caller's leg only: he requires them, the callee sends plain ones", RELIABLE,
         ">INVITE(sdp,require) <100 <180(reliable) >PRACK(rack) <200/PRACK <200(sdp) >ACK talk" + END,
         "<INVITE(sdp,requires) >180 ~300 >200(sdp) <ACK talk" + END_FAR),
    Case("repeated until PRACK, doubling from T1", RELIABLE,
         ">INVITE(sdp,able) <100 <183(sdp,reliable) ~1800 >PRACK(rack) <200/PRACK <200(bare) >ACK talk" + END,
         "<INVITE(sdp) >183(sdp,rel) <PRACK >200/PRACK ~200 >200 <ACK talk" + END_FAR, copies={("caller", "<183"): 3}),
    Case("a PRACK for nothing that is out: 481", RELIABLE,
         ">INVITE(sdp,able) <100 <183(sdp,reliable) >PRACK(nothing) <481/PRACK >PRACK(rack) <200/PRACK <200(bare) >ACK talk" + END,
         "<INVITE(sdp) >183(sdp,rel) <PRACK >200/PRACK ~200 >200 <ACK talk" + END_FAR),
    Case("a second one waits for the first one's PRACK; out of order and repeated ones are left alone", RELIABLE,
         ">INVITE(sdp,able) <100 <183(sdp,reliable) ~300 >PRACK(rack) <200/PRACK <180(reliable) ~200 >PRACK(rack) <200/PRACK <200(bare) >ACK talk" + END,
         "<INVITE(sdp) >183(sdp,rel) >180(rel) <PRACK >200/PRACK <PRACK >200/PRACK ~200 >200 <ACK talk" + END_FAR),
    Case("a 2xx waits until the answer before it is acknowledged", RELIABLE,
         ">INVITE(sdp,able) <100 <183(sdp,reliable) ~300 >PRACK(rack) <200/PRACK <200(bare) >ACK talk" + END,
         "<INVITE(sdp) >183(sdp,rel) >200 {<PRACK >200/PRACK <ACK} talk" + END_FAR),
    Case("two forks: PRACK to each, one sequence for the caller", RELIABLE,
         ">INVITE(sdp,able) <100 <183(sdp,reliable) >PRACK(rack) <200/PRACK <183(reliable) >PRACK(rack) <200/PRACK <200(bare) >ACK talk" + END,
         "<INVITE(sdp) >183@one(sdp,rel) <PRACK >200/PRACK ~200 >183@two(same,rel) <PRACK >200/PRACK ~200 >200@one <ACK talk" + END_FAR),
    Case("a PRACK without the answer that is due ends the call", RELIABLE,
         ">INVITE(able) <100 <183(sdp,reliable) >PRACK(rack) <488/PRACK <502 >ACK",
         "<INVITE(bare) >183(sdp,rel) <CANCEL >200/CANCEL >487 <ACK"),
    Case("a refused offer in PRACK: 488, the response is acknowledged all the same", RELIABLE,
         ">INVITE(sdp,able) <100 <183(sdp,reliable) >PRACK(rack,loopback) <488/PRACK <200(bare) >ACK ~100 talk" + END,
         "<INVITE(sdp) >183(sdp,rel) <PRACK(bare) >200/PRACK ~200 >200 <ACK ~100 talk" + END_FAR),
    Case("no PRACK: 504 after 64*T1, the callee is cancelled", RELIABLE,
         ">INVITE(sdp,100rel) <100 <183(sdp,reliable) <504 >ACK", "<INVITE(sdp) >183(sdp,rel) <CANCEL >200/CANCEL >487 <ACK", seconds=50),
    Case("199 of one fork of two stays here, of the last it goes to a caller who lists it", "199",
         ">INVITE(sdp,199) <100 <183(sdp) <199 <480 >ACK",
         "<INVITE(sdp) >183@one(sdp) >183@two(same) >199@two ~200 >199@one ~200 >480@one <ACK"),
    Case("199 stays here where the caller does not list it", "199",
         ">INVITE(sdp) <100 <183(sdp) <200(sdp) >ACK talk" + END,
         "<INVITE(sdp) >183@one(sdp) >199@one ~200 >200(same) <ACK talk" + END_FAR),
]
