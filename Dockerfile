FROM rust:1.95-bookworm AS build
WORKDIR /mailvet
COPY . .
# Linked statically, so that the image needs nothing but the binary. The caches keep what is downloaded
# and built from one build to the next; mailvet itself is built anew each time, because cargo goes by the
# files' dates, and a checkout or an archive may bring files older than the cache.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/mailvet/target \
    target="$(rustc --print host-tuple)" \
    && cargo clean --profile dist --locked --package mailvet --target "$target" \
    && RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --profile dist --locked --bin mailvet --target "$target" \
    && cp "target/$target/dist/mailvet" /usr/local/bin/mailvet
# An image from scratch has no folders: the one for batches, and one for what `demo` and `serve --sandbox`
# throw away again.
RUN install -d -m 0700 /folders/var/lib/mailvet && install -d -m 1777 /folders/tmp

FROM scratch
ARG REVISION=""
LABEL org.opencontainers.image.title="mailvet" \
      org.opencontainers.image.description="Vet an address before you send to it: a gRPC service and command line that ask the recipient's own server, and never send a message." \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.revision="$REVISION"
# A new volume takes the owner and the rights of the folder it covers.
COPY --from=build --chown=10001:10001 /folders/ /
COPY --from=build /usr/local/bin/mailvet /usr/local/bin/mailvet
# Variables, not flags: every command line serves on this address, and `mailvet health` asks it.
ENV PATH=/usr/local/bin \
    MAILVET_SERVER__LISTEN=0.0.0.0:50051 \
    MAILVET_BATCH__DATA_DIR=/var/lib/mailvet
# Nobody in particular: there is no /etc/passwd. The root file system may be read-only.
USER 10001:10001
# One container at a time uses it. Without a volume of yours, batches end with the container.
VOLUME /var/lib/mailvet
# That is beyond loopback: the service starts with API keys, with client certificates, or when it is told
# --allow-anonymous, and the image does not tell it.
EXPOSE 50051
# Longer than `mailvet health` itself waits, so that what it says is recorded.
HEALTHCHECK --interval=10s --timeout=7s --start-period=5s CMD ["mailvet", "health"]
# Calls in flight are finished, leases given back. Give it server.drain_timeout and some seconds for that.
STOPSIGNAL SIGTERM
ENTRYPOINT ["mailvet"]
CMD ["serve"]
