//! Generates the gRPC code from `proto/`, without protoc. Without the feature `server` there is
//! nothing to generate.

#[cfg(not(feature = "server"))]
fn main() {}

#[cfg(feature = "server")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    generate::grpc_code()
}

#[cfg(feature = "server")]
mod generate {
    use std::path::PathBuf;

    const PROTOS: [&str; 8] = [
        // The details of errors, for their JSON form.
        "google/rpc/error_details.proto",
        "mailvet/v1/batch.proto",
        "mailvet/v1/batch_service.proto",
        "mailvet/v1/callback_service.proto",
        "mailvet/v1/domain.proto",
        "mailvet/v1/outcome_service.proto",
        "mailvet/v1/verification.proto",
        "mailvet/v1/verification_service.proto",
    ];

    #[expect(
        clippy::disallowed_methods,
        reason = "a build script is told where to write by its environment"
    )]
    pub(super) fn grpc_code() -> Result<(), Box<dyn std::error::Error>> {
        println!("cargo::rerun-if-changed=proto");
        let out = PathBuf::from(std::env::var("OUT_DIR")?);
        let mut compiler = protox::Compiler::new(["proto"])?;
        compiler.include_imports(true).include_source_info(true).open_files(PROTOS)?;
        // With the options that are extensions: the HTTP routes.
        std::fs::write(out.join("mailvet.v1.bin"), compiler.encode_file_descriptor_set())?;
        // Errors of items are statuses of gRPC's own kind, as the other answers' are.
        tonic_prost_build::configure()
            .extern_path(".google.rpc", "::tonic_types::pb")
            // Large and mostly absent: every result would be moved with the room for it.
            .boxed(".mailvet.v1.Evidence.registration")
            .codec_path("crate::proto::MessageCodec")
            .compile_fds(compiler.file_descriptor_set())?;
        Ok(())
    }
}
