# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
WORKDIR /mailvet
COPY . .
# Linked statically, so that the image needs nothing but the binary. The caches keep what is downloaded
# and built from one build to the next.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/mailvet/target \
    RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --release --locked --bin mailvet --target "$(rustc --print host-tuple)" \
    && cp target/*/release/mailvet /usr/local/bin/mailvet

FROM scratch
COPY --from=build /usr/local/bin/mailvet /usr/local/bin/mailvet
ENV PATH=/usr/local/bin
# Nobody in particular: there is no /etc/passwd, and it needs no rights and no files.
USER 10001:10001
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["mailvet", "health"]
ENTRYPOINT ["mailvet"]
CMD ["serve", "--listen", "0.0.0.0:50051"]
