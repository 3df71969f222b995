/*
 * TLS on octets: the only file that knows OpenSSL.
 *
 * A session takes ciphertext from the network and gives ciphertext for the
 * network; who carries it is somebody else's business (stream.h).  TLS 1.2 at
 * least, the library's own choice of ciphers, no renegotiation, no compression,
 * no session tickets that outlive the process.
 */
#ifndef MULETEER_GATEWAY_TLS_H
#define MULETEER_GATEWAY_TLS_H

#include <stdbool.h>
#include <stddef.h>

struct tls_context;

struct tls_server_config {
	const char *certificate; /* file with our chain, PEM */
	const char *key;         /* file, PEM */
	const char *client_ca;   /* ask for certificates of these; or NULL */
};

/* 0, or -1 and a line in errbuf that names the file and the reason. */
int tls_context_server(const struct tls_server_config *cfg, char *errbuf,
    size_t errcap, struct tls_context **ret_c);

struct tls_client_config {
	bool verify;             /* the chain and the name must be good */
	const char *ca;          /* file, PEM; NULL: the system's */
	const char *certificate; /* our own, or NULL */
	const char *key;
};

int tls_context_client(const struct tls_client_config *cfg, char *errbuf,
    size_t errcap, struct tls_context **ret_c);
void tls_context_free(struct tls_context **c);

struct tls;

/* name: the peer's, sent as SNI and verified if the context says so; or NULL.
 * -1: out of memory. */
int tls_new(
    const struct tls_context *ctx, const char *name, struct tls **ret_t);
void tls_free(struct tls **t);

enum tls_result {
	TLS_OK,
	TLS_WANT,   /* more from the network first */
	TLS_CLOSED, /* the peer has said goodbye */
	TLS_FAILED, /* see tls_error() */
};

/* Ciphertext from the network; false: out of memory. */
bool tls_feed(struct tls *t, const void *buf, size_t len);
/* Ciphertext for the network: at most cap octets, 0 when there is none. */
size_t tls_drain(struct tls *t, void *buf, size_t cap);

/* TLS_OK once the handshake is done. */
enum tls_result tls_handshake(struct tls *t);
/* TLS_OK: *ret_len octets (> 0) of plaintext in buf. */
enum tls_result tls_read(struct tls *t, void *buf, size_t cap, size_t *ret_len);
/* All of it, or TLS_FAILED.  len > 0. */
enum tls_result tls_write(struct tls *t, const void *buf, size_t len);
/* Say goodbye; what is then drained is the last. */
void tls_shutdown(struct tls *t);

/* English for the last failure; valid as long as t. */
const char *tls_error(const struct tls *t);

/* "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
const char *tls_version(const struct tls *t);
const char *tls_cipher(const struct tls *t);
/* The common name of a peer certificate that was verified, or "". */
const char *tls_peer(const struct tls *t);

#endif
