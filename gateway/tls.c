#include "gateway/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_context {
	SSL_CTX *ssl;
	bool server, verify;
};

struct tls {
	SSL *ssl;
	BIO *in, *out; /* the SSL's */
	char error[160];
	char peer[256];
};

/* --- contexts ------------------------------------------------------------- */

/* The oldest error in OpenSSL's queue, which it empties. */
static const char *
reason(void)
{
	unsigned long e = ERR_get_error();
	const char *text = e != 0 ? ERR_reason_error_string(e) : NULL;

	if (e != 0 && ERR_SYSTEM_ERROR(e))
		text = strerror(ERR_GET_REASON(e));
	ERR_clear_error();
	return text != NULL ? text : "unknown error";
}

static int
refuse(char *errbuf, size_t errcap, const char *file)
{
	snprintf(errbuf, errcap, "%s: %s", file, reason());
	return -1;
}

static int
load_pair(SSL_CTX *ssl, const char *certificate, const char *key, char *errbuf,
    size_t errcap)
{
	if (SSL_CTX_use_certificate_chain_file(ssl, certificate) != 1)
		return refuse(errbuf, errcap, certificate);
	if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ssl) != 1)
		return refuse(errbuf, errcap, key);
	return 0;
}

static int
context_new(const SSL_METHOD *method, char *errbuf, size_t errcap,
    struct tls_context **ret_c)
{
	struct tls_context *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->ssl = SSL_CTX_new(method);
	if (c == NULL || c->ssl == NULL) {
		free(c);
		return refuse(errbuf, errcap, "TLS");
	}
	SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION);
	SSL_CTX_set_options(
	    c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS);
	*ret_c = c;
	return 0;
}

static int
ask_for_clients(SSL_CTX *ssl, const char *ca, char *errbuf, size_t errcap)
{
	STACK_OF(X509_NAME) * names;

	if (SSL_CTX_load_verify_locations(ssl, ca, NULL) != 1)
		return refuse(errbuf, errcap, ca);
	names = SSL_load_client_CA_file(ca);
	if (names == NULL)
		return refuse(errbuf, errcap, ca);
	SSL_CTX_set_client_CA_list(ssl, names);
	return 0;
}

/*
 * A client certificate that does not verify is as good as none: the session
 * goes on, and the client has no more rights than any other.
 */
static int
accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

int
tls_context_server(const struct tls_server_config *cfg, char *errbuf,
    size_t errcap, struct tls_context **ret_c)
{
	struct tls_context *c = NULL;
	int rc = context_new(TLS_server_method(), errbuf, errcap, &c);

	if (rc != 0)
		return rc;
	c->server = true;
	rc = load_pair(c->ssl, cfg->certificate, cfg->key, errbuf, errcap);
	if (rc == 0 && cfg->client_ca != NULL) {
		rc = ask_for_clients(c->ssl, cfg->client_ca, errbuf, errcap);
		SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, accept_any);
		SSL_CTX_set_session_id_context(
		    c->ssl, (const unsigned char *)"smtp", 4);
	}
	if (rc != 0) {
		tls_context_free(&c);
		return rc;
	}
	*ret_c = c;
	return 0;
}

int
tls_context_client(const struct tls_client_config *cfg, char *errbuf,
    size_t errcap, struct tls_context **ret_c)
{
	struct tls_context *c = NULL;
	int rc = context_new(TLS_client_method(), errbuf, errcap, &c);

	if (rc != 0)
		return rc;
	c->verify = cfg->verify;
	if (cfg->verify)
		SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
	if (cfg->ca != NULL) {
		if (SSL_CTX_load_verify_locations(c->ssl, cfg->ca, NULL) != 1)
			rc = refuse(errbuf, errcap, cfg->ca);
	} else {
		SSL_CTX_set_default_verify_paths(c->ssl);
	}
	if (rc == 0 && cfg->certificate != NULL)
		rc = load_pair(
		    c->ssl, cfg->certificate, cfg->key, errbuf, errcap);
	if (rc != 0) {
		tls_context_free(&c);
		return rc;
	}
	*ret_c = c;
	return 0;
}

void
tls_context_free(struct tls_context **cp)
{
	struct tls_context *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	SSL_CTX_free(c->ssl);
	free(c);
}

/* --- sessions ------------------------------------------------------------- */

/* The name the peer must prove to have, and is asked for. */
static bool
expect_name(struct tls *t, const struct tls_context *ctx, const char *name)
{
	char copy[256]; /* the macro casts const away */

	if (ctx->verify && SSL_set1_host(t->ssl, name) != 1)
		return false;
	snprintf(copy, sizeof(copy), "%s", name);
	return SSL_set_tlsext_host_name(t->ssl, copy) == 1;
}

int
tls_new(const struct tls_context *ctx, const char *name, struct tls **ret_t)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -1;
	t->ssl = SSL_new(ctx->ssl);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (t->ssl == NULL || t->in == NULL || t->out == NULL) {
		BIO_free(t->in);
		BIO_free(t->out);
		SSL_free(t->ssl);
		free(t);
		return -1;
	}
	SSL_set_bio(t->ssl, t->in, t->out);
	if (ctx->server)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	if (name != NULL && !expect_name(t, ctx, name)) {
		tls_free(&t);
		return -1;
	}
	*ret_t = t;
	return 0;
}

void
tls_free(struct tls **tp)
{
	struct tls *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	free(t);
}

bool
tls_feed(struct tls *t, const void *buf, size_t len)
{
	size_t n;

	return BIO_write_ex(t->in, buf, len, &n) == 1 && n == len;
}

size_t
tls_drain(struct tls *t, void *buf, size_t cap)
{
	size_t n;

	return BIO_read_ex(t->out, buf, cap, &n) == 1 ? n : 0;
}

static enum tls_result
result(struct tls *t, int rc)
{
	long verified;

	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_NONE: return TLS_OK;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: return TLS_WANT;
	case SSL_ERROR_ZERO_RETURN: return TLS_CLOSED;
	default: break;
	}
	verified = SSL_get_verify_result(t->ssl);
	if ((SSL_get_verify_mode(t->ssl) & SSL_VERIFY_PEER) != 0 &&
	    !SSL_is_server(t->ssl) && verified != X509_V_OK) {
		snprintf(t->error, sizeof(t->error), "certificate: %s",
		    X509_verify_cert_error_string(verified));
		ERR_clear_error();
	} else {
		snprintf(t->error, sizeof(t->error), "TLS: %s", reason());
	}
	return TLS_FAILED;
}

static void
learn_peer(struct tls *t)
{
	X509 *cert = SSL_get0_peer_certificate(t->ssl);

	if (cert == NULL || SSL_get_verify_result(t->ssl) != X509_V_OK)
		return;
	if (X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
		NID_commonName, t->peer, sizeof(t->peer)) < 0)
		t->peer[0] = '\0';
}

enum tls_result
tls_handshake(struct tls *t)
{
	enum tls_result r;

	ERR_clear_error();
	r = result(t, SSL_do_handshake(t->ssl));
	if (r == TLS_OK)
		learn_peer(t);
	return r;
}

enum tls_result
tls_read(struct tls *t, void *buf, size_t cap, size_t *ret_len)
{
	size_t n = 0;
	int rc;

	ERR_clear_error();
	rc = SSL_read_ex(t->ssl, buf, cap, &n);
	*ret_len = n;
	return rc == 1 ? TLS_OK : result(t, rc);
}

enum tls_result
tls_write(struct tls *t, const void *buf, size_t len)
{
	size_t n;
	int rc;

	ERR_clear_error();
	rc = SSL_write_ex(t->ssl, buf, len, &n);
	if (rc == 1)
		return TLS_OK;
	/* The memory BIO takes everything: there is nothing to wait for. */
	(void)result(t, rc);
	return TLS_FAILED;
}

void
tls_shutdown(struct tls *t)
{
	if (SSL_is_init_finished(t->ssl))
		(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

const char *
tls_error(const struct tls *t)
{
	return t->error;
}

const char *
tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *
tls_cipher(const struct tls *t)
{
	return SSL_get_cipher_name(t->ssl);
}

const char *
tls_peer(const struct tls *t)
{
	return t->peer;
}
