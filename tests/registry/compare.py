"""Compares answers of a real registry with those recorded, and our reading of them with another's.

Started by tests/registry/run. The registry is asked by three: by a socket, whose octets are the
recordings; by `mailvet domain --registration`; and by whoisit.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone

import whoisit

RECORDED = pathlib.Path("src/registration/registrations/recorded")

# The registry that is asked, and the one that it refers to.
REGISTRY = ("127.0.0.1", 3921)
REFERRED = ("127.0.0.2", 3922)

# The name under which the objects of the registry link to each other.
BASE_URL = "https://rdap.registry.example/rdap"

LONG_AGO = "2004-03-01T09:00:00Z"

# Domains: statuses; times of the registration, of the last change and of the end.
DOMAINS = {
    "acme.test": (["active"], LONG_AGO, "2026-02-11T08:15:00Z", "2031-03-01T09:00:00Z"),
    "client-hold.test": (
        ["client hold", "client transfer prohibited"],
        LONG_AGO,
        "2026-10-01T00:00:00Z",
        "2027-03-01T09:00:00Z",
    ),
    "server-hold.test": (
        ["server hold"],
        LONG_AGO,
        "2026-10-01T00:00:00Z",
        "2027-03-01T09:00:00Z",
    ),
    "redemption.test": (
        ["redemption period"],
        LONG_AGO,
        "2026-10-15T00:00:00Z",
        "2026-09-01T09:00:00Z",
    ),
    "pending-delete.test": (
        ["pending delete"],
        LONG_AGO,
        "2026-11-01T00:00:00Z",
        "2026-09-01T09:00:00Z",
    ),
    "expired.test": (
        ["auto renew period"],
        LONG_AGO,
        "2024-01-10T00:00:00Z",
        "2025-01-10T00:00:00Z",
    ),
    "recent.test": (
        ["active", "add period"],
        "2026-05-20T00:00:00Z",
        "2026-05-20T00:00:00Z",
        "2027-05-20T00:00:00Z",
    ),
}
MOVED = "moved.test"
MISSING = "missing.test"


def create(folder, kind, *arguments):
    """Has the registry's own tool write an object."""
    command = ["rdap-srv-data", "--data-dir", folder, kind, "--base-url", BASE_URL, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def fix(value, times):
    """Gives the events of an object and of those within it these times."""
    if isinstance(value, list):
        for item in value:
            fix(item, times)
    elif isinstance(value, dict):
        for item in value.values():
            fix(item, times)
        if "events" in value:
            value["events"] = [
                {"eventAction": action, "eventDate": date} for action, date in times.items()
            ]


def add_domain(folder, name, statuses, registered, changed, expires):
    """Writes a domain. The tool knows no end of a registration, and takes no time of a change."""
    create(
        folder, "domain", "--ldh", name, "--handle", f"{name.split('.')[0].upper()}-DOM",
        "--registrar", "REGISTRAR-1", "--registrant", "HOLDER-1", "--ns", "ns1.hosting.test",
    )  # fmt: skip
    [file] = pathlib.Path(folder).glob(f"*_domain_{name.replace('.', '_')}.json")
    domain = json.loads(file.read_text())
    fix(domain, {"registration": LONG_AGO, "last changed": LONG_AGO})
    domain["status"] = statuses
    domain["events"] = [
        {"eventAction": "registration", "eventDate": registered},
        {"eventAction": "last changed", "eventDate": changed},
        {"eventAction": "expiration", "eventDate": expires},
    ]
    file.write_text(json.dumps(domain))


def add_common(folder):
    """Writes what domains refer to."""
    create(folder, "entity", "--handle", "REGISTRAR-1", "--full-name", "Example Registrar")
    create(
        folder, "entity", "--handle", "HOLDER-1", "--full-name", "A. Holder",
        "--email", "holder@hosting.test",
    )  # fmt: skip
    create(folder, "nameserver", "--ldh", "ns1.hosting.test", "--handle", "NS-1")


def start_registry(folder, address):
    """Starts the registry on its data; it answers when this returns."""
    environment = {
        **os.environ,
        "RDAP_SRV_DATA_DIR": folder,
        "RDAP_SRV_LISTEN_ADDR": address[0],
        "RDAP_SRV_LISTEN_PORT": str(address[1]),
        "RDAP_SRV_BOOTSTRAP": "false",
    }
    process = subprocess.Popen(
        ["rdap-srv"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(300):
        try:
            socket.create_connection(address, timeout=1).close()
            return process
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    process.terminate()
    sys.exit(f"tests/registry: no registry on {address[0]}:{address[1]}")


def start_dns():
    """Starts a name server for which there is no name; returns its address."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def answer():
        while True:
            question, client = server.recvfrom(4096)
            # The question, as the answer: authoritative, NXDOMAIN (RFC 1035 section 4.1.1). What
            # EDNS adds is left out.
            end = question.index(0, 12) + 5
            header = question[:2] + bytes([0x84 | question[2] & 1, 0x03, 0, 1, 0, 0, 0, 0, 0, 0])
            server.sendto(header + question[12:end], client)

    threading.Thread(target=answer, daemon=True).start()
    return "{}:{}".format(*server.getsockname())


def record(address, name):
    """A registry's answer about a domain, octet for octet but for its date."""
    request = f"GET /rdap/domain/{name} HTTP/1.1\r\nhost: rdap.registry.example\r\n"
    request += "accept: application/rdap+json\r\nconnection: close\r\n\r\n"
    answer = b""
    with socket.create_connection(address, timeout=10) as stream:
        stream.sendall(request.encode())
        while octets := stream.recv(65536):
            answer += octets
    head, body = answer.split(b"\r\n\r\n", 1)
    lines = [line for line in head.split(b"\r\n") if not line.startswith((b"date:", b"connection:"))]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def moment(text):
    if text is None:
        return None
    at = text if isinstance(text, datetime) else datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at.astimezone(timezone.utc).isoformat()


def our_reading(name, bootstrap, nameserver):
    """The reading of `mailvet domain`; `None` if the domain is not registered."""
    command = [os.environ["MAILVET"], "domain", "--registration", "--json", name]
    command += ["--allow-network", "127.0.0.0/8", "--nameserver", nameserver]
    environment = {**os.environ, "MAILVET_REGISTRATION__BOOTSTRAP_FILE": bootstrap}
    output = subprocess.run(command, env=environment, capture_output=True, text=True)
    try:
        found = json.loads(output.stdout)["registration"]
    except (ValueError, KeyError):
        sys.exit(f"tests/registry: mailvet says of {name}: {output.stdout}{output.stderr}")
    if found["state"] == "not_registered":
        return None
    return {
        "state": found["state"],
        "registered": moment(found["registered_at"]),
        "changed": moment(found["changed_at"]),
        "expires": moment(found["expires_at"]),
        "statuses": sorted(found["statuses"]),
        "registrar": found["registrar"],
    }


def other_reading(name):
    """The reading of whoisit, in the same words."""
    try:
        found = whoisit.domain(name, follow_related=False)
    except whoisit.errors.ResourceDoesNotExist:
        return None
    registrars = found["entities"].get("registrar", [])
    return {
        "state": "registered",
        "registered": moment(found["registration_date"]),
        "changed": moment(found["last_changed_date"]),
        "expires": moment(found["expiration_date"]),
        "statuses": sorted(status.lower() for status in found["status"]),
        "registrar": registrars[0]["name"] if registrars else None,
    }


def compare(names, bootstrap, write):
    """The number of differences."""
    nameserver = start_dns()
    differences = 0
    answers = {name.removesuffix(".test"): record(REGISTRY, name) for name in names}
    answers["moved-here"] = record(REFERRED, MOVED)
    for name, answer in answers.items():
        file = RECORDED / f"{name}.http"
        if write:
            RECORDED.mkdir(exist_ok=True)
            file.write_bytes(answer)
        if not file.exists() or file.read_bytes() != answer:
            differences += 1
            print(f"the answer is not the one in {file}")
    for name in names:
        ours, others = our_reading(name, bootstrap, nameserver), other_reading(name)
        if ours != others:
            differences += 1
            print(f"{name}: mailvet reads {ours}\n{name}: whoisit reads {others}")
        else:
            print(f"{name}: {json.dumps(ours)}")
    return differences


def main():
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        for folder in (first, second):
            add_common(folder)
        for name, (statuses, registered, changed, expires) in DOMAINS.items():
            add_domain(first, name, statuses, registered, changed, expires)
        add_domain(second, MOVED, *DOMAINS["acme.test"])
        target = "http://{}:{}/rdap/domain/{}".format(*REFERRED, MOVED)
        command = ["rdap-srv-data", "--data-dir", first, "--redirect", target]
        command += ["domain", "--base-url", BASE_URL, "--ldh", MOVED]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        service = "http://{}:{}/rdap/".format(*REGISTRY)
        bootstrap = os.path.join(first, "bootstrap")
        pathlib.Path(bootstrap).write_text(json.dumps({"services": [[["test"], [service]]]}))
        others = [["test"], [service]]
        data = {"timestamp": int(time.time()), "dns": {"services": [others]}}
        data |= {"asn": {"services": [[["1-2"], [service]]]}}
        data |= {"ipv4": {"services": [[["192.0.2.0/24"], [service]]]}}
        data |= {"ipv6": {"services": [[["2001:db8::/32"], [service]]]}}
        data |= {"object": {"services": [[["a@b.example"], ["X"], [service]]]}}
        whoisit.load_bootstrap_data(data, allow_insecure=True, from_json=False)

        processes = [start_registry(first, REGISTRY), start_registry(second, REFERRED)]
        try:
            differences = compare([*DOMAINS, MOVED, MISSING], bootstrap, "--write" in sys.argv)
        finally:
            for process in processes:
                process.terminate()
                process.wait()
    if differences:
        sys.exit(f"tests/registry: {differences} differences")
    print("tests/registry: no difference")


main()
