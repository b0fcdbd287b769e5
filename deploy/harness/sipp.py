# SPDX-License-Identifier: Apache-2.0
"""Runs SIPp in a lab host: a scenario with its @PLACES@ filled, numbers from a file, bounded in time."""
import csv
import pathlib
import re
import signal
import subprocess
import time

from . import netns

SCENARIOS = pathlib.Path(__file__).resolve().parents[1] / "scenarios"
HOLD_MS = 4000  # from ACK to BYE: the 3 s of media, and 1 s for the last packet of both sides on a busy machine


def fill(name, folder, **places):
    """The scenario's text with @NAME@ replaced and @IF_X@ ... @END@ kept or cut; returns the file."""
    text = (SCENARIOS / f"{name}.xml").read_text()
    text = re.sub(r"@IF_(\w+)@\n(.*?)@END@\n", lambda m: m.group(2) if places.get(m.group(1)) else "", text, flags=re.S)
    for key, value in places.items():
        text = text.replace(f"@{key}@", str(value))
    comment_free = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    left = re.search(r"@[A-Z_]+@", comment_free)
    if left:
        raise ValueError(f"{name}.xml: {left.group(0)} was not given")
    path = pathlib.Path(folder) / f"{name}-{time.monotonic_ns()}.xml"
    path.write_text(re.sub(r"@[A-Z_]+@", "", text))
    return path


def recvs(codes):
    """<recv> elements for any of these final answers: all but the last are optional."""
    codes = sorted(set(codes))
    lines = [f'  <recv response="{code}" optional="true" next="ack"/>' for code in codes[:-1]]
    return "\n".join(lines + [f'  <recv response="{codes[-1]}" next="ack"/>'])


_ANSWER = """  <label id="say{n}"/>
  <send retrans="500">
    <![CDATA[

      SIP/2.0 {code} {phrase}
      [last_Via:]
      [last_From:]
      [last_To:];tag=[pid]s[call_number]
      [last_Call-ID:]
      [last_CSeq:]
      Server: lab-callee
      Content-Length: 0

    ]]>
  </send>
  <recv request="ACK" next="end"/>"""


def answers(by_number):
    """The places of uas_code.xml for number -> (code, phrase): a branch for each distinct answer."""
    groups = {}
    for number, said in by_number.items():
        groups.setdefault(tuple(said), []).append(number.lstrip("+"))
    matches = [f'      <ereg regexp="sip:[+]({"|".join(numbers)})@" search_in="msg" assign_to="is{n}"/>'
               for n, numbers in enumerate(groups.values())]
    jumps = [f'  <nop next="say{n}" test="is{n}"/>' for n in range(len(groups))]
    texts = [_ANSWER.format(n=n, code=code, phrase=phrase) for n, (code, phrase) in enumerate(groups)]
    return {"MATCHES": "\n".join(matches), "ANSWERS": "\n".join(jumps + texts)}


def media_places(address):
    return {"MEDIA_IP": address, "MEDIA_TYPE": "IP6" if ":" in address else "IP4"}


def write_fields(path, rows):
    path = pathlib.Path(path)
    path.write_text("SEQUENTIAL\n" + "".join(";".join(map(str, row)) + "\n" for row in rows))
    return path


class Sipp:
    def __init__(self, ns, scenario, folder, address, port, *, target=None, fields=None, calls=None, rate=None,
                 media_port=6000, call_id=None, timeout=None, extra=()):
        self.folder, self.name = pathlib.Path(folder), f"{ns}-{scenario.stem}-{port}-{time.monotonic_ns()}"
        bare = address
        argv = ["sipp", "-sf", scenario, "-i", bare, "-p", port, "-mi", bare, "-mp", media_port, "-aa", "-nostdin",
                "-trace_stat", "-stf", self.folder / f"{self.name}.csv", "-fd", "1", "-trace_err", "-error_file",
                self.folder / f"{self.name}.err", "-recv_timeout", "25000", "-max_socket", "1024", "-default_behaviors",
                "all,-bye"]
        if fields is not None:
            argv += ["-inf", write_fields(self.folder / f"{self.name}.fields", fields)]
        if target is None:
            argv += ["-l", "5000"]
        else:
            argv += ["-r", rate or 10, "-rp", "1000", "-m", calls, "-l", "5000"]
            if call_id:
                argv += ["-cid_str", f"{call_id}-%u-%p@{'lab' if ':' in bare else '%s'}"]
        if timeout:
            argv += ["-timeout", f"{int(timeout)}s", "-timeout_error"]
        argv += [*extra]
        if target is not None:
            argv += [target]
        self.output = open(self.folder / f"{self.name}.out", "wb")
        self.process = netns.popen(ns, argv, stdout=self.output, stderr=subprocess.STDOUT, cwd=self.folder,
                                   env={"TERM": "dumb", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"})

    def wait(self, limit):
        """The exit code: 0 when every call went as the scenario says; None when it had to be ended."""
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.stop()
            return None
        finally:
            self.output.close()

    def stop(self, graceful=0.0):
        """Ends a callee: SIGUSR1 lets its calls end within `graceful` seconds."""
        if self.process.poll() is None and graceful:
            self.process.send_signal(signal.SIGUSR1)
            try:
                self.process.wait(graceful)
            except subprocess.TimeoutExpired:
                pass
        netns.stop_process(self.process, signal.SIGTERM, 2.0)
        self.output.close()

    def wait_bound(self, port, limit=5.0):
        """Until SIPp listens on this UDP port; a SIPp that ended says why."""
        deadline, want = time.monotonic() + limit, f":{port:04X} "
        while time.monotonic() < deadline and self.process.poll() is None:
            for name in ("udp", "udp6"):
                if want in pathlib.Path(f"/proc/{self.process.pid}/net/{name}").read_text():
                    return self
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"SIPp {self.name} does not listen on port {port}: "
                           f"{(self.folder / f'{self.name}.out').read_text(errors='replace')[-400:]}")

    @property
    def errors(self):
        path = self.folder / f"{self.name}.err"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def stats(self):
        """The last row of the statistics file: column -> text."""
        path = self.folder / f"{self.name}.csv"
        if not path.exists():
            return {}
        with open(path, newline="", errors="replace") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
        return rows[-1] if rows else {}

    def counts(self):
        stats = self.stats
        return {k: int(stats.get(v, 0) or 0) for k, v in
                {"placed": "TotalCallCreated", "good": "SuccessfulCall(C)", "bad": "FailedCall(C)"}.items()}
