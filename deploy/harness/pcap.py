# SPDX-License-Identifier: Apache-2.0
"""Reads captures of Ethernet, or of raw IP: frames, IPv4 and IPv6, UDP (fragments put together), ICMP."""
import ipaddress
import struct
from typing import NamedTuple

ETH_IP4, ETH_ARP, ETH_IP6, ETH_VLAN = 0x0800, 0x0806, 0x86DD, 0x8100
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
LINK_ETHERNET, LINK_RAW_IP = 1, 101


class Packet(NamedTuple):
    """One frame; addresses are text, proto is 0 when it is not IP. A later fragment has no ports and no payload,
    the last one to arrive carries the whole datagram's payload."""
    ts: float
    smac: str
    dmac: str
    ethertype: int
    proto: int
    src: str
    sport: int
    dst: str
    dport: int
    payload: bytes
    length: int
    fragment: bool = False
    seq: int = 0           # TCP's
    vlan: int = 0          # 0: untagged


_names = {}


def _address(raw):
    text = _names.get(raw)
    if text is None:
        text = _names[raw] = str(ipaddress.ip_address(raw))
    return text


def _mac(raw):
    text = _names.get(raw)
    if text is None:
        text = _names[raw] = ":".join(f"{b:02x}" for b in raw)
    return text


class _Fragments:
    def __init__(self):
        self.parts = {}

    def add(self, key, offset, more, data):
        """The datagram when it is whole, else None."""
        entry = self.parts.setdefault(key, {"pieces": {}, "total": None})
        entry["pieces"][offset] = data
        if not more:
            entry["total"] = offset + len(data)
        if entry["total"] is None:
            return None
        whole = bytearray()
        while len(whole) < entry["total"]:
            piece = entry["pieces"].get(len(whole))
            if not piece:
                return None
            whole += piece
        del self.parts[key]
        return bytes(whole)


def _parse_ip6(data, fragments):
    if len(data) < 40:
        return None
    length, proto = struct.unpack_from("!HB", data, 4)
    src, dst, at, fragment = data[8:24], data[24:40], 40, False
    end = min(len(data), 40 + length)
    body = data[at:end]
    while proto in (0, 43, 60) and len(body) >= 8:
        proto, size = body[0], 8 + 8 * body[1]
        body = body[size:]
    if proto == 44 and len(body) >= 8:
        fragment = True
        proto, _, offset, ident = struct.unpack_from("!BBHI", body)
        body = fragments.add((src, dst, ident), offset & 0xFFF8, bool(offset & 1), body[8:])
    return proto, src, dst, body, fragment


def _parse_ip4(data, fragments):
    if len(data) < 20:
        return None
    header, total, ident, offset, proto = (data[0] & 15) * 4, *struct.unpack_from("!HHH", data, 2), data[9]
    src, dst, body = data[12:16], data[16:20], data[header:total]
    fragment = bool(offset & 0x3FFF)
    if fragment:
        body = fragments.add((src, dst, ident, proto), (offset & 0x1FFF) * 8, bool(offset & 0x2000), body)
    return proto, src, dst, body, fragment


def parse_frame(ts, frame, length, fragments):
    dmac, smac = _mac(frame[0:6]), _mac(frame[6:12])
    ethertype, at, vlan = struct.unpack_from("!H", frame, 12)[0], 14, 0
    if ethertype == ETH_VLAN and len(frame) >= 18:
        (tag, ethertype), at = struct.unpack_from("!HH", frame, 14), 18
        vlan = tag & 0x0FFF
    parsed = None
    if ethertype == ETH_IP4:
        parsed = _parse_ip4(frame[at:], fragments)
    elif ethertype == ETH_IP6:
        parsed = _parse_ip6(frame[at:], fragments)
    if parsed is None:
        return Packet(ts, smac, dmac, ethertype, 0, "", 0, "", 0, frame[at:], length, vlan=vlan)
    proto, src, dst, body, fragment = parsed
    sport = dport = seq = 0
    if body is None:
        body = b""
    elif proto in (UDP, TCP) and len(body) >= 8:
        sport, dport, seq = struct.unpack_from("!HHI", body)
        if proto == UDP and ethertype == ETH_IP6 and body[6:8] == b"\0\0":
            # No receiver may take it (RFC 8200 8.1). SIPp writes a sum of 0 as it is, about once in 65,536 packets.
            body = body[:8]
        body = body[8:] if proto == UDP else body[(body[12] >> 4) * 4:] if len(body) >= 20 else b""
    return Packet(ts, smac, dmac, ethertype, proto, _address(src), sport, _address(dst), dport, body, length, fragment, seq,
                  vlan)


def read(path):
    """All frames of a capture, in order."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 24:
        return []
    magic = struct.unpack_from("<I", data)[0]
    order = "<" if magic in (0xA1B2C3D4, 0xA1B23C4D) else ">"
    scale = 1e-9 if struct.unpack_from(order + "I", data)[0] == 0xA1B23C4D else 1e-6
    link = struct.unpack_from(order + "I", data, 20)[0]
    if link not in (LINK_ETHERNET, LINK_RAW_IP):
        raise ValueError(f"{path}: neither Ethernet nor raw IP")
    fragments, packets, at, record = _Fragments(), [], 24, struct.Struct(order + "IIII")
    while at + 16 <= len(data):
        sec, sub, kept, length = record.unpack_from(data, at)
        at += 16
        if at + kept > len(data):
            break
        frame = data[at:at + kept]
        if link == LINK_RAW_IP and frame:  # under an Ethernet header of its own
            frame = struct.pack("!12xH", ETH_IP4 if frame[0] >> 4 == 4 else ETH_IP6) + frame
        if len(frame) >= 14:
            packets.append(parse_frame(sec + sub * scale, frame, length, fragments))
        at += kept
    return packets
