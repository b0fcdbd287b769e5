# SPDX-License-Identifier: Apache-2.0
"""TLS for the hand-driven endpoints, on Python's ssl module, and certificates made by the openssl command."""
import contextlib
import pathlib
import ssl
import subprocess
import warnings

from . import stream

DOOR_PORT = 5061


class Authority:
    """A certificate authority in a folder, and the PEM files of what it signs."""

    def __init__(self, folder, name="lab"):
        self.folder = pathlib.Path(folder)
        self.file, self._key = self.folder / f"{name}-ca.pem", self.folder / f"{name}-ca.key"
        self._openssl("req", "-x509", *self._new_key(self._key), "-out", self.file, "-days", 2, "-subj", f"/CN={name} authority")

    @staticmethod
    def _openssl(*argv):
        subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True, timeout=20)

    @staticmethod
    def _new_key(path):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path

    def issue(self, name, alt_names="", days=1):
        """(certificate, key) of CN `name`; again under the same name: over the old files, each whole at once."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request = self.folder / f"{name}.csr"
        alternative = ("-addext", f"subjectAltName={alt_names}") if alt_names else ()
        self._openssl("req", "-new", *self._new_key(f"{key}.new"), "-out", request, "-subj", f"/CN={name}", *alternative)
        self._openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key, "-CAcreateserial",
                      "-copy_extensions", "copy", "-days", days, "-out", f"{certificate}.new")
        pathlib.Path(f"{key}.new").replace(key)
        pathlib.Path(f"{certificate}.new").replace(certificate)
        return certificate, key


def context(server=False, own=None, trusts=None, demands=False, most=None):
    """own: (certificate, key) to show; trusts: an authority to hold the other side's against, by signature alone; most:
    the highest version."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if own:
        made.load_cert_chain(*own)
    if trusts:
        made.load_verify_locations(trusts.file)
        made.verify_mode = ssl.CERT_REQUIRED if demands or not server else ssl.CERT_OPTIONAL
    if most:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version = min(most, ssl.TLSVersion.TLSv1_2)
            made.maximum_version = most
        if most < ssl.TLSVersion.TLSv1_2:
            made.set_ciphers("ALL:@SECLEVEL=0")
    return made


def shown(link):
    """The CN of the certificate that the other side has shown; it is read only where an authority is trusted."""
    return dict(pair[0] for pair in link.sock.getpeercert()["subject"])["commonName"]


def cover(link, made, accepted=False, asks=None):
    """The link, with TLS on it."""
    link.sock.settimeout(5)
    link.sock = made.wrap_socket(link.sock, server_side=accepted, server_hostname=None if accepted else asks,
                                 suppress_ragged_eofs=True)
    return link


def connect(ns, door, made=None, source=None, port=DOOR_PORT, asks=None):
    link = stream.connect(ns, door, source, port)
    try:
        return cover(link, made or context(), asks=asks)
    except OSError:
        link.close()
        raise


class TlsEndpoint(stream.StreamEndpoint):
    """client, server: the contexts of the connections that it opens and of those that come."""
    transport, uri_param, door_port = "TLS", ";transport=tls", DOOR_PORT

    def __init__(self, ns, address, port=DOOR_PORT, server=None, client=None, sips=False, **kwargs):
        super().__init__(ns, address, port, **kwargs)
        self.server, self.client, self.refusals, self.asked = server, client or context(), [], []
        if sips:
            self.scheme, self.uri_param = "sips", ""
        if server:
            server.sni_callback = lambda _sock, name, _context: self.asked.append(name)

    def wrap(self, link, accepted):
        try:
            return cover(link, self.server if accepted else self.client, accepted)
        except OSError as error:
            self.refusals.append(str(error))
            with contextlib.suppress(OSError):
                link.close()
            if accepted:
                return None
            raise
