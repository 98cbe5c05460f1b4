# The image of a release: the static program, the certificates that TLS trusts, its licences, and nothing else. There is no
# shell and no git in it: a state in git needs another image. The project is mounted:
#
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" ghcr.io/OWNER/casefile plan
#
# `scripts/release image` makes the folder that it is built in, from the archives of a release:
#
#   docker buildx build --file Dockerfile --platform linux/amd64,linux/arm64 target/dist/image
FROM alpine:3.22 AS certificates

FROM scratch
ARG TARGETARCH
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chown=65532:65532 ${TARGETARCH}/ /
USER 65532:65532
ENV CASEFILE_CACHE_DIR=/tmp/casefile
WORKDIR /work
ENTRYPOINT ["/casefile"]
CMD ["--help"]
