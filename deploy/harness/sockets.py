# SPDX-License-Identifier: Apache-2.0
"""Which UDP sockets a process holds (/proc/PID/net/udp{,6} and its descriptors)."""
import ipaddress
import os
import pathlib
from typing import NamedTuple


class UdpSocket(NamedTuple):
    address: str
    port: int
    inode: int


def parse_udp(text):
    """Rows of /proc/net/udp or udp6: addresses are written in 32-bit words of the host's order."""
    rows = []
    for line in text.splitlines()[1:]:
        cells = line.split()
        if len(cells) < 10 or ":" not in cells[1]:
            continue
        word, port = cells[1].split(":")
        raw = b"".join(bytes.fromhex(word[i:i + 8])[::-1] for i in range(0, len(word), 8))
        rows.append(UdpSocket(str(ipaddress.ip_address(raw)), int(port, 16), int(cells[9])))
    return rows


def held_inodes(pid):
    found = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(fd)
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(int(target[8:-1]))
    return found


def udp_of_process(pid):
    """(the process's own UDP sockets, every UDP socket of its namespace)."""
    everyone = []
    for name in ("udp", "udp6"):
        everyone += parse_udp(pathlib.Path(f"/proc/{pid}/net/{name}").read_text())
    mine = held_inodes(pid)
    return [row for row in everyone if row.inode in mine], everyone
