FROM rust:1.95-bookworm AS build
WORKDIR /mailvet
COPY . .
# Linked statically, so that the image needs nothing but the binary. The caches keep what is downloaded
# and built from one build to the next; mailvet itself is built anew each time, because cargo goes by the
# files' dates, and a checkout or an archive may bring files older than the cache.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/mailvet/target \
    target="$(rustc --print host-tuple)" \
    && cargo clean --release --locked --package mailvet --target "$target" \
    && RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --release --locked --bin mailvet --target "$target" \
    && cp "target/$target/release/mailvet" /usr/local/bin/mailvet

FROM scratch
COPY --from=build /usr/local/bin/mailvet /usr/local/bin/mailvet
# The address is a variable, not a flag: every command line serves on it, and `mailvet health` asks it.
ENV PATH=/usr/local/bin \
    MAILVET_SERVER__LISTEN=0.0.0.0:50051
# Nobody in particular: there is no /etc/passwd, and it needs no rights and no files.
USER 10001:10001
EXPOSE 50051
# Longer than `mailvet health` itself waits, so that what it says is recorded.
HEALTHCHECK --interval=10s --timeout=7s --start-period=5s CMD ["mailvet", "health"]
ENTRYPOINT ["mailvet"]
CMD ["serve"]
