"""A gRPC client that knows no .proto file: it learns the service through server reflection.

    client.py TARGET services
    client.py TARGET health [SERVICE]
    client.py TARGET call PACKAGE.SERVICE/METHOD REQUEST...

TARGET is ADDRESS:PORT, without TLS. A REQUEST is protobuf JSON; `-` reads requests from standard
input, one a line. A streaming method gets them all. Every answer is one line of JSON with the names
of the .proto file. A call that fails prints {"error": {"code", "message", "details"}} and ends with
exit status 1.
"""

import argparse
import json
import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

# Not used by name: registers the details that a google.rpc.Status may carry.
from google.rpc import error_details_pb2  # noqa: F401
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status


def show(value):
    print(json.dumps(value), flush=True)


def as_json(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def requests_of(arguments, message_class):
    """The requests that the command line and standard input hold, as they come."""
    for argument in arguments:
        for text in sys.stdin if argument == "-" else [argument]:
            yield json_format.Parse(text, message_class())


def services(channel, _arguments):
    for name in sorted(ProtoReflectionDescriptorDatabase(channel).get_services()):
        show(name)


def health(channel, arguments):
    request = health_pb2.HealthCheckRequest(service=arguments.service)
    answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=arguments.timeout)
    show(as_json(answer))


def call(channel, arguments):
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    service, _, name = arguments.method.rpartition("/")
    method = pool.FindServiceByName(service).FindMethodByName(name)
    request_class = GetMessageClass(method.input_type)
    requests = requests_of(arguments.requests, request_class)
    kinds = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    stub = kinds[method.client_streaming, method.server_streaming](
        f"/{service}/{name}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    for sent in [requests] if method.client_streaming else requests:
        answer = stub(sent, timeout=arguments.timeout)
        for message in answer if method.server_streaming else [answer]:
            show(as_json(message))


def main():
    parser = argparse.ArgumentParser(description="A gRPC client that uses server reflection.")
    parser.add_argument("target", help="ADDRESS:PORT of the server")
    parser.add_argument("--timeout", type=float, default=30, help="seconds for a call")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("services").set_defaults(run=services)
    command = commands.add_parser("health")
    command.add_argument("service", nargs="?", default="")
    command.set_defaults(run=health)
    command = commands.add_parser("call")
    command.add_argument("method", help="PACKAGE.SERVICE/METHOD")
    command.add_argument("requests", nargs="+", metavar="REQUEST")
    command.set_defaults(run=call)
    arguments = parser.parse_args()

    with grpc.insecure_channel(arguments.target) as channel:
        try:
            arguments.run(channel, arguments)
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)
            details = [as_json(detail) for detail in status.details] if status else []
            code, message = error.code().name, error.details()
            show({"error": {"code": code, "message": message, "details": details}})
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
