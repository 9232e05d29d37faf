//! Generates the gRPC code from `proto/`, without protoc.

fn main() {
    println!("cargo::rerun-if-changed=proto");
}
