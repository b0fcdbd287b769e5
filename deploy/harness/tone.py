# SPDX-License-Identifier: Apache-2.0
"""Makes the calls' media: a capture of 3 s of real G.711 A-law (voice-like: formants, syllables, pauses, noise) in
20 ms packets, for SIPp to send. Two voices, so that the directions differ in content and SSRC."""
import math
import pathlib
import random
import struct

PACKET_MS, RATE = 20, 8000
SAMPLES = RATE * PACKET_MS // 1000


def alaw(sample):
    """ITU-T G.711 A-law of a 16-bit sample."""
    value, mask = (sample >> 3, 0xD5) if sample >= 0 else (-(sample >> 3) - 1, 0x55)
    segment = max(0, value.bit_length() - 5)
    return ((segment << 4) | ((value >> max(1, segment)) & 0x0F)) ^ mask


def voice(seconds, seed):
    """Samples: syllables of a pitch with three formants, parted by short pauses over a noise floor."""
    chance, out, phase = random.Random(seed), [], 0.0
    pitch = 110 + 70 * (seed % 2)
    while len(out) < seconds * RATE:
        length = int(RATE * chance.uniform(0.12, 0.28))
        formants = [(chance.uniform(300, 800), 1.0), (chance.uniform(900, 2200), 0.5), (chance.uniform(2300, 3200), 0.25)]
        silent = chance.random() < 0.2
        base = pitch * chance.uniform(0.9, 1.15)
        for i in range(length):
            envelope = 0.0 if silent else math.sin(math.pi * i / length)
            phase += 2 * math.pi * base / RATE
            sound = sum(level * math.sin(2 * math.pi * f * i / RATE) for f, level in formants)
            out.append(int(7000 * envelope * sound * (0.6 + 0.4 * math.sin(phase)) + chance.gauss(0, 60)))
    return out[:int(seconds * RATE)]


def write_pcap(path, seconds=3.0, seed=1, ssrc=None, first_seq=None):
    """A capture that SIPp's play_pcap_audio sends as it is, but for addresses and ports."""
    chance = random.Random(seed)
    ssrc = chance.randrange(1, 2**32) if ssrc is None else ssrc
    seq = chance.randrange(0, 2**15) if first_seq is None else first_seq
    stamp = chance.randrange(0, 2**31)
    samples = voice(seconds, seed)
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for n in range(int(seconds * 1000 / PACKET_MS)):
            payload = bytes(alaw(max(-32768, min(32767, s))) for s in samples[n * SAMPLES:(n + 1) * SAMPLES])
            rtp = struct.pack("!BBHII", 0x80, 8 | (0x80 if n == 0 else 0), (seq + n) & 0xFFFF,
                              (stamp + n * SAMPLES) & 0xFFFFFFFF, ssrc) + payload
            udp = struct.pack("!HHHH", 6000, 6000, 8 + len(rtp), 0) + rtp
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), n, 0, 64, 17, 0, bytes([192, 0, 2, 250]),
                             bytes([192, 0, 2, 251])) + udp
            frame = b"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00" + ip
            usec = n * PACKET_MS * 1000
            file.write(struct.pack("<IIII", 1000 + usec // 1000000, usec % 1000000, len(frame), len(frame)) + frame)
    return pathlib.Path(path)
