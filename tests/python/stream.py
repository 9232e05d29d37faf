"""Streams addresses through VerifyAddresses as fast as grpcio sends them, and counts the answers.

    stream.py TARGET COUNT

TARGET is ADDRESS:PORT, without TLS. Only the grammar is asked for. Messages are written by hand, so
that nothing but the transport takes time.
"""

import sys

import grpc


def request(row):
    row_id, address = str(row).encode(), f"row{row}@acme.test".encode()
    options = b"\x1a\x02\x08\x01"  # options { depth: DEPTH_SYNTAX }
    return b"\x0a%c%b\x12%c%b%b" % (len(row_id), row_id, len(address), address, options)


def main():
    target, count = sys.argv[1], int(sys.argv[2])
    requests = [request(row) for row in range(count)]
    with grpc.insecure_channel(target) as channel:
        call = channel.stream_stream(
            "/mailvet.v1.VerificationService/VerifyAddresses",
            request_serializer=bytes,
            response_deserializer=bytes,
        )
        print(sum(1 for _ in call(iter(requests))))


if __name__ == "__main__":
    main()
