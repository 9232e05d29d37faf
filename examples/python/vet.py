"""Vets addresses with mailvet from Python: one by one, as a stream, and as a batch.

Once, and again when the .proto files change:

    pip install -r requirements.txt
    python -m grpc_tools.protoc -I ../../proto --python_out=. --grpc_python_out=. \
        ../../proto/mailvet/v1/*.proto

Then:

    MAILVET_API_KEY=mailvet_... python vet.py --ca ca.pem vet.example.com:50051 ADDRESS...
    python vet.py --plaintext 127.0.0.1:50051 ADDRESS...
"""

import argparse
import os

import grpc

from mailvet.v1 import batch_pb2, batch_service_pb2, batch_service_pb2_grpc
from mailvet.v1 import verification_pb2, verification_service_pb2, verification_service_pb2_grpc

# How many rows go in one page of a batch; the service takes 10,000.
PAGE = 1000


def connect(options):
    """A channel. Make one and share it: it keeps its connection, and makes a new one when it breaks."""
    if options.plaintext:
        return grpc.insecure_channel(options.target)
    authorities = None  # those that gRPC trusts
    if options.ca:
        with open(options.ca, "rb") as file:
            authorities = file.read()
    return grpc.secure_channel(options.target, grpc.ssl_channel_credentials(authorities))


def show(call, address, verification):
    verdict = verification_pb2.Verdict.Name(verification.verdict).removeprefix("VERDICT_")
    reason = verification_pb2.Reason.Name(verification.reason).removeprefix("REASON_")
    print(call, address, verdict, reason)


def one_by_one(channel, key, addresses):
    service = verification_service_pb2_grpc.VerificationServiceStub(channel)
    for address in addresses:
        request = verification_service_pb2.VerifyAddressRequest(address=address)
        # With a deadline there is an answer in time: UNKNOWN, if nothing better is known by then.
        answer = service.VerifyAddress(request, timeout=60, metadata=key)
        show("one", address, answer.verification)


def as_a_stream(channel, key, addresses):
    service = verification_service_pb2_grpc.VerificationServiceStub(channel)
    requests = (
        verification_service_pb2.VerifyAddressesRequest(correlation_id=str(row), address=address)
        for row, address in enumerate(addresses)
    )
    # Answers come as they are found, in any order.
    for answer in service.VerifyAddresses(requests, metadata=key):
        address = addresses[int(answer.correlation_id)]
        if answer.HasField("error"):
            print("stream", address, "ERROR", answer.error.message)
        else:
            show("stream", address, answer.verification)


def as_a_batch(channel, key, addresses):
    service = batch_service_pb2_grpc.BatchServiceStub(channel)

    def parts():
        part = batch_service_pb2.UploadBatchRequest
        # With a request_id of your own, sending the same list again makes no second batch.
        yield part(spec=batch_service_pb2.BatchSpec(display_name="an example"))
        for start in range(0, len(addresses), PAGE):
            page = batch_service_pb2.BatchPage()
            for address in addresses[start : start + PAGE]:
                page.addresses.append(batch_pb2.BatchAddress(address=address))
            yield part(page=page)
        # A list that breaks off on the way is no batch: the end says that this is all.
        yield part(end=batch_service_pb2.BatchEnd(rows=len(addresses)))

    batch_id = service.UploadBatch(parts(), metadata=key).batch.batch_id
    # From here on the batch outlives this client, and the service.
    cursor, over = "", False
    while not over:
        request = batch_service_pb2.StreamBatchResultsRequest(batch_id=batch_id, cursor=cursor)
        try:
            pages = service.StreamBatchResults(request, metadata=key, wait_for_ready=True)
            for page in pages:
                for result in page.results:
                    show("batch", addresses[result.row], result.verification)
                cursor = page.cursor
            over = True
        except grpc.RpcError as error:
            # The service restarts, or the network broke: the cursor says where to go on.
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
    request = batch_service_pb2.GetBatchRequest(batch_id=batch_id)
    batch = service.GetBatch(request, metadata=key).batch
    print("campaign", batch_pb2.PreflightDecision.Name(batch.preflight.decision))
    request = batch_service_pb2.DeleteBatchRequest(batch_id=batch_id)
    service.DeleteBatch(request, metadata=key)


def main():
    parser = argparse.ArgumentParser(description="Vets addresses with mailvet.")
    parser.add_argument("--plaintext", action="store_true", help="without TLS, on loopback")
    parser.add_argument("--ca", help="the authorities to trust, as PEM [default: the public ones]")
    parser.add_argument("target", help="HOST:PORT of the service")
    parser.add_argument("addresses", nargs="+", metavar="ADDRESS")
    options = parser.parse_args()
    api_key = os.environ.get("MAILVET_API_KEY")
    key = [("authorization", f"Bearer {api_key}")] if api_key else []
    with connect(options) as channel:
        one_by_one(channel, key, options.addresses)
        as_a_stream(channel, key, options.addresses)
        as_a_batch(channel, key, options.addresses)


if __name__ == "__main__":
    main()
