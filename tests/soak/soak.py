"""Holds a service under honest load, hostile mail servers and two attackers, and says what it cost.

    pip install -r examples/python/requirements.txt
    cargo build --release
    python tests/soak/soak.py --binary target/release/mailvet --minutes 10

The service is `mailvet serve --sandbox`, started here and ended here. Three phases: honest callers
alone, the same beside hostile exchangers and attackers, honest callers alone again. Honest callers:

- unary: known addresses, new ones and a few that do not exist, each with a deadline of ten seconds;
- a stream of 5,000 addresses, again and again;
- a batch of 1,000 rows, again and again: created, read to its end, deleted.

Of what is asked in the second phase a fifth is about exchangers that are silent, endless, slow, broken
or wrong. One attacker opens connections, says three octets and waits; the other begins pages that never
end, and calls that it cancels at once. The end compares the honest p99 of both phases, and says what was
lost: an honest call without an answer, a row of a stream or batch without a result. Exit status 1 if
anything was lost, if p99 grew by more than three times, or if memory kept growing.
"""

import argparse
import atexit
import importlib
import itertools
import os
import pathlib
import queue
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

# What the attackers provoke is no news.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
KNOWN = [
    "jane.doe@acme.test", "john.smith@acme.test", "sales@acme.test", "janedoeacme@gmail.com",
    "otto.normal@outlook.com", "lea.martin@northwind.test", "finance@northwind.test",
]
HONEST = ["acme.test", "gmail.com", "outlook.com", "northwind.test"]
HOSTILE = [
    "flood.test", "drip.test", "half-reply.test", "long-line.test", "tarpit.test", "timeout.test",
    "protocol-error.test", "no-goodbye.test", "two-codes.test", "tls-broken.test", "dns-silent.test",
    "busy-at-first.test",
]
# Otherwise honest questions would wait for each other by the pace of their one exchanger, which is
# manners and not what the attack costs.
SETTINGS = {
    "MAILVET_PROBER__PACING__RECIPIENTS_PER_MINUTE": "1000000",
    "MAILVET_PROBER__PACING__CONNECTIONS_PER_MINUTE": "100000",
}
UNARY_CALLERS = 4
UNARY_PAUSE = 0.02
STREAM_ROWS = 5_000
BATCH_ROWS = 1_000
DEADLINE = 10


def stubs():
    """The modules made of the .proto files, in a folder of their own."""
    folder = tempfile.mkdtemp(prefix="mailvet-soak-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    files = [str(file) for file in sorted((ROOT / "proto/mailvet/v1").glob("*.proto"))]
    includes = [f"-I{ROOT / 'proto'}", f"-I{pathlib.Path(protoc.__file__).parent / '_proto'}"]
    command = ["protoc", *includes, f"--python_out={folder}", f"--grpc_python_out={folder}", *files]
    if protoc.main(command):
        sys.exit("the .proto files could not be compiled")
    sys.path.insert(0, folder)
    names = ["verification_pb2", "verification_service_pb2", "verification_service_pb2_grpc"]
    names += ["batch_pb2", "batch_service_pb2", "batch_service_pb2_grpc"]
    return {name: importlib.import_module(f"mailvet.v1.{name}") for name in names}


class Soak:
    def __init__(self, options):
        self.pb = stubs()
        self.options = options
        self.is_attacked = False
        self.is_over = threading.Event()
        self.latencies = {"before": [], "attacked": [], "after": []}
        self.phase = "before"
        self.lost = queue.SimpleQueue()
        self.counts = {"unary": 0, "streamed": 0, "batches": 0, "attacks": 0}
        self.numbers = itertools.count()
        log = open(options.log, "w")
        command = [options.binary, "serve", "--sandbox", "--listen", "127.0.0.1:0"]
        environment = os.environ | SETTINGS
        self.service = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.target = self.address_in(options.log)

    def address_in(self, log):
        """The address that the service says it listens on."""
        for _ in range(600):
            text = pathlib.Path(log).read_text()
            for word in text.replace('"', " ").replace("=", " ").split():
                if word.startswith("127.0.0.1:") and not word.endswith(":0"):
                    return word.rstrip(",.;")
            time.sleep(0.1)
        sys.exit("the service did not say where it listens")

    def address(self):
        """An address, and whether its server is hostile. One in twenty honest ones does not exist."""
        number, kind = next(self.numbers), random.random()
        if self.is_attacked and random.random() < 0.2:
            return f"user{number}@{random.choice(HOSTILE)}", True
        if kind < 0.45:
            return random.choice(KNOWN), False
        return f"user{number}@{'catch-all.test' if kind < 0.95 else random.choice(HONEST)}", False

    def report_lost(self, what):
        if not self.is_over.is_set():
            self.lost.put(f"{self.phase}: {what}")

    # Honest callers ------------------------------------------------------------------------------

    def unary(self):
        service = self.pb["verification_service_pb2_grpc"].VerificationServiceStub(self.channel())
        request = self.pb["verification_service_pb2"].VerifyAddressRequest
        while not self.is_over.is_set():
            address, is_hostile = self.address()
            began, phase = time.monotonic(), self.phase
            try:
                service.VerifyAddress(request(address=address), timeout=DEADLINE)
            except grpc.RpcError as error:
                self.report_lost(f"unary {address}: {error.code()} {error.details()}")
            if not is_hostile:
                self.latencies[phase].append(time.monotonic() - began)
            self.counts["unary"] += 1
            time.sleep(UNARY_PAUSE)

    def streams(self):
        service = self.pb["verification_service_pb2_grpc"].VerificationServiceStub(self.channel())
        request = self.pb["verification_service_pb2"].VerifyAddressesRequest
        options = self.pb["verification_service_pb2"].VerifyOptions(
            depth=self.pb["verification_pb2"].DEPTH_DOMAIN
        )
        while not self.is_over.is_set():
            rows = (
                request(correlation_id=str(row), address=self.address()[0], options=options)
                for row in range(STREAM_ROWS)
            )
            try:
                answered = {answer.correlation_id for answer in service.VerifyAddresses(rows)}
                if len(answered) != STREAM_ROWS:
                    self.report_lost(f"a stream answered {len(answered)} of {STREAM_ROWS}")
            except grpc.RpcError as error:
                self.report_lost(f"stream: {error.code()} {error.details()}")
            self.counts["streamed"] += STREAM_ROWS
            time.sleep(1)

    def batches(self):
        service = self.pb["batch_service_pb2_grpc"].BatchServiceStub(self.channel())
        calls, data = self.pb["batch_service_pb2"], self.pb["batch_pb2"]
        while not self.is_over.is_set():
            page = calls.BatchPage()
            for _ in range(BATCH_ROWS):
                page.addresses.append(data.BatchAddress(address=self.address()[0]))
            spec = calls.BatchSpec()
            spec.options.timeout.FromSeconds(60)
            part = calls.UploadBatchRequest
            parts = [part(spec=spec), part(page=page), part(end=calls.BatchEnd(rows=BATCH_ROWS))]
            try:
                batch = service.UploadBatch(iter(parts)).batch
                results = service.StreamBatchResults(
                    calls.StreamBatchResultsRequest(batch_id=batch.batch_id)
                )
                rows = {result.row for answer in results for result in answer.results}
                if len(rows) != BATCH_ROWS:
                    self.report_lost(f"a batch answered {len(rows)} of {BATCH_ROWS}")
                service.DeleteBatch(calls.DeleteBatchRequest(batch_id=batch.batch_id))
            except grpc.RpcError as error:
                self.report_lost(f"batch: {error.code()} {error.details()}")
            self.counts["batches"] += 1
            time.sleep(5)

    # Attackers -----------------------------------------------------------------------------------

    def idle_connections(self):
        """Connections of three octets, held until the service ends them."""
        host, port = self.target.rsplit(":", 1)
        held = []
        while not self.is_over.is_set():
            if self.is_attacked:
                try:
                    connection = socket.create_connection((host, int(port)), timeout=1)
                    connection.sendall(b"PRI")
                    held.append(connection)
                    self.counts["attacks"] += 1
                except OSError:
                    time.sleep(0.1)
                for connection in held[:-500]:
                    connection.close()
                held = held[-500:]
            time.sleep(0.005 if self.is_attacked else 0.5)

    def broken_calls(self):
        """Pages that never end, and calls that are cancelled at once."""
        channel = self.channel()
        verify = self.pb["verification_service_pb2_grpc"].VerificationServiceStub(channel)
        batches = self.pb["batch_service_pb2_grpc"].BatchServiceStub(channel)
        request = self.pb["verification_service_pb2"].VerifyAddressRequest
        calls = self.pb["batch_service_pb2"]
        held = []

        def never(part):
            yield part
            self.is_over.wait(30)

        while not self.is_over.is_set():
            if self.is_attacked:
                for _ in range(20):
                    verify.VerifyAddress.future(request(address=self.address()[0])).cancel()
                held.append(batches.UploadBatch.future(never(calls.UploadBatchRequest())))
                for call in held[:-20]:
                    call.cancel()
                held = held[-20:]
                self.counts["attacks"] += 21
            time.sleep(0.1 if self.is_attacked else 0.5)

    # The run -------------------------------------------------------------------------------------

    def channel(self):
        # A connection of its own for each caller.
        return grpc.insecure_channel(self.target, options=[("grpc.use_local_subchannel_pool", 1)])

    def memory(self):
        status = pathlib.Path(f"/proc/{self.service.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) // 1024

    def run(self):
        callers = [self.unary] * UNARY_CALLERS
        callers += [self.streams, self.batches, self.idle_connections, self.broken_calls]
        for caller in callers:
            threading.Thread(target=caller, daemon=True).start()
        seconds = self.options.minutes * 60
        memory = []
        for phase, share in [("before", 0.15), ("attacked", 0.7), ("after", 0.15)]:
            self.phase, self.is_attacked = phase, phase == "attacked"
            ends = time.monotonic() + share * seconds
            while time.monotonic() < ends:
                time.sleep(min(10, max(0.0, ends - time.monotonic())))
                if self.service.poll() is not None:
                    sys.exit(f"the service ended with status {self.service.returncode}")
                memory.append((phase, self.memory()))
            print(f"{phase}: {memory[-1][1]} MiB, {self.counts}", flush=True)
        self.is_over.set()
        self.service.terminate()
        self.service.wait(60)
        return self.verdict(memory)

    def verdict(self, memory):
        def p99(latencies):
            ordered = sorted(latencies)
            return ordered[int(len(ordered) * 0.99)] * 1000 if ordered else float("nan")

        undisturbed = p99(self.latencies["before"] + self.latencies["after"])
        attacked = p99(self.latencies["attacked"])
        lost = []
        while not self.lost.empty():
            lost.append(self.lost.get())
        under_attack = [mib for phase, mib in memory if phase == "attacked"]
        half = len(under_attack) // 2
        early, late = max(under_attack[:half] or [0]), max(under_attack[half:] or [0])
        print(f"honest p99: {undisturbed:.1f} ms undisturbed, {attacked:.1f} ms attacked")
        print(f"memory at most: {early} MiB in the first half of the attack, {late} MiB in the second")
        print(f"lost: {len(lost)}")
        for line in lost[:20]:
            print(f"  {line}")
        return not lost and attacked <= 3 * undisturbed and late <= early * 1.25


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--log", default="soak.log")
    sys.exit(0 if Soak(parser.parse_args()).run() else 1)


if __name__ == "__main__":
    main()
